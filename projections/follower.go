package projections

import (
	"context"
	"fmt"
	"time"

	"partyline/projections/readmodel"
)

// follower applies live events in small transactions, and large ones while it
// is far behind.
type follower struct {
	m          *Model
	epoch      string
	check      checkpoint // where it started
	started    bool       // the first event was seen
	lastCommit time.Time
}

// consume applies records until the channel is closed or ctx ends.
func (f *follower) consume(ctx context.Context, records <-chan readmodel.Record) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case rec, ok := <-records:
			if !ok {
				return nil
			}
			if err := f.verifyStart(&rec); err != nil {
				return err
			}
			if err := f.transaction(ctx, &rec, records); err != nil {
				return err
			}
		}
	}
}

// verifyStart checks the first event: it must be the one at the checkpoint. It
// may be missing where it was erased, but only in the same life of the log.
func (f *follower) verifyStart(rec *readmodel.Record) error {
	if f.started || f.check.seq == 0 {
		return nil
	}
	f.started = true
	if rec.Stored.Seq == f.check.seq || f.epoch == f.check.epoch {
		return nil // writer.add compares an event that is contained
	}
	return fmt.Errorf("%w: no event %d, and another epoch", errForeign, f.check.seq)
}

// transaction applies rec and what comes within the commit delay.
func (f *follower) transaction(ctx context.Context, rec *readmodel.Record, records <-chan readmodel.Record) error {
	f.m.writing.Lock()
	defer f.m.writing.Unlock()
	if f.m.store == nil {
		return errRestart
	}
	w := f.m.store.writer
	err := f.fill(ctx, w, rec, records)
	poison, before := w.poison, w.check.seq
	if err == nil {
		err = w.commit(f.epoch)
	}
	if err != nil {
		w.rollback()
		return err
	}
	f.lastCommit = time.Now()
	if w.check.seq != before {
		f.m.progress.commit(w.check.seq, poison)
	}
	return nil
}

// fill adds events until the transaction is large enough, or it is time to
// commit and no event is ready.
func (f *follower) fill(ctx context.Context, w *writer, rec *readmodel.Record, records <-chan readmodel.Record) error {
	limit := f.limit(rec.Stored.Seq)
	timer := time.NewTimer(time.Until(f.lastCommit.Add(f.m.cfg.CommitDelay)))
	defer timer.Stop()
	bytes := 0
	for n := 1; ; n++ {
		if err := w.add(rec); err != nil {
			return err
		}
		bytes += len(rec.Stored.Data)
		if n >= limit || bytes >= maxTransactionBytes {
			return nil
		}
		next, ok := receive(ctx, records, timer)
		if !ok {
			return nil
		}
		rec = next
	}
}

// limit is the number of events for the next transaction.
func (f *follower) limit(seq uint64) int {
	if last := f.m.progress.stats().Last; last > seq && last-seq > f.m.cfg.BulkEvents {
		return bulkTransaction
	}
	return f.m.cfg.CommitEvents
}

// receive takes a record that is ready, or comes before the timer fires.
func receive(ctx context.Context, records <-chan readmodel.Record, timer *time.Timer) (*readmodel.Record, bool) {
	select {
	case rec, ok := <-records:
		return &rec, ok
	default:
	}
	select {
	case rec, ok := <-records:
		return &rec, ok
	case <-timer.C:
		return nil, false
	case <-ctx.Done():
		return nil, false
	}
}
