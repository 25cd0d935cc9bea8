package api

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/go-chi/chi/v5"

	"partyline/events"
)

// page holds the files of the page.
type page struct {
	files map[string]*file // by path, "/" for index.html
}

// file is one file of the page, in memory as it is in the binary.
type file struct {
	data   []byte
	kind   string // content type
	tag    string // entity tag
	hashed bool   // its name changes with its contents
	zipped func() []byte
	policy string // content security policy of its own, "" for that of the page
}

// newPage takes the files that the page is made of. Unknown paths are not
// answered with the page: what answers them is then somebody else.
func newPage(ui fs.FS) (*page, error) {
	p := &page{files: make(map[string]*file)}
	if ui == nil {
		return p, nil
	}
	err := fs.WalkDir(ui, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		hidden := strings.HasPrefix(path.Base(name), ".") && name != "."
		switch {
		case d.IsDir() && hidden:
			return fs.SkipDir
		case d.IsDir() || hidden:
			return nil
		}
		data, err := fs.ReadFile(ui, name)
		if err != nil {
			return err
		}
		at := "/" + name
		if name == "index.html" {
			at = "/"
		}
		p.files[at] = newFile(name, data)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading the page: %w", err)
	}
	if p.files["/"] == nil {
		return nil, errors.New("reading the page: there is no index.html")
	}
	return p, nil
}

func newFile(name string, data []byte) *file {
	sum := sha256.Sum256(data)
	f := &file{
		data: data, kind: contentType(name), hashed: strings.HasPrefix(name, "assets/"),
		tag: `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`,
	}
	if name == standaloneName {
		f.policy = standalonePolicy(data)
	}
	f.zipped = sync.OnceValue(func() []byte { return zip(f) })
	return f
}

// zip compresses what gets shorter by it; nil otherwise.
func zip(f *file) []byte {
	if len(f.data) < 1024 || !strings.HasPrefix(f.kind, "text/") && !strings.Contains(f.kind, "json") && !strings.Contains(f.kind, "svg") {
		return nil
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(f.data); err != nil || z.Close() != nil || b.Len() >= len(f.data) {
		return nil
	}
	return b.Bytes()
}

// contentType does not ask the machine's tables, so that it is the same
// everywhere.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js", ".mjs":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".txt":
		return "text/plain; charset=utf-8"
	case ".json", ".map":
		return "application/json"
	case ".webmanifest":
		return "application/manifest+json"
	case ".svg":
		return "image/svg+xml"
	case ".png":
		return "image/png"
	case ".ico":
		return "image/x-icon"
	case ".woff2":
		return "font/woff2"
	case ".wasm":
		return "application/wasm"
	}
	return "application/octet-stream"
}

// routes installs a route for each file.
func (p *page) routes(r chi.Router, a *api) {
	if len(p.files) == 0 {
		r.Get("/", func(w http.ResponseWriter, _ *http.Request) {
			(&problem{status: http.StatusNotFound, code: events.CodeNotFound, detail: "this program was built without the page"}).write(w)
		})
		return
	}
	for at, f := range p.files {
		r.Get(at, func(w http.ResponseWriter, r *http.Request) {
			policy := f.policy
			if policy == "" {
				policy = a.policy(r.Host)
			}
			w.Header().Set("Content-Security-Policy", policy)
			w.Header().Set("Cross-Origin-Opener-Policy", "same-origin")
			w.Header().Set("X-Frame-Options", "DENY")
			w.Header().Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
			f.serve(w, r)
		})
	}
}

func (f *file) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Etag", f.tag)
	h.Set("Cache-Control", "no-cache")
	if f.hashed {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	data := f.data
	if zipped := f.zipped(); zipped != nil {
		h.Set("Vary", "Accept-Encoding")
		if acceptsGzip(r) {
			h.Set("Content-Encoding", "gzip")
			data = zipped
		}
	}
	if slices.Contains(strings.Split(strings.ReplaceAll(r.Header.Get("If-None-Match"), " ", ""), ","), f.tag) {
		h.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", f.kind)
	h.Set("Content-Length", strconv.Itoa(len(data)))
	_, _ = w.Write(data) // the peer may be gone
}

func acceptsGzip(r *http.Request) bool {
	for item := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		coding, quality, _ := strings.Cut(strings.ReplaceAll(item, " ", ""), ";")
		if strings.EqualFold(coding, "gzip") {
			return !strings.HasPrefix(quality, "q=0") || strings.Trim(quality, "q=0.") != ""
		}
	}
	return false
}

// policy is the content security policy of the page: nothing inline, and
// connections to ourselves alone. 'self' covers WebSockets in some browsers only,
// and no other port in any, so the listeners are named.
func (a *api) policy(host string) string {
	connect := []string{"'self'"}
	if plainHost(host) {
		connect = append(connect, "ws://"+host, "wss://"+host)
	}
	for _, raw := range a.cfg.WSURLs(host) {
		u, err := url.Parse(raw)
		if err != nil || !plainHost(u.Host) {
			continue
		}
		plain := "http"
		if u.Scheme == "wss" {
			plain = "https"
		}
		for _, source := range []string{u.Scheme + "://" + u.Host, plain + "://" + u.Host} {
			if !slices.Contains(connect, source) {
				connect = append(connect, source)
			}
		}
	}
	return "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; " +
		"manifest-src 'self'; connect-src " + strings.Join(connect, " ") +
		"; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}

// plainHost reports whether a host can stand in a header as it is.
func plainHost(host string) bool {
	for i := range len(host) {
		c := host[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune(".:-_[]", rune(c)) {
			return false
		}
	}
	return host != ""
}
