//go:build linux && (amd64 || arm64)

package ws

import (
	"bytes"
	"context"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"partyline/events"
	lc "partyline/events/lifecycle"
)

// turnAccepts bounds the sockets that are accepted at once.
const turnAccepts = 64

// acceptor is a listening socket in a loop, which alone uses it.
type acceptor struct {
	fd       int
	ctx      context.Context
	local    netip.AddrPort // without an address when the socket listens on all
	resumeAt int64          // real time; 0: not paused
	pause    time.Duration
	failed   chan error // what makes accepting pointless
}

// accept takes what waits at a listener.
func (l *loop) accept(a *acceptor) {
	for range turnAccepts {
		fd, remote, err := accept4(a.fd)
		switch err {
		case 0:
			a.pause = 0
			if on, _ := unix.GetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY); on == 0 {
				inherited(fd) // it was connected before the listener had them
			}
			l.eng.accepted(a, int32(fd), remote)
		case unix.EAGAIN:
			return
		case unix.EBADF, unix.EINVAL, unix.ENOTSOCK, unix.EOPNOTSUPP:
			l.suspend(a)
			a.failed <- err
			return
		case unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM:
			// Out of descriptors or memory: it passes.
			if a.pause == 0 {
				l.eng.cfg.Logger.WarnContext(a.ctx, "accept fails", "error", error(err))
			}
			a.pause = min(max(2*a.pause, 5*time.Millisecond), time.Second)
			l.suspend(a)
			l.mu.Lock()
			a.resumeAt = l.eng.since() + int64(a.pause)
			l.startTicking()
			l.mu.Unlock()
			return
		default: // the peer has left already, or its network has failed
		}
	}
}

func (l *loop) suspend(a *acceptor) {
	_ = unix.EpollCtl(l.epfd, unix.EPOLL_CTL_MOD, a.fd, &unix.EpollEvent{Fd: int32(a.fd), Pad: listenerGen})
}

// resume lets a paused listener go on when it is time. It reports whether it is
// still paused.
func (l *loop) resume(a *acceptor, now int64) bool {
	if a.resumeAt == 0 || now < a.resumeAt {
		return a.resumeAt != 0
	}
	a.resumeAt = 0
	_ = unix.EpollCtl(l.epfd, unix.EPOLL_CTL_MOD, a.fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(a.fd), Pad: listenerGen})
	return false
}

// accepted takes a socket from a listener.
func (e *epoll) accepted(a *acceptor, fd int32, remote netip.AddrPort) {
	h := &opening{ctx: a.ctx, remote: remote, local: a.local}
	if !h.local.Addr().IsValid() {
		h.local = localAddr(int(fd))
	}
	if e.cfg.Recorder != nil {
		h.attempt = e.cfg.Recorder.Begin(h.remote, h.local)
	}
	c := &econn{fd: fd, hs: h}
	ref := e.gate.enter(&c.ticket, true)
	if ref != nil {
		h.attempt.Refuse(lc.StageLimits, ref.Status, ref.Code, ref.Detail)
	}
	if !c.ticket.inside {
		closeFD(fd, false)
		h.refused = true
		h.end()
		return
	}
	if ref != nil {
		c.phase = phaseDeciding
	}
	c.by = int64(e.cfg.HandshakeTimeout)
	if !e.join(c) {
		return
	}
	if ref != nil {
		c.refuse(ref)
	}
}

// join gives a socket to a loop. by is taken as the time that is left.
func (e *epoll) join(c *econn) bool {
	l := e.loops[0]
	for _, other := range e.loops[1:] {
		if other.conns.Load() < l.conns.Load() {
			l = other
		}
	}
	c.loop = l
	c.clock = &l.clock
	c.gen = e.generation()
	c.by += l.clock.Load()
	l.conns.Add(1)
	severed := e.acquired()
	if !e.table.put(c.fd, c) {
		e.cfg.Logger.ErrorContext(c.hs.ctx, "descriptor out of range", "fd", c.fd)
		l.teardown(c)
		return false
	}
	c.mu.Lock() // what was set up is seen by who comes through the kernel
	l.arm(c, c.by)
	events := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET, Fd: c.fd, Pad: c.gen}
	err := unix.EpollCtl(l.epfd, unix.EPOLL_CTL_ADD, int(c.fd), &events)
	c.mu.Unlock()
	if err != nil {
		e.cfg.Logger.ErrorContext(c.hs.ctx, "watch socket", "error", err)
		c.lose()
		return false
	}
	if severed {
		c.cut()
	}
	return true
}

// readHead reads a request as far as it has arrived.
func (l *loop) readHead(c *econn) {
	in := &c.in
	if in.buf == nil {
		in = &l.in
		in.r, in.w = 0, 0
	}
	for c.readable {
		if in == &c.in && in.w == len(in.buf.b) {
			in.move(getBuffer(2 * len(in.buf.b)))
		}
		room := in.free()
		room = room[:min(len(room), headLimit-in.w)]
		n, err := recv(c.fd, room)
		if err == unix.EAGAIN {
			c.readable = false
			break
		}
		if err != 0 || n == 0 {
			detail := "closed before the request was complete"
			if in.w == 0 {
				detail = "closed without a request"
			}
			c.hs.attempt.Fail(lc.StageRequest, events.CodeBadRequest, detail)
			c.hs.close(ByClient, detail)
			l.teardown(c)
			return
		}
		if n < len(room) && !c.ended {
			c.readable = false
		}
		seen := in.w
		in.w += n
		if end, ref := in.head(seen); ref != nil || end > 0 {
			l.parse(c, in, end, ref)
			return
		}
	}
	l.keep(c, in)
}

// parse reads a complete request head and has it decided about elsewhere: what
// a handler does may take its time.
func (l *loop) parse(c *econn, in *inbox, end int, ref *Refusal) {
	req := &Request{}
	if ref == nil {
		req, ref = ParseHead(in.bytes()[:end])
		in.r = end
		l.keep(c, in) // what came early
	} else {
		c.in.release()
		c.in = inbox{}
	}
	req.Remote, req.Local, req.Attempt = c.hs.remote, c.hs.local, c.hs.attempt
	c.mu.Lock()
	c.phase = phaseDeciding
	left := time.Duration(c.by - l.clock.Load())
	c.mu.Unlock()
	l.eng.crew.do(func() { c.decideRequest(req, ref, left) })
}

// headLate refuses a request that did not arrive in time.
func (l *loop) headLate(c *econn) {
	ref := &Refusal{Status: 408, Code: events.CodeBadRequest, Detail: "the request did not arrive in time"}
	c.hs.attempt.Refuse(lc.StageRequest, ref.Status, ref.Code, ref.Detail)
	c.refuse(ref)
}

// decideRequest asks the handler, on a goroutine of its own.
func (c *econn) decideRequest(req *Request, ref *Refusal, left time.Duration) {
	ctx, cancel := context.WithTimeout(c.hs.ctx, left)
	defer cancel()
	acc, ref := c.loop.eng.cfg.decide(ctx, req, ref)
	if ref != nil {
		c.refuse(ref)
		return
	}
	c.establish(req, acc)
}

// refuse answers a refusal and leaves the peer some time to read it. While it
// runs, nobody else uses the socket.
func (c *econn) refuse(ref *Refusal) {
	var answer bytes.Buffer
	_ = WriteRefusal(&answer, ref) // a buffer takes everything
	c.loop.eng.gate.shaken(&c.ticket)
	c.hs.refused = true
	if n, err := send(c.fd, answer.Bytes(), 0); err != 0 || n < answer.Len() {
		c.lose()
		return
	}
	shutdownFD(c.fd, unix.SHUT_WR)
	c.mu.Lock()
	c.phase = phaseRefused
	c.missed |= unix.EPOLLIN
	c.by = c.later(lingerTime)
	c.loop.arm(c, c.by)
	c.mu.Unlock()
	c.loop.post(c)
}

// lose has the loop close the socket.
func (c *econn) lose() {
	c.mu.Lock()
	c.phase = phaseLost
	c.mu.Unlock()
	c.loop.post(c)
}

// establish answers 101 and opens the connection, in phaseDeciding.
func (c *econn) establish(req *Request, acc *Acceptance) {
	e, a := c.loop.eng, req.Attempt
	if acc.Options.KeepAliveOff {
		_ = unix.SetsockoptInt(int(c.fd), unix.SOL_SOCKET, unix.SO_KEEPALIVE, 0)
	}
	var response bytes.Buffer
	deflate := e.cfg.extension(req)
	err := answer(&response, req, acc.Subprotocol, deflate)
	if err == nil {
		// Together with what the session sends first.
		n, errno := send(c.fd, response.Bytes(), unix.MSG_MORE)
		if errno != 0 {
			err = errno
		} else if n < response.Len() {
			err = unix.EAGAIN // nothing was written before: the peer is odd
		}
	}
	if err != nil {
		acc.abandon()
		a.Fail(lc.StageUpgraded, events.CodeBadRequest, "closed before the answer was written")
		c.hs.close(ByNetwork, "connection lost")
		c.lose()
		return
	}
	a.Stage(lc.StageUpgraded)
	c.mu.Lock()
	c.by = 0
	c.init(c, c.clock, &e.cfg, acc, a)
	c.compress(deflate)
	c.mu.Unlock()
	c.linked.Store(true)
	if !e.gate.opened(&c.ticket) {
		c.close(goingAway, nil)
	}
	c.sess.Open(c)
	c.mu.Lock()
	if c.out.framesOut == 0 {
		push(c.fd)
	}
	c.hs = nil
	c.phase = phaseOpen
	turn := c.missed != 0 || c.in.buf != nil || c.decided || c.broken
	at := c.next(c.clock.Load())
	c.mu.Unlock()
	c.loop.arm(c, at)
	if turn {
		c.loop.post(c)
	}
}

// end tells the record that an attempt which was never opened is over.
func (h *opening) end() {
	if h.refused {
		h.close(ByServer, "refused")
		return
	}
	h.close(ByNetwork, "connection lost")
}

func (h *opening) close(by Initiator, reason string) {
	if !h.told {
		h.told = true
		h.attempt.Close(0, string(by), reason)
	}
}
