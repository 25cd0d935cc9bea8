package stream

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// Bounds of nudges and delayed checks. What does not fit is dropped: the slow
// comparison finds the same.
const (
	nudgeQueue = 1024 // nudges received and not looked at
	maxNudges  = 4096 // rooms to nudge within one pause
	maxChecks  = 64 << 10
	nudgePause = 50 * time.Millisecond // between two rounds of nudges
)

// Expect tells that room has the event seq, from an acknowledgement: it will
// reach the sink even if its live copy is lost. duplicate: nobody will announce
// it again, so it is fetched at once; else after 50 to 100 ms without it. Other
// gateways are nudged in both cases. A room that is not followed here is
// nudged for a duplicate only: of anything else the others got the live copy,
// or find out by themselves. Expect neither blocks nor waits for a sink.
func (f *Feed) Expect(room string, seq uint64, duplicate bool) {
	if seq == 0 {
		return
	}
	r := f.room(room)
	if duplicate {
		f.nudges.add(room, seq)
		if r != nil {
			raise(&r.want, seq)
			f.queueFill(r)
		}
		return
	}
	if r == nil || r.last.Load() >= seq {
		return
	}
	raise(&r.expected, seq)
	if r.checking.CompareAndSwap(false, true) {
		f.checks.add(r, seq)
	}
}

// check is a room whose event seq should have been seen when its turn comes.
type check struct {
	room *feedRoom
	seq  uint64
}

// checkList holds checks for one to two ticks; each room is in it once.
type checkList struct {
	mu         sync.Mutex
	young, old []check
}

// add notes a check.
func (l *checkList) add(r *feedRoom, seq uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.young) >= maxChecks {
		r.checking.Store(false)
		return
	}
	l.young = append(l.young, check{r, seq})
}

// turn returns the checks that are due.
func (l *checkList) turn() []check {
	l.mu.Lock()
	defer l.mu.Unlock()
	due := l.old
	l.old, l.young = l.young, nil
	return due
}

// runChecks looks at the rooms that something was expected of.
func (f *Feed) runChecks() {
	for _, c := range f.checks.turn() {
		r := c.room
		r.checking.Store(false) // before expected is read: a later one is listed by its Expect
		last, seq := r.last.Load(), r.expected.Load()
		switch {
		case last < c.seq:
			raise(&r.want, seq)
			f.queueFill(r)
			f.nudges.add(r.name, seq)
		case last < seq && r.checking.CompareAndSwap(false, true):
			f.checks.add(r, seq) // younger than what was checked
		}
	}
}

// nudgeList holds the nudges to send: the highest sequence of each room.
type nudgeList struct {
	mu    sync.Mutex
	rooms map[string]uint64
	wake  chan struct{}
}

func (l *nudgeList) init() {
	l.rooms = make(map[string]uint64)
	l.wake = make(chan struct{}, 1)
}

// add notes a nudge.
func (l *nudgeList) add(room string, seq uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if old, ok := l.rooms[room]; ok || len(l.rooms) < maxNudges {
		l.rooms[room] = max(old, seq)
	}
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// take returns the nudges to send.
func (l *nudgeList) take() map[string]uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	rooms := l.rooms
	l.rooms = make(map[string]uint64)
	return rooms
}

// sendNudges tells other feeds which rooms to look at, in rounds, so that a
// room is nudged at most once in each pause however often it was asked for.
func (f *Feed) sendNudges(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.nudges.wake:
		}
		for room, seq := range f.nudges.take() {
			if checkToken(room) != nil {
				continue
			}
			if f.log.nc.Publish(nudgePrefix+room, []byte(strconv.FormatUint(seq, 10)+" "+f.id)) == nil {
				f.stats.nudges.Add(1)
			}
		}
		if pause(ctx, nudgePause) != nil {
			return
		}
	}
}

// hearNudges compares the rooms that other feeds nudge. The sequence of a nudge
// only tells whether there is anything to do: what exists is asked from the
// log, so that a wrong nudge costs a request and nothing else.
func (f *Feed) hearNudges(ctx context.Context, heard <-chan *nats.Msg) {
	for {
		select {
		case <-ctx.Done():
			return
		case msg := <-heard:
			num, from, _ := strings.Cut(string(msg.Data), " ")
			seq, err := strconv.ParseUint(num, 10, 64)
			if err != nil || from == f.id {
				continue
			}
			f.stats.nudged.Add(1)
			r := f.room(strings.TrimPrefix(msg.Subject, nudgePrefix))
			if r != nil && r.last.Load() < seq {
				f.clock.compare(r)
			}
			if len(heard) == nudgeQueue-1 {
				f.clock.compareSoon()
			}
		}
	}
}
