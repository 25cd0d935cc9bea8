package ws

import (
	"net"
	"sync"
	"sync/atomic"
	"time"

	lc "partyline/events/lifecycle"
	"partyline/gateway/lifecycle"
)

// conn is one open connection of the goroutine engine. Its reader goroutine
// calls the session; a writer goroutine exists only while something waits.
type conn struct {
	eng     *engine
	nc      net.Conn
	sess    Session
	opts    Options
	attempt *lifecycle.Attempt
	opened  int64 // engine time

	// For the sweeper, in engine time.
	lastRecv, lastSent, lastPing atomic.Int64
	paused                       atomic.Bool // the reader waits for the queue
	// For round trips.
	pingID, pingAt, rtt atomic.Int64
	// closing is set once phase is not open, for the reader's fast path.
	closing atomic.Bool

	// Only the reader goroutine uses these.
	rd                reader
	framesIn, bytesIn uint64
	messages          uint64
	deadlineFor       uint64 // reader.count for which a deadline is set, see onTime
	deadlineSet       bool

	// mu guards what follows. Under it are only calls that cannot wait:
	// writes that a socket takes at once, deadlines, and Options.SlowFrame.
	mu      sync.Mutex
	changed sync.Cond // queue shrank, writer ended, or the phase changed
	direct  *directWriter
	out     outbound
	decided bool // info is final
	info    CloseInfo
	closeBy time.Time // valid when decided
	broken  bool      // nothing can be written any more
	fin     bool      // shut down the sending side once all is written
}

func newConn(e *engine, nc net.Conn, acc *Acceptance, a *lifecycle.Attempt) *conn {
	c := &conn{
		eng: e, nc: nc, sess: acc.Session, opts: e.cfg.fill(acc.Options), attempt: a,
		opened: e.now(), direct: newDirect(nc),
	}
	c.changed.L = &c.mu
	c.rd.maxMessage, c.rd.binary = c.opts.MaxMessageBytes, c.opts.Binary
	c.out.loop = c.writeLoop
	c.lastRecv.Store(c.opened)
	c.lastSent.Store(c.opened)
	return c
}

// Attempt implements Conn.
func (c *conn) Attempt() *lifecycle.Attempt { return c.attempt }

// RTT implements Conn.
func (c *conn) RTT() time.Duration { return time.Duration(c.rtt.Load()) }

// Queued implements Conn.
func (c *conn) Queued() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out.bytes
}

// Send implements Conn.
func (c *conn) Send(f *Frame) bool {
	c.mu.Lock()
	if c.decided || c.broken {
		c.mu.Unlock()
		return false
	}
	if c.out.writing && c.out.bytes+f.size() > c.opts.MaxQueueBytes {
		c.slow()
		c.mu.Unlock()
		c.attempt.Stage(lc.StageClosing)
		return false
	}
	c.write(f)
	c.mu.Unlock()
	return true
}

// slow treats a slow consumer: what no write has begun is dropped, so that
// the last frame and the Close frame have a chance. mu is held.
func (c *conn) slow() {
	c.out.dropWaiting()
	var last *Frame
	if c.opts.SlowFrame != nil {
		last = c.opts.SlowFrame()
	}
	c.decide(CloseInfo{CloseSlowConsumer, ByServer, "slow consumer"}, last)
	if last != nil {
		last.Release()
	}
}

// Close implements Conn.
func (c *conn) Close(code int, reason string, last *Frame) {
	c.close(CloseInfo{code, ByServer, reason}, last)
}

// close ends the connection with a Close frame, unless its end was decided
// before.
func (c *conn) close(info CloseInfo, last *Frame) {
	c.mu.Lock()
	first := !c.decided
	if first {
		c.decide(info, last)
	}
	c.mu.Unlock()
	if first {
		c.attempt.Stage(lc.StageClosing)
	}
}

// decide fixes how the connection ends and queues the last frames. The reader
// goes on until the peer's Close arrives or the time is over. mu is held.
func (c *conn) decide(info CloseInfo, last *Frame) {
	c.settle(info)
	if !c.broken {
		if last != nil {
			c.write(last)
		}
		f := newClose(info.Code, info.Reason)
		c.write(f)
		f.Release()
	}
	_ = c.nc.SetReadDeadline(c.closeBy)
	if c.out.writing {
		_ = c.nc.SetWriteDeadline(c.closeBy)
	}
}

// settle fixes the outcome without writing anything. mu is held.
func (c *conn) settle(info CloseInfo) {
	c.decided, c.info = true, info
	c.closing.Store(true)
	c.closeBy = time.Now().Add(c.eng.cfg.CloseTimeout)
	c.changed.Broadcast()
}

// run is the life of an open connection; in holds bytes that came early.
func (c *conn) run(in inbox) {
	c.sess.Open(c)
	discard := c.read(&in)
	in.release()
	c.rd.release()
	c.finish(discard)

	c.mu.Lock()
	info, out := c.info, c.out
	c.mu.Unlock()
	c.attempt.Traffic(c.framesIn, out.framesOut, c.bytesIn, out.bytesOut, out.peak)
	c.attempt.Close(info.Code, string(info.Initiator), info.Reason)
	c.sess.Closed(info)
}

// finish ends a connection whose outcome is settled. With discard, what is
// queued is still written, then FIN is sent and the peer's bytes are thrown away
// until it ends too: closing a socket with unread bytes would send a reset,
// which can overtake the Close frame.
func (c *conn) finish(discard bool) {
	c.mu.Lock()
	if !c.decided {
		c.settle(CloseInfo{CloseAbnormal, ByNetwork, "connection lost"})
	}
	c.fin = true
	now := !c.out.writing && !c.broken
	by := c.closeBy
	c.mu.Unlock()
	if discard {
		if now {
			shutdownWrite(c.nc)
		}
		discardInput(c.nc, by, discardIn)
	}
	c.mu.Lock()
	for discard && c.out.writing && !c.broken { // its deadline is closeBy
		c.changed.Wait()
	}
	cutOff := c.out.writing || c.broken
	c.broken = true
	c.out.skip = 0
	c.out.dropWaiting()
	c.mu.Unlock()
	if cutOff { // leave no full socket buffer to the kernel, and wait for no TLS farewell
		abort(c.nc)
		bareConn(c.nc).Close()
	}
	c.nc.Close()
	c.mu.Lock()
	for c.out.writing {
		c.changed.Wait()
	}
	c.mu.Unlock()
}
