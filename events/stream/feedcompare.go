package stream

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

// tick is the resolution of everything that a feed does later: the delayed
// checks of Expect happen one to two ticks after it.
const tick = 50 * time.Millisecond

// After Follow and after a reconnect a room is compared again: a flush proves
// interest on one server only, and a cluster spreads it a little later.
const (
	recheckFirst = 250 * time.Millisecond
	recheckLast  = 2 * time.Second
)

// maxRecent bounds the rooms waiting for these comparisons; beyond it, all
// rooms are compared instead.
const maxRecent = 64 << 10

// soon is how long an overflow may settle before rooms are compared.
const soon = 100 * time.Millisecond

// recentList holds newly followed rooms until they were compared again.
type recentList struct {
	mu    sync.Mutex
	first []recentRoom // by due time
	last  []recentRoom
	full  bool // some did not fit
}

type recentRoom struct {
	room *feedRoom
	due  time.Time
}

// add notes a room that was followed at now.
func (l *recentList) add(r *feedRoom, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.last) >= maxRecent {
		l.full = true
		return
	}
	l.first = append(l.first, recentRoom{r, now.Add(recheckFirst)})
	l.last = append(l.last, recentRoom{r, now.Add(recheckLast)})
}

// take returns the rooms that are due, and whether some were not noted.
func (l *recentList) take(now time.Time) (due []*feedRoom, all bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	due, l.first = takeDue(due, l.first, now)
	due, l.last = takeDue(due, l.last, now)
	all, l.full = l.full, false
	return due, all
}

func takeDue(due []*feedRoom, list []recentRoom, now time.Time) (taken []*feedRoom, rest []recentRoom) {
	n := 0
	for ; n < len(list) && !list[n].due.After(now); n++ {
		due = append(due, list[n].room)
	}
	clear(list[:n])
	if n == len(list) {
		return due, nil
	}
	return due, list[n:]
}

// clockState is what other goroutines tell the clock.
type clockState struct {
	overflow atomic.Bool // compare all rooms soon

	mu    sync.Mutex
	rooms map[*feedRoom]struct{} // compare these now
}

func (c *clockState) init() { c.rooms = make(map[*feedRoom]struct{}) }

// compareSoon asks for a comparison of all rooms.
func (c *clockState) compareSoon() { c.overflow.Store(true) }

// compare asks for the comparison of one room.
func (c *clockState) compare(r *feedRoom) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rooms[r] = struct{}{}
}

// take returns the rooms to compare now.
func (c *clockState) take() []*feedRoom {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.rooms) == 0 {
		return nil
	}
	rooms := make([]*feedRoom, 0, len(c.rooms))
	for r := range c.rooms {
		rooms = append(rooms, r)
	}
	clear(c.rooms)
	return rooms
}

// clock is the goroutine of everything that happens later. It owns its fields.
type clock struct {
	feed     *Feed
	epoch    string
	due      time.Time   // next comparison of all rooms
	extra    []time.Time // more of them, ascending
	compared uint64      // the log's last sequence at the last one
}

// runClock runs until ctx ends.
func (f *Feed) runClock(ctx context.Context) {
	status := f.log.nc.StatusChanged(nats.CONNECTED)
	defer f.log.nc.RemoveStatusListener(status)
	c := &clock{feed: f, epoch: f.log.Epoch()}
	c.plan(time.Now())
	t := time.NewTicker(tick)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-status:
			now := time.Now()
			c.extra = []time.Time{now, now.Add(recheckFirst), now.Add(recheckLast)}
			c.compared = 0
		case now := <-t.C:
			c.tick(ctx, now)
		}
	}
}

// plan sets the next slow comparison, with a jitter of a fifth so that gateways
// spread.
func (c *clock) plan(now time.Time) {
	period := c.feed.cfg.Compare
	c.due = now.Add(period - period/5 + rand.N(2*period/5+1))
}

// tick does what is due.
func (c *clock) tick(ctx context.Context, now time.Time) {
	f := c.feed
	if epoch := f.log.Epoch(); epoch != c.epoch {
		if f.resetAll(ctx) {
			c.epoch, c.compared = epoch, 0
			c.extra = []time.Time{now.Add(recheckFirst)}
		}
		return
	}
	f.runChecks()
	rooms, all := f.recent.take(now)
	rooms = append(rooms, f.clock.take()...)
	if f.clock.overflow.Swap(false) {
		c.extra = append([]time.Time{now.Add(soon)}, c.extra...)
	}
	if len(c.extra) > 0 && !now.Before(c.extra[0]) {
		c.extra, all = c.extra[1:], true
	}
	if !now.Before(c.due) {
		all = true
	}
	switch {
	case all:
		c.plan(now)
		c.compareAll(ctx, now)
	case len(rooms) > 0:
		if err := f.compare(ctx, rooms, 0); err != nil && ctx.Err() == nil {
			c.extra = append(c.extra, now.Add(time.Second))
		}
	}
}

// compareAll compares all rooms, unless the log has not grown since the last
// time: then nothing can be missing that was not found.
func (c *clock) compareAll(ctx context.Context, now time.Time) {
	f := c.feed
	rooms := f.all()
	if len(rooms) == 0 {
		return
	}
	end, err := f.log.LastSeq(ctx)
	if err == nil && end != c.compared {
		if err = f.compare(ctx, rooms, end); err == nil {
			c.compared = end
			f.stats.compares.Add(1)
		}
	}
	if err != nil && ctx.Err() == nil {
		f.cfg.Logger.WarnContext(ctx, "comparing rooms with the log", "rooms", len(rooms), "error", err)
		c.extra = append(c.extra, now.Add(time.Second))
	}
}

// compare asks the log for the last sequences of rooms and has the holes
// filled. floor is the log's last sequence, from the leader; 0: not known.
func (f *Feed) compare(ctx context.Context, rooms []*feedRoom, floor uint64) error {
	names := make([]string, len(rooms))
	for i, r := range rooms {
		names[i] = r.name
	}
	heads := make(map[string]uint64, len(rooms))
	var err error
	if floor == 0 || len(rooms) == 1 {
		heads, err = f.log.LastSeqs(ctx, names)
	} else {
		err = f.log.lastAbove(ctx, names, floor, heads)
	}
	if err != nil {
		return err
	}
	for _, r := range rooms {
		raise(&r.want, heads[r.name])
		f.queueFill(r)
	}
	return nil
}

// resetAll starts all rooms anew after the epoch changed; false: try again.
func (f *Feed) resetAll(ctx context.Context) bool {
	rooms := f.all()
	names := make([]string, len(rooms))
	for i, r := range rooms {
		names[i] = r.name
		r.unsettle()
	}
	heads, err := f.log.LastSeqs(ctx, names)
	if err != nil {
		if ctx.Err() == nil {
			f.cfg.Logger.WarnContext(ctx, "resetting rooms after a change of epoch", "rooms", len(rooms), "error", err)
		}
		return false
	}
	for _, r := range rooms {
		r.settle(heads[r.name], true)
		f.queueFill(r)
	}
	return true
}
