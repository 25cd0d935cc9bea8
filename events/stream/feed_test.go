package stream_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"partyline/events/eventstest"
	"partyline/events/stream"
)

// recorder is a sink that keeps what it is given and checks the promises of
// Sink while it does.
type recorder struct {
	t      testing.TB
	mu     sync.Mutex // guards what follows
	seqs   []uint64
	texts  []string
	resets []uint64
	closed bool // nothing may be delivered any more
}

func (r *recorder) Deliver(ev *stream.Stored) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		r.t.Errorf("delivered %d after the end", ev.Seq)
	}
	if n := len(r.seqs); n > 0 && len(r.resets) == 0 {
		if last := r.seqs[n-1]; ev.Seq <= last || ev.Prev != last {
			r.t.Errorf("delivered %d with previous %d after %d", ev.Seq, ev.Prev, last)
		}
	}
	if ev.Time.IsZero() || ev.Time.Location() != time.UTC {
		r.t.Errorf("event %d has time %v", ev.Seq, ev.Time)
	}
	r.seqs = append(r.seqs, ev.Seq)
	r.texts = append(r.texts, string(ev.Data))
}

func (r *recorder) Reset(head uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.resets = append(r.resets, head)
}

func (r *recorder) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.seqs)
}

func (r *recorder) got() []uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.seqs)
}

func (r *recorder) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
}

// startFeed runs a feed on a log of its own.
func startFeed(t testing.TB, bus *eventstest.Bus, cfg stream.FeedConfig) (*stream.Feed, *stream.Log) {
	t.Helper()
	l := bus.Log(t)
	cfg.Logger = eventstest.Logger(t)
	f, err := stream.NewFeed(l, cfg)
	if err != nil {
		t.Fatal(err)
	}
	eventstest.Go(t, f.Run)
	return f, l
}

// follow follows a room and returns its recorder and head.
func follow(t testing.TB, f *stream.Feed, room string) (*recorder, uint64) {
	t.Helper()
	r := &recorder{t: t}
	head, err := f.Follow(eventstest.Context(t), room, r)
	if err != nil {
		t.Fatalf("follow %s: %v", room, err)
	}
	return r, head
}

// wantSeqs waits until r has as many events as want, and compares.
func wantSeqs(t testing.TB, r *recorder, want []uint64) {
	t.Helper()
	eventstest.Eventually(t, eventstest.Patience, func() bool { return r.count() >= len(want) })
	if got := r.got(); !slices.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}

func publishN(t testing.TB, bus *eventstest.Bus, room string, n int) []uint64 {
	t.Helper()
	seqs := make([]uint64, n)
	for i := range seqs {
		seqs[i] = bus.Publish(t, room, fmt.Sprintf("%s %d", room, i))
	}
	return seqs
}

// never compares so rarely that the test does not see it.
const never = time.Hour

func TestFeedDeliversInOrder(t *testing.T) {
	t.Parallel()
	bus := eventstest.New(t)
	before := bus.Publish(t, "a", "old", "older")
	f, _ := startFeed(t, bus, stream.FeedConfig{Compare: never})
	a, head := follow(t, f, "a")
	if head != before {
		t.Errorf("head %d, want %d", head, before)
	}
	b, head := follow(t, f, "b")
	if head != 0 {
		t.Errorf("head of an empty room %d, want 0", head)
	}
	var wantA, wantB []uint64
	for i := range 50 {
		wantA = append(wantA, bus.Publish(t, "a", fmt.Sprint(i)))
		wantB = append(wantB, bus.Publish(t, "b", fmt.Sprint(i)))
		bus.Publish(t, "c", "not followed")
	}
	wantSeqs(t, a, wantA)
	wantSeqs(t, b, wantB)
	if s := f.Stats(); s.Rooms != 2 || s.Delivered != 100 || s.Filled != 0 {
		t.Errorf("stats %+v", s)
	}
}

func TestFeedFollowTwice(t *testing.T) {
	t.Parallel()
	f, _ := startFeed(t, eventstest.New(t), stream.FeedConfig{})
	follow(t, f, "a")
	if _, err := f.Follow(eventstest.Context(t), "a", &recorder{t: t}); !errors.Is(err, stream.ErrFollowed) {
		t.Errorf("second follow: %v, want ErrFollowed", err)
	}
	f.Unfollow("a")
	f.Unfollow("a")
	follow(t, f, "a")
	if _, err := f.Follow(eventstest.Context(t), "a.*", &recorder{t: t}); err == nil {
		t.Error("a room that is no subject token was followed")
	}
}

// Live copies are lost at random; each event still arrives once, in order.
func TestFeedFillsHoles(t *testing.T) {
	t.Parallel()
	bus := eventstest.New(t)
	var dropped atomic.Int64
	f, _ := startFeed(t, bus, stream.FeedConfig{Compare: 200 * time.Millisecond, Drop: func(string, uint64) bool {
		if rand.N(3) > 0 {
			return false
		}
		dropped.Add(1)
		return true
	}})
	const rooms, each = 8, 100
	sinks := make([]*recorder, rooms)
	want := make([][]uint64, rooms)
	for i := range sinks {
		sinks[i], _ = follow(t, f, fmt.Sprintf("room%d", i))
	}
	for i := range each {
		for j := range sinks {
			want[j] = append(want[j], bus.Publish(t, fmt.Sprintf("room%d", j), fmt.Sprint(i)))
		}
	}
	for i := range sinks {
		wantSeqs(t, sinks[i], want[i])
	}
	if s := f.Stats(); dropped.Load() == 0 || s.Filled == 0 || s.Lost != 0 {
		t.Errorf("dropped %d, stats %+v", dropped.Load(), s)
	}
}

// The last events of a room are lost, and it falls quiet.
func TestFeedFindsLostTail(t *testing.T) {
	t.Parallel()
	drop := func(string, uint64) bool { return true }
	t.Run("by comparison", func(t *testing.T) {
		t.Parallel()
		bus := eventstest.New(t)
		f, _ := startFeed(t, bus, stream.FeedConfig{Compare: 100 * time.Millisecond, Drop: drop})
		r, _ := follow(t, f, "a")
		wantSeqs(t, r, publishN(t, bus, "a", 3))
	})
	t.Run("soon after follow", func(t *testing.T) {
		t.Parallel()
		bus := eventstest.New(t)
		f, _ := startFeed(t, bus, stream.FeedConfig{Compare: never, Drop: drop})
		r, _ := follow(t, f, "a")
		wantSeqs(t, r, publishN(t, bus, "a", 1))
	})
	for _, duplicate := range []bool{false, true} {
		t.Run(fmt.Sprintf("expected, duplicate %v", duplicate), func(t *testing.T) {
			t.Parallel()
			bus := eventstest.New(t)
			var dropping atomic.Bool
			cfg := stream.FeedConfig{Compare: never, Drop: func(string, uint64) bool { return dropping.Load() }}
			f, _ := startFeed(t, bus, cfg)
			other, _ := startFeed(t, bus, cfg)
			mine, _ := follow(t, f, "a")
			theirs, _ := follow(t, other, "a")
			settled(t, f, other)
			dropping.Store(true)
			seqs := publishN(t, bus, "a", 3)
			f.Expect("a", seqs[2], duplicate)
			wantSeqs(t, mine, seqs)
			wantSeqs(t, theirs, seqs) // by the nudge
			if s := f.Stats(); s.Nudges == 0 || s.Nudged != 0 {
				t.Errorf("stats of the one who nudged: %+v", s)
			}
			if s := other.Stats(); s.Nudges != 0 || s.Nudged == 0 {
				t.Errorf("stats of the one nudged: %+v", s)
			}
		})
	}
}

// settled waits until the comparisons that come after a follow are over: a
// room that is followed later has had its last one.
func settled(t *testing.T, feeds ...*stream.Feed) {
	t.Helper()
	for _, f := range feeds {
		eventstest.Eventually(t, eventstest.Patience, func() bool { return stream.Recent(f) == 0 })
	}
}

func TestFeedExpectSeen(t *testing.T) {
	t.Parallel()
	bus := eventstest.New(t)
	f, _ := startFeed(t, bus, stream.FeedConfig{Compare: never})
	r, _ := follow(t, f, "a")
	seqs := publishN(t, bus, "a", 20)
	for _, seq := range seqs {
		f.Expect("a", seq, false)
		f.Expect("other", seq, false)
		f.Expect("a", 0, true)
	}
	wantSeqs(t, r, seqs)
	eventstest.Eventually(t, eventstest.Patience, func() bool { return stream.Checks(f) == 0 })
	if s := f.Stats(); s.Nudges != 0 || s.Filled != 0 {
		t.Errorf("stats %+v", s)
	}
}

// A hole larger than one page and than what is held behind it.
func TestFeedLongHole(t *testing.T) {
	t.Parallel()
	bus := eventstest.New(t)
	var dropping atomic.Bool
	f, _ := startFeed(t, bus, stream.FeedConfig{Compare: never, Drop: func(string, uint64) bool { return dropping.Load() }})
	r, _ := follow(t, f, "a")
	want := publishN(t, bus, "a", 2)
	dropping.Store(true)
	want = append(want, publishN(t, bus, "a", 600)...)
	dropping.Store(false)
	want = append(want, publishN(t, bus, "a", 400)...)
	wantSeqs(t, r, want)
}

func TestFeedReconnects(t *testing.T) {
	t.Parallel()
	bus := eventstest.NewTCP(t)
	f, _ := startFeed(t, bus, stream.FeedConfig{Compare: never})
	const rooms = 20
	sinks := make([]*recorder, rooms)
	want := make([][]uint64, rooms)
	for i := range sinks {
		sinks[i], _ = follow(t, f, fmt.Sprint("r", i))
	}
	publish := func() {
		for i := range sinks {
			want[i] = append(want[i], publishN(t, bus, fmt.Sprint("r", i), 3)...)
		}
	}
	publish()
	for range 2 {
		bus.Restart(t, nil)
		publish() // some before the feed is back
	}
	for i := range sinks {
		wantSeqs(t, sinks[i], want[i])
	}
}

func TestFeedUnfollow(t *testing.T) {
	t.Parallel()
	bus := eventstest.New(t)
	f, _ := startFeed(t, bus, stream.FeedConfig{Compare: 20 * time.Millisecond})
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				bus.Publish(t, "a", fmt.Sprint(i))
			}
		}
	})
	for range 50 {
		r, _ := follow(t, f, "a")
		eventstest.Eventually(t, eventstest.Patience, func() bool { return r.count() > 0 })
		f.Unfollow("a")
		r.end()
	}
	close(stop)
	wg.Wait()
}

func TestFeedManyRooms(t *testing.T) {
	t.Parallel()
	bus := eventstest.New(t)
	f, _ := startFeed(t, bus, stream.FeedConfig{Compare: 100 * time.Millisecond, Drop: func(_ string, seq uint64) bool { return seq%2 == 0 }})
	const rooms = 1500 // more than one request for last sequences may name
	sinks := make([]*recorder, rooms)
	for i := range sinks {
		sinks[i], _ = follow(t, f, fmt.Sprint("r", i))
	}
	want := make([][]uint64, rooms)
	for i := range sinks {
		want[i] = append(want[i], bus.Publish(t, fmt.Sprint("r", i), "one", "two"))
		want[i] = append([]uint64{want[i][0] - 1}, want[i]...)
	}
	for i := range sinks {
		wantSeqs(t, sinks[i], want[i])
	}
}

func TestFeedEpochResets(t *testing.T) {
	t.Parallel()
	bus := eventstest.New(t)
	l := bus.Log(t)
	stream.SetEpoch(l, "first")
	f, err := stream.NewFeed(l, stream.FeedConfig{Compare: never, Logger: eventstest.Logger(t)})
	if err != nil {
		t.Fatal(err)
	}
	eventstest.Go(t, f.Run)
	head := bus.Publish(t, "a", "one")
	r, _ := follow(t, f, "a")
	b, _ := follow(t, f, "b")
	settled(t, f) // so the feed runs, and knows the first epoch
	stream.SetEpoch(l, "another")
	eventstest.Eventually(t, eventstest.Patience, func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		b.mu.Lock()
		defer b.mu.Unlock()
		return slices.Equal(r.resets, []uint64{head}) && slices.Equal(b.resets, []uint64{0})
	})
	wantSeqs(t, r, publishN(t, bus, "a", 3))
	wantSeqs(t, b, publishN(t, bus, "b", 3))
}

// An erased event is no hole, whether its copy was lost or the chain names it.
func TestFeedErased(t *testing.T) {
	t.Parallel()
	bus := eventstest.New(t)
	var dropping atomic.Bool
	f, l := startFeed(t, bus, stream.FeedConfig{Compare: never, Drop: func(string, uint64) bool { return dropping.Load() }})
	r, _ := follow(t, f, "a")
	settled(t, f) // or a comparison finds what is about to be erased
	want := publishN(t, bus, "a", 1)
	wantSeqs(t, r, want)
	dropping.Store(true)
	lost := publishN(t, bus, "a", 2)
	bus.Erase(t, lost[1])
	f.Expect("a", lost[1], false)
	want = append(want, lost[0])
	wantSeqs(t, r, want)
	dropping.Store(false)
	want = append(want, publishN(t, bus, "a", 2)...)
	wantSeqs(t, r, want)
	if alarms := stream.Alarms(l); len(alarms) != 0 {
		t.Errorf("alarms %v", alarms)
	}
}

func TestFeedEndsWithRun(t *testing.T) {
	t.Parallel()
	bus := eventstest.New(t)
	f, err := stream.NewFeed(bus.Log(t), stream.FeedConfig{})
	if err != nil {
		t.Fatal(err)
	}
	stop := eventstest.Go(t, f.Run)
	r, _ := follow(t, f, "a")
	stop()
	r.end()
	bus.Publish(t, "a", "late")
	if _, err := f.Follow(eventstest.Context(t), "b", r); !errors.Is(err, stream.ErrFeedClosed) {
		t.Errorf("follow after the end: %v, want ErrFeedClosed", err)
	}
	if err := f.Run(eventstest.Context(t)); err == nil {
		t.Error("a second run returned nil")
	}
}

// blocking is a recorder that waits before each delivery until it is released.
type blocking struct {
	recorder
	release chan struct{}
}

func (b *blocking) Deliver(ev *stream.Stored) {
	<-b.release
	b.recorder.Deliver(ev)
}

// A sink that holds up its shard loses live copies, and no event.
func TestFeedOverflow(t *testing.T) {
	t.Parallel()
	bus := eventstest.New(t)
	f, _ := startFeed(t, bus, stream.FeedConfig{Compare: never})
	slow := &blocking{recorder: recorder{t: t}, release: make(chan struct{})}
	if _, err := f.Follow(eventstest.Context(t), "slow", slow); err != nil {
		t.Fatal(err)
	}
	want := publishN(t, bus, "slow", 2500)
	close(slow.release)
	wantSeqs(t, &slow.recorder, want)
	if s := f.Stats(); s.Overflows == 0 {
		t.Errorf("stats %+v", s)
	}
}

func TestFeedFollowWithoutBus(t *testing.T) {
	t.Parallel()
	bus := eventstest.NewTCP(t)
	f, _ := startFeed(t, bus, stream.FeedConfig{Compare: never})
	bus.Restart(t, func() {
		ctx, cancel := context.WithTimeout(eventstest.Context(t), 100*time.Millisecond)
		defer cancel()
		if _, err := f.Follow(ctx, "a", &recorder{t: t}); !errors.Is(err, stream.ErrUnavailable) {
			t.Errorf("follow without a bus: %v, want ErrUnavailable", err)
		}
	})
	if n := f.Stats().Rooms; n != 0 {
		t.Errorf("%d rooms followed", n)
	}
	r, _ := follow(t, f, "a")
	wantSeqs(t, r, publishN(t, bus, "a", 2))
}
