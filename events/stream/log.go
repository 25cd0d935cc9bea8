package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Errors of the log.
var (
	// ErrUnavailable is returned while the log cannot store: no connection, no
	// leader, a full queue, or a failed fsync.
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
	// DurabilityServer is that of an external NATS: what its own settings say.
	DurabilityServer Durability = "server"
)

const secretBytes = 32

// openRetry is the pause between attempts to open a log that is not there yet;
// provisionAfter is how long somebody else may take to create it.
const (
	openRetry      = 200 * time.Millisecond
	provisionAfter = 3 * time.Second
)

// LogConfig configures a Log.
type LogConfig struct {
	Logger *slog.Logger // nil: discard
	// DedupWindow is how long a stream that Open creates remembers message
	// ids; 0: two minutes.
	DedupWindow time.Duration
}

// Log is a handle on the streams over one NATS connection. Safe for concurrent
// use. The connection stays the caller's.
type Log struct {
	nc         *nats.Conn
	js         jetstream.JetStream
	log        *slog.Logger
	dedup      time.Duration // of a stream that provision creates
	window     atomic.Int64  // that of the stream, in nanoseconds
	erased     erasures
	epoch      atomic.Pointer[string]
	secret     atomic.Pointer[[]byte]
	durability atomic.Pointer[Durability]
	alarms     alarms
}

// NewLog makes a handle; it does no I/O.
func NewLog(nc *nats.Conn, cfg LogConfig) (*Log, error) {
	if nc == nil {
		return nil, errors.New("log without connection")
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("making the JetStream client: %w", err)
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.DedupWindow <= 0 {
		cfg.DedupWindow = defaultDedupWindow
	}
	return &Log{nc: nc, js: js, log: cfg.Logger, dedup: cfg.DedupWindow}, nil
}

// Open waits, until ctx ends, for the streams to exist, and loads epoch and
// secret. On an external NATS that has none it creates them.
func (l *Log) Open(ctx context.Context) error {
	began := time.Now()
	for {
		err := l.open(ctx)
		if err == nil {
			return nil
		}
		if errors.Is(err, jetstream.ErrStreamNotFound) && time.Since(began) > provisionAfter {
			if perr := l.provision(ctx); perr != nil {
				err = errors.Join(err, perr)
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("opening the log: %w", err)
		case <-time.After(openRetry):
		}
	}
}

func (l *Log) open(ctx context.Context) error {
	chat, err := l.js.Stream(ctx, chatStream)
	if err != nil {
		return fmt.Errorf("stream %s: %w", chatStream, err)
	}
	durability := Durability(chat.CachedInfo().Config.Metadata[metaDurability])
	if durability == "" {
		durability = DurabilityServer
	}
	kv, err := l.js.KeyValue(ctx, stateBucket)
	if err != nil {
		return fmt.Errorf("opening bucket %s: %w", stateBucket, err)
	}
	secret, err := kv.Get(ctx, secretKey)
	if err != nil {
		return fmt.Errorf("reading the secret: %w", err)
	}
	if len(secret.Value()) != secretBytes {
		return fmt.Errorf("reading the secret: %d bytes instead of %d", len(secret.Value()), secretBytes)
	}
	record, _, err := readEpoch(ctx, kv)
	if err != nil {
		return err
	}
	if record.Epoch == "" {
		return errors.New("reading the epoch: there is none yet")
	}
	value := secret.Value()
	l.window.Store(int64(chat.CachedInfo().Config.Duplicates))
	l.secret.Store(&value)
	l.durability.Store(&durability)
	l.epoch.Store(&record.Epoch)
	return nil
}

// provision creates the streams on an external NATS. Where the permissions
// forbid it, somebody else has to.
func (l *Log) provision(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := (streamSpec{dedup: l.dedup, replicas: 1}).provision(ctx, l.js, true); err != nil {
		return fmt.Errorf("creating the streams: %w", err)
	}
	if err := ensureSecret(ctx, l.js); err != nil {
		return err
	}
	return settleEpoch(ctx, l.js, false)
}

// Run keeps the epoch current until ctx ends.
func (l *Log) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := l.watchEpoch(ctx); err != nil && ctx.Err() == nil {
			l.log.WarnContext(ctx, "the epoch is not watched; trying again", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(openRetry):
		}
	}
	return nil
}

// watchEpoch follows the epoch's record. The watch is made anew after each
// reconnect, since a storage process that was stopped forgot it.
func (l *Log) watchEpoch(ctx context.Context) error {
	status := l.nc.StatusChanged(nats.CONNECTED)
	defer l.nc.RemoveStatusListener(status)
	kv, err := l.js.KeyValue(ctx, stateBucket)
	if err != nil {
		return fmt.Errorf("opening bucket %s: %w", stateBucket, err)
	}
	record, _, err := readEpoch(ctx, kv)
	if err != nil {
		return err
	}
	chat, err := l.js.Stream(ctx, chatStream)
	if err != nil {
		return fmt.Errorf("stream %s: %w", chatStream, err)
	}
	l.window.Store(int64(chat.CachedInfo().Config.Duplicates))
	l.setEpoch(ctx, record.Epoch)
	watch, err := kv.Watch(ctx, epochKey)
	if err != nil {
		return fmt.Errorf("watching the epoch: %w", err)
	}
	defer watch.Stop() //nolint:errcheck // the connection may be gone
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-status:
			return nil
		case _, open := <-watch.Updates():
			if !open {
				return errors.New("watching the epoch: the watch ended")
			}
			record, _, err := readEpoch(ctx, kv)
			if err != nil {
				return err
			}
			l.setEpoch(ctx, record.Epoch)
		}
	}
}

func (l *Log) setEpoch(ctx context.Context, epoch string) {
	if before := l.epoch.Swap(&epoch); before != nil && *before != epoch {
		l.log.WarnContext(ctx, "the epoch of the log changed", "before", *before, "now", epoch)
	}
}

// Epoch names the life of the log. It changes when the log was restored,
// truncated or recreated, and after a power cut. "" before Open.
func (l *Log) Epoch() string {
	if e := l.epoch.Load(); e != nil {
		return *e
	}
	return ""
}

// Secret is the deployment's 32-byte secret, the same in every process: key of
// identity and message-id HMACs. It must not be changed; nil before Open.
func (l *Log) Secret() []byte {
	if s := l.secret.Load(); s != nil {
		return *s
	}
	return nil
}

// Durability is what an acknowledgement of this log means. "" before Open.
func (l *Log) Durability() Durability {
	if d := l.durability.Load(); d != nil {
		return *d
	}
	return ""
}

// DedupWindow is how long the log itself remembers message ids, as it is
// configured now. 0 before Open.
func (l *Log) DedupWindow() time.Duration { return time.Duration(l.window.Load()) }

// Available reports whether the log can store at the moment, as far as this
// process knows.
func (l *Log) Available() bool { return l.nc.IsConnected() && l.epoch.Load() != nil }

// maxAlarms bounds the alarms that are remembered.
const maxAlarms = 64

// alarms remembers gaps of the log: the sequences around each.
type alarms struct {
	mu   sync.Mutex
	gaps [][2]uint64
}

// RaiseAlarm tells that the events between two sequences of the log are missing,
// and no erasure explains it: the log is damaged. It is loud, and changes
// nothing.
func (l *Log) RaiseAlarm(last, next uint64) {
	gap := [2]uint64{last, next}
	l.alarms.mu.Lock()
	known := slices.Contains(l.alarms.gaps, gap) || len(l.alarms.gaps) == maxAlarms
	if !known {
		l.alarms.gaps = append(l.alarms.gaps, gap)
	}
	l.alarms.mu.Unlock()
	if !known {
		l.log.Error("events are missing from the log, and no erasure explains it", "after_seq", last, "before_seq", next)
	}
}

// Alarm describes the first gap that was found, "" while there is none.
func (l *Log) Alarm() string {
	l.alarms.mu.Lock()
	defer l.alarms.mu.Unlock()
	if len(l.alarms.gaps) == 0 {
		return ""
	}
	gap := l.alarms.gaps[0]
	return fmt.Sprintf("events between sequences %d and %d are missing from the log, and no erasure explains it", gap[0], gap[1])
}
