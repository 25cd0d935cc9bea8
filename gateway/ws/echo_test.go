package ws_test

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	gobwas "github.com/gobwas/ws"

	"partyline/gateway/ws"
	"partyline/gateway/ws/conformance"
)

func TestEchoLimits(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, start func(testing.TB, ws.Config) conformance.Server) {
		s := start(t, ws.Config{Handler: ws.NewEcho(true)})
		var first peer
		for i := range 8 {
			p := dial(t, s)
			if i == 0 {
				first = p
			}
		}
		got, p := status(t, s)
		body, err := io.ReadAll(p.br)
		if !strings.Contains(got, " 429 ") || !bytes.Contains(body, []byte(`"rate_limited"`)) || err != nil {
			t.Errorf("the ninth connection: %s, %s, %v", got, body, err)
		}

		// 16 MiB in all, both kinds; no message is lost before that.
		payload := bytes.Repeat([]byte("x"), 256<<10)
		for i := range 64 {
			f := gobwas.NewTextFrame(payload)
			if i%2 == 0 {
				f = gobwas.NewBinaryFrame(payload)
			}
			first.send(t, f)
			if got := first.recv(t); got.Header.OpCode != f.Header.OpCode || !bytes.Equal(got.Payload, payload) {
				t.Fatalf("message %d came back different", i)
			}
		}
		first.send(t, gobwas.NewTextFrame([]byte("x")))
		if code := closeCode(first.recv(t)); code != ws.ClosePolicy {
			t.Errorf("beyond 16 MiB: close code %d", code)
		}
		first.Close()
		eventually(t, "room for another", func() bool {
			got, _ := status(t, s)
			return strings.Contains(got, " 101 ")
		})
	})
}

func TestEchoMessageLimit(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, start func(testing.TB, ws.Config) conformance.Server) {
		s := start(t, ws.Config{Handler: ws.NewEcho(true)})
		p := dial(t, s)
		p.send(t, gobwas.NewBinaryFrame(make([]byte, 256<<10+1)))
		if code := closeCode(p.recv(t)); code != ws.CloseTooBig {
			t.Errorf("close code %d", code)
		}
	})
}

func TestEchoWithoutLimits(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, start func(testing.TB, ws.Config) conformance.Server) {
		s := start(t, ws.Config{Handler: ws.NewEcho(false)})
		for range 12 {
			dial(t, s)
		}
		p := dial(t, s)
		payload := make([]byte, 9<<20)
		go func() { _ = gobwas.WriteFrame(p, gobwas.MaskFrame(gobwas.NewBinaryFrame(payload))) }()
		if f := p.recv(t); len(f.Payload) != 9<<20 {
			t.Errorf("%d bytes came back", len(f.Payload))
		}
	})
}

// TestEchoBackpressure: a peer that sends much before it reads is made to wait;
// it is no slow consumer.
func TestEchoBackpressure(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, start func(testing.TB, ws.Config) conformance.Server) {
		s := start(t, ws.Config{Handler: ws.NewEcho(true)})
		p := dial(t, s)
		payload := bytes.Repeat([]byte("x"), 100_000)
		sent := make(chan error, 1)
		go func() {
			for range 150 {
				if err := gobwas.WriteFrame(p, gobwas.MaskFrame(gobwas.NewTextFrame(payload))); err != nil {
					sent <- err
					return
				}
			}
			sent <- nil
		}()
		for range 150 {
			if f := p.recv(t); len(f.Payload) != len(payload) {
				t.Fatalf("got %+v %q", f.Header, f.Payload)
			}
		}
		if err := wait(t, sent); err != nil {
			t.Error(err)
		}
	})
}

func TestPlainHTTPOnTLS(t *testing.T) {
	t.Parallel()
	ln, _ := listen(t, certificate(t))
	e, err := ws.New("auto", ws.Config{Handler: ws.NewEcho(true)})
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = e.Serve(t.Context(), ln) }()
	t.Cleanup(func() { shutdown(t, e) })
	nc, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(nc, request); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(nc)
	if !strings.HasPrefix(string(answer), "HTTP/1.1 400 ") || !strings.Contains(string(answer), "wss://") || err != nil {
		t.Errorf("%s, %v", answer, err)
	}
	// A client that speaks no TLS version of ours just fails.
	if nc, err := tls.Dial("tcp", ln.Addr().String(), &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11}); err == nil {
		nc.Close()
		t.Error("TLS 1.1 was accepted")
	}
}

// flaky is a listener out of descriptors.
type flaky struct {
	net.Listener
	fails int
}

func (l *flaky) Accept() (net.Conn, error) {
	if l.fails > 0 {
		l.fails--
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: io.ErrNoProgress}
	}
	return l.Listener.Accept()
}

func TestAcceptErrorsPass(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e, err := ws.New("auto", ws.Config{Handler: ws.NewEcho(true)})
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = e.Serve(t.Context(), &flaky{ln, 4}) }()
	t.Cleanup(func() { shutdown(t, e) })
	nc, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(nc, request); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 12)
	if _, err := io.ReadFull(nc, b); err != nil || string(b) != "HTTP/1.1 101" {
		t.Errorf("%q, %v", b, err)
	}
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	if _, err := ws.New("fastest", ws.Config{Handler: ws.NewEcho(true)}); err == nil {
		t.Error("an unknown kind of engine was made")
	}
	for name, cfg := range map[string]ws.Config{
		"no handler":       {},
		"negative number":  {Handler: ws.NewEcho(true), MaxHandshakes: -1},
		"negative timeout": {Handler: ws.NewEcho(true), CloseTimeout: -1},
	} {
		if _, err := ws.NewGoroutine(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
