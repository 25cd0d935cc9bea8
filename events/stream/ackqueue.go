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
	stored []*submission
	busy   bool
	idle   *sync.Cond
}

func newAckQueue(p *Publisher) *ackQueue {
	q := &ackQueue{p: p, wake: make(chan struct{}, 1)}
	q.idle = sync.NewCond(&q.mu)
	return q
}

// put takes an event that is stored.
func (q *ackQueue) put(s *submission) {
	if q.p.log.Durability() != DurabilityFsync {
		q.p.finish(s, nil)
		return
	}
	q.mu.Lock()
	q.stored = append(q.stored, s)
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
		for group := q.next(); group != nil; group = q.next() {
			err := q.p.log.syncStored(ctx, group[0].deadline)
			for _, s := range group {
				q.p.finish(s, err)
			}
		}
	}
}

// next takes all that is stored; nil, and nothing is going on, when that is
// nothing.
func (q *ackQueue) next() []*submission {
	q.mu.Lock()
	defer q.mu.Unlock()
	group := q.stored
	q.stored = nil
	q.busy = group != nil
	if !q.busy {
		q.idle.Broadcast()
	}
	return group
}

// drain returns when nothing waits any more. Nothing may be put meanwhile.
func (q *ackQueue) drain() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.busy || len(q.stored) > 0 {
		q.idle.Wait()
	}
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
