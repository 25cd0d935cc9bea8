//go:build linux && (amd64 || arm64)

package ws

import "golang.org/x/sys/unix"

// A turn of one connection ends after so many frames or reads, so that others
// get theirs.
const (
	turnFrames = 64
	turnReads  = 2
)

const lostEvents = unix.EPOLLRDHUP | unix.EPOLLHUP | unix.EPOLLERR

// turn does what events ask for, and what was left over from earlier turns.
//
// Events are edge-triggered: each is told once. What has to be remembered of
// them is in readable, and in the queue, which the event of a writable socket
// makes this function look at.
func (l *loop) turn(c *econn, events uint32) {
	c.mu.Lock()
	ph := c.phase
	switch ph {
	case phaseGone:
		c.mu.Unlock()
		return
	case phaseDeciding:
		c.missed |= events
		c.mu.Unlock()
		return
	}
	events |= c.missed
	c.missed = 0
	if len(c.out.queue) > 0 && events&(unix.EPOLLOUT|lostEvents) != 0 {
		c.flush()
	}
	resume := c.paused.Load() && !c.congested()
	if resume {
		c.paused.Store(false)
		c.lastRecv.Store(l.clock.Load())
	}
	unsent := len(c.out.queue) > 0 && !c.broken
	c.mu.Unlock()
	if events&(unix.EPOLLIN|lostEvents) != 0 {
		c.readable = true
	}
	if events&lostEvents != 0 {
		c.ended = true
	}
	switch ph {
	case phaseHead:
		l.readHead(c)
	case phaseOpen:
		if !c.paused.Load() && (c.readable || c.in.buf != nil) {
			l.read(c)
		}
	case phaseEnding, phaseRefused:
		if c.readable && !c.eof || c.eof && !unsent {
			l.discard(c)
		}
	case phaseLost:
		l.teardown(c)
	}
}

// enqueue gives a connection another turn soon.
func (l *loop) enqueue(c *econn) {
	if !c.inAgain {
		c.inAgain = true
		l.again = append(l.again, c)
	}
}

// outcome is how the reading of a turn ended.
type outcome uint8

const (
	needMore outcome = iota // all that arrived is handled
	goOn                    // there is more, for another turn
	pause                   // the queue is too long
	finished                // the end is decided, the peer may be listening
	lost                    // the peer sends no more
)

// read is a turn of an open connection. What it sends meanwhile is corked, so
// that several answers leave in one write.
func (l *loop) read(c *econn) {
	c.mu.Lock()
	if !c.out.writing {
		c.out.corked, c.out.writing = true, true
	}
	c.mu.Unlock()
	end := l.consume(c)
	c.mu.Lock()
	c.uncork()
	if end == pause && !c.congested() {
		c.paused.Store(false)
		end = goOn
	}
	c.mu.Unlock()
	switch end {
	case goOn:
		l.enqueue(c)
	case needMore:
		l.timeMessage(c)
	case pause:
		c.deadlineSet, c.messageBy = false, 0
	case finished:
		l.finish(c)
	case lost:
		l.teardown(c)
	}
}

// consume handles what has arrived and reads more.
func (l *loop) consume(c *econn) outcome {
	in := &c.in
	if in.buf == nil {
		in = &l.in
		in.r, in.w = 0, 0
	}
	for frames, reads := 0, 0; ; reads++ {
		for {
			if frames == turnFrames {
				l.keep(c, in)
				return goOn
			}
			more, done := c.step(in)
			if done {
				return finished
			}
			if !more {
				break
			}
			frames++
			if c.opts.Backpressure && c.mustPause() {
				l.keep(c, in)
				return pause
			}
		}
		in = l.keep(c, in)
		if !c.readable {
			return needMore
		}
		if reads == turnReads {
			return goOn
		}
		if in == &c.in {
			in.makeRoom(c.rd.need())
		}
		n, err := recv(c.fd, in.free())
		switch {
		case err == unix.EAGAIN:
			c.readable = false
			return needMore
		case err != 0 || n == 0:
			return lost
		}
		if n < len(in.free()) && !c.ended {
			c.readable = false // the next byte makes another event
		}
		in.w += n
		c.bytesIn += uint64(n)
		c.lastRecv.Store(l.clock.Load())
	}
}

// keep puts what is left in the inbox aside, and gives the inbox for the next
// read: the connection's own while something is left, else the loop's.
func (l *loop) keep(c *econn, in *inbox) *inbox {
	left := in.w - in.r
	switch {
	case left == 0:
		if in == &c.in {
			c.in.release()
			c.in = inbox{}
		}
		l.in.r, l.in.w = 0, 0
		return &l.in
	case in == &l.in:
		c.in = inbox{buf: getBuffer(left)}
		c.in.w = copy(c.in.buf.b, l.in.bytes())
		l.in.r, l.in.w = 0, 0
	}
	return &c.in
}

// mustPause says that the queue is too long to read on.
func (c *econn) mustPause() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.congested() {
		return false
	}
	if c.uncork(); !c.congested() {
		return false
	}
	c.paused.Store(true)
	return true
}

// timeMessage bounds the time from the first to the last byte of a message, and
// sets no bound between messages: idle peers may be silent as long as heartbeats
// allow.
func (l *loop) timeMessage(c *econn) {
	partial := c.rd.inMessage || c.in.buf != nil
	if partial == c.deadlineSet && (!partial || c.deadlineFor == c.rd.count) {
		return
	}
	c.deadlineSet, c.deadlineFor = partial, c.rd.count
	c.messageBy = 0
	if partial {
		c.messageBy = c.later(l.eng.cfg.MessageTimeout)
		l.arm(c, c.messageBy)
	}
}
