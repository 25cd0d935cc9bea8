package ws

import (
	"encoding/binary"
	"time"
)

// One goroutine of the engine looks at all connections a few times per
// heartbeat, instead of a timer for each. It runs while connections are open.

// tick is how often it looks, and the resolution of heartbeats and lifetimes.
func (e *engine) tick() time.Duration {
	return min(max(e.cfg.Heartbeat/8, 5*time.Millisecond), time.Second)
}

func (e *engine) sweep() {
	tick := e.tick()
	t := time.NewTicker(tick)
	defer t.Stop()
	var due []*conn
	last := e.since()
	for {
		select {
		case <-t.C:
		case <-e.wake:
		}
		// Engine time never jumps: after a pause of the whole process, peers
		// get the chance to be read before they count as silent.
		now := e.since()
		e.clock.Add(min(now-last, int64(2*tick)))
		last = now
		var more bool
		if due, more = e.due(due[:0]); !more {
			return
		}
		e.beat(due)
		clear(due)
	}
}

// due gathers the connections that something has to be done for. It says no
// when the sweeper has to end, which is decided under the engine's lock.
func (e *engine) due(list []*conn) ([]*conn, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.open == 0 {
		e.sweeping = false
		e.changed.Broadcast()
		return nil, false
	}
	now := e.now()
	for s := range e.live {
		if s.c != nil && s.c.check(now) != fine {
			list = append(list, s.c)
		}
	}
	return list, true
}

func (e *engine) beat(due []*conn) {
	now := e.now()
	var ping *Frame
	var id [8]byte
	for _, c := range due {
		switch c.check(now) {
		case expired:
			c.close(CloseInfo{CloseNormal, ByServer, "time limit reached"}, nil)
		case dead:
			c.close(CloseInfo{CloseHeartbeat, ByTimeout, "heartbeat missed"}, nil)
		case quiet:
			if ping == nil {
				binary.BigEndian.PutUint64(id[:], uint64(now))
				ping = newControl(opPing, id[:])
			}
			c.lastPing.Store(now)
			c.pingID.Store(now)
			c.pingAt.Store(e.since())
			c.Send(ping)
		}
	}
	if ping != nil {
		ping.Release()
	}
}

// vitality is what the sweeper finds about a connection.
type vitality int

const (
	fine    vitality = iota
	quiet            // has to be pinged
	dead             // did not answer
	expired          // has lived as long as it may
)

// check judges a connection. Besides peers to which nothing was sent for a
// period, those are pinged that only listen: they would count as dead otherwise.
func (c *conn) check(now int64) vitality {
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
