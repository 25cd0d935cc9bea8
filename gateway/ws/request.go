package ws

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"

	"partyline/gateway/lifecycle"
)

// HeaderField is one header line of a request. Name is as sent; Value is
// without surrounding white space.
type HeaderField struct{ Name, Value string }

// Request is the opening handshake of one connection attempt, as it arrived on
// either listener.
type Request struct {
	Method   string
	Target   string // request target as sent
	Path     string // decoded path, without the query
	RawQuery string
	Proto    string // "HTTP/1.1"
	Host     string
	Headers  []HeaderField // without Host when it came through an HTTP server
	Remote   netip.AddrPort
	Local    netip.AddrPort
	TLS      *tls.ConnectionState // nil: not encrypted
	Attempt  *lifecycle.Attempt   // nil when nothing is recorded
}

// FromHTTP describes a request of an HTTP server, so that [Upgradable] and a
// [Handler] decide about it as they do about one of our own listener.
func FromHTTP(r *http.Request) *Request {
	req := &Request{
		Method:   r.Method,
		Target:   r.RequestURI,
		Path:     r.URL.Path,
		RawQuery: r.URL.RawQuery,
		Proto:    r.Proto,
		Host:     r.Host,
		TLS:      r.TLS,
		Headers:  make([]HeaderField, 0, len(r.Header)+1),
	}
	for name, values := range r.Header {
		for _, v := range values {
			req.Headers = append(req.Headers, HeaderField{name, v})
		}
	}
	// The HTTP server takes these two out of the header.
	if len(r.TransferEncoding) > 0 {
		req.Headers = append(req.Headers, HeaderField{"Transfer-Encoding", strings.Join(r.TransferEncoding, ", ")})
	}
	if r.ContentLength > 0 && req.Header("Content-Length") == "" {
		req.Headers = append(req.Headers, HeaderField{"Content-Length", strconv.FormatInt(r.ContentLength, 10)})
	}
	if remote, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		req.Remote = plainAddr(remote)
	}
	if local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		req.Local = addrPort(local)
	}
	return req
}

// Header is the value of the first header line with that name, "" when there is
// none. Names are compared without case.
func (r *Request) Header(name string) string {
	for _, f := range r.Headers {
		if strings.EqualFold(f.Name, name) {
			return f.Value
		}
	}
	return ""
}

// Values are the values of all header lines with that name, in order.
func (r *Request) Values(name string) []string {
	var values []string
	for _, f := range r.Headers {
		if strings.EqualFold(f.Name, name) {
			values = append(values, f.Value)
		}
	}
	return values
}

// Subprotocols are the offered subprotocols in order, from all header lines.
func (r *Request) Subprotocols() []string {
	var offers []string
	for _, f := range r.Headers {
		if strings.EqualFold(f.Name, "Sec-WebSocket-Protocol") {
			for offer := range strings.SplitSeq(f.Value, ",") {
				if offer = strings.Trim(offer, " \t"); offer != "" {
					offers = append(offers, offer)
				}
			}
		}
	}
	return offers
}

// hasToken reports whether a comma-separated header holds token, in any case.
func (r *Request) hasToken(name, token string) (has, present bool) {
	for _, f := range r.Headers {
		if !strings.EqualFold(f.Name, name) {
			continue
		}
		present = true
		for item := range strings.SplitSeq(f.Value, ",") {
			if strings.EqualFold(strings.Trim(item, " \t"), token) {
				has = true
			}
		}
	}
	return has, present
}

// addrPort is the address and port of a TCP address, zero for other networks.
func addrPort(a net.Addr) netip.AddrPort {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return plainAddr(tcp.AddrPort())
	}
	return netip.AddrPort{}
}

// plainAddr writes an IPv4 address in an IPv6 one as what it is.
func plainAddr(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// printable keeps at most 120 bytes of a peer's text and replaces what could
// harm a log or a terminal.
func printable(s string) string { return clean(s, 120) }

func clean(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		if !strconv.IsPrint(r) {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(cut(s, n), "?"))
	return cut(s, n)
}

// cut shortens s to at most n bytes, never inside a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}
