package stream

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
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
type Log struct {
	nc     *nats.Conn
	js     jetstream.JetStream
	log    *slog.Logger
	erased erasures
	epoch  atomic.Pointer[string]
}

// NewLog makes a handle; it does no I/O.
func NewLog(nc *nats.Conn, cfg LogConfig) (*Log, error) {
	js, err := jetstream.New(nc)
	return &Log{nc: nc, js: js, log: cfg.Logger}, err
}

// Open waits, until ctx ends, for the streams to exist (creating them on an
// external NATS that has none), and loads epoch and secret.
func (l *Log) Open(ctx context.Context) error { panic("seam") }

// Run keeps the epoch current and watches contiguity; see Alarm.
func (l *Log) Run(ctx context.Context) error { panic("seam") }

// Epoch names the life of the log. It changes when the log was restored,
// truncated or recreated.
func (l *Log) Epoch() string {
	if e := l.epoch.Load(); e != nil {
		return *e
	}
	return ""
}

// Secret is the deployment's 32-byte secret, the same in every process: key of
// identity and message-id HMACs.
func (l *Log) Secret() []byte { panic("seam") }

// Durability is what an acknowledgement of this log means.
func (l *Log) Durability() string { panic("seam") }

// Available reports whether the log can store at the moment.
func (l *Log) Available() bool { panic("seam") }

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
