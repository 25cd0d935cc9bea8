package projections

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"partyline/events/stream"
)

// Errors of this package; those of queries are in package query.
var (
	// ErrInUse is returned when another process uses the directory.
	ErrInUse = errors.New("directory is in use by another process")
	// ErrNotWritable is returned when the directory or its files cannot be
	// written.
	ErrNotWritable = errors.New("directory is not writable")
)

// Source is the log as the read models need it; *stream.Log is one.
type Source interface {
	// Epoch names the life of the log.
	Epoch() string
	// LastSeq is the last stream sequence.
	LastSeq(ctx context.Context) (uint64, error)
	// Replay calls fn for each event in stream order; see stream.Log.
	Replay(ctx context.Context, o stream.ReplayOptions, fn func(*stream.Stored) error) error
}

var _ Source = (*stream.Log)(nil)

// Config configures a Model.
type Config struct {
	// Dir holds the files; it is made when missing.
	Dir string
	// Logger; nil: nothing is logged.
	Logger *slog.Logger
	// Readers is the number of connections for queries; 0: 4.
	Readers int
	// CommitDelay is the least time between two commits; 0: 20 ms.
	CommitDelay time.Duration
	// CommitEvents is the largest number of events in a commit while the log is
	// followed closely; 0: 500.
	CommitEvents int
	// BulkEvents is the number of events behind the log from which transactions
	// are large, and an empty read model is loaded in bulk; 0: 10,000.
	BulkEvents uint64
}

func (c *Config) setDefaults() {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Readers <= 0 {
		c.Readers = 4
	}
	if c.CommitDelay <= 0 {
		c.CommitDelay = 20 * time.Millisecond
	}
	if c.CommitEvents <= 0 {
		c.CommitEvents = 500
	}
	if c.BulkEvents == 0 {
		c.BulkEvents = 10_000
	}
}

const (
	// bulkTransaction is the number of events in a transaction when far behind
	// (readmodel-facts: 50,000 a transaction is twice as fast as 2,000).
	bulkTransaction = 50_000
	// maxTransactionBytes bounds the payload in one transaction.
	maxTransactionBytes = 64 << 20
	// queued is the number of decoded events between the log and the writer.
	queued = 1024
	// maxWait bounds the wait for at_least.
	maxWait = time.Second
	// queryTimeout bounds a query, waiting included.
	queryTimeout = 3 * time.Second
	// watchPeriod is how often epoch and last sequence of the log are looked at.
	watchPeriod = 2 * time.Second
)
