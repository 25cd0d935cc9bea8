package main_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The diagnosis of the system that Partyline replaces had faults of its own.
// These are the server's side of their regression tests; those of the page are in
// web/src/diagnostics/run.test.ts.

// raw opens a WebSocket with these header lines and returns the head of the
// answer.
func raw(t *testing.T, addr, query, headers string) (*net.TCPConn, string) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	fmt.Fprintf(c, "GET /ws/chat/?%s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n%s\r\n", query, addr, headers)
	head, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		t.Fatalf("a %T", c)
	}
	return tcp, head
}

// lesson is what a stranger is told of a trace.
type lesson struct {
	Stages []struct {
		Stage   string `json:"stage"`
		CloseBy string `json:"close_initiator"`
		Code    int    `json:"close_code"`
	} `json:"stages"`
}

func (p *process) lesson(trace string) (l lesson, body string) {
	p.t.Helper()
	resp, err := http.Get("http://" + p.http + "/api/v1/diagnostics/trace/" + trace)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	if err := json.Unmarshal(data, &l); err != nil {
		p.t.Fatalf("%v: %s", err, data)
	}
	return l, string(data)
}

// TestClosesOfEverybodyAreNoticed: it noticed only those made by the server.
func TestClosesOfEverybodyAreNoticed(t *testing.T) {
	t.Parallel()
	p := serve(t, "--data-dir", t.TempDir())
	for want, end := range map[string]func(*net.TCPConn){
		"client":  func(c *net.TCPConn) { c.Write([]byte{0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8}) }, // 1000
		"network": func(c *net.TCPConn) { c.SetLinger(0); c.Close() },                           // a reset
		"server":  func(c *net.TCPConn) { c.Write([]byte{0x82, 0x81, 0, 0, 0, 0, 'x'}) },        // binary: 1003
	} {
		trace := "trace-of-a-close-by-" + want
		c, head := raw(t, p.ws, "user=ana&trace="+trace, "")
		if !strings.Contains(head, " 101 ") {
			t.Fatalf("%s: %s", want, head)
		}
		end(c)
		eventually(t, "the close by "+want+" is recorded", func() bool {
			l, _ := p.lesson(trace)
			n := len(l.Stages)
			return n > 0 && l.Stages[n-1].Stage == "closed" && l.Stages[n-1].CloseBy == want
		})
	}
}

// TestNothingPrivateIsStoredOrTold: it stored all headers, cookies too, and
// showed addresses and tracebacks to anybody.
func TestNothingPrivateIsStoredOrTold(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := serve(t, "--data-dir", dir, "--log-level", "debug")
	const trace = "trace-of-private-things"
	secrets := []string{"cookie-secret-1", "header-secret-2", "query-secret-3", "key-of-the-client-secret-4"}
	c, head := raw(t, p.ws, "user=ana&trace="+trace+"&password="+secrets[2]+"&client="+secrets[3],
		"Cookie: session="+secrets[0]+"\r\nX-Api-Key: "+secrets[1]+"\r\nProxy-Authorization: Basic "+secrets[1]+"\r\nUser-Agent: agent-that-is-kept\r\n")
	if !strings.Contains(head, " 101 ") {
		t.Fatal(head)
	}
	c.Close()
	eventually(t, "the close is recorded", func() bool {
		l, _ := p.lesson(trace)
		return len(l.Stages) > 0 && l.Stages[len(l.Stages)-1].Stage == "closed"
	})
	_, told := p.lesson(trace)
	for _, private := range append(secrets, "127.0.0.1", "agent-that-is-kept", "client_ip", "user_hash", "goroutine ") {
		if strings.Contains(told, private) {
			t.Errorf("a stranger is told %q: %s", private, told)
		}
	}
	p.strangeRequests(secrets)
	if code := p.terminate(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if !holds(t, dir, "agent-that-is-kept") {
		t.Error("the record of the connection is not in the data directory: the search proves nothing")
	}
	for _, secret := range secrets {
		if holds(t, dir, secret) {
			t.Errorf("%s is stored", secret)
		}
		if strings.Contains(p.output(), secret) {
			t.Errorf("%s is in the log", secret)
		}
	}
}

// strangeRequests asks what may not be there, and for what breaks: no answer has
// a traceback, a path of this machine or a secret.
func (p *process) strangeRequests(secrets []string) {
	p.t.Helper()
	for _, path := range []string{
		"/chat/diagnostics/", "/api/v1/diagnostics/security", "/api/v1/diagnostics/trace/%00", "/api/v1/diagnostics/handshake?origin=%ff&path=%00",
		"/api/v1/diagnostics/probe?nonce=%3Cscript%3E", "/help/..%2f..%2fetc%2fpasswd", "/help/%3Cscript%3E", "/api/v1/rooms/%2e%2e", "/ws/chat/", "/nothing",
	} {
		resp, err := http.Get("http://" + p.http + path)
		if err != nil {
			p.t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode >= 500 && resp.StatusCode != http.StatusServiceUnavailable {
			p.t.Errorf("%s: %s", path, resp.Status)
		}
		for _, word := range append(secrets, "goroutine ", ".go:", "/tmp/", "<script>alert", "root:") {
			if strings.Contains(string(body), word) && !strings.Contains(resp.Header.Get("Content-Type"), "text/html") {
				p.t.Errorf("%s tells %q: %s", path, word, body)
			}
		}
	}
}

// holds reports whether a file below dir contains text.
func holds(t *testing.T, dir, text string) bool {
	t.Helper()
	found := false
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || found {
			return err
		}
		data, err := os.ReadFile(path)
		found = bytes.Contains(data, []byte(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
