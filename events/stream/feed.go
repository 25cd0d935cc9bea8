package stream

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"
)

// Errors of a Feed.
var (
	// ErrFollowed is returned by Follow for a room that has a sink already.
	ErrFollowed = errors.New("room is followed already")
	// ErrFeedClosed is returned by Follow after Run ended, and by a Follow
	// that Unfollow overtook.
	ErrFeedClosed = errors.New("feed closed")
)

// Sizes of a Feed. A live copy that finds its shard's queue full is dropped and
// filled from the log later, so the queues bound memory and never lose events.
const (
	feedShards     = 8
	shardQueue     = 1024 // live copies waiting in one shard
	fillWorkers    = 8
	followTimeout  = 5 * time.Second
	defaultCompare = 10 * time.Second
)

// Sink receives a room's events: growing in seq and without holes, each once.
//
// It is called serially per room, from goroutines of the feed, and must not
// block. It must not call Follow or Unfollow, and nobody may call Unfollow for
// a room while holding a lock that its sink takes: Unfollow waits for a
// delivery that is under way. The event belongs to the sink; its Data is
// shared and must not be changed.
//
// Prev of an event is never above the Seq of the event delivered before it
// (or the head that Follow or Reset gave).
type Sink interface {
	Deliver(ev *Stored)
	// Reset is called when the log's epoch changed: what was delivered may not
	// be the log's any more; deliveries go on from head.
	Reset(head uint64)
}

// FeedConfig configures a Feed.
type FeedConfig struct {
	Logger  *slog.Logger
	Compare time.Duration // period of the comparison of rooms with the log; 0: 10s
	// Drop, when set, discards live copies for which it returns true: fault
	// injection for tests. It is called from several goroutines.
	Drop func(room string, seq uint64) bool
}

// Feed follows rooms live: it takes republished copies as they come, notices
// holes by the chain of previous sequences, fills them from the log, and
// compares with the log after reconnects and on a slow timer. Safe for
// concurrent use.
//
// Lock order: feedRoom.mu before any other; Feed.mu, fillQueue.mu, recent.mu
// and nudges.mu are leaves. Only feedRoom.mu is held while a sink is called,
// and no lock is held during I/O.
type Feed struct {
	log   *Log
	cfg   FeedConfig
	id    string // tells our own nudges from those of others
	seed  maphash.Seed
	stats feedCounters

	shards [feedShards]shard
	fills  fillQueue
	checks checkList
	recent recentList
	nudges nudgeList
	clock  clockState

	mu     sync.RWMutex // guards rooms and closed
	rooms  map[string]*feedRoom
	closed bool

	started atomic.Bool
}

// shard is one goroutine's share of the rooms and the queue of their copies.
type shard struct{ queue chan *nats.Msg }

// FeedStats counts what a Feed did since it was made.
type FeedStats struct {
	Rooms      int    // followed now
	Delivered  uint64 // events given to sinks
	Filled     uint64 // of these, events that came from the log, not as live copies
	Holes      uint64 // holes filled
	Duplicates uint64 // live copies dropped because their event was delivered before
	Malformed  uint64 // live copies without valid headers, ignored
	Overflows  uint64 // times that a queue of live copies was found full
	Lost       uint64 // sequences announced by a chain that the log does not hold
	Nudges     uint64 // nudges sent
	Nudged     uint64 // nudges received from other feeds
	Compares   uint64 // comparisons of all rooms with the log
}

// feedCounters are the live values behind FeedStats.
type feedCounters struct {
	delivered, filled, holes, duplicates, malformed atomic.Uint64
	overflows, lost, nudges, nudged, compares       atomic.Uint64
}

// NewFeed makes a feed on l. It does nothing until Run is called.
func NewFeed(l *Log, cfg FeedConfig) (*Feed, error) {
	if l == nil {
		return nil, errors.New("feed without log")
	}
	if cfg.Compare < 0 {
		return nil, fmt.Errorf("feed: negative compare period %v", cfg.Compare)
	}
	if cfg.Compare == 0 {
		cfg.Compare = defaultCompare
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	f := &Feed{log: l, cfg: cfg, id: nuid.Next(), seed: maphash.MakeSeed(), rooms: make(map[string]*feedRoom)}
	for i := range f.shards {
		f.shards[i].queue = make(chan *nats.Msg, shardQueue)
	}
	f.fills.init(fillWorkers)
	f.nudges.init()
	f.clock.init()
	return f, nil
}

// Run serves the feed until ctx ends. It is called once; a room that is
// followed before it runs gets its events as soon as it runs. After Run
// returned no sink is called any more.
func (f *Feed) Run(ctx context.Context) error {
	if !f.started.CompareAndSwap(false, true) {
		return errors.New("feed runs already")
	}
	heard := make(chan *nats.Msg, nudgeQueue)
	sub, err := f.log.nc.ChanSubscribe(nudgePrefix+"*", heard)
	if err != nil {
		f.close()
		return fmt.Errorf("feed: subscribe to nudges: %w", err)
	}
	var wg sync.WaitGroup
	for i := range f.shards {
		wg.Go(func() { f.runShard(ctx, f.shards[i].queue) })
	}
	for range fillWorkers {
		wg.Go(func() { f.runFills(ctx) })
	}
	wg.Go(func() { f.sendNudges(ctx) })
	wg.Go(func() { f.hearNudges(ctx, heard) })
	wg.Go(func() { f.runClock(ctx) })
	<-ctx.Done()
	_ = sub.Unsubscribe() // the connection may be gone, and then so is the subscription
	wg.Wait()
	f.close()
	return nil
}

// close ends all rooms.
func (f *Feed) close() {
	f.mu.Lock()
	f.closed = true
	rooms := f.rooms
	f.rooms = make(map[string]*feedRoom)
	f.mu.Unlock()
	for _, r := range rooms {
		r.end()
	}
}

// Follow subscribes to a room (flushed), asks the leader for its last sequence,
// and returns it: sink gets every event after head, the first ones possibly
// before Follow returns. One sink per room: a second is ErrFollowed. Other
// errors wrap ErrUnavailable, or are ErrFeedClosed; the room is not followed
// then. It waits at most 5 s.
func (f *Feed) Follow(ctx context.Context, room string, sink Sink) (head uint64, err error) {
	if err := checkToken(room); err != nil {
		return 0, err
	}
	r := &feedRoom{name: room, sink: sink, stats: &f.stats, settling: true}
	if err := f.add(r); err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, followTimeout)
	defer cancel()
	if head, err = f.join(ctx, r); err != nil {
		f.remove(r)
		return 0, fmt.Errorf("follow room: %w", err)
	}
	f.queueFill(r)
	f.recent.add(r, time.Now())
	return head, nil
}

// add registers a room.
func (f *Feed) add(r *feedRoom) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return ErrFeedClosed
	}
	if f.rooms[r.name] != nil {
		return ErrFollowed
	}
	f.rooms[r.name] = r
	return nil
}

// join subscribes and finds the head.
func (f *Feed) join(ctx context.Context, r *feedRoom) (head uint64, err error) {
	nc := f.log.nc
	queue := f.shards[maphash.String(f.seed, r.name)%feedShards].queue
	sub, err := nc.ChanSubscribe(livePrefix+r.name, queue)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if !r.begin(sub) {
		return 0, ErrFeedClosed
	}
	if err := nc.FlushWithContext(ctx); err != nil {
		return 0, fmt.Errorf("%w: flush: %w", ErrUnavailable, err)
	}
	if head, err = f.log.lastOf(ctx, r.name); err != nil {
		return 0, err
	}
	if !r.settle(head, false) {
		return 0, ErrFeedClosed
	}
	return head, nil
}

// Unfollow ends the deliveries to the room's sink: none after it returned. A
// room that is not followed is no error. See Sink for what must not be held.
func (f *Feed) Unfollow(room string) {
	if r := f.room(room); r != nil {
		f.remove(r)
	}
}

// remove ends r, and forgets it if it is still the room of its name.
func (f *Feed) remove(r *feedRoom) {
	f.mu.Lock()
	if f.rooms[r.name] == r {
		delete(f.rooms, r.name)
	}
	f.mu.Unlock()
	r.end()
}

// room returns a followed room, or nil.
func (f *Feed) room(name string) *feedRoom {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.rooms[name]
}

// all returns the followed rooms.
func (f *Feed) all() []*feedRoom {
	f.mu.RLock()
	defer f.mu.RUnlock()
	rooms := make([]*feedRoom, 0, len(f.rooms))
	for _, r := range f.rooms {
		rooms = append(rooms, r)
	}
	return rooms
}

// runShard takes the live copies of one shard.
func (f *Feed) runShard(ctx context.Context, queue <-chan *nats.Msg) {
	done := ctx.Done()
	full := cap(queue) - 1
	for {
		select {
		case <-done:
			return
		case msg := <-queue:
			if len(queue) >= full {
				f.stats.overflows.Add(1)
				f.clock.compareSoon()
			}
			f.live(msg)
		}
	}
}

// live takes one live copy.
func (f *Feed) live(msg *nats.Msg) {
	name, _ := strings.CutPrefix(msg.Subject, livePrefix)
	r := f.room(name)
	if r == nil {
		return
	}
	ev, err := storedFromCopy(msg, r.name)
	if err != nil {
		f.stats.malformed.Add(1)
		return
	}
	if f.cfg.Drop != nil && f.cfg.Drop(r.name, ev.Seq) {
		return
	}
	if r.live(ev) {
		f.queueFill(r)
	}
}

// Stats returns the counts so far.
func (f *Feed) Stats() FeedStats {
	f.mu.RLock()
	rooms := len(f.rooms)
	f.mu.RUnlock()
	s := &f.stats
	return FeedStats{
		Rooms:      rooms,
		Delivered:  s.delivered.Load(),
		Filled:     s.filled.Load(),
		Holes:      s.holes.Load(),
		Duplicates: s.duplicates.Load(),
		Malformed:  s.malformed.Load(),
		Overflows:  s.overflows.Load(),
		Lost:       s.lost.Load(),
		Nudges:     s.nudges.Load(),
		Nudged:     s.nudged.Load(),
		Compares:   s.compares.Load(),
	}
}
