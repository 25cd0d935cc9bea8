//go:build linux && (amd64 || arm64)

package ws

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"partyline/gateway/lifecycle"
)

// epoll is the event-loop engine. What has no usable descriptor (TLS) runs on the
// goroutine engine, behind the same limits.
type epoll struct {
	cfg   Config
	gate  *gate
	other *engine
	start time.Time
	table *table
	crew  crew // decides about handshakes
	gen   atomic.Int32

	mu      sync.Mutex // guards what follows; held over no I/O
	loops   []*loop    // set while users is not 0
	users   int        // sockets, listeners, and one until Shutdown
	based   bool       // the last of them is counted
	stopped bool       // Shutdown was called
	severed bool       // its time is over
}

// NewEpoll makes the event-loop engine of Linux. It starts nothing. See doc.go
// for how it differs from the goroutine engine.
func NewEpoll(cfg Config) (Engine, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	g := newGate(&cfg)
	e := &epoll{cfg: cfg, gate: g, other: newEngine(cfg, g), start: time.Now(), table: new(table), crew: newCrew()}
	return e, nil
}

// since is the real monotonic time.
func (e *epoll) since() int64 { return int64(time.Since(e.start)) }

// tick is the resolution of all timers.
func (e *epoll) tick() time.Duration {
	shortest := min(e.cfg.Heartbeat, e.cfg.HandshakeTimeout, e.cfg.MessageTimeout, e.cfg.WriteStall, e.cfg.CloseTimeout)
	return min(max(shortest/8, 5*time.Millisecond), 250*time.Millisecond)
}

// generation numbers sockets; the number of listeners is left out.
func (e *epoll) generation() int32 { return e.gen.Add(1) & 0x7fffffff }

// acquire makes sure that the loops run and go on until release.
func (e *epoll) acquire() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.users == 0 {
		if err := e.startLoops(); err != nil {
			return err
		}
		if !e.stopped {
			e.based = true
			e.users = 1
		}
	}
	e.users++
	return nil
}

// startLoops starts the loops. mu is held.
func (e *epoll) startLoops() error {
	loops := make([]*loop, 0, e.cfg.Loops)
	for range e.cfg.Loops {
		l, err := newLoop(e)
		if err != nil {
			for _, l := range loops {
				l.file.Close()
			}
			return fmt.Errorf("start event loop: %w", err)
		}
		loops = append(loops, l)
	}
	e.loops = loops
	for _, l := range loops {
		go l.run()
	}
	return nil
}

// acquired is acquire for somebody who holds one already.
// severed says that a shutdown has cut everything already.
func (e *epoll) acquired() (severed bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.users++
	return e.severed
}

// release gives back what acquire gave. After the last of them the loops end; it
// returns those that do.
func (e *epoll) release() (ending []*loop) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.users--
	if e.users > 0 {
		return nil
	}
	ending, e.loops = e.loops, nil
	for _, l := range ending {
		l.file.Close()
	}
	return ending
}

// releaseAndWait is release for those who are no loop: they can wait for the
// loops to end.
func (e *epoll) releaseAndWait() {
	for _, l := range e.release() {
		<-l.done
	}
}

// Connections implements Engine.
func (e *epoll) Connections() int { return e.gate.connections() }

// Serve implements Engine. A TCP listener is closed at once and its socket used
// by a loop, so that Go's poller does not wake for it.
func (e *epoll) Serve(ctx context.Context, ln net.Listener) error {
	tcp, ok := ln.(*net.TCPListener)
	if !ok {
		return e.other.Serve(ctx, ln)
	}
	defer ln.Close()
	fd, err := dup(tcp)
	if err != nil {
		return fmt.Errorf("take over listener: %w", err)
	}
	defer unix.Close(fd)
	if err := e.acquire(); err != nil {
		return err
	}
	defer e.releaseAndWait()
	inherited(fd)
	ln.Close()
	a := &acceptor{fd: fd, ctx: context.WithoutCancel(ctx), failed: make(chan error, 1)}
	if a.local = localAddr(fd); a.local.Addr().IsUnspecified() {
		a.local = netip.AddrPort{} // each socket has its own
	}
	l := e.loops[0]
	l.do(func() {
		l.listeners[int32(fd)] = a
		if err := unix.EpollCtl(l.epfd, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd), Pad: listenerGen}); err != nil {
			a.failed <- err
		}
	})
	select {
	case <-ctx.Done():
		err = nil
	case err = <-a.failed:
		err = fmt.Errorf("accept: %w", err)
	}
	gone := make(chan struct{})
	l.do(func() {
		defer close(gone)
		_ = unix.EpollCtl(l.epfd, unix.EPOLL_CTL_DEL, fd, nil)
		delete(l.listeners, int32(fd))
	})
	<-gone
	return err
}

// inherited sets what Go sets on each accepted socket. On Linux they inherit it
// from the listening one.
func inherited(fd int) {
	for _, o := range [][3]int{
		{unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
		{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
		{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 15},
		{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 15},
		{unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 9},
	} {
		_ = unix.SetsockoptInt(fd, o[0], o[1], o[2])
	}
}

// dup gives a descriptor of our own for the socket of a connection or listener.
func dup(from interface {
	SyscallConn() (syscall.RawConn, error)
}) (int, error) {
	raw, err := from.SyscallConn()
	if err != nil {
		return -1, err
	}
	fd := -1
	controlErr := raw.Control(func(old uintptr) { fd, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 3) })
	if controlErr != nil {
		return -1, controlErr
	}
	return fd, err
}

// Upgrade implements Engine. A plain TCP connection moves into a loop.
func (e *epoll) Upgrade(w http.ResponseWriter, r *http.Request, attempt *lifecycle.Attempt) {
	var t ticket
	h := e.cfg.takeOver(e.gate, &t, w, r, attempt)
	if h == nil {
		return
	}
	tcp, ok := h.nc.(*net.TCPConn)
	if !ok {
		e.other.upgrade(t, h)
		return
	}
	fd, err := dup(tcp)
	if err == nil {
		if err = e.acquire(); err != nil {
			unix.Close(fd)
		}
	}
	if err != nil {
		e.cfg.Logger.WarnContext(r.Context(), "upgrade stays on a goroutine", "error", err)
		e.other.upgrade(t, h)
		return
	}
	defer e.release()
	tcp.Close() // its descriptor; the connection lives on in ours
	c := &econn{
		fd: int32(fd), ticket: t, phase: phaseDeciding, in: h.in,
		hs: &opening{ctx: context.WithoutCancel(r.Context()), attempt: attempt, remote: h.req.Remote, local: h.req.Local},
	}
	c.by = int64(e.cfg.HandshakeTimeout)
	if !e.join(c) {
		h.acc.abandon()
		return
	}
	c.establish(h.req, h.acc)
}

// Shutdown implements Engine.
func (e *epoll) Shutdown(ctx context.Context) error {
	e.other.beginShutdown()
	e.table.each(func(c *econn) {
		if c.linked.Load() {
			c.close(goingAway, nil)
		}
	})
	stop := context.AfterFunc(ctx, e.cut)
	defer stop()
	err := e.other.awaitShutdown(ctx)
	e.mu.Lock()
	based := e.based
	e.based, e.stopped = false, true
	e.mu.Unlock()
	if based {
		e.releaseAndWait()
	}
	return err
}

// cut ends every socket. The loops notice and close them.
func (e *epoll) cut() {
	e.mu.Lock()
	e.severed = true
	e.mu.Unlock()
	e.table.each((*econn).cut)
}

func (c *econn) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase == phaseGone {
		return
	}
	_ = unix.SetsockoptLinger(int(c.fd), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	shutdownFD(c.fd, unix.SHUT_RDWR)
	if c.phase != phaseDeciding {
		c.phase = phaseLost
		c.loop.post(c)
	}
}
