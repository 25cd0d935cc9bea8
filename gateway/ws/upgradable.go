package ws

import (
	"encoding/base64"
	"strings"

	"partyline/events"
)

// Upgradable says whether a request is a well-formed WebSocket upgrade (RFC
// 6455 section 4.2.1): nil, or why not. Its 426 names in the members "missing"
// and "wrong" which headers did not arrive, or arrived with another value: what
// a proxy on the way has usually changed.
func Upgradable(r *Request) *Refusal {
	if !strings.HasPrefix(r.Proto, "HTTP/1.") || r.Proto == "HTTP/1.0" {
		return &Refusal{
			Status: 426, Code: events.CodeUpgradeRequired,
			Detail: "the request arrived as " + r.Proto + ", a WebSocket needs HTTP/1.1; with nginx in between: proxy_http_version 1.1",
			Extra:  map[string]any{"wrong": []string{r.Proto}},
		}
	}
	if r.Method != "GET" {
		return &Refusal{Status: 405, Code: events.CodeBadMethod, Detail: "a WebSocket is opened with GET"}
	}
	if ref := withoutBody(r); ref != nil {
		return ref
	}
	if ref := upgradeHeaders(r); ref != nil {
		return ref
	}
	keys := r.Values("Sec-WebSocket-Key")
	if len(keys) != 1 {
		return badRequest("exactly one Sec-WebSocket-Key header is needed")
	}
	if key, err := base64.StdEncoding.DecodeString(keys[0]); err != nil || len(key) != 16 {
		return badRequest("Sec-WebSocket-Key is not 16 bytes in base64")
	}
	return nil
}

// withoutBody refuses bodies: their bytes would be read as frames.
func withoutBody(r *Request) *Refusal {
	if len(r.Values("Transfer-Encoding")) > 0 {
		return badRequest("Transfer-Encoding on a WebSocket upgrade")
	}
	switch lengths := r.Values("Content-Length"); {
	case len(lengths) > 1:
		return badRequest("more than one Content-Length header")
	case len(lengths) == 1 && (lengths[0] == "" || strings.Trim(lengths[0], "0123456789") != ""):
		return badRequest("malformed Content-Length header")
	case len(lengths) == 1 && strings.Trim(lengths[0], "0") != "":
		return &Refusal{Status: 413, Code: events.CodeRequestTooLarge, Detail: "a WebSocket upgrade has no body"}
	}
	return nil
}

// upgradeHeaders checks the three headers that a 426 is about.
func upgradeHeaders(r *Request) *Refusal {
	var missing, wrong []string
	note := func(name string, ok, present bool) {
		switch {
		case !present:
			missing = append(missing, name)
		case !ok:
			wrong = append(wrong, name)
		}
	}
	ok, present := r.hasToken("Upgrade", "websocket")
	note("Upgrade", ok, present)
	ok, present = r.hasToken("Connection", "upgrade")
	note("Connection", ok, present)
	versions := r.Values("Sec-WebSocket-Version")
	note("Sec-WebSocket-Version", len(versions) == 1 && versions[0] == "13", len(versions) > 0)
	if missing == nil && wrong == nil {
		return nil
	}
	extra := map[string]any{}
	detail := "this address speaks WebSocket only"
	if missing != nil {
		extra["missing"] = missing
		detail += "; missing: " + strings.Join(missing, ", ")
	}
	if wrong != nil {
		extra["wrong"] = wrong
		detail += "; arrived with another value: " + strings.Join(wrong, ", ")
	}
	return &Refusal{Status: 426, Code: events.CodeUpgradeRequired, Detail: detail, Extra: extra}
}
