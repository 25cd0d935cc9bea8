package doctor_test

import (
	"bufio"
	"compress/gzip"
	"crypto/sha1" //nolint:gosec // RFC 6455
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"partyline/cmd/partyline/internal/doctor"
)

// fakeServer answers as Partyline does, with these changes.
type fakeServer struct {
	status func(w io.Writer) // of /chat/status/; nil: a good one
	route  string            // whole answer to the plain request; "": a good 426
	frames func(p peer)      // after the 101
	trace  func(w io.Writer) // of the record; nil: not found
	stream func(w io.Writer) // of the streamed answer
}

// peer is the server's side of one open WebSocket.
type peer struct {
	net.Conn
	in          *bufio.Reader
	echo, quiet bool
	most        int // bytes of a frame beyond which greet ends; 0: none
}

const problem = "HTTP/1.1 426 No\r\nContent-Type: application/problem+json\r\nConnection: close\r\n\r\n{\"status\":426,\"code\":\"upgrade_required\"}"

func goodStatus(at time.Time) string {
	return "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nAccess-Control-Allow-Origin: *\r\nConnection: close\r\n\r\n" +
		`{"status":"ok","time":"` + at.UTC().Format(time.RFC3339) + `","websocket":{"draining":false},"storage":{"nats":"connected"},"analytics":{"mode":"off"}}`
}

func (f fakeServer) serve(c net.Conn) {
	in := bufio.NewReader(c)
	r, err := http.ReadRequest(in)
	if err != nil {
		return
	}
	switch {
	case strings.HasPrefix(r.URL.Path, "/chat/status") && f.status != nil:
		f.status(c)
	case strings.HasPrefix(r.URL.Path, "/chat/status"):
		io.WriteString(c, goodStatus(time.Now()))
	case strings.HasPrefix(r.URL.Path, "/api/v1/diagnostics/trace") && f.trace != nil:
		f.trace(c)
	case r.URL.Query().Get("chunks") != "" && f.stream != nil:
		f.stream(c)
	case r.Header.Get("Upgrade") == "" && f.route != "":
		io.WriteString(c, f.route)
	case r.Header.Get("Upgrade") == "":
		io.WriteString(c, problem)
	case f.frames == nil:
		io.WriteString(c, f.route)
	default:
		sum := sha1.Sum([]byte(r.Header.Get("Sec-Websocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) //nolint:gosec // RFC 6455
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Protocol: partyline.v1\r\nSec-WebSocket-Accept: "+
			base64.StdEncoding.EncodeToString(sum[:])+"\r\n\r\n")
		f.frames(peer{Conn: c, in: in, echo: strings.Contains(r.URL.Path, "/echo"), quiet: r.URL.Query().Get("quiet") == "1"})
	}
}

// forever writes until the peer is gone.
func forever(c io.Writer, text string) {
	for {
		if _, err := io.WriteString(c, text); err != nil {
			return
		}
	}
}

// bomb is an answer whose body is small and never ends when it is unpacked.
func bomb(c io.Writer) {
	io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n")
	z := gzip.NewWriter(c)
	forever(z, strings.Repeat(" ", 1<<20))
}

func drip(c io.Writer) {
	io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		if _, err := io.WriteString(c, " "); err != nil {
			return
		}
	}
}

// hear waits for the peer to go.
func hear(in io.Reader) { io.Copy(io.Discard, in) }

// TestHostilePartyline is a server that begins as ours and then misbehaves. Each
// diagnosis has to end by itself and to say what is true.
func TestHostilePartyline(t *testing.T) {
	t.Parallel()
	refused := func(status int, code, detail string) string {
		body, err := json.Marshal(map[string]any{"status": status, "code": code, "detail": detail})
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("HTTP/1.1 %d No\r\nContent-Type: application/problem+json\r\nConnection: close\r\n\r\n%s", status, body)
	}
	evil := "<script>alert(1)</script>\u202egnp\x1b[2J\x00\u200b" + strings.Repeat("A", 8<<10)
	flood := func(frame string) func(peer) {
		return func(p peer) {
			go hear(p.in)
			forever(p, strings.Repeat(frame, 64))
		}
	}
	silent := func(p peer) { hear(p.in) }
	for name, tc := range map[string]struct {
		fakeServer
		want string
	}{
		"a refusal full of markup":  {fakeServer{route: refused(403, "origin_refused", evil)}, "origin_refused"},
		"a code that there is not":  {fakeServer{route: refused(403, evil, evil)}, "request_refused"},
		"a status that never ends":  {fakeServer{status: func(w io.Writer) { forever(w, goodStatus(time.Now())+strings.Repeat(" ", 4096)) }, frames: silent}, "silent_after_open"},
		"a status that explodes":    {fakeServer{status: bomb, frames: flood("\x81\x02{}")}, "connection_cut"},
		"a status that drips":       {fakeServer{status: drip, route: "HTTP/1.1 502 Bad\r\nConnection: close\r\n\r\n<h1>"}, "bad_gateway"},
		"a record that never ends":  {fakeServer{trace: func(w io.Writer) { forever(w, "HTTP/1.1 200 OK\r\n\r\n{\"stages\":["+strings.Repeat("{},", 9000)) }, route: refused(429, "rate_limited", "")}, "rate_limited"},
		"pings without end":         {fakeServer{frames: flood("\x89\x00")}, "silent_after_open"},
		"frames without sense":      {fakeServer{frames: flood("\x81\x02{}")}, "connection_cut"},
		"a frame of many gigabytes": {fakeServer{frames: flood("\x81\x7f\x00\x00\xff\xff\xff\xff\xff\xff")}, "connection_cut"},
		"a close full of controls":  {fakeServer{frames: func(p peer) { io.WriteString(p, "\x88\x11\x03\xf3\x1b[31m\u202e<b>e\x07ok"); hear(p.in) }}, "server_error"},
		"half a frame":              {fakeServer{frames: func(p peer) { io.WriteString(p, "\x81\x7e\x01"); hear(p.in) }}, "silent_after_open"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := diagnose(t, listen(t, tc.serve))
			if r.Verdict != tc.want {
				t.Errorf("verdict %q, want %q: %+v", r.Verdict, tc.want, r.Findings)
			}
			shown(t, r)
		})
	}
}

// shown checks what a report says: bounded, and nothing that a terminal obeys.
func shown(t *testing.T, r *doctor.Report) {
	t.Helper()
	var out strings.Builder
	if err := r.Print(&out, false); err != nil {
		t.Fatal(err)
	}
	text := out.String() + r.Request + r.Response
	if len(text) > 64<<10 {
		t.Errorf("a report of %d bytes", len(text))
	}
	if i := strings.IndexFunc(text, func(c rune) bool {
		return c < ' ' && c != '\n' || c >= 0x7f && c < 0xa0 || strings.ContainsRune("\u202e\u2066\u200b\ufffd", c)
	}); i >= 0 {
		t.Errorf("a character that deceives is shown at %d: %.200q", i, text[i:])
	}
}

func TestClockOffByDays(t *testing.T) {
	t.Parallel()
	for name, off := range map[string]time.Duration{"a day behind": -24 * time.Hour, "nine days ahead": 9 * 24 * time.Hour, "a lifetime": 70 * 365 * 24 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := fakeServer{
				status: func(w io.Writer) { io.WriteString(w, goodStatus(time.Now().Add(off))) },
				frames: greet,
			}
			r := diagnose(t, listen(t, f.serve))
			if r.Verdict != "clock_skew" || r.Failed() {
				t.Errorf("verdict %q, findings %+v", r.Verdict, r.Findings)
			}
		})
	}
}

// greet says welcome and answers every frame with a pong of its t, or with
// itself.
func greet(p peer) {
	if !p.echo {
		io.WriteString(p, "\x81\x12{\"type\":\"welcome\"}")
	}
	for n := 1; ; n++ {
		payload, err := masked(p.in)
		if err != nil || p.most > 0 && !p.echo && len(payload) > p.most {
			return
		}
		if strings.Contains(payload, `"ping"`) {
			payload = fmt.Sprintf(`{"type":"pong","t":%d}`, n)
		}
		if _, err := p.Write(unmasked(payload)); err != nil {
			return
		}
	}
}

func masked(in *bufio.Reader) (string, error) {
	head := make([]byte, 2)
	if _, err := io.ReadFull(in, head); err != nil {
		return "", err
	}
	n := int(head[1] & 0x7f)
	for more := map[int]int{126: 2, 127: 8}[n]; more > 0; more-- {
		if n == 126 || n == 127 {
			n = 0
		}
		b, err := in.ReadByte()
		if err != nil {
			return "", err
		}
		n = n<<8 | int(b)
	}
	rest := make([]byte, 4+n)
	if _, err := io.ReadFull(in, rest); err != nil {
		return "", err
	}
	for i := range n {
		rest[4+i] ^= rest[i%4]
	}
	return string(rest[4:]), nil
}

func unmasked(payload string) []byte {
	n := len(payload)
	switch {
	case n < 126:
		return append([]byte{0x81, byte(n)}, payload...)
	case n < 1<<16:
		return append([]byte{0x81, 126, byte(n >> 8), byte(n)}, payload...)
	}
	return append([]byte{0x81, 127, 0, 0, 0, 0, 0, byte(n >> 16), byte(n >> 8), byte(n)}, payload...)
}

// TestIdle keeps a quiet connection: where nothing cuts it, it is held, and where
// something does, the report says so.
func TestIdle(t *testing.T) {
	t.Parallel()
	cutting := func(p peer) {
		if !p.quiet {
			greet(p)
		}
	}
	for name, tc := range map[string]struct {
		frames        func(peer)
		verdict, find string
	}{
		"held": {greet, "healthy", "idle_held"},
		"cut":  {cutting, "idle_cut", "idle_cut"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := doctor.Run(t.Context(), "ws://"+listen(t, fakeServer{frames: tc.frames}.serve)+"/ws/chat/", doctor.Options{Idle: 300 * time.Millisecond, Patience: hasty})
			if err != nil {
				t.Fatal(err)
			}
			found := slices.ContainsFunc(r.Findings, func(f doctor.Finding) bool { return f.Code == tc.find })
			if r.Verdict != tc.verdict || !found {
				t.Errorf("verdict %q, findings %+v; want %q and %q", r.Verdict, r.Findings, tc.verdict, tc.find)
			}
		})
	}
}

// TestFullMessage: a message as long as the contract allows is refused, or lost.
func TestFullMessage(t *testing.T) {
	t.Parallel()
	for want, end := range map[string]string{"message_too_big": "\x88\x02\x03\xf1", "large_frames_lost": ""} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			f := fakeServer{frames: func(p peer) {
				p.most = 1000
				greet(p)
				io.WriteString(p, end)
			}}
			if r := diagnose(t, listen(t, f.serve)); r.Verdict != want || r.Failed() {
				t.Errorf("verdict %q, findings %+v", r.Verdict, r.Findings)
			}
		})
	}
}

// TestStream tells an answer that comes piece by piece from one that was held
// back.
func TestStream(t *testing.T) {
	t.Parallel()
	for want, pieces := range map[string][]string{"healthy": {"a", "b", "c", "d", "e"}, "proxy_buffering": {"abcde"}} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			f := fakeServer{frames: greet, stream: func(w io.Writer) {
				io.WriteString(w, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
				tick := time.NewTicker(200 * time.Millisecond)
				defer tick.Stop()
				for range 5 - len(pieces) {
					<-tick.C
				}
				for _, piece := range pieces {
					io.WriteString(w, piece)
					<-tick.C
				}
			}}
			r, err := doctor.Run(t.Context(), "ws://"+listen(t, f.serve)+"/ws/chat/", doctor.Options{Stream: true})
			if err != nil {
				t.Fatal(err)
			}
			if r.Verdict != want {
				t.Errorf("verdict %q, findings %+v", r.Verdict, r.Findings)
			}
		})
	}
}
