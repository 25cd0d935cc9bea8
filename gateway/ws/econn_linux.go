//go:build linux && (amd64 || arm64)

package ws

import (
	"context"
	"net/netip"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"partyline/gateway/lifecycle"
)

// phase is where a connection of an event loop is.
type phase uint8

const (
	phaseHead     phase = iota // its request is being read
	phaseDeciding              // a goroutine decides about it and opens it; the loop leaves it alone
	phaseOpen
	phaseEnding  // its end is decided; what it still sends is thrown away
	phaseRefused // it was refused; the same
	phaseLost    // there is nobody to talk to; the loop has to close it
	phaseGone    // closed
)

// econn is one socket of an event loop, from accept to the end. An idle one is
// this struct and its place in table and wheel, nothing else.
type econn struct {
	link
	timed timed[econn] // guarded by the loop's mutex
	loop  *loop
	// fd is closed by the loop alone, under mu: who holds mu and finds phase
	// not to be gone may use it, and so may the loop.
	fd  int32
	gen int32 // tells events of this socket from those of its predecessors

	inAgain bool // only the loop uses it
	posted  bool // guarded by the loop's mutex

	// Only the loop uses these, and who decides in phaseDeciding.
	readable    bool // the socket may have something
	ended       bool // the socket has nothing behind that
	eof         bool // the peer sends no more
	deadlineSet bool
	deadlineFor uint64 // reader.count for which messageBy is set
	messageBy   int64  // engine time, 0: none
	discarded   int    // bytes thrown away
	in          inbox  // of an incomplete frame or request; without a buffer when there is none
	hs          *opening
	ticket      ticket      // guarded by the gate's mutex
	linked      atomic.Bool // link may be used: it is open, or about to be

	// mu of the link guards what follows.
	phase   phase
	missed  uint32 // events of the time of deciding
	by      int64  // engine time at which everything ends, 0: none
	stallBy int64  // the same unless the socket takes something
}

// opening is what is known while a connection is not open.
type opening struct {
	ctx           context.Context
	attempt       *lifecycle.Attempt
	remote, local netip.AddrPort
	refused       bool
	told          bool // the attempt has ended for its record
}

// try implements wire.
func (c *econn) try(b []byte) (int, error) {
	n, err := send(c.fd, b, 0)
	if err != 0 {
		return n, err
	}
	return n, nil
}

// waiting implements wire.
func (c *econn) waiting() {
	c.stallBy = c.later(c.loop.eng.cfg.WriteStall)
	c.loop.arm(c, c.stallBy)
}

// uncork implements wire.
func (c *econn) uncork() {
	if c.out.corked {
		c.out.corked = false
		c.flush()
	}
}

// settled implements wire.
func (c *econn) settled() { c.endSoon() }

// ending implements wire.
func (c *econn) ending() {}

// brokeOff implements wire.
func (c *econn) brokeOff() { c.endSoon() }

// endSoon sets the time of the end, unless it is set. mu is held.
func (c *econn) endSoon() {
	if c.by == 0 {
		c.by = c.later(c.farewell(&c.loop.eng.cfg))
		c.loop.arm(c, c.by)
	}
	if c.paused.Load() {
		c.loop.post(c)
	}
}

// later is the engine time in d.
func (c *econn) later(d time.Duration) int64 { return c.clock.Load() + int64(d) }

// flush writes what waits as far as the socket takes it; several frames leave in
// one call. mu is held.
func (c *econn) flush() {
	o := &c.out
	for len(o.queue) > 0 && !c.broken {
		n, full, err := sendFrames(c.fd, o.queue, o.skip)
		if err != 0 {
			c.breakOff()
			break
		}
		if full {
			if c.stallBy == 0 {
				c.waiting()
			}
			return
		}
		c.written(n)
	}
	o.writing = o.corked
	c.stallBy = 0
	if c.fin && !c.broken {
		shutdownFD(c.fd, unix.SHUT_WR)
	}
}

// written takes n written bytes off the queue. mu is held.
func (c *econn) written(n int) {
	o := &c.out
	o.bytesOut += uint64(n)
	c.lastSent.Store(c.clock.Load())
	if c.stallBy != 0 {
		c.stallBy = c.later(c.loop.eng.cfg.WriteStall)
	}
	n += o.skip
	whole := 0
	for whole < len(o.queue) && n >= o.queue[whole].size() {
		f := o.queue[whole]
		n -= f.size()
		o.bytes -= f.size()
		whole++
		if f == o.lastPong {
			o.lastPong = nil
		}
		f.Release()
	}
	o.remove(whole)
	o.skip = n
	if n > 0 && o.queue[0] == o.lastPong {
		o.lastPong = nil // begun: it may not change any more
	}
}

// next is the engine time at which an open connection has to be looked at again,
// if nothing happens before. mu is held.
func (c *econn) next(now int64) int64 {
	if c.by != 0 {
		return c.by
	}
	at := now + int64(time.Hour)
	if c.stallBy != 0 {
		at = min(at, c.stallBy)
	}
	if c.messageBy != 0 {
		at = min(at, c.messageBy)
	}
	if c.opts.MaxLifetime > 0 {
		at = min(at, c.opened+int64(c.opts.MaxLifetime))
	}
	if period := int64(c.opts.Heartbeat); period > 0 {
		recv, pinged := c.lastRecv.Load(), c.lastPing.Load()
		at = min(at, max(pinged+period, min(recv, c.lastSent.Load())+period))
		if pinged > recv { // a ping is on its way
			at = min(at, max(recv+2*period, pinged+period/2))
		}
	}
	return at
}

// visit does for a connection what the time demands.
func (l *loop) visit(c *econn, ping *Frame) *Frame {
	now := l.clock.Load()
	c.mu.Lock()
	ph, by, stallBy := c.phase, c.by, c.stallBy
	c.mu.Unlock()
	late := by != 0 && now >= by
	switch ph {
	case phaseHead:
		if late {
			l.headLate(c)
			return ping
		}
	case phaseEnding, phaseRefused:
		if late {
			l.teardown(c)
			return ping
		}
	case phaseOpen:
		switch {
		case late:
			l.teardown(c)
			return ping
		case by == 0 && stallBy != 0 && now >= stallBy:
			l.stalled(c)
			return ping
		case by == 0 && c.messageBy != 0 && now >= c.messageBy:
			c.close(CloseInfo{ClosePolicy, ByTimeout, "message not completed in time"}, nil)
			l.finish(c)
			return ping
		case by == 0:
			ping = c.beat(now, ping)
		}
	default: // whoever decides about it arms it again
		return ping
	}
	c.mu.Lock()
	at := c.by
	if c.phase == phaseOpen {
		at = c.next(now)
	}
	c.mu.Unlock()
	l.arm(c, at)
	return ping
}

// stalled ends a connection whose peer has not read for too long.
func (l *loop) stalled(c *econn) {
	c.mu.Lock()
	if !c.decided {
		c.settle(CloseInfo{CloseSlowConsumer, ByTimeout, "write stalled"})
	}
	c.broken = true
	c.mu.Unlock()
	l.teardown(c)
}

// finish ends a connection whose outcome is decided and whose peer may still be
// listening. What is queued is still written, then FIN is sent and the peer's
// bytes are thrown away until it ends too: closing a socket with unread bytes
// would send a reset, which can overtake the Close frame.
func (l *loop) finish(c *econn) {
	c.mu.Lock()
	c.phase = phaseEnding
	c.fin = true
	if !c.out.writing && !c.broken {
		shutdownFD(c.fd, unix.SHUT_WR)
	}
	by := c.by
	c.mu.Unlock()
	l.arm(c, by)
	c.in.release()
	c.in = inbox{}
	c.rd.release()
	c.readable = true
	l.discard(c)
}

// discard throws away what the peer sends. When it has ended and all is written,
// the socket is closed.
func (l *loop) discard(c *econn) {
	limit := discardIn
	if c.phase == phaseRefused { // the loop alone leaves this phase
		limit = refuseIn
	}
	for reads := 0; c.readable && !c.eof; reads++ {
		if reads == turnReads {
			l.enqueue(c)
			return
		}
		n, err := recv(c.fd, l.in.buf.b)
		switch {
		case err == unix.EAGAIN:
			c.readable = false
		case err != 0 || n == 0:
			c.eof = true
		default:
			c.discarded += n
			c.eof = c.discarded >= limit
		}
	}
	if !c.eof {
		return
	}
	c.mu.Lock()
	unsent := len(c.out.queue) > 0 && !c.broken
	c.mu.Unlock()
	if !unsent {
		l.teardown(c)
	}
}

// teardown closes the socket and tells the session. It is called once for each
// connection, by its loop.
func (l *loop) teardown(c *econn) {
	c.mu.Lock()
	if c.phase == phaseGone {
		c.mu.Unlock()
		return
	}
	opened := c.sess != nil
	if opened && !c.decided {
		c.settle(CloseInfo{CloseAbnormal, ByNetwork, "connection lost"})
	}
	reset := len(c.out.queue) > 0 || c.broken
	c.untold = reset
	c.broken = true
	c.out.skip = 0
	c.out.dropWaiting()
	c.out.queue = nil
	c.phase = phaseGone
	l.eng.table.remove(c.fd)
	closeFD(c.fd, reset)
	c.fd = -1
	c.mu.Unlock()

	l.mu.Lock()
	l.timers.remove(c)
	l.mu.Unlock()
	c.in.release()
	c.in = inbox{}
	c.rd.release()
	if opened {
		c.link.ended()
	} else {
		c.hs.end()
	}
	l.conns.Add(-1)
	l.eng.gate.leave(&c.ticket)
	l.eng.release()
}
