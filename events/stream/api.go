package stream

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
)

// Errors of the log.
var (
	// ErrUnavailable is returned while the log cannot store: no connection, no
	// leader, a full queue, or a failed fsync. Nothing is known to be stored.
	ErrUnavailable = errors.New("storage unavailable")
	// ErrGone is returned when the log does not hold what was asked for and no
	// recorded erasure explains it.
	ErrGone = errors.New("sequence missing from the log")
)

// Durability says when an event counts as acknowledged.
type Durability string

// The durabilities of storage.durability.
const (
	DurabilityFsync    Durability = "fsync"    // after an fsync that covers it (default)
	DurabilityInterval Durability = "interval" // written; synced every 10 ms
	DurabilityOS       Durability = "os"       // written; the operating system syncs
)

// LogConfig configures a Log.
type LogConfig struct {
	Logger *slog.Logger
	// DedupWindow is how long the stream remembers message ids; 0: two minutes.
	DedupWindow time.Duration
}

// Log is a handle on the streams over one NATS connection. Safe for concurrent
// use. The connection stays the caller's.
type Log struct{}

// NewLog makes a handle; it does no I/O.
func NewLog(nc *nats.Conn, cfg LogConfig) (*Log, error) { panic("seam") }

// Open waits, until ctx ends, for the streams to exist (creating them on an
// external NATS that has none), and loads epoch and secret.
func (l *Log) Open(ctx context.Context) error { panic("seam") }

// Run keeps the epoch current and watches contiguity; see Alarm.
func (l *Log) Run(ctx context.Context) error { panic("seam") }

// Epoch names the life of the log. It changes when the log was restored,
// truncated or recreated.
func (l *Log) Epoch() string { panic("seam") }

// Secret is the deployment's 32-byte secret, the same in every process: key of
// identity and message-id HMACs.
func (l *Log) Secret() []byte { panic("seam") }

// Durability is what an acknowledgement of this log means.
func (l *Log) Durability() string { panic("seam") }

// Available reports whether the log can store at the moment.
func (l *Log) Available() bool { panic("seam") }

// LastSeq is the last stream sequence of CHAT, asked from the leader.
func (l *Log) LastSeq(ctx context.Context) (uint64, error) { panic("seam") }

// LastSeqs returns the last stream sequence of each room, asked from the
// leader; rooms without events are missing from the result.
func (l *Log) LastSeqs(ctx context.Context, rooms []string) (map[string]uint64, error) {
	panic("seam")
}

// Fill reads the events of a room with after < seq <= upTo, oldest first.
func (l *Log) Fill(ctx context.Context, room string, after, upTo uint64) ([]*Stored, error) {
	panic("seam")
}

// ReplayOptions select what Replay reads.
type ReplayOptions struct {
	From   uint64 // first stream sequence; 0: from the start
	Room   string // only this room; "": all
	Since  time.Time
	Follow bool // go on with live events; else end at the last sequence at start
}

// Replay calls fn for each event in stream order. It checks contiguity (when it
// reads all rooms): a missing sequence that is not recorded as erased raises the alarm and is
// reported, but reading goes on.
func (l *Log) Replay(ctx context.Context, o ReplayOptions, fn func(*Stored) error) error {
	panic("seam")
}

// PublisherConfig bounds a Publisher.
type PublisherConfig struct {
	Logger     *slog.Logger
	MaxQueued  int           // events waiting or in flight; 0: 16,384
	MaxBytes   int           // their bytes; 0: 64 MiB
	AckTimeout time.Duration // 0: 2s; then the same id is sent again
}

// Receiver is told what became of a submission.
type Receiver interface {
	// Published is called exactly once, from a goroutine of the publisher; it
	// must not block.
	Published(ack Ack, err error)
}

// Publisher stores events: in order per room, each exactly once, acknowledged
// when as durable as the log promises.
type Publisher struct{}

// NewPublisher makes a publisher on l.
func NewPublisher(l *Log, cfg PublisherConfig) (*Publisher, error) { panic("seam") }

// Run publishes until ctx ends; then it refuses new submissions and resolves
// what is in flight, for at most 5 s.
func (p *Publisher) Run(ctx context.Context) error { panic("seam") }

// Submit queues an event. msgID makes it idempotent within the log's
// deduplication window. data stays untouched until r was told. A full queue
// or an unavailable log is an immediate ErrUnavailable, and r is not called.
func (p *Publisher) Submit(room, msgID string, data []byte, r Receiver) error { panic("seam") }

// Publish is Submit and waiting for its result.
func (p *Publisher) Publish(ctx context.Context, room, msgID string, data []byte) (Ack, error) {
	panic("seam")
}

// Sink receives a room's events: growing in seq and without holes, each once.
// It is called serially per room and must not block.
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
	// injection for tests.
	Drop func(room string, seq uint64) bool
}

// Feed follows rooms live: it takes republished copies as they come, notices
// holes by the chain of previous sequences, fills them from the log, and
// compares with the log after reconnects and on a slow timer.
type Feed struct{}

// NewFeed makes a feed on l.
func NewFeed(l *Log, cfg FeedConfig) (*Feed, error) { panic("seam") }

// Run serves the feed until ctx ends.
func (f *Feed) Run(ctx context.Context) error { panic("seam") }

// Follow subscribes to a room (flushed), asks the leader for its last sequence,
// and returns it: sink gets every event after head. One sink per room.
func (f *Feed) Follow(ctx context.Context, room string, sink Sink) (head uint64, err error) {
	panic("seam")
}

// Unfollow ends the deliveries to the room's sink: none after it returned.
func (f *Feed) Unfollow(room string) { panic("seam") }

// Expect tells that room has the event seq, from an acknowledgement: it will
// reach the sink even if its live copy is lost. duplicate: nobody will announce
// it again, so it is fetched at once; else after 50 ms without it. Other
// gateways are nudged in both cases.
func (f *Feed) Expect(room string, seq uint64, duplicate bool) { panic("seam") }
