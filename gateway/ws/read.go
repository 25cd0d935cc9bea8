package ws

import (
	"errors"
	"os"
	"time"
)

// read is the reader goroutine's loop. It returns when nothing more is to be
// read; discard says that the peer may still be listening.
func (c *conn) read(in *inbox) (discard bool) {
	for {
		if done := c.consume(in); done {
			return true
		}
		c.onTime(in)
		in.makeRoom(c.rd.need())
		n, err := c.nc.Read(in.free())
		if n > 0 {
			in.w += n
			c.bytesIn += uint64(n)
			c.lastRecv.Store(c.clock.Load())
		}
		if err == nil {
			continue
		}
		if n > 0 && c.consume(in) {
			return true
		}
		return c.readFailed(err)
	}
}

// consume handles all complete frames of the inbox. It returns true when the
// connection's end is decided and nothing more is to be understood.
func (c *conn) consume(in *inbox) (done bool) {
	for {
		more, done := c.step(in)
		if !more {
			return done
		}
		if c.opts.Backpressure {
			c.waitForQueue()
		}
	}
}

// waitForQueue waits while more than half of the queue is full.
func (c *conn) waitForQueue() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.congested() {
		c.paused.Store(true)
		c.changed.Wait()
	}
	if c.paused.Load() {
		c.lastRecv.Store(c.clock.Load())
		c.paused.Store(false)
	}
}

// onTime sets a deadline while a message is incomplete, once for each message,
// and none between messages: idle peers may be silent as long as heartbeats
// allow.
func (c *conn) onTime(in *inbox) {
	partial := c.rd.inMessage || in.r < in.w
	if partial == c.deadlineSet && (!partial || c.deadlineFor == c.rd.count) {
		return
	}
	var by time.Time
	if partial {
		by = time.Now().Add(c.eng.cfg.MessageTimeout)
	}
	c.deadlineSet, c.deadlineFor = partial, c.rd.count
	c.mu.Lock()
	if !c.decided && !c.broken { // else there is an earlier deadline
		_ = c.nc.SetReadDeadline(by)
	}
	c.mu.Unlock()
}

// readFailed judges why reading ended.
func (c *conn) readFailed(err error) (discard bool) {
	c.mu.Lock()
	late := errors.Is(err, os.ErrDeadlineExceeded) && !c.decided && !c.broken
	c.mu.Unlock()
	if late {
		c.close(CloseInfo{ClosePolicy, ByTimeout, "message not completed in time"}, nil)
	}
	return late
}
