package doctor_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"partyline/cmd/partyline/internal/doctor"
)

// listen answers every connection with serve until the test ends.
func listen(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				serve(c)
			}()
		}
	}()
	return l.Addr().String()
}

// request reads the head of a request.
func request(c net.Conn) string {
	var head []byte
	one := make([]byte, 1)
	for !bytes.HasSuffix(head, []byte("\r\n\r\n")) {
		if _, err := c.Read(one); err != nil {
			return ""
		}
		head = append(head, one...)
	}
	return string(head)
}

// answering reads a request, writes text, and closes.
func answering(text string) func(net.Conn) {
	return func(c net.Conn) {
		request(c)
		io.WriteString(c, text)
	}
}

// diagnose ends by itself within a bound, whatever the server does.
func diagnose(t *testing.T, at string) *doctor.Report {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	r, err := doctor.Run(ctx, "ws://"+at+"/ws/chat/", doctor.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if ctx.Err() != nil {
		t.Fatal("the diagnosis did not end by itself")
	}
	return r
}

func TestHostileServers(t *testing.T) {
	t.Parallel()
	endless := func(begin, more string) func(net.Conn) {
		return func(c net.Conn) {
			request(c)
			io.WriteString(c, begin)
			for {
				if _, err := io.WriteString(c, more); err != nil {
					return
				}
			}
		}
	}
	for name, tc := range map[string]struct {
		serve func(net.Conn)
		want  string
	}{
		"hangs":              {func(c net.Conn) { io.Copy(io.Discard, c) }, "no_answer"},
		"closes":             {func(c net.Conn) { request(c) }, "handshake_reset"},
		"garbage":            {answering("\x00\xff\x1b[31m\r\n\r\n"), "cause_unknown"},
		"head without end":   {endless("HTTP/1.1 200 OK\r\n", "X-Long: "+strings.Repeat("a", 4096)+"\r\n"), "cause_unknown"},
		"body without end":   {endless("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n", strings.Repeat("<p>", 4096)), "wrong_server"},
		"false problem code": {answering("HTTP/1.1 403 Forbidden\r\nContent-Length: 35\r\n\r\n{\"status\":200,\"code\":\"rate_limited\"}"), "gate_refused"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := diagnose(t, listen(t, tc.serve))
			if r.Verdict != tc.want || !r.Failed() {
				t.Errorf("verdict %q, want %q: %+v", r.Verdict, tc.want, r.Findings)
			}
			if len(r.Response) > 32<<10 {
				t.Errorf("the report keeps %d bytes of the answer", len(r.Response))
			}
		})
	}
}

func TestNothingFromOutsideReachesTheTerminal(t *testing.T) {
	t.Parallel()
	for verdict, evil := range map[string]string{
		"redirected":    "\u202egnp.exe\u2066\u200b\u009b31m",
		"cause_unknown": "\x1b]0;owned\x07\x9b31m", // no HTTP: shown as bytes
	} {
		t.Run(verdict, func(t *testing.T) {
			t.Parallel()
			r := diagnose(t, listen(t, answering("HTTP/1.1 302 Found\r\nServer: "+evil+"\r\nLocation: http://"+evil+"/\r\nContent-Length: 0\r\n\r\n")))
			var out strings.Builder
			if err := r.Print(&out, false); err != nil {
				t.Fatal(err)
			}
			text := out.String() + r.Response
			if i := strings.IndexFunc(text, func(c rune) bool {
				return c < ' ' && c != '\n' || c >= 0x7f && c < 0xa0 || strings.ContainsRune("\u202e\u2066\u200b\ufffd", c)
			}); i >= 0 {
				t.Errorf("a control character is printed at %d: %q", i, text)
			}
			if r.Verdict != verdict {
				t.Errorf("verdict %q, want %q", r.Verdict, verdict)
			}
		})
	}
}

func TestPortRefused(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if r := diagnose(t, l.Addr().String()); r.Verdict != "port_refused" || r.Findings[0].Confidence != doctor.Proved {
		t.Errorf("verdict %q, findings %+v", r.Verdict, r.Findings)
	}
}

func TestTokenIsNotShown(t *testing.T) {
	t.Parallel()
	got := make(chan string, 16)
	at := listen(t, func(c net.Conn) {
		got <- request(c)
		io.WriteString(c, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
	})
	r, err := doctor.Run(t.Context(), "ws://"+at+"/", doctor.Options{Token: "swordfish"})
	if err != nil {
		t.Fatal(err)
	}
	sent := false
	for len(got) > 0 {
		sent = sent || strings.Contains(<-got, "swordfish")
	}
	if !sent || strings.Contains(r.Request, "swordfish") {
		t.Errorf("sent %v, shown request %q", sent, r.Request)
	}
}

func TestWrongAddresses(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{"", "ftp://host/", "ws://", "ws://user:secret@host/", "ws://host/#part", "ws://ho st/", "ws://host/" + strings.Repeat("a", 4096)} {
		if _, err := doctor.Run(t.Context(), raw, doctor.Options{}); !errors.Is(err, doctor.ErrURL) {
			t.Errorf("%.40q: error %v, want ErrURL", raw, err)
		}
	}
	if _, err := doctor.Run(t.Context(), "ws://127.0.0.1:1/", doctor.Options{Origin: "http://a\r\nX: y"}); !errors.Is(err, doctor.ErrURL) {
		t.Errorf("a line break in the origin: error %v", err)
	}
}
