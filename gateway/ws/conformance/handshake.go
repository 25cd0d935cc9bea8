package conformance

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// testHandshake opens in all the ways that are legal.
func testHandshake(t *testing.T, s *server) {
	replace := func(old, with string) string { return strings.Replace(request("/echo?a=b"), old, with, 1) }
	for name, head := range map[string]string{
		"plain":               request("/echo"),
		"two Connections":     replace("Connection: Upgrade", "Connection: keep-alive\r\nConnection: Upgrade"),
		"Connection list":     replace("Connection: Upgrade", "Connection: keep-alive, uPgRaDe"),
		"Upgrade list":        replace("Upgrade: websocket", "Upgrade: h2c, WebSocket"),
		"names in any case":   replace("Sec-WebSocket-Key", "SEC-websocket-KEY"),
		"no space":            replace("Host: localhost", "Host:localhost"),
		"much space":          replace("Host: localhost", "Host: \t localhost \t"),
		"absolute target":     replace("GET /echo", "GET http://localhost/echo"),
		"escaped path":        replace("GET /echo", "GET /%65cho"),
		"empty header":        replace("Host: localhost", "Host: localhost\r\nX-Empty:"),
		"body of no bytes":    replace("Host: localhost", "Host: localhost\r\nContent-Length: 0"),
		"deflate offered":     replace("Host: localhost", "Host: localhost\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"),
		"empty line at first": "\r\n" + request("/echo"),
	} {
		if s.target.HTTPServer && name == "empty line at first" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			c := s.dial(t)
			// A first frame together with the request must not be lost, nor
			// one that arrives in pieces with it.
			c.write([]byte(head), text("early"), text("late")[:3])
			resp := c.upgraded()
			if got := resp.Header.Get("Sec-WebSocket-Extensions") + resp.Header.Get("Sec-WebSocket-Protocol"); got != "" {
				t.Errorf("answered %q to no supported offer", got)
			}
			c.want(opText, []byte("early"))
			c.write(text("late")[3:])
			c.want(opText, []byte("late"))
		})
	}
	t.Run("byte by byte", func(t *testing.T) {
		c := s.dial(t)
		c.chop(append([]byte(request("/echo")), text("early")...))
		c.upgraded()
		c.want(opText, []byte("early"))
	})
	t.Run("subprotocol", func(t *testing.T) {
		c := s.dial(t)
		c.write([]byte(request("/echo", "Sec-WebSocket-Protocol: bearer.secret, partyline.v1", "Sec-WebSocket-Protocol: trace.x")))
		if got := c.upgraded().Header.Get("Sec-WebSocket-Protocol"); got != "partyline.v1" {
			t.Errorf("selected %q", got)
		}
	})
	t.Run("large head", func(t *testing.T) {
		c := s.dial(t)
		c.write([]byte(request("/echo", "X-One: "+strings.Repeat("a", 7000), "X-Two: "+strings.Repeat("b", 7000))), text("early"))
		c.upgraded()
		c.want(opText, []byte("early"))
	})
}

// refusal is a request that must not be upgraded.
type refusal struct {
	head   string
	status int
	code   string
	// members of the problem document
	missing, wrong []string
	// lenient: net/http lets it pass.
	lenient bool
}

func refusals() map[string]refusal {
	replace := func(old, with string) string { return strings.Replace(request("/echo"), old, with, 1) }
	without := func(name string) string {
		lines := strings.SplitAfter(request("/echo"), "\r\n")
		return strings.Join(slices.DeleteFunc(lines, func(l string) bool { return strings.HasPrefix(l, name+":") }), "")
	}
	add := func(line string) string { return request("/echo", line) }
	const version = "Sec-WebSocket-Version"
	return map[string]refusal{
		"no Upgrade":         {head: without("Upgrade"), status: 426, code: "upgrade_required", missing: []string{"Upgrade"}},
		"no Connection":      {head: without("Connection"), status: 426, code: "upgrade_required", missing: []string{"Connection"}},
		"no version":         {head: without(version), status: 426, code: "upgrade_required", missing: []string{version}},
		"version 8":          {head: replace("Version: 13", "Version: 8"), status: 426, code: "upgrade_required", wrong: []string{version}},
		"other Upgrade":      {head: replace("Upgrade: websocket", "Upgrade: h2c"), status: 426, code: "upgrade_required", wrong: []string{"Upgrade"}},
		"Connection close":   {head: replace("Connection: Upgrade", "Connection: close"), status: 426, code: "upgrade_required", wrong: []string{"Connection"}},
		"plain GET":          {head: "GET /echo HTTP/1.1\r\nHost: localhost\r\n\r\n", status: 426, code: "upgrade_required", missing: []string{"Upgrade", "Connection", version}},
		"HTTP/1.0":           {head: replace("HTTP/1.1", "HTTP/1.0"), status: 426, code: "upgrade_required", wrong: []string{"HTTP/1.0"}},
		"POST":               {head: replace("GET", "POST"), status: 405, code: "bad_method"},
		"OPTIONS":            {head: replace("GET", "OPTIONS"), status: 405, code: "bad_method"},
		"other path":         {head: request("/elsewhere"), status: 404, code: "not_found"},
		"other path, plain":  {head: "GET /elsewhere HTTP/1.1\r\nHost: localhost\r\n\r\n", status: 404, code: "not_found"},
		"no key":             {head: without("Sec-WebSocket-Key"), status: 400, code: "bad_request"},
		"short key":          {head: replace(key, "c2hvcnQ="), status: 400, code: "bad_request"},
		"key not base64":     {head: replace(key, "!!!!IHNhbXBsZSBub25jZQ=="), status: 400, code: "bad_request"},
		"two keys":           {head: add("Sec-WebSocket-Key: " + key), status: 400, code: "bad_request"},
		"body":               {head: add("Content-Length: 5") + "hello", status: 413, code: "request_too_large"},
		"chunked body":       {head: add("Transfer-Encoding: chunked") + "0\r\n\r\n", status: 400, code: "bad_request"},
		"line of 9 KiB":      {head: add("X-Long: " + strings.Repeat("x", 9<<10)), status: 431, code: "request_too_large", lenient: true},
		"target of 9 KiB":    {head: replace("/echo", "/echo?"+strings.Repeat("x", 9<<10)), status: 431, code: "request_too_large", lenient: true},
		"head of 40 KiB":     {head: add(strings.TrimSuffix(strings.Repeat("X-Long: "+strings.Repeat("x", 1000)+"\r\n", 40), "\r\n")), status: 431, code: "request_too_large"},
		"101 headers":        {head: add(strings.TrimSuffix(strings.Repeat("X: y\r\n", 101), "\r\n")), status: 431, code: "request_too_large", lenient: true},
		"no Host":            {head: without("Host"), status: 400, code: "bad_request"},
		"two Hosts":          {head: add("Host: localhost"), status: 400, code: "bad_request"},
		"space before colon": {head: add("X-Bad : y"), status: 400, code: "bad_request"},
		"folded line":        {head: add("X-Bad: y\r\n folded"), status: 400, code: "bad_request", lenient: true},
		"empty name":         {head: add(": y"), status: 400, code: "bad_request"},
		"no colon":           {head: add("nonsense"), status: 400, code: "bad_request"},
		"NUL":                {head: add("X-Bad: a\x00b"), status: 400, code: "bad_request"},
		"bare CR":            {head: add("X-Bad: a\rb"), status: 400, code: "bad_request", lenient: true},
		"bare LF":            {head: strings.ReplaceAll(request("/echo"), "\r\n", "\n"), status: 400, code: "bad_request", lenient: true},
		"no HTTP version":    {head: replace(" HTTP/1.1", ""), status: 400, code: "bad_request"},
		"odd HTTP version":   {head: replace("HTTP/1.1", "HTTP/1.x"), status: 400, code: "bad_request"},
		"two spaces":         {head: replace("GET /echo", "GET  /echo"), status: 400, code: "bad_request"},
		"relative target":    {head: replace("/echo", "echo"), status: 400, code: "bad_request"},
		"bad escape":         {head: replace("/echo", "/%zz"), status: 400, code: "bad_request"},
		"HTTP/2 preface":     {head: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", status: 426, code: "upgrade_required"},
		"TLS hello":          {head: "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", status: 400, code: "bad_request"},
	}
}

// testRefusals sends what is no upgrade. Every answer is a problem document that
// any page may read.
func testRefusals(t *testing.T, s *server) {
	for name, want := range refusals() {
		if s.target.HTTPServer && want.lenient {
			continue
		}
		t.Run(name, func(t *testing.T) {
			c := s.dial(t)
			c.write([]byte(want.head))
			resp, body := c.response()
			if s.target.HTTPServer && !strings.HasPrefix(resp.Header.Get("Content-Type"), "application/problem+json") {
				// net/http refused it in its own words.
				if resp.StatusCode < 400 {
					t.Fatalf("status %d", resp.StatusCode)
				}
				return
			}
			if resp.StatusCode != want.status {
				t.Fatalf("status %d, want %d: %s", resp.StatusCode, want.status, body)
			}
			checkHeaders(t, resp)
			checkDocument(t, body, want)
			c.wantEnd()
		})
	}
}

func checkHeaders(t *testing.T, resp *http.Response) {
	t.Helper()
	want := map[string]string{
		"Content-Type": "application/problem+json", "Cache-Control": "no-store",
		"Access-Control-Allow-Origin": "*", "Timing-Allow-Origin": "*",
	}
	switch resp.StatusCode {
	case 426:
		want["Upgrade"], want["Sec-Websocket-Version"] = "websocket", "13"
	case 405:
		want["Allow"] = "GET"
	case 404:
		want["Retry-After"] = "2"
	}
	for name, value := range want {
		if got := resp.Header.Get(name); got != value {
			t.Errorf("%s is %q, want %q", name, got, value)
		}
	}
	if !resp.Close {
		t.Error("the answer does not say that the connection closes")
	}
}

func checkDocument(t *testing.T, body []byte, want refusal) {
	t.Helper()
	var doc struct {
		Type, Title, Code, Detail, Hint string
		Status                          int
		Missing, Wrong                  []string
	}
	if err := json.Unmarshal(body, &doc); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	if doc.Type == "" || doc.Title == "" || doc.Detail == "" || doc.Status != want.status || doc.Code != want.code {
		t.Errorf("document %s", body)
	}
	if want.missing != nil && fmt.Sprint(doc.Missing) != fmt.Sprint(want.missing) ||
		want.wrong != nil && fmt.Sprint(doc.Wrong) != fmt.Sprint(want.wrong) {
		t.Errorf("missing %q wrong %q, want %q %q", doc.Missing, doc.Wrong, want.missing, want.wrong)
	}
	if want.status == 404 && doc.Hint != "<&>" {
		t.Errorf("hint %q", doc.Hint)
	}
}
