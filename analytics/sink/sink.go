package sink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"partyline/analytics/store"
	lc "partyline/events/lifecycle"
	"partyline/events/stream"
)

// Config of a Sink.
type Config struct {
	Rows        int           // that a batch may have; 0: 10,000
	Wait        time.Duration // from the first row of a batch to its insert; 0: 1 s
	RollUpEvery time.Duration // between roll-ups; 0: 5 s
	PinnedFor   time.Duration // silence after which another sink becomes the writer; 0: 10 s
	LostAfter   time.Duration // silence after which a gateway is dead; 0: 90 s, more than lc.HeartbeatEvery
	Logger      *slog.Logger  // nil: discard
}

// Consumer is the durable consumer that all sinks of a stream share.
const (
	Consumer      = "analytics"
	priorityGroup = "sink"
)

// ErrRewound is wrapped when the stream ends before what the store has of it:
// it was restored from an older copy.
var ErrRewound = errors.New("stream CONN ends before what clickhouse has of it")

// Status describes a Sink.
type Status struct {
	Active     bool          // this sink is the one that writes
	OK         bool          // the store took what was last written
	Error      string        // why not
	Stream     string        // identity of the stream
	Checkpoint uint64        // last sequence of which the store has stage rows
	Position   uint64        // everything up to this sequence is in the store, or has nothing for it
	Lag        time.Duration // age of the oldest telemetry that is not in the store
	Rows       uint64        // stage rows written by this sink
	Reports    uint64        // client reports written by this sink
	Skipped    uint64        // rows and messages that cannot be stored
	Lost       uint64        // connections whose gateway was found dead
	Minutes    uint64        // minutes rolled up
	Batches    uint64        // inserts of stage rows
}

// Sink is the writer. Its methods are safe for concurrent use.
type Sink struct {
	cfg   Config
	nc    *nats.Conn
	store *store.Store
	log   *slog.Logger

	mu      sync.Mutex // guards what follows
	status  Status
	written time.Time // storage in the stream of the last message that is in the store
	behind  bool      // the stream has more
}

// New makes a sink on a connection with the permissions of stream.RoleAnalytics
// (or more). Both stay the caller's.
func New(cfg Config, nc *nats.Conn, s *store.Store) (*Sink, error) {
	if nc == nil || s == nil {
		return nil, errors.New("sink without connection or store")
	}
	if cfg.Rows <= 0 {
		cfg.Rows = 10_000
	}
	if cfg.Wait <= 0 {
		cfg.Wait = time.Second
	}
	if cfg.RollUpEvery <= 0 {
		cfg.RollUpEvery = 5 * time.Second
	}
	if cfg.PinnedFor <= 0 {
		cfg.PinnedFor = 10 * time.Second
	}
	if cfg.LostAfter <= 0 {
		cfg.LostAfter = 6 * lc.HeartbeatEvery
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Sink{cfg: cfg, nc: nc, store: s, log: cfg.Logger}, nil
}

// Status returns the present status.
func (s *Sink) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.status
	if s.behind && !s.written.IsZero() {
		st.Lag = time.Since(s.written)
	}
	return st
}

func (s *Sink) update(change func(*Status)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.status)
}

// Delays between tries while the store or the stream is away.
const (
	firstDelay = 250 * time.Millisecond
	maxDelay   = 30 * time.Second
)

// Run writes until ctx ends. Whatever goes wrong is tried again.
func (s *Sink) Run(ctx context.Context) error {
	js, err := jetstream.New(s.nc)
	if err != nil {
		return fmt.Errorf("making the sink's JetStream client: %w", err)
	}
	for delay := firstDelay; ; {
		began := s.Status().Batches
		err := s.session(ctx, js)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // a clean stop
		}
		if s.Status().Batches > began {
			delay = firstDelay
		}
		s.update(func(st *Status) { st.OK, st.Active, st.Error = false, false, err.Error() })
		s.log.WarnContext(ctx, "telemetry is not being stored; it waits in the log", "error", err, "retry_in", delay)
		s.noteBehind(ctx, js)
		t := time.NewTimer(delay)
		select {
		case <-ctx.Done():
			t.Stop()
			return nil
		case <-t.C:
		}
		delay = min(2*delay, maxDelay)
	}
}

// noteBehind finds out whether telemetry waits while nothing is read.
func (s *Sink) noteBehind(ctx context.Context, js jetstream.JetStream) {
	conn, err := js.Stream(ctx, stream.ConnStream)
	if err != nil {
		return
	}
	state := conn.CachedInfo().State
	s.mu.Lock()
	defer s.mu.Unlock()
	s.behind = state.LastSeq > max(s.status.Checkpoint, s.status.Position)
	if s.written.IsZero() {
		s.written = state.FirstTime
	}
}

// session migrates the store, then reads until something fails.
func (s *Sink) session(ctx context.Context, js jetstream.JetStream) error {
	if err := s.store.Migrate(ctx); err != nil {
		return err
	}
	conn, err := js.Stream(ctx, stream.ConnStream)
	if err != nil {
		return fmt.Errorf("stream %s: %w", stream.ConnStream, err)
	}
	info := conn.CachedInfo()
	r := &reader{
		Sink: s, js: js, stream: info.Created.UTC().Format(time.RFC3339Nano), base: store.Version(info.Created),
		heard: map[string]time.Time{},
	}
	if err := r.catchUp(ctx); err != nil {
		return err
	}
	if info.State.LastSeq < r.checkpoint {
		return fmt.Errorf("%w: %d and %d; restore clickhouse, too, or let the stream be made anew", ErrRewound, info.State.LastSeq, r.checkpoint)
	}
	s.update(func(st *Status) {
		st.OK, st.Error, st.Stream, st.Checkpoint, st.Position = true, "", r.stream, r.checkpoint, r.checkpoint
	})
	r.consumer, err = js.CreateOrUpdateConsumer(ctx, stream.ConnStream, jetstream.ConsumerConfig{
		Durable:        Consumer,
		Description:    "Partyline: moves telemetry into ClickHouse",
		DeliverPolicy:  jetstream.DeliverAllPolicy,
		AckPolicy:      jetstream.AckNonePolicy,
		PriorityPolicy: jetstream.PriorityPolicyPinned,
		PriorityGroups: []string{priorityGroup},
		PinnedTTL:      s.cfg.PinnedFor,
	})
	if err != nil {
		return fmt.Errorf("consumer of telemetry: %w", err)
	}
	return r.run(ctx)
}
