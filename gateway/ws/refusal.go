package ws

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"time"

	"partyline/events"
)

// Refusal is a refused upgrade: an HTTP answer with a problem document
// (RFC 9457).
type Refusal struct {
	Status     int // HTTP status
	Code       events.Code
	Detail     string         // one sentence: what was wrong, what to change
	RetryAfter time.Duration  // rounded up to seconds; 0: no Retry-After header
	Extra      map[string]any // further members of the problem document
}

// WriteRefusal writes the whole HTTP answer in one piece. The connection is to
// be closed afterwards. A refusal may be read by any page, hence the open CORS
// headers; it never depends on credentials.
func WriteRefusal(w io.Writer, ref *Refusal) error {
	body := ref.document()
	var b bytes.Buffer
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\n", ref.Status, http.StatusText(ref.Status))
	for _, f := range ref.headers() {
		fmt.Fprintf(&b, "%s: %s\r\n", f.Name, f.Value)
	}
	fmt.Fprintf(&b, "Date: %s\r\nContent-Length: %d\r\n\r\n", time.Now().UTC().Format(http.TimeFormat), len(body))
	b.Write(body)
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("write refusal: %w", err)
	}
	return nil
}

// WriteRefusalHTTP answers through an HTTP server, which then closes the
// connection.
func WriteRefusalHTTP(w http.ResponseWriter, ref *Refusal) {
	body := ref.document()
	h := w.Header()
	for _, f := range ref.headers() {
		h[f.Name] = nil
	}
	for _, f := range ref.headers() {
		h[f.Name] = append(h[f.Name], f.Value)
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(ref.Status)
	_, _ = w.Write(body) // the peer is gone; nobody to tell
}

func (ref *Refusal) headers() []HeaderField {
	// Names are in the canonical form of net/http.
	fields := []HeaderField{
		{"Content-Type", "application/problem+json"},
		{"Cache-Control", "no-store"},
		{"Access-Control-Allow-Origin", "*"},
		{"Timing-Allow-Origin", "*"},
		{"X-Content-Type-Options", "nosniff"},
		{"Connection", "close"},
	}
	if ref.RetryAfter > 0 {
		seconds := (ref.RetryAfter + time.Second - 1) / time.Second
		fields = append(fields, HeaderField{"Retry-After", strconv.FormatInt(int64(seconds), 10)})
	}
	switch ref.Status {
	case http.StatusUpgradeRequired: // RFC 9110 section 15.5.22, RFC 6455 section 4.4
		fields = append(fields, HeaderField{"Upgrade", "websocket"}, HeaderField{"Connection", "Upgrade"},
			HeaderField{"Sec-Websocket-Version", "13"})
	case http.StatusMethodNotAllowed:
		fields = append(fields, HeaderField{"Allow", "GET"})
	case http.StatusUnauthorized:
		fields = append(fields, HeaderField{"Www-Authenticate", "Bearer"})
	}
	return fields
}

// document is the problem document: the fixed members first, then Extra in
// the order of its names. Extra cannot replace a fixed member.
func (ref *Refusal) document() []byte {
	var b bytes.Buffer
	b.WriteByte('{')
	member := func(name string, value any) {
		text, err := json.Marshal(value)
		if err != nil {
			return
		}
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%q:%s", name, text)
	}
	fixed := []string{"type", "title", "status", "code", "detail"}
	member("type", "about:blank")
	member("title", http.StatusText(ref.Status))
	member("status", ref.Status)
	member("code", ref.Code)
	member("detail", ref.Detail)
	names := make([]string, 0, len(ref.Extra))
	for name := range ref.Extra {
		if !slices.Contains(fixed, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		member(name, ref.Extra[name])
	}
	b.WriteString("}\n")
	return b.Bytes()
}
