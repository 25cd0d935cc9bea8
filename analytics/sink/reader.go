package sink

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"partyline/analytics/store"
	lc "partyline/events/lifecycle"
	"partyline/events/stream"
)

// Bounds of reading.
const (
	pullMessages = 512
	pullFor      = 2 * time.Second        // a request for messages, well below Config.PinnedFor
	tick         = 200 * time.Millisecond // how long a read waits at most
	callLimit    = time.Minute            // of one call to the store
)

// reader is one session of a sink: it reads the stream in order from the
// store's checkpoint. It belongs to one goroutine.
type reader struct {
	*Sink
	js       jetstream.JetStream
	consumer jetstream.Consumer
	stream   string
	base     uint64

	pin        string // of this reader, as the latest message has it
	checkpoint uint64 // in the store
	next       uint64 // sequence that comes next

	batch   store.Batch
	last    uint64    // sequence of the last message in the batch
	lastAt  time.Time // its storage
	since   time.Time // when the batch got its first row
	rolled  time.Time
	pending uint64 // in the stream behind the last message read

	heard   map[string]time.Time // when each gateway was last heard, by the clock of the stream
	current time.Time            // since when everything was read, by the clock of the stream; zero: it is not
	looked  time.Time            // when dead gateways were last looked for
	asked   time.Time            // when the consumer was last asked where it is
}

// errGap ends an iterator: the consumer has to be moved to where the store is.
var errGap = errors.New("the consumer is elsewhere")

// catchUp reads the checkpoint and forgets what was gathered.
func (r *reader) catchUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	seq, err := r.store.Checkpoint(ctx, r.stream)
	if err != nil {
		return err
	}
	r.moveTo(seq)
	return nil
}

func (r *reader) moveTo(checkpoint uint64) {
	r.checkpoint, r.next = checkpoint, checkpoint+1
	r.reset()
}

func (r *reader) reset() {
	r.batch = store.Batch{Stream: r.stream, After: r.checkpoint}
	r.last = 0
}

// run reads until something fails. The consumer is moved only by the reader to
// which it is pinned, and so only after a message came.
func (r *reader) run(ctx context.Context) error {
	moved := false
	for {
		err := r.iterate(ctx, moved)
		if !errors.Is(err, errGap) {
			return err
		}
		// Another writer may have gone on meanwhile.
		if err := r.catchUp(ctx); err != nil {
			return err
		}
		if moved, err = r.pinned(ctx); err != nil {
			return err
		}
		if !moved {
			continue
		}
		if _, err := r.js.ResetConsumerToSequence(ctx, stream.ConnStream, Consumer, r.next); err != nil {
			return fmt.Errorf("moving the consumer of telemetry: %w", err)
		}
	}
}

// pinned reports whether this reader is the one who is to write, or nobody is.
// If each of two moved the consumer, neither would get on.
func (r *reader) pinned(ctx context.Context) (bool, error) {
	info, err := r.consumer.Info(ctx)
	if err != nil {
		return false, fmt.Errorf("consumer of telemetry: %w", err)
	}
	return r.mayMove(info), nil
}

func (r *reader) mayMove(info *jetstream.ConsumerInfo) bool {
	for _, group := range info.PriorityGroups {
		if group.Group == priorityGroup {
			return group.PinnedClientID == r.pin || group.PinnedClientID == ""
		}
	}
	return true
}

// lookAhead returns errGap when nothing comes because the consumer is ahead of
// the store: a writer ended with messages that it had not written.
func (r *reader) lookAhead(ctx context.Context) error {
	if time.Since(r.asked) < r.cfg.PinnedFor/4 || len(r.batch.Events)+len(r.batch.Reports) > 0 {
		return nil
	}
	r.asked = time.Now()
	info, err := r.consumer.Info(ctx)
	if err != nil {
		return fmt.Errorf("consumer of telemetry: %w", err)
	}
	if info.Delivered.Stream >= r.next && r.mayMove(info) {
		return errGap
	}
	return nil
}

// pinHeader is the header by which the server tells a reader its pin.
const pinHeader = "Nats-Pin-Id"

// iterate reads messages. moved says that the consumer was just moved to next,
// so that the first message may come after a hole: what is missing is gone.
func (r *reader) iterate(ctx context.Context, moved bool) error {
	messages, err := r.consumer.Messages(jetstream.PullPriorityGroup(priorityGroup),
		jetstream.PullMaxMessages(pullMessages), jetstream.PullExpiry(pullFor), jetstream.WithMessagesErrOnMissingHeartbeat(false))
	if err != nil {
		return fmt.Errorf("reading telemetry: %w", err)
	}
	defer messages.Stop()
	for {
		msg, err := messages.Next(jetstream.NextMaxWait(tick))
		switch {
		case ctx.Err() != nil:
			return r.leave(ctx)
		case errors.Is(err, nats.ErrTimeout):
			if err := r.idle(ctx); err != nil {
				return err
			}
			continue
		case err != nil:
			return fmt.Errorf("reading telemetry: %w", err)
		}
		meta, err := msg.Metadata()
		if err != nil {
			return fmt.Errorf("reading telemetry: %w", err)
		}
		seq := meta.Sequence.Stream
		if pin := msg.Headers().Get(pinHeader); pin != "" {
			r.pin = pin
		}
		switch {
		case seq < r.next:
			continue
		case seq > r.next && !moved:
			return errGap
		}
		moved = false
		if err := r.take(ctx, msg, meta); err != nil {
			return err
		}
		if r.next != seq+1 { // another writer was faster
			return errGap
		}
	}
}

// leave writes what was gathered when the sink stops.
func (r *reader) leave(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := r.flush(ctx); err != nil {
		return err
	}
	return r.rollUp(ctx)
}

// idle does what is due while no message comes.
func (r *reader) idle(ctx context.Context) error {
	if err := r.flushDue(ctx); err != nil {
		return err
	}
	if err := r.rollUpDue(ctx); err != nil {
		return err
	}
	if err := r.buryDead(ctx, time.Now()); err != nil {
		return err
	}
	return r.lookAhead(ctx)
}

// take adds a message to the batch, which is written before and after it when
// that is due.
func (r *reader) take(ctx context.Context, msg jetstream.Msg, meta *jetstream.MsgMetadata) error {
	if r.last != 0 && !sameDay(r.lastAt, meta.Timestamp) {
		if err := r.flush(ctx); err != nil {
			return err
		}
		if r.next != meta.Sequence.Stream {
			return nil // another writer was faster
		}
	}
	if len(r.batch.Events)+len(r.batch.Reports) == 0 {
		r.since = time.Now()
	}
	r.decode(msg, meta)
	r.next, r.last, r.lastAt, r.pending = meta.Sequence.Stream+1, meta.Sequence.Stream, meta.Timestamp, meta.NumPending
	r.noteProgress(false)
	switch n := len(r.batch.Events) + len(r.batch.Reports); {
	case n == 0:
		r.noteProgress(true)
	case n >= r.cfg.Rows:
		if err := r.flush(ctx); err != nil {
			return err
		}
	default:
		if err := r.flushDue(ctx); err != nil {
			return err
		}
	}
	// Not left to quiet moments: there may be none.
	if err := r.rollUpDue(ctx); err != nil {
		return err
	}
	return r.buryDead(ctx, r.lastAt)
}

func sameDay(a, b time.Time) bool {
	return a.UTC().Truncate(24 * time.Hour).Equal(b.UTC().Truncate(24 * time.Hour))
}

// decode puts the rows of a message into the batch. What cannot be stored is
// counted and left out: nothing that follows depends on it.
func (r *reader) decode(msg jetstream.Msg, meta *jetstream.MsgMetadata) {
	seq, stored := meta.Sequence.Stream, meta.Timestamp.UTC()
	if lc.IsReport(msg.Subject()) {
		report, err := lc.DecodeReport(msg.Data())
		if err != nil {
			r.skip(seq, 1, err)
			return
		}
		r.batch.Reports = append(r.batch.Reports, store.Report{Report: report, Seq: seq, Stored: stored})
		return
	}
	rows, err := lc.Decode(msg.Data())
	if err != nil {
		r.skip(seq, 1, err)
		return
	}
	if msg.Subject() != stream.SinkSubject {
		r.heard[msg.Subject()[len("conn."):]] = stored
	}
	for i := range rows {
		if !store.Valid(&rows[i]) {
			r.skip(seq, 1, errors.New("a row has a stage, outcome or time that is unknown"))
			continue
		}
		r.batch.Events = append(r.batch.Events, store.Event{Row: rows[i], Seq: seq, Idx: uint16(i), Stored: stored})
	}
}

func (r *reader) skip(seq uint64, n uint64, why error) {
	r.update(func(st *Status) { st.Skipped += n })
	r.log.Warn("telemetry that cannot be stored is left out", "seq", seq, "error", why)
}

func (r *reader) flushDue(ctx context.Context) error {
	if len(r.batch.Events)+len(r.batch.Reports) > 0 && time.Since(r.since) >= r.cfg.Wait {
		return r.flush(ctx)
	}
	return nil
}

// flush writes the batch and goes on where the store says.
func (r *reader) flush(ctx context.Context) error {
	b := r.batch
	if len(b.Events)+len(b.Reports) == 0 {
		r.noteProgress(true)
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	checkpoint, err := r.store.Write(ctx, b)
	if err != nil {
		return err
	}
	want := b.After
	if n := len(b.Events); n > 0 {
		want = b.Events[n-1].Seq
	}
	if checkpoint != want {
		r.log.InfoContext(ctx, "another writer was faster", "checkpoint", checkpoint, "own", want)
		r.moveTo(checkpoint)
		return nil
	}
	r.checkpoint = checkpoint
	r.reset()
	r.update(func(st *Status) {
		st.Rows += uint64(len(b.Events))
		st.Reports += uint64(len(b.Reports))
		st.Batches++
	})
	r.noteProgress(true)
	return nil
}

// noteProgress tells the status how far the reader is; stored says that nothing
// is left in the batch.
func (r *reader) noteProgress(stored bool) {
	if r.pending > 0 && time.Since(r.lastAt) > r.cfg.LostAfter/4 {
		r.current = time.Time{}
	} else if r.current.IsZero() {
		r.current = r.lastAt
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status.Active, r.status.OK, r.status.Error, r.status.Checkpoint = true, true, "", r.checkpoint
	r.behind = !stored || r.pending > 0
	if stored {
		r.status.Position = r.next - 1
	}
	if stored && !r.lastAt.IsZero() || r.written.IsZero() {
		r.written = r.lastAt
	}
}

func (r *reader) rollUpDue(ctx context.Context) error {
	if time.Since(r.rolled) < r.cfg.RollUpEvery || !r.Status().Active {
		return nil
	}
	return r.rollUp(ctx)
}

func (r *reader) rollUp(ctx context.Context) error {
	r.rolled = time.Now()
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	n, err := r.store.RollUp(ctx, r.stream, r.base, r.checkpoint)
	if err != nil {
		return err
	}
	r.update(func(st *Status) { st.Minutes += uint64(n) })
	return nil
}
