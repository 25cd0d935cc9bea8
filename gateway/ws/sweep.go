package ws

import "time"

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
		var ping *Frame
		for _, c := range due {
			ping = c.beat(e.now(), ping)
		}
		if ping != nil {
			ping.Release()
		}
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
