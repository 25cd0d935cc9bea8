//go:build linux

package fleet

import (
	"fmt"
	"time"

	"partyline/bench/check"
)

// Churn chats at a fixed rate while members that do not send leave and come back,
// reconnects a second in all.
func (f *Fleet) Churn(rate, reconnects float64, span Span, usage Usage) (Result, error) {
	chat := f.schedule(rate)
	f.joins.Reset()
	count, next := 0, 0
	begin := f.now()
	r, err := f.run(span, usage, func(now int64) (time.Duration, error) {
		wait, err := chat(now)
		for ; float64(now-begin)*reconnects > float64(count)*float64(time.Second); count++ {
			f.rotate(&next)
		}
		if err == nil {
			err = f.redial()
		}
		return min(wait, time.Millisecond), err
	})
	if err != nil {
		return r, err
	}
	whole := (span.Warm + r.Elapsed).Seconds()
	r.Reconnects = int(float64(f.joins.Count()) * r.Elapsed.Seconds() / whole)
	return r, f.comeBack()
}

// rotate asks the next member that may leave to do so.
func (f *Fleet) rotate(next *int) {
	for range f.members {
		m := f.members[*next]
		*next = (*next + 1) % len(f.members)
		if m.joined && !m.leaving && m.slot >= f.cfg.Senders {
			m.leaving = true
			m.conn.SendClose()
			return
		}
	}
}

// redial brings back who has left, as somebody new: what was said before its
// join is not expected.
func (f *Fleet) redial() error {
	for len(f.away) > 0 && f.connecting < f.cfg.Window {
		m := f.away[len(f.away)-1]
		f.away = f.away[:len(f.away)-1]
		m.state, m.epoch = check.NewMember(m.room.index, f.cfg.Senders, true), ""
		if err := f.dial(m); err != nil {
			return err
		}
	}
	return nil
}

// comeBack waits until nobody is on the way, and drains.
func (f *Fleet) comeBack() error {
	underway := func() bool {
		if f.connecting > 0 || len(f.away) > 0 {
			return true
		}
		for _, m := range f.members {
			if m.leaving && m.conn != nil {
				return true
			}
		}
		return false
	}
	for end := time.Now().Add(f.cfg.Patience); underway(); {
		if time.Now().After(end) {
			return fmt.Errorf("members are still leaving or joining: %w", ErrTimeout)
		}
		if err := f.redial(); err != nil {
			return err
		}
		if err := f.poll(5 * time.Millisecond); err != nil {
			return err
		}
	}
	return f.Drain(f.cfg.Patience)
}

// Cut resets all connections at the same moment, as a network that fails does.
// Texts that were not acknowledged are sent again after the next join.
func (f *Fleet) Cut() {
	for _, m := range f.members {
		if m.conn != nil {
			m.conn.Abort()
			f.leave(m)
		}
	}
}

// Resume brings everybody back after Cut, continuing after the last event that
// each has seen, while those who are back chat at a rate; then it drains. The
// elapsed time of the result ends when the last one has joined.
func (f *Fleet) Resume(rate float64, timeout time.Duration) (Storm, error) {
	f.resuming = true
	defer func() { f.resuming = false }()
	storm, err := f.connect(timeout, f.schedule(rate))
	if err != nil {
		return storm, err
	}
	return storm, f.Drain(f.cfg.Patience)
}

// SlowEnd says what became of the members that did not read.
type SlowEnd struct {
	Told    int // closed with the code for slow consumers, which they could still read
	Cut     int // closed in another way
	Kept    int // still connected, and had missed nothing
	Lagging int // still connected, and had not got everything in time
}

// CodeSlow is the close code of slow consumers in Partyline's contract.
const CodeSlow = 4008

// EndSlow lets the slow members read, and says what they find. Where the
// protocol allows it, those that were closed resume, so that Verify checks them
// like the others.
func (f *Fleet) EndSlow(timeout time.Duration) (s SlowEnd, err error) {
	var slow []*member
	for _, m := range f.members {
		if m.slow {
			slow = append(slow, m)
			if m.conn != nil {
				m.conn.Resume()
			}
		}
	}
	waiting := func() bool {
		for _, m := range slow {
			if m.conn != nil && m.state.Behind(m.room.sent) > 0 {
				return true
			}
		}
		return false
	}
	for end := time.Now().Add(timeout); waiting() && time.Now().Before(end); {
		if err := f.poll(20 * time.Millisecond); err != nil {
			return s, err
		}
	}
	for _, m := range slow {
		switch {
		case m.ended && m.code == CodeSlow:
			s.Told++
		case m.ended:
			s.Cut++
		case m.state.Behind(m.room.sent) > 0:
			s.Lagging++
			continue // stays a slow one
		default:
			s.Kept++
			m.slow = false
			m.room.live++
			continue
		}
		m.slow = !f.cfg.Proto.CanResume()
	}
	if !f.cfg.Proto.CanResume() {
		return s, nil
	}
	_, err = f.connect(timeout, func(int64) (time.Duration, error) { return time.Second, nil })
	if err != nil {
		return s, err
	}
	return s, f.Drain(f.cfg.Patience)
}
