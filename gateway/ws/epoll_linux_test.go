//go:build linux && (amd64 || arm64)

package ws

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const upgradeRequest = "GET /ws/echo/ HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

// serveEpoll starts the engine on a port of its own.
func serveEpoll(t *testing.T, cfg Config) (*epoll, string) {
	t.Helper()
	made, err := NewEpoll(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- made.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
		if err := made.Shutdown(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		e := made.(*epoll)
		if e.users != 0 || e.loops != nil {
			t.Errorf("%d users are left", e.users)
		}
	})
	return made.(*epoll), ln.Addr().String()
}

// upgraded sends the request and reads the answer.
func upgraded(t *testing.T, nc net.Conn) {
	t.Helper()
	_ = nc.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := io.WriteString(nc, upgradeRequest); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(nc).ReadString('\n')
	if err != nil || !strings.Contains(line, " 101 ") {
		t.Fatalf("%q, %v", line, err)
	}
}

// TestSocketsInherit: accepted sockets have the options of those of package net.
func TestSocketsInherit(t *testing.T) {
	t.Parallel()
	e, addr := serveEpoll(t, Config{Handler: NewEcho(true)})
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	upgraded(t, nc)
	found := 0
	e.table.each(func(c *econn) {
		found++
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, o := range [][3]int{
			{unix.IPPROTO_TCP, unix.TCP_NODELAY, 1}, {unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
			{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 15}, {unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 15},
		} {
			if got, err := unix.GetsockoptInt(int(c.fd), o[0], o[1]); got != o[2] || err != nil {
				t.Errorf("option %d is %d, %v, want %d", o[1], got, err, o[2])
			}
		}
	})
	if found != 1 {
		t.Errorf("%d sockets", found)
	}
}

// warnings tells that something was logged.
type warnings struct {
	slog.Handler
	logged chan string
}

func (w warnings) Enabled(context.Context, slog.Level) bool { return true }

func (w warnings) Handle(_ context.Context, r slog.Record) error {
	select {
	case w.logged <- r.Message:
	default:
	}
	return nil
}

// TestOutOfDescriptors: who connects while there is no descriptor left is served
// when there is one again.
func TestOutOfDescriptors(t *testing.T) { // not parallel: it changes a limit of the process
	logged := make(chan string, 1)
	_, addr := serveEpoll(t, Config{Handler: NewEcho(true), Logger: slog.New(warnings{slog.DiscardHandler, logged})})
	warm, err := net.Dial("tcp", addr) // and whatever else is opened once
	if err != nil {
		t.Fatal(err)
	}
	defer warm.Close()
	upgraded(t, warm)
	peer, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(peer)
	free, err := syscall.Dup(peer)
	if err != nil {
		t.Fatal(err)
	}
	syscall.Close(free)

	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	less := old
	less.Cur = uint64(free)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &less); err != nil {
		t.Fatal(err)
	}
	restore := func() { _ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &old) }
	defer restore()
	to := warm.RemoteAddr().(*net.TCPAddr)
	if err := syscall.Connect(peer, &syscall.SockaddrInet4{Port: to.Port, Addr: [4]byte(to.IP.To4())}); err != nil {
		t.Fatal(err)
	}
	if _, err := syscall.Write(peer, []byte(upgradeRequest)); err != nil {
		t.Fatal(err)
	}
	select {
	case <-logged:
	case <-time.After(30 * time.Second):
		t.Error("accepted in spite of the limit, or not logged")
	}
	restore()
	_ = syscall.SetsockoptTimeval(peer, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &syscall.Timeval{Sec: 30})
	var answer [512]byte
	n, err := syscall.Read(peer, answer[:])
	if err != nil || !strings.Contains(string(answer[:max(n, 0)]), " 101 ") {
		t.Errorf("%q, %v", answer[:max(n, 0)], err)
	}
}

// TestTurnsAreBounded: a peer with much to say gets its turns between those of
// others.
func TestTurnsAreBounded(t *testing.T) {
	t.Parallel()
	sess := &countingSession{}
	c := &econn{phase: phaseOpen}
	cfg, err := Config{Handler: NewEcho(true)}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	e := &epoll{cfg: cfg, gate: newGate(&cfg), table: new(table), start: time.Now()}
	l, err := newLoop(e)
	if err != nil {
		t.Fatal(err)
	}
	defer l.file.Close()
	c.loop, c.clock, c.fd = l, &l.clock, -1
	c.init(c, c.clock, &cfg, &Acceptance{Session: sess}, nil)
	c.in = inbox{buf: getBuffer(64 << 10)}
	frame := masked(0x81, []byte("x"))
	for range 5 * turnFrames {
		c.in.w += copy(c.in.buf.b[c.in.w:], frame)
	}
	for turn := 1; turn <= 5; turn++ {
		l.turn(c, 0)
		if sess.messages != turn*turnFrames {
			t.Fatalf("%d messages after %d turns", sess.messages, turn)
		}
		if more := len(l.again) > 0; !more {
			t.Fatalf("no further turn after turn %d", turn)
		}
		l.again, c.inAgain = nil, false
	}
	if l.turn(c, 0); len(l.again) > 0 || c.in.buf != nil {
		t.Error("an idle connection keeps its turn or its buffer")
	}
}

type countingSession struct{ messages int }

func (s *countingSession) Open(Conn)            {}
func (s *countingSession) Message(bool, []byte) { s.messages++ }
func (s *countingSession) Closed(CloseInfo)     {}

// An idle connection is its struct and two places, in table and wheel: what is
// added to the struct is paid by every connection.
func TestIdleConnectionIsSmall(t *testing.T) {
	t.Parallel()
	if size := unsafe.Sizeof(econn{}); size > 576 { // a size class of Go's allocator
		t.Errorf("%d bytes", size)
	}
}
