package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
)

// standaloneName is the diagnostics page that is one file.
const standaloneName = "websocket-diagnostics.html"

// standalonePolicy allows the script and the styles inside the page by their
// hashes, and connections to everywhere: it diagnoses what its user types in.
func standalonePolicy(html []byte) string {
	return "default-src 'none'; script-src" + hashes(html, "<script type=\"module\">", "</script>") +
		"; style-src" + hashes(html, "<style>", "</style>") +
		"; img-src http: https: data:; connect-src http: https: ws: wss:" +
		"; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}

// hashes lists the sources of what stands between the tags.
func hashes(html []byte, begin, end string) string {
	out := ""
	for {
		_, rest, ok := bytes.Cut(html, []byte(begin))
		if !ok {
			break
		}
		var inside []byte
		if inside, html, ok = bytes.Cut(rest, []byte(end)); !ok {
			break
		}
		sum := sha256.Sum256(inside)
		out += " 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	if out == "" {
		return " 'none'"
	}
	return out
}
