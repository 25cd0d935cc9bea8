package ws_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	gobwas "github.com/gobwas/ws"

	"partyline/gateway/ws"
	"partyline/gateway/ws/conformance"
)

const patience = 30 * time.Second

// handler accepts everything with the given options.
type handler struct {
	opts    ws.Options
	opened  chan ws.Conn
	closed  chan ws.CloseInfo
	message func(c ws.Conn, payload []byte)
}

func newHandler() *handler {
	return &handler{opened: make(chan ws.Conn, 10_000), closed: make(chan ws.CloseInfo, 10_000)}
}

func (h *handler) Handshake(context.Context, *ws.Request) (*ws.Acceptance, *ws.Refusal) {
	return &ws.Acceptance{Session: &session{h: h}, Options: h.opts}, nil
}

func (h *handler) Malformed(_ *ws.Request, ref *ws.Refusal) *ws.Refusal { return ref }

type session struct {
	h *handler
	c ws.Conn
}

func (s *session) Open(c ws.Conn) { s.c = c; s.h.opened <- c }

func (s *session) Message(_ bool, payload []byte) {
	if s.h.message != nil {
		s.h.message(s.c, payload)
	}
}

func (s *session) Closed(info ws.CloseInfo) { s.h.closed <- info }

func wait[T any](t testing.TB, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatal("waited too long")
		panic("unreachable")
	}
}

// eventually polls until ok.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(patience); ; {
		if ok() {
			return
		}
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("never: %s", what)
		}
	}
}

func start(t testing.TB, cfg ws.Config) conformance.Server {
	t.Helper()
	s := startListener(t, cfg, nil)
	t.Cleanup(func() { shutdown(t, s.Engine) })
	return s
}

func shutdown(t testing.TB, e ws.Engine) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
	defer cancel()
	if err := e.Shutdown(ctx); err != nil {
		t.Errorf("shutdown: %v", err)
	}
}

// peer is a client that behaves.
type peer struct {
	net.Conn
	br *bufio.Reader
}

const request = "GET /ws/echo/?quiet=0 HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

// status dials, asks for an upgrade and gives the status line of the answer.
func status(t testing.TB, s conformance.Server) (string, peer) {
	t.Helper()
	nc, err := s.Dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(nc, request); err != nil {
		t.Fatal(err)
	}
	p := peer{nc, bufio.NewReader(nc)}
	first := ""
	for {
		line, err := p.br.ReadString('\n')
		if err != nil {
			t.Fatalf("answer: %v after %q", err, first)
		}
		if first == "" {
			first = strings.TrimSpace(line)
		}
		if line == "\r\n" {
			return first, p
		}
	}
}

func dial(t testing.TB, s conformance.Server) peer {
	t.Helper()
	got, p := status(t, s)
	if !strings.Contains(got, " 101 ") {
		t.Fatal(got)
	}
	return p
}

func (p peer) send(t testing.TB, f gobwas.Frame) {
	t.Helper()
	if err := gobwas.WriteFrame(p, gobwas.MaskFrame(f)); err != nil {
		t.Fatal(err)
	}
}

func (p peer) recv(t testing.TB) gobwas.Frame {
	t.Helper()
	f, err := gobwas.ReadFrame(p.br)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func closeCode(f gobwas.Frame) int {
	if f.Header.OpCode != gobwas.OpClose || len(f.Payload) < 2 {
		return 0
	}
	return int(binary.BigEndian.Uint16(f.Payload))
}

func TestSlowConsumer(t *testing.T) {
	t.Parallel()
	h := newHandler()
	h.opts.MaxQueueBytes = 64 << 10
	h.opts.SlowFrame = func() *ws.Frame { return ws.NewText([]byte("bye")) }
	s := start(t, ws.Config{Handler: h, CloseTimeout: patience})
	p := dial(t, s)
	c := wait(t, h.opened)
	payload := bytes.Repeat([]byte("x"), 10_000)
	sent := 0
	for { // the peer does not read
		f := ws.NewText(binary.BigEndian.AppendUint32(payload[:9996], uint32(sent)))
		ok := c.Send(f)
		f.Release()
		if !ok {
			break
		}
		sent++
	}
	if c.Send(ws.NewText(nil)) {
		t.Error("sent after the close")
	}
	// Now it reads: a prefix without holes, the last frame, and the code.
	for n := uint32(0); ; n++ {
		f := p.recv(t)
		if string(f.Payload) == "bye" {
			break
		}
		if got := binary.BigEndian.Uint32(f.Payload[9996:]); got != n || int(n) > sent {
			t.Fatalf("frame %d where %d was due", got, n)
		}
	}
	if code := closeCode(p.recv(t)); code != ws.CloseSlowConsumer {
		t.Errorf("close code %d", code)
	}
	p.Close()
	if info := wait(t, h.closed); info.Code != ws.CloseSlowConsumer || info.Initiator != ws.ByServer {
		t.Errorf("ended with %+v", info)
	}
}

func TestSlowConsumerThatNeverReads(t *testing.T) {
	t.Parallel()
	h := newHandler()
	s := start(t, ws.Config{Handler: h, CloseTimeout: 200 * time.Millisecond, WriteStall: 200 * time.Millisecond, MaxQueueBytes: 1 << 30})
	dial(t, s)
	c := wait(t, h.opened)
	f := ws.NewText(make([]byte, 1<<20))
	defer f.Release()
	for range 64 { // more than sockets take, less than the queue
		c.Send(f)
	}
	if info := wait(t, h.closed); info.Code != ws.CloseSlowConsumer || info.Initiator != ws.ByTimeout {
		t.Errorf("ended with %+v", info)
	}
}

func TestOrderAndContents(t *testing.T) {
	t.Parallel()
	for name, target := range targets(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHandler()
			s := target.Start(t, ws.Config{Handler: h, MaxQueueBytes: 64 << 20})
			t.Cleanup(func() { shutdown(t, s.Engine) })
			p := dial(t, s)
			c := wait(t, h.opened)
			const frames = 3000
			go func() {
				b := make([]byte, 5000)
				for i := range frames {
					binary.BigEndian.PutUint32(b, uint32(i))
					f := ws.NewBinary(b[:4+i%4996])
					c.Send(f)
					f.Release()
				}
			}()
			for i := range frames {
				f := p.recv(t)
				if binary.BigEndian.Uint32(f.Payload) != uint32(i) || len(f.Payload) != 4+i%4996 {
					t.Fatalf("frame %d is wrong", i)
				}
			}
		})
	}
}

func TestHeartbeat(t *testing.T) {
	t.Parallel()
	h := newHandler()
	s := start(t, ws.Config{Handler: h, Heartbeat: time.Second})
	p := dial(t, s)
	c := wait(t, h.opened)
	for range 3 { // answered pings keep it alive and give a round trip
		f := p.recv(t)
		if f.Header.OpCode != gobwas.OpPing {
			t.Fatalf("got %+v", f.Header)
		}
		p.send(t, gobwas.NewPongFrame(f.Payload))
	}
	eventually(t, "a round trip", func() bool { return c.RTT() > 0 })
	for { // then silence
		f := p.recv(t)
		if f.Header.OpCode != gobwas.OpPing {
			if code := closeCode(f); code != ws.CloseHeartbeat {
				t.Errorf("close code %d", code)
			}
			break
		}
	}
	p.Close()
	if info := wait(t, h.closed); info.Code != ws.CloseHeartbeat || info.Initiator != ws.ByTimeout {
		t.Errorf("ended with %+v", info)
	}
}

// TestListenerIsPinged: to a peer that only listens something is sent all the
// time; it must be pinged nevertheless, or it would count as dead.
func TestListenerIsPinged(t *testing.T) {
	t.Parallel()
	h := newHandler()
	s := start(t, ws.Config{Handler: h, Heartbeat: time.Second})
	p := dial(t, s)
	c := wait(t, h.opened)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	defer wg.Wait()
	defer close(stop)
	wg.Go(func() {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		f := ws.NewText([]byte("news"))
		defer f.Release()
		for {
			select {
			case <-tick.C:
				c.Send(f)
			case <-stop:
				return
			}
		}
	})
	for pings := 0; pings < 3; {
		if f := p.recv(t); f.Header.OpCode == gobwas.OpPing {
			pings++
			p.send(t, gobwas.NewPongFrame(f.Payload))
		}
	}
}

func TestLifetime(t *testing.T) {
	t.Parallel()
	h := newHandler()
	h.opts.MaxLifetime = 50 * time.Millisecond
	h.opts.Heartbeat = -1
	s := start(t, ws.Config{Handler: h})
	p := dial(t, s)
	if code := closeCode(p.recv(t)); code != ws.CloseNormal {
		t.Errorf("close code %d", code)
	}
}

func TestConnectionLimit(t *testing.T) {
	t.Parallel()
	for name, target := range targets(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHandler()
			s := target.Start(t, ws.Config{Handler: h, MaxConnections: 2})
			t.Cleanup(func() { shutdown(t, s.Engine) })
			first := dial(t, s)
			dial(t, s)
			got, p := status(t, s)
			body, err := io.ReadAll(p.br)
			if !strings.Contains(got, " 503 ") || !bytes.Contains(body, []byte(`"overloaded"`)) || err != nil {
				t.Errorf("%s, %s, %v", got, body, err)
			}
			eventually(t, "two connections", func() bool { return s.Engine.Connections() == 2 })
			first.Close()
			eventually(t, "room again", func() bool {
				got, _ := status(t, s)
				return strings.Contains(got, " 101 ")
			})
		})
	}
}

func TestHandshakeLimit(t *testing.T) {
	t.Parallel()
	s := start(t, ws.Config{Handler: newHandler(), MaxHandshakes: 1})
	slow, err := s.Dial()
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	if _, err := io.WriteString(slow, "GET / "); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a refusal", func() bool {
		got, _ := status(t, s)
		return strings.Contains(got, " 503 ")
	})
	slow.Close()
	eventually(t, "room again", func() bool {
		got, _ := status(t, s)
		return strings.Contains(got, " 101 ")
	})
}

func TestShutdown(t *testing.T) {
	t.Parallel()
	for name, target := range targets(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHandler()
			s := target.Start(t, ws.Config{Handler: h, CloseTimeout: patience})
			peers := make([]peer, 5)
			for i := range peers {
				peers[i] = dial(t, s)
				wait(t, h.opened)
			}
			done := make(chan struct{})
			go func() {
				defer close(done)
				shutdown(t, s.Engine)
			}()
			for _, p := range peers {
				f := p.recv(t)
				if code := closeCode(f); code != ws.CloseGoingAway {
					t.Errorf("close code %d", code)
				}
				p.send(t, f)
				if _, err := p.br.ReadByte(); !errors.Is(err, io.EOF) {
					t.Errorf("after Close: %v", err)
				}
				p.Close()
			}
			wait(t, done)
			for range peers {
				if info := wait(t, h.closed); info.Code != ws.CloseGoingAway || info.Initiator != ws.ByServer {
					t.Errorf("ended with %+v", info)
				}
			}
			got, _ := status(t, s)
			if !strings.Contains(got, " 503 ") {
				t.Errorf("after shutdown: %s", got)
			}
		})
	}
}

func TestShutdownCutsWhatDoesNotEnd(t *testing.T) {
	t.Parallel()
	h := newHandler()
	s := startListener(t, ws.Config{Handler: h, CloseTimeout: time.Hour, HandshakeTimeout: time.Hour}, nil)
	dial(t, s)
	wait(t, h.opened)
	silent, err := s.Dial() // a handshake that never comes
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Engine.Shutdown(ctx); err == nil {
		t.Error("no error")
	}
	wait(t, h.closed)
}

// TestNoLeaks opens and closes many connections in all ways.
func TestNoLeaks(t *testing.T) { // not parallel: it counts goroutines and descriptors
	h := newHandler()
	h.message = func(c ws.Conn, _ []byte) { c.Close(ws.CloseNormal, "", nil) }
	s := startListener(t, ws.Config{Handler: h}, nil)
	cycle := func(i int) {
		nc, err := s.Dial()
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		_ = nc.SetDeadline(time.Now().Add(patience))
		switch i % 4 {
		case 0:
			return
		case 1:
			_, _ = io.WriteString(nc, "GET /nothing HTTP/1.0\r\n\r\n")
			_, _ = io.Copy(io.Discard, nc)
			return
		}
		_, _ = io.WriteString(nc, request)
		br := bufio.NewReader(nc)
		for line := ""; line != "\r\n"; {
			if line, err = br.ReadString('\n'); err != nil {
				t.Fatal(err)
			}
		}
		if i%4 == 2 {
			_ = gobwas.WriteFrame(nc, gobwas.MaskFrame(gobwas.NewTextFrame([]byte("close"))))
			_, _ = gobwas.ReadFrame(br)
		}
	}
	cycle(2)
	goroutines, files := runtime.NumGoroutine(), descriptors(t)
	for i := range 2000 {
		cycle(i)
	}
	eventually(t, "all connections gone", func() bool { return s.Engine.Connections() == 0 })
	eventually(t, "no goroutine left behind", func() bool { return runtime.NumGoroutine() <= goroutines })
	eventually(t, "no descriptor left behind", func() bool { return descriptors(t) <= files })
	shutdown(t, s.Engine)
}

// descriptors counts open files, 0 where the system does not tell.
func descriptors(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(entries)
}

// Over TLS every frame goes through a writer that starts and ends all the time;
// one that ends must never take the connection with it.
func TestManyWritersOfOneConnection(t *testing.T) {
	t.Parallel()
	const conns, frames = 8, 4000
	h := newHandler()
	s := startListener(t, ws.Config{Handler: h, Heartbeat: time.Hour}, certificate(t))
	t.Cleanup(func() { shutdown(t, s.Engine) })
	var wg sync.WaitGroup
	for range conns {
		p := dial(t, s)
		c := wait(t, h.opened)
		wg.Go(func() {
			for n := range uint32(frames) {
				f := ws.NewBinary(binary.BigEndian.AppendUint32(nil, n))
				c.Send(f)
				f.Release()
				runtime.Gosched() // lets the writer run out of frames
			}
		})
		wg.Go(func() {
			for n := range uint32(frames) {
				f, err := gobwas.ReadFrame(p.br)
				if err != nil || binary.BigEndian.Uint32(f.Payload) != n {
					t.Errorf("frame %d: %v, %v", n, f.Payload, err)
					return
				}
			}
		})
	}
	wg.Wait()
}
