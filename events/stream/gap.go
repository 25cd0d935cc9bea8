package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// gapRecheck is the pause before a gap counts as unexplained: a lagging replica
// may not know yet what was recorded as erased.
const gapRecheck = 500 * time.Millisecond

// seqRange is an inclusive range of stream sequences.
type seqRange struct{ from, to uint64 }

// erasures remembers which sequences are recorded as erased. The zero value is
// empty. Records only grow, so an answer "erased" never becomes wrong.
type erasures struct {
	mu   sync.Mutex
	seqs []uint64 // ascending
}

// missing returns the parts of r that are not recorded.
func (e *erasures) missing(r seqRange) []seqRange {
	e.mu.Lock()
	defer e.mu.Unlock()
	var out []seqRange
	at := r.from
	i, _ := slices.BinarySearch(e.seqs, r.from)
	for ; i < len(e.seqs) && e.seqs[i] <= r.to; i++ {
		if e.seqs[i] > at {
			out = append(out, seqRange{at, e.seqs[i] - 1})
		}
		at = e.seqs[i] + 1
	}
	if at <= r.to {
		out = append(out, seqRange{at, r.to})
	}
	return out
}

// load replaces what is remembered by what bucket ERASED holds: one key for
// each erased sequence, its decimal digits.
func (e *erasures) load(ctx context.Context, js jetstream.JetStream) error {
	ctx, cancel := context.WithTimeout(ctx, 10*readTimeout)
	defer cancel()
	kv, err := js.KeyValue(ctx, erasedBucket)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w: open bucket %s: %w", ErrUnavailable, erasedBucket, err)
	}
	keys, err := kv.ListKeys(ctx)
	if err != nil {
		return fmt.Errorf("%w: list bucket %s: %w", ErrUnavailable, erasedBucket, err)
	}
	var seqs []uint64
	for key := range keys.Keys() {
		if seq, err := strconv.ParseUint(key, 10, 64); err == nil {
			seqs = append(seqs, seq)
		}
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: list bucket %s: %w", ErrUnavailable, erasedBucket, err)
	}
	slices.Sort(seqs)
	e.mu.Lock()
	e.seqs = slices.Compact(seqs)
	e.mu.Unlock()
	return nil
}

// unexplained returns the parts of from..to that are not recorded as erased.
func (l *Log) unexplained(ctx context.Context, from, to uint64) ([]seqRange, error) {
	r := seqRange{from, to}
	if lost := l.erased.missing(r); len(lost) == 0 {
		return nil, nil
	}
	if err := l.erased.load(ctx, l.js); err != nil {
		return nil, err
	}
	return l.erased.missing(r), nil
}

// checkGap raises the alarm for the parts of from..to, which the log lacks,
// that no erasure explains. An empty range is no gap.
func (l *Log) checkGap(ctx context.Context, from, to uint64) {
	if from > to {
		return
	}
	lost, err := l.unexplained(ctx, from, to)
	if len(lost) > 0 {
		if pause(ctx, gapRecheck) != nil {
			return
		}
		lost, err = l.unexplained(ctx, from, to)
	}
	if err != nil {
		l.log.ErrorContext(ctx, "missing sequences could not be compared with the recorded erasures",
			"from", from, "to", to, "error", err)
		return
	}
	for _, r := range lost {
		l.RaiseAlarm(r.from-1, r.to+1)
	}
}
