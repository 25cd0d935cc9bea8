package stream

import (
	"context"
	"math/rand/v2"
	"slices"
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

// More times of the clock.
const (
	soon         = 100 * time.Millisecond // an overflow settles before rooms are compared
	compareRetry = time.Second            // after a comparison that failed
	resetRetry   = time.Second            // after a reset that failed
	maxExtra     = 8                      // comparisons of all rooms planned ahead
)

// recentList holds newly followed rooms until they were compared again.
type recentList struct {
	mu    sync.Mutex
	first []recentRoom // by due time
	last  []recentRoom
	full  bool // some did not fit
	taken int  // due at the last take, and compared before the next
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
	l.taken = len(due)
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
	extra    []time.Time // more of them, ascending, at most maxExtra
	retry    time.Time   // no reset before
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
			c.compared = 0
			c.compareAt(now)
			c.compareAt(now.Add(recheckFirst))
			c.compareAt(now.Add(recheckLast))
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

// compareAt plans one more comparison of all rooms.
func (c *clock) compareAt(at time.Time) {
	if len(c.extra) < maxExtra {
		c.extra = append(c.extra, at)
		slices.SortFunc(c.extra, time.Time.Compare)
	}
}

// followEpoch resets the rooms when the epoch of the log changed; false while
// that has not succeeded.
func (c *clock) followEpoch(ctx context.Context, now time.Time) bool {
	epoch := c.feed.log.Epoch()
	if epoch == c.epoch {
		return true
	}
	if now.Before(c.retry) {
		return false
	}
	if c.epoch != "" && !c.feed.resetAll(ctx) {
		c.retry = now.Add(resetRetry)
		return false
	}
	c.epoch, c.compared = epoch, 0
	c.compareAt(now.Add(recheckFirst))
	return true
}

// tick does what is due.
func (c *clock) tick(ctx context.Context, now time.Time) {
	f := c.feed
	if !c.followEpoch(ctx, now) {
		return
	}
	f.runChecks()
	rooms, all := f.recent.take(now)
	rooms = append(rooms, f.clock.take()...)
	if f.clock.overflow.Swap(false) {
		c.compareAt(now.Add(soon))
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
			c.compareAt(now.Add(compareRetry))
		}
	}
}

// compareAll compares all rooms, unless the log has not grown since the last
// time: then nothing can be missing that was not found.
func (c *clock) compareAll(ctx context.Context, now time.Time) {
	f := c.feed
	if f.Stats().Rooms == 0 {
		return
	}
	end, err := f.log.LastSeq(ctx)
	rooms := f.all() // after end: a room that is missing here asks for its head later
	if err == nil && end != c.compared {
		if err = f.compare(ctx, rooms, end); err == nil {
			c.compared = end
			f.stats.compares.Add(1)
		}
	}
	if err != nil && ctx.Err() == nil {
		f.cfg.Logger.WarnContext(ctx, "comparing rooms with the log", "rooms", len(rooms), "error", err)
		c.compareAt(now.Add(compareRetry))
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
