package ws

import (
	"bytes"
	"net/url"
	"strings"

	"partyline/events"
)

// ParseHead reads a request head (RFC 9112), from the request line to the empty
// line, strictly: CRLF line ends only, no folded lines, no white space before a
// colon, no control characters, exactly one Host. It wants the limits to be
// kept already, see [Config]. The request is never nil and holds what could be
// read; whether it is a WebSocket upgrade is for [Upgradable] to say.
func ParseHead(head []byte) (*Request, *Refusal) {
	req := &Request{}
	text := string(head)
	line, rest, ok := strings.Cut(text, "\r\n")
	if !ok {
		return req, badRequest("the request line does not end with CR LF")
	}
	if ref := req.parseLine(line); ref != nil {
		return req, ref
	}
	req.Headers = make([]HeaderField, 0, min(strings.Count(rest, "\n"), maxFields))
	for {
		line, rest, ok = strings.Cut(rest, "\r\n")
		if !ok {
			return req, badRequest("a header line does not end with CR LF")
		}
		if line == "" {
			break
		}
		if len(req.Headers) == maxFields {
			return req, tooLarge("more than 100 header lines")
		}
		field, ref := parseField(line)
		if ref != nil {
			return req, ref
		}
		req.Headers = append(req.Headers, field)
	}
	return req, req.parseHost()
}

// parseLine reads "GET /path?query HTTP/1.1".
func (r *Request) parseLine(line string) *Refusal {
	method, rest, ok1 := strings.Cut(line, " ")
	target, proto, ok2 := strings.Cut(rest, " ")
	if !ok1 || !ok2 || !isToken(method) || target == "" || !isText(line) || strings.Contains(line, "\t") {
		return badRequest("malformed request line")
	}
	if len(proto) != len("HTTP/1.1") || !strings.HasPrefix(proto, "HTTP/") ||
		!isDigit(proto[5]) || proto[6] != '.' || !isDigit(proto[7]) {
		return badRequest("malformed HTTP version")
	}
	r.Method, r.Target, r.Proto = method, target, proto
	return r.parseTarget()
}

// parseTarget takes origin-form and absolute-form (RFC 9112 section 3.2). The
// authority of the latter replaces Host.
func (r *Request) parseTarget() *Refusal {
	target := r.Target
	if target == "*" {
		r.Path = "*"
		return nil
	}
	if scheme, rest, ok := strings.Cut(target, "://"); ok && target[0] != '/' {
		switch strings.ToLower(scheme) {
		case "http", "https", "ws", "wss":
		default:
			return badRequest("request target with an unknown scheme")
		}
		end := strings.IndexAny(rest, "/?")
		if end < 0 {
			end = len(rest)
		}
		r.Host, target = rest[:end], rest[end:]
		if target == "" || target[0] == '?' {
			target = "/" + target
		}
		if !isHost(r.Host) {
			return badRequest("request target with an invalid host")
		}
	}
	path, query, _ := strings.Cut(target, "?")
	decoded, err := url.PathUnescape(path)
	if target[0] != '/' || strings.Contains(target, "#") || err != nil {
		return badRequest("malformed request target")
	}
	r.Path, r.RawQuery = decoded, query
	return nil
}

func parseField(line string) (HeaderField, *Refusal) {
	name, value, ok := strings.Cut(line, ":")
	switch {
	case line[0] == ' ' || line[0] == '\t':
		return HeaderField{}, badRequest("folded header line")
	case !ok || name == "":
		return HeaderField{}, badRequest("header line without a name")
	case !isToken(name):
		return HeaderField{}, badRequest("invalid header name")
	case !isText(value):
		return HeaderField{}, badRequest("control character in a header line")
	}
	return HeaderField{name, strings.Trim(value, " \t")}, nil
}

// parseHost checks that there is one Host and takes it, unless the target was
// absolute.
func (r *Request) parseHost() *Refusal {
	hosts := r.Values("Host")
	switch {
	case len(hosts) > 1:
		return badRequest("more than one Host header")
	case len(hosts) == 0 && r.Proto == "HTTP/1.1":
		return badRequest("no Host header")
	case len(hosts) == 1 && !isHost(hosts[0]):
		return badRequest("invalid Host header")
	case len(hosts) == 1 && r.Host == "":
		r.Host = hosts[0]
	}
	return nil
}

// headEnd finds the end of a request head in b, beginning at from, and checks
// the limits on the way. It is 0 while the head is incomplete. Bare LF line ends
// are found too, so that ParseHead can refuse them at once.
func headEnd(b []byte, from int) (end int, ref *Refusal) {
	start := bytes.LastIndexByte(b[:from], '\n') + 1
	for {
		n := bytes.IndexByte(b[start:], '\n')
		if n > lineLimit || n < 0 && len(b)-start > lineLimit {
			return 0, tooLarge("a line of the request head is longer than 8 KiB")
		}
		if n < 0 {
			break
		}
		line := b[start : start+n]
		start += n + 1
		if len(line) == 0 || len(line) == 1 && line[0] == '\r' {
			return start, nil
		}
	}
	if len(b) >= headLimit {
		return 0, tooLarge("the request head is longer than 16 KiB")
	}
	return 0, nil
}

func badRequest(detail string) *Refusal {
	return &Refusal{Status: 400, Code: events.CodeBadRequest, Detail: detail}
}

func tooLarge(detail string) *Refusal {
	return &Refusal{Status: 431, Code: events.CodeRequestTooLarge, Detail: detail}
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// isToken: RFC 9110 section 5.6.2.
func isToken(s string) bool {
	for i := range len(s) {
		if !isTokenByte(s[i]) {
			return false
		}
	}
	return s != ""
}

func isTokenByte(c byte) bool {
	return isDigit(c) || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}

// isText: no control characters but the tab.
func isText(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' && s[i] != '\t' || s[i] == 0x7f {
			return false
		}
	}
	return true
}

// isHost: a name or address with an optional port; what it may be is decided by
// the handler.
func isHost(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !isTokenByte(c) && c != ':' && c != '[' && c != ']' {
			return false
		}
	}
	return s != ""
}
