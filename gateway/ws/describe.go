package ws

import (
	"crypto/tls"
	"net/url"
	"strings"

	lc "partyline/events/lifecycle"
)

// Only these headers are recorded, cut at 128 bytes.
//
//nolint:gochecknoglobals // constants; Go has no constant lists
var (
	recordedHeaders = []string{
		"Upgrade", "Connection", "Sec-WebSocket-Version", "Via", "X-Forwarded-Proto", "Forwarded",
		"Sec-Fetch-Mode", "Sec-Fetch-Site", "Accept-Language",
	}
	recordedParams = []string{"user", "client", "token", "trace", "diag", "quiet"}
)

// describe puts into the record what may be kept of a request: never the query,
// tokens, client keys or other headers.
func (r *Request) describe() {
	if r.Attempt == nil {
		return
	}
	query, _ := url.ParseQuery(r.RawQuery) // what is malformed is left out
	offers := r.Subprotocols()
	r.Attempt.Describe(func(row *lc.Row) {
		row.Host = clean(r.Host, 255)
		row.Scheme = "ws"
		if t := r.TLS; t != nil {
			row.Scheme = "wss"
			row.TLSVersion = strings.TrimPrefix(tls.VersionName(t.Version), "TLS ")
			row.TLSCipher, row.TLSResumed = tls.CipherSuiteName(t.CipherSuite), t.DidResume
			row.ALPN = cut(t.NegotiatedProtocol, 16)
		}
		row.Path = clean(r.Path, 128)
		row.Method = cut(r.Method, 16)
		row.HTTPVersion = strings.TrimPrefix(r.Proto, "HTTP/")
		row.Origin = clean(r.Header("Origin"), 255)
		row.UserAgent = clean(r.Header("User-Agent"), 255)
		row.Extensions = clean(r.Header("Sec-WebSocket-Extensions"), 128)
		row.Trace = trace(query.Get("trace"), offers)
		row.Synthetic = query.Get("diag") == "1"
		row.TokenVia = r.tokenVia(query, offers)
		row.Proxied = r.Header("Via") != "" || r.Header("Forwarded") != "" || r.Header("X-Forwarded-For") != ""
		for _, v := range r.Values("X-Forwarded-For") {
			row.XFFHops += 1 + strings.Count(v, ",")
		}
		row.Params = nil
		for _, name := range recordedParams {
			if query.Has(name) {
				row.Params = append(row.Params, name)
			}
		}
		row.Headers = nil
		for _, name := range recordedHeaders {
			if v := r.Header(name); v != "" {
				row.Headers = append(row.Headers, lc.Header{Name: name, Value: clean(v, 128)})
			}
		}
		row.Subprotocol = ""
		for _, offer := range offers {
			if offer == Subprotocol {
				row.Subprotocol = offer
			}
		}
	})
}

// trace is the well-formed trace id of an attempt, or "".
func trace(fromQuery string, offers []string) string {
	if isTrace(fromQuery) {
		return fromQuery
	}
	for _, offer := range offers {
		if id, ok := strings.CutPrefix(offer, "trace."); ok && isTrace(id) {
			return id
		}
	}
	return ""
}

func isTrace(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isDigit(c) && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '_' && c != '-' {
			return false
		}
	}
	return len(s) >= 16 && len(s) <= 64
}

func (r *Request) tokenVia(query url.Values, offers []string) string {
	switch {
	case r.Header("Authorization") != "":
		return "header"
	case query.Has("token"):
		return "query"
	}
	for _, offer := range offers {
		if strings.HasPrefix(offer, "bearer.") {
			return "subprotocol"
		}
	}
	return ""
}
