package ws

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"

	lc "partyline/events/lifecycle"
	"partyline/gateway/lifecycle"
)

// link is what a connection is in every engine: the queue, the state of its
// end, and what is known about the peer. Engines embed it and give it a wire.
// One goroutine at a time, the connection's reader, uses the fields marked so.
type link struct {
	wire    wire
	clock   *clock
	sess    Session
	opts    Options
	attempt *lifecycle.Attempt
	opened  int64 // engine time
	window  int   // longest payload that may leave compressed, 0: none may

	// For heartbeats, in engine time.
	lastRecv, lastSent, lastPing atomic.Int64
	paused                       atomic.Bool // reading waits for the queue
	// For round trips; the payload of a ping is lastPing.
	pingAt, rtt atomic.Int64
	// closing is decided, for fast paths without the mutex.
	closing atomic.Bool

	// Only the reader uses these.
	rd                          reader
	framesIn, bytesIn, messages uint64

	// mu guards what follows. Under it are only calls that cannot wait:
	// writes that a socket takes at once, deadlines, and Options.SlowFrame.
	mu      sync.Mutex
	out     outbound
	decided bool       // info is there, and final
	info    *CloseInfo // an open connection has none
	broken  bool       // nothing can be written any more
	untold  bool       // the Close frame was not written
	fin     bool       // shut down the sending side once all is written
}

// wire is the engine's part of a connection. Its methods are called with the
// link's mutex held and never wait.
type wire interface {
	// try writes what the socket takes at once; nothing else writes meanwhile.
	try(b []byte) (int, error)
	// waiting is called when the queue begins to fill: the engine has to write
	// it, and to clear outbound.writing when nothing is left.
	waiting()
	// uncork writes the queue of a corked connection as far as possible.
	uncork()
	// settled is called once, when the end was decided: it has to come within
	// the time of link.farewell.
	settled()
	// ending is called after the last frames were queued.
	ending()
	// brokeOff is called when the peer takes nothing any more. What it sent
	// before may still hold its Close, so there is some time to find out.
	brokeOff()
}

// clock is engine time, in nanoseconds: coarse, and it never jumps.
type clock struct {
	atomic.Int64
	start time.Time // for round trips, which are measured in real time
}

// real is the real monotonic time since the start, in nanoseconds.
func (c *clock) real() int64 { return int64(time.Since(c.start)) }

func (c *link) init(w wire, clock *clock, cfg *Config, acc *Acceptance, a *lifecycle.Attempt) {
	c.wire, c.clock = w, clock
	c.sess, c.opts, c.attempt = acc.Session, cfg.fill(acc.Options), a
	c.rd.maxMessage, c.rd.binary = c.opts.MaxMessageBytes, c.opts.Binary
	c.opened = clock.Load()
	c.lastRecv.Store(c.opened)
	c.lastSent.Store(c.opened)
}

// compress turns compression on for both directions, before anything is sent.
func (c *link) compress(d *deflateOffer) {
	if d != nil {
		c.window, c.rd.deflate = d.window, true
	}
}

// Attempt implements Conn.
func (c *link) Attempt() *lifecycle.Attempt { return c.attempt }

// RTT implements Conn.
func (c *link) RTT() time.Duration { return time.Duration(c.rtt.Load()) }

// Queued implements Conn.
func (c *link) Queued() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out.bytes
}

// Send implements Conn.
func (c *link) Send(f *Frame) bool {
	if c.window > 0 {
		f = f.packed(c.window)
	}
	c.mu.Lock()
	if c.decided || c.broken {
		c.mu.Unlock()
		return false
	}
	if c.out.corked && c.out.bytes+f.size() > corkBytes {
		c.wire.uncork()
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
func (c *link) slow() {
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
func (c *link) Close(code int, reason string, last *Frame) {
	c.close(CloseInfo{code, ByServer, reason}, last)
}

// close ends the connection with a Close frame, unless its end was decided
// before.
func (c *link) close(info CloseInfo, last *Frame) {
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

// decide fixes how the connection ends and queues the last frames. Reading goes
// on until the peer's Close arrives or the time is over. mu is held.
func (c *link) decide(info CloseInfo, last *Frame) {
	c.settle(info)
	if !c.broken {
		if last != nil {
			c.write(last)
		}
		f := newClose(info.Code, info.Reason)
		c.write(f)
		f.Release()
	}
	c.wire.ending()
}

// settle fixes the outcome without writing anything. mu is held.
func (c *link) settle(info CloseInfo) {
	c.decided, c.info = true, &info
	c.closing.Store(true)
	c.wire.settled()
}

// farewell is how long the end may take. A slow consumer has to read what its
// socket holds before it finds out why: it gets the time that a page needs to
// wake up. mu is held.
func (c *link) farewell(cfg *Config) time.Duration {
	if c.decided && c.info.Code == CloseSlowConsumer && c.info.Initiator == ByServer {
		return cfg.SlowTimeout
	}
	return cfg.CloseTimeout
}

// breakOff notes that the peer takes nothing any more. mu is held.
func (c *link) breakOff() {
	c.broken = true
	c.out.skip = 0
	c.out.dropWaiting()
	c.wire.brokeOff()
}

// untoldReason follows the reason of a close whose frame the peer did not take:
// the code is the server's view, the peer saw the connection break.
const untoldReason = ", not told"

// ended tells everybody how it was. It is called last, once.
func (c *link) ended() {
	c.mu.Lock()
	info := *c.info
	if c.untold && info.Initiator == ByServer {
		info.Reason += untoldReason
	}
	framesOut, bytesOut, peak := c.out.framesOut, c.out.bytesOut, c.out.peak
	c.mu.Unlock()
	c.attempt.Traffic(c.framesIn, framesOut, c.bytesIn, bytesOut, peak)
	c.attempt.Close(info.Code, string(info.Initiator), info.Reason)
	c.sess.Closed(info)
}

// step handles the next complete frame of in. more says that there was one, done
// that the connection's end is decided and nothing more is to be understood.
// Only the reader calls it.
func (c *link) step(in *inbox) (more, done bool) {
	it, n, v := c.rd.next(in.bytes())
	if v != nil {
		c.close(CloseInfo{v.code, ByServer, v.reason}, nil)
		return false, true
	}
	if n == 0 {
		return false, false
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
		return false, true
	}
	return true, false
}

func (c *link) deliver(it item) {
	if c.closing.Load() {
		return // after our Close; RFC 6455 section 5.5.1 lets peers go on
	}
	if c.messages == 0 {
		c.attempt.Stage(lc.StageFirstFrame)
	}
	c.messages++
	c.sess.Message(it.text, it.payload)
}

// congested says that reading has to wait for the queue. mu is held.
func (c *link) congested() bool {
	return c.opts.Backpressure && !c.decided && !c.broken && c.out.bytes > c.opts.MaxQueueBytes/2
}

// ponged takes the answer to our latest ping.
func (c *link) ponged(payload []byte) {
	if len(payload) != 8 || int64(binary.BigEndian.Uint64(payload)) != c.lastPing.Load() {
		return
	}
	if at := c.pingAt.Swap(0); at != 0 {
		rtt := c.clock.real() - at
		c.rtt.Store(rtt)
		c.attempt.RTT(time.Duration(rtt))
	}
}

// ping sends a ping; its payload is now, which is engine time.
func (c *link) ping(f *Frame, now int64) {
	c.lastPing.Store(now)
	c.pingAt.Store(c.clock.real())
	c.Send(f)
}

// newPing makes the ping frame of everybody who is due at that engine time.
func newPing(now int64) *Frame {
	var id [8]byte
	binary.BigEndian.PutUint64(id[:], uint64(now))
	return newControl(opPing, id[:])
}

// vitality is what an engine finds about a connection from time to time.
type vitality int

const (
	fine    vitality = iota
	quiet            // has to be pinged
	dead             // did not answer
	expired          // has lived as long as it may
)

// check judges a connection. Besides peers to which nothing was sent for a
// period, those are pinged that only listen: they would count as dead otherwise.
func (c *link) check(now int64) vitality {
	period := int64(c.opts.Heartbeat)
	if c.closing.Load() {
		return fine
	}
	if life := int64(c.opts.MaxLifetime); life > 0 && now-c.opened >= life {
		return expired
	}
	if period < 0 || c.paused.Load() {
		return fine
	}
	silent := now - c.lastRecv.Load()
	pinged := now - c.lastPing.Load()
	switch {
	case silent >= 2*period && pinged < 2*period && pinged >= period/2:
		return dead
	case pinged >= period && (silent >= period || now-c.lastSent.Load() >= period):
		return quiet
	}
	return fine
}

// beat does what check found, with the ping frame that all share. It returns
// that frame.
func (c *link) beat(now int64, ping *Frame) *Frame {
	switch c.check(now) {
	case expired:
		c.close(CloseInfo{CloseNormal, ByServer, "time limit reached"}, nil)
	case dead:
		c.close(CloseInfo{CloseHeartbeat, ByTimeout, "heartbeat missed"}, nil)
	case quiet:
		if ping == nil {
			ping = newPing(now)
		}
		c.ping(ping, now)
	}
	return ping
}
