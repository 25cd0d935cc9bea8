package stream

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// syncTimeout bounds the wait for one answer to a sync request.
const syncTimeout = 5 * time.Second

// ackQueue holds events that are stored until they may be acknowledged: until a
// sync that began after they were stored is over. Everything that was stored
// while one sync ran shares the next.
type ackQueue struct {
	p    *Publisher
	wake chan struct{}

	mu     sync.Mutex // guards what follows
	stored submissionList
}

func newAckQueue(p *Publisher) *ackQueue {
	return &ackQueue{p: p, wake: make(chan struct{}, 1)}
}

// put takes an event that is stored.
func (q *ackQueue) put(s *submission) {
	if q.p.log.Durability() != DurabilityFsync {
		q.p.finish(s, nil)
		return
	}
	q.mu.Lock()
	q.stored.put(s)
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// run acknowledges until ctx ends.
func (q *ackQueue) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-q.wake:
		}
		for list := q.next(); list != nil; list = q.next() {
			q.p.finish(list, q.p.log.syncStored(ctx, list.deadline))
		}
	}
}

// next takes all that is stored.
func (q *ackQueue) next() *submission {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.stored.take()
}

// syncStored asks the node to make durable what it has stored so far, until it
// says so. A node that failed to sync once never syncs again, and ends.
func (l *Log) syncStored(ctx context.Context, deadline time.Time) error {
	for {
		asked, cancel := context.WithTimeout(ctx, syncTimeout)
		m, err := l.nc.RequestWithContext(asked, SyncSubject, nil)
		cancel()
		switch {
		case err == nil && len(m.Data) == 0 && len(m.Header) == 0:
			return nil
		case err == nil && len(m.Data) > 0:
			return fmt.Errorf("%w: %s", ErrUnavailable, m.Data)
		case err == nil:
			err = errors.New("unexpected answer to a sync request")
		}
		if ctx.Err() != nil || time.Now().After(deadline) || l.nc.IsClosed() {
			return fmt.Errorf("%w: stored, and not known to be on disk: %w", ErrUnavailable, err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(retryPause):
		}
	}
}
