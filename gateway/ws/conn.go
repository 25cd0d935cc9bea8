package ws

import (
	"net"
	"sync"
	"time"

	"partyline/gateway/lifecycle"
)

// conn is one open connection of the goroutine engine. Its reader goroutine
// calls the session; a writer goroutine exists only while something waits.
type conn struct {
	link
	eng    *engine
	nc     net.Conn
	direct *directWriter // nil: there is none
	loop   func()        // the writer goroutine; kept, so that starting it allocates nothing

	// Only the reader goroutine uses these.
	deadlineFor uint64 // reader.count for which a deadline is set, see onTime
	deadlineSet bool

	// mu of the link guards what follows.
	changed sync.Cond // queue shrank, writer ended, or the end was decided
	closeBy time.Time // valid when decided
}

func newConn(e *engine, nc net.Conn, acc *Acceptance, a *lifecycle.Attempt) *conn {
	c := &conn{eng: e, nc: nc, direct: newDirect(nc)}
	c.init(c, &e.clock, &e.cfg, acc, a)
	c.changed.L = &c.mu
	c.loop = c.writeLoop
	return c
}

// run is the life of an open connection; in holds bytes that came early.
func (c *conn) run(in inbox) {
	c.sess.Open(c)
	discard := c.read(&in)
	in.release()
	c.rd.release()
	c.finish(discard)
	c.ended()
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
	c.untold = cutOff
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
