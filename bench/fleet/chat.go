//go:build linux

package fleet

import (
	"fmt"
	"time"

	"partyline/bench/proc"
)

// Usage reads what the servers have used.
type Usage func() (proc.Usage, error)

// Result is what a measured stretch of time showed.
type Result struct {
	Elapsed       time.Duration
	Sent          uint64
	Deliveries    uint64
	Frames        uint64        // that carried them, and everything else
	Bytes         uint64        // received
	Server        proc.Usage    // used by the servers
	Generator     time.Duration // processor time of the generator
	P50, P99, Max time.Duration // of what was to be sent in this time
	Reconnects    int           // churn only
}

// mark is a moment of a run.
type mark struct {
	at                              time.Time
	sent, deliveries, frames, bytes uint64
	server                          proc.Usage
	generator                       time.Duration
}

func (f *Fleet) mark(usage Usage) (m mark, err error) {
	if m.server, err = usage(); err != nil {
		return m, err
	}
	if m.generator, err = proc.CPUSelf(); err != nil {
		return m, err
	}
	m.at, m.sent, m.deliveries = time.Now(), f.sent, f.deliveries
	m.frames, m.bytes = f.loop.Frames, f.loop.Bytes
	return m, nil
}

// between is the result of the time between two marks, without the latencies.
func between(a, b mark) Result {
	return Result{
		Elapsed: b.at.Sub(a.at), Sent: b.sent - a.sent, Deliveries: b.deliveries - a.deliveries,
		Frames: b.frames - a.frames, Bytes: b.bytes - a.bytes,
		Server: b.server.Sub(a.server), Generator: b.generator - a.generator,
	}
}

// Span is how long to chat.
type Span struct {
	Warm, Measure time.Duration // what is before the measured time, and that
	// Every, when set, is called about once a second of the measured time.
	Every func(elapsed time.Duration) error
}

// driver is what happens at each turn of a run. It does what is due and returns
// how long nothing will be.
type driver func(now int64) (time.Duration, error)

// run turns a driver, measures, and drains.
func (f *Fleet) run(span Span, usage Usage, drive driver) (Result, error) {
	quiet()
	f.hist.Reset()
	turn := func(until time.Time, every func(time.Duration) error) error {
		for began, seconds := time.Now(), 0; time.Now().Before(until); {
			if d := time.Since(began); every != nil && int(d.Seconds()) > seconds {
				seconds = int(d.Seconds())
				if err := every(d); err != nil {
					return err
				}
			}
			wait, err := drive(f.now())
			if err != nil {
				return err
			}
			if err := f.poll(min(wait, time.Until(until))); err != nil {
				return err
			}
		}
		return nil
	}
	if err := turn(time.Now().Add(span.Warm), nil); err != nil {
		return Result{}, err
	}
	f.hist.Reset()
	f.from = f.now()
	first, err := f.mark(usage)
	if err != nil {
		return Result{}, err
	}
	if err := turn(first.at.Add(span.Measure), span.Every); err != nil {
		return Result{}, err
	}
	last, err := f.mark(usage)
	if err != nil {
		return Result{}, err
	}
	f.loopMode = false
	if err := f.Drain(f.cfg.Patience); err != nil {
		return Result{}, err
	}
	r := between(first, last)
	r.P50, r.P99, r.Max = f.hist.Quantile(0.5), f.hist.Quantile(0.99), f.hist.Max()
	return r, nil
}

// FixedRate sends rate messages per second, evenly over time, rooms and senders.
func (f *Fleet) FixedRate(rate float64, span Span, usage Usage) (Result, error) {
	return f.run(span, usage, f.schedule(rate))
}

// schedule sends what is due. A sender that is not connected is passed over by
// the next of its room.
func (f *Fleet) schedule(rate float64) driver {
	interval := float64(time.Second) / rate
	begin, k := f.now(), 0
	return func(now int64) (time.Duration, error) {
		for {
			due := begin + int64(float64(k)*interval)
			if due > now {
				return time.Duration(due - f.now()), nil
			}
			r := f.rooms[k%len(f.rooms)]
			if m := r.sender(k / len(f.rooms)); m != nil {
				f.send(m, due)
			}
			k++
		}
	}
}

// sender is the first joined one from the given turn on.
func (r *room) sender(turn int) *member {
	for i := range r.sent {
		if m := r.members[(turn+i)%len(r.sent)]; m.joined {
			return m
		}
	}
	return nil
}

// ClosedLoop keeps one message of each sender in flight: the next one is sent as
// soon as all members have the one before.
func (f *Fleet) ClosedLoop(span Span, usage Usage) (Result, error) {
	f.loopMode = true
	f.ready = f.ready[:0]
	for _, r := range f.rooms {
		for s := range r.sent {
			if r.members[s].joined {
				f.ready = append(f.ready, r.members[s])
			}
		}
	}
	var progress uint64
	stalled := time.Now()
	return f.run(span, usage, func(now int64) (time.Duration, error) {
		if len(f.ready) > 0 || f.deliveries != progress {
			progress, stalled = f.deliveries, time.Now()
		} else if time.Since(stalled) > f.cfg.Patience {
			return 0, fmt.Errorf("closed loop stands still: %w", ErrTimeout)
		}
		for _, m := range f.ready {
			if m.conn != nil {
				f.send(m, now)
			}
		}
		f.ready = f.ready[:0]
		return 100 * time.Millisecond, nil
	})
}
