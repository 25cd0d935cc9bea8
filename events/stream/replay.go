package stream

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Flow of a replay: the pull sizes measured as fastest (309k events a second
// for a whole stream of a million).
const (
	replayPull      = 5000
	replayThreshold = 2500
)

// endCheck is how long a replay that should end waits without an event before
// it asks the leader whether there is any left.
const endCheck = 100 * time.Millisecond

// ReplayOptions select what Replay reads.
type ReplayOptions struct {
	// From is the first stream sequence to read; 0: from the start. A From
	// beyond the next sequence of the log is ErrGone: the log is shorter than
	// its reader believes.
	From uint64
	// Room restricts the replay to one room; "": all.
	Room string
	// Since leaves out events stored before it; zero: none. It counts only when
	// From is 0.
	Since time.Time
	// Follow goes on with live events; else Replay ends at what was the last
	// sequence when it started.
	Follow bool
}

// Replay calls fn for each event in stream order, from one goroutine, and
// returns the first error of fn, or that of ctx when it ended. It survives
// reconnects and changes of leader.
//
// When it reads all rooms it checks contiguity: sequences that are missing and
// not recorded as erased raise the alarm (see RaiseAlarm), and reading goes on.
//
// Prev of each event is the room's previous event. Only when all rooms are read
// from the middle (From above 1, or Since), Prev of the first event of each
// room is unknown, and 0.
func (l *Log) Replay(ctx context.Context, o ReplayOptions, fn func(*Stored) error) error {
	r := &replay{log: l, fn: fn, subject: chatPrefix + "*", prevs: make(map[string]uint64)}
	if o.Room != "" {
		if err := checkToken(o.Room); err != nil {
			return err
		}
		r.subject = chatPrefix + o.Room
	}
	some, err := r.locate(ctx, o)
	if err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	if !some {
		return nil
	}
	if err := r.read(ctx); err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	return nil
}

// replay is the state of one Replay. The goroutine that delivers owns it, but
// for cursor.
type replay struct {
	log     *Log
	fn      func(*Stored) error
	subject string
	prevs   map[string]uint64 // last event of each room seen
	whole   bool              // all rooms: check contiguity
	from    uint64            // first sequence the consumer is asked for
	end     uint64            // last sequence to read; 0: follow
	expect  uint64            // next sequence; 0: any
	cursor  atomic.Uint64     // last sequence given to fn, or from-1
}

// locate finds where to start and end; some is false when there is nothing to
// read.
func (r *replay) locate(ctx context.Context, o ReplayOptions) (some bool, err error) {
	last, err := r.log.LastSeq(ctx)
	if err != nil {
		return false, err
	}
	if o.From > last+1 {
		return false, fmt.Errorf("from sequence %d, but the log ends at %d: %w", o.From, last, ErrGone)
	}
	req := getRequest{NextFor: r.subject, Seq: max(o.From, 1)}
	if o.From == 0 && !o.Since.IsZero() {
		req.Seq, req.StartTime = 0, &o.Since
	}
	first, err := r.log.leaderGet(ctx, req)
	if err != nil {
		return false, err
	}
	none := first == nil || first.Seq > last
	if none && !o.Follow {
		if o.Room == "" && o.Since.IsZero() {
			r.log.checkGap(ctx, max(o.From, 1), last)
		}
		return false, nil
	}
	if !o.Follow {
		r.end = last
		if o.Room != "" {
			if r.end, err = r.log.lastOf(ctx, o.Room); err != nil {
				return false, err
			}
		}
	}
	r.from = last + 1
	if !none {
		r.from = first.Seq
	}
	if r.whole = o.Room == ""; r.whole {
		r.expect = max(o.From, 1)
		if o.From == 0 && !o.Since.IsZero() {
			r.expect = r.from
		}
	} else if r.prevs[o.Room], err = r.log.prevOf(ctx, o.Room, r.from); err != nil {
		return false, err
	}
	r.cursor.Store(r.from - 1)
	return true, nil
}

// read consumes until the end, an error, or the end of ctx.
func (r *replay) read(ctx context.Context) error {
	cons, err := r.log.js.OrderedConsumer(ctx, chatStream, jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{r.subject},
		DeliverPolicy:  jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:    r.from,
	})
	if err != nil {
		return fmt.Errorf("%w: create consumer: %w", ErrUnavailable, err)
	}
	defer deleteConsumer(r.log.js, cons)
	done := make(chan error, 1)
	var once sync.Once
	finish := func(err error) { once.Do(func() { done <- err }) }
	stopped := false // owned by the delivering goroutine
	var delivering sync.Mutex
	consuming, err := cons.Consume(func(msg jetstream.Msg) {
		delivering.Lock()
		defer delivering.Unlock()
		if stopped || ctx.Err() != nil {
			return
		}
		if ended, err := r.message(ctx, msg); ended || err != nil {
			stopped = true
			finish(err)
		}
	}, jetstream.PullMaxMessages(replayPull), jetstream.PullThresholdMessages(replayThreshold),
		jetstream.ConsumeErrHandler(func(_ jetstream.ConsumeContext, err error) {
			if errors.Is(err, nats.ErrConnectionClosed) || errors.Is(err, jetstream.ErrStreamNotFound) {
				finish(fmt.Errorf("%w: %w", ErrUnavailable, err))
			}
		}))
	if err != nil {
		return fmt.Errorf("%w: consume: %w", ErrUnavailable, err)
	}
	err = r.wait(ctx, done)
	consuming.Stop()
	delivering.Lock() // none is being delivered, and none will be
	stopped = true
	delivering.Unlock()
	if err == nil && r.whole && r.end != 0 {
		r.log.checkGap(ctx, r.expect, r.end)
	}
	return err
}

// wait waits for the end of a replay.
func (r *replay) wait(ctx context.Context, done <-chan error) error {
	var tick <-chan time.Time
	if r.end != 0 {
		t := time.NewTicker(endCheck)
		defer t.Stop()
		tick = t.C
	}
	seen := uint64(0)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-done:
			return err
		case <-tick:
			at := r.cursor.Load()
			if at == seen && r.exhausted(ctx, at) {
				return nil
			}
			seen = at
		}
	}
}

// exhausted reports whether nothing is left to read after at: the last
// sequences may have been erased, and then no event marks the end.
func (r *replay) exhausted(ctx context.Context, at uint64) bool {
	ev, err := r.log.next(ctx, r.subject, at+1)
	return err == nil && (ev == nil || ev.Seq > r.end) && r.cursor.Load() == at
}

// message gives one message to fn; ended is true after the last.
func (r *replay) message(ctx context.Context, msg jetstream.Msg) (ended bool, err error) {
	meta, err := msg.Metadata()
	if err != nil {
		return false, err
	}
	ev := &Stored{
		Room: strings.TrimPrefix(msg.Subject(), chatPrefix),
		Seq:  meta.Sequence.Stream,
		Time: meta.Timestamp.UTC(),
		Data: msg.Data(),
	}
	if r.end != 0 && ev.Seq > r.end {
		return true, nil
	}
	if r.whole {
		r.log.checkGap(ctx, r.expect, ev.Seq-1)
		r.expect = ev.Seq + 1
	}
	ev.Prev = r.prevs[ev.Room]
	r.prevs[ev.Room] = ev.Seq
	if err := r.fn(ev); err != nil {
		return false, err
	}
	r.cursor.Store(ev.Seq)
	return r.end != 0 && ev.Seq == r.end, nil
}

// deleteConsumer removes the server's side of a replay early; the server would
// do it by itself after some minutes.
func deleteConsumer(js jetstream.JetStream, cons jetstream.Consumer) {
	info := cons.CachedInfo()
	if info == nil || !js.Conn().IsConnected() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = js.DeleteConsumer(ctx, chatStream, info.Name)
}
