package ws

import (
	"encoding/binary"
	"errors"
	"os"
	"time"

	lc "partyline/events/lifecycle"
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
			c.lastRecv.Store(c.eng.now())
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
		it, n, v := c.rd.next(in.bytes())
		if v != nil {
			c.close(CloseInfo{v.code, ByServer, v.reason}, nil)
			return true
		}
		if n == 0 {
			return false
		}
		in.r += n
		c.framesIn++
		switch it.kind {
		case itemMessage:
			c.deliver(it)
		case itemPing:
			c.pong(it.payload)
		case itemPong:
			c.ponged(it.payload)
		case itemClose:
			code, reason := closeOf(it.payload)
			// The answer repeats the code. When the server closed first, this
			// is the answer, and does nothing.
			c.close(CloseInfo{code, ByClient, reason}, nil)
			return true
		}
	}
}

func (c *conn) deliver(it item) {
	if c.closing.Load() {
		return // after our Close; RFC 6455 section 5.5.1 lets peers go on
	}
	if c.messages == 0 {
		c.attempt.Stage(lc.StageFirstFrame)
	}
	c.messages++
	c.sess.Message(it.text, it.payload)
	if c.opts.Backpressure {
		c.waitForQueue()
	}
}

// waitForQueue waits while more than half of the queue is full.
func (c *conn) waitForQueue() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.decided && !c.broken && c.out.bytes > c.opts.MaxQueueBytes/2 {
		c.paused.Store(true)
		c.changed.Wait()
	}
	if c.paused.Load() {
		c.lastRecv.Store(c.eng.now())
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

// ponged takes the answer to our latest ping.
func (c *conn) ponged(payload []byte) {
	if len(payload) != 8 || int64(binary.BigEndian.Uint64(payload)) != c.pingID.Load() {
		return
	}
	if at := c.pingAt.Swap(0); at != 0 {
		rtt := c.eng.since() - at
		c.rtt.Store(rtt)
		c.attempt.RTT(time.Duration(rtt))
	}
}
