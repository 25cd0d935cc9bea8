package stream

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Pauses of a worker whose fill failed, doubled from the first to the last.
const (
	fillRetryFirst = 100 * time.Millisecond
	fillRetryLast  = 2 * time.Second
)

// abandonAfter is how often a fill is tried towards a sequence above the end of
// the log before the announcement counts as void.
const abandonAfter = 6

// errOutdated ends a fill whose room was reset or unfollowed.
var errOutdated = errors.New("fill outdated")

// fillQueue holds the rooms with a hole, each once, so it is bounded by the
// rooms followed.
type fillQueue struct {
	mu    sync.Mutex
	rooms []*feedRoom
	wake  chan struct{} // a token for each worker that has to look
}

func (q *fillQueue) init(workers int) { q.wake = make(chan struct{}, workers) }

// push adds a room at the end.
func (q *fillQueue) push(r *feedRoom) {
	q.mu.Lock()
	q.rooms = append(q.rooms, r)
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default: // every worker will look again already
	}
}

// pop takes the first room; nil when there is none.
func (q *fillQueue) pop() *feedRoom {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.rooms) == 0 {
		q.rooms = nil
		return nil
	}
	r := q.rooms[0]
	q.rooms[0] = nil
	q.rooms = q.rooms[1:]
	return r
}

// queueFill lets a worker fill the room's hole, if it has one.
func (f *Feed) queueFill(r *feedRoom) {
	if r.want.Load() > r.last.Load() && r.queued.CompareAndSwap(false, true) {
		f.fills.push(r)
	}
}

// runFills is one worker.
func (f *Feed) runFills(ctx context.Context) {
	for {
		r := f.fills.pop()
		if r == nil {
			select {
			case <-ctx.Done():
				return
			case <-f.fills.wake:
			}
			continue
		}
		if !f.fill(ctx, r) {
			if pause(ctx, backoff(r.failed())) != nil {
				return
			}
			f.fills.push(r) // it is queued still
		}
	}
}

// fill closes the holes of a room; false when it has to be tried again.
func (f *Feed) fill(ctx context.Context, r *feedRoom) bool {
	for {
		after, upTo, life, ok := r.hole()
		if !ok {
			r.queued.Store(false)
			if _, _, _, ok = r.hole(); ok && r.queued.CompareAndSwap(false, true) {
				continue // it appeared while the flag was still set
			}
			return true
		}
		err := f.log.fillPages(ctx, r.name, after, upTo, func(page []*Stored) error {
			if !r.filled(life, page) {
				return errOutdated
			}
			return nil
		})
		switch {
		case err == nil:
			f.stats.holes.Add(1)
			r.covered(life, upTo)
		case errors.Is(err, errOutdated):
		case errors.Is(err, ErrGone):
			if !f.lost(ctx, r, life, upTo) {
				return false
			}
		default:
			if ctx.Err() == nil {
				f.cfg.Logger.WarnContext(ctx, "filling a hole", "room", r.name, "after", after, "up_to", upTo, "error", err)
			}
			return false
		}
	}
}

// lost deals with a sequence that was announced and that the log does not hold.
// Inside the log that is a loss: the alarm is raised, and the room goes on
// behind it. Above its end the log was truncated, which the epoch will tell
// soon; false: try again until then.
func (f *Feed) lost(ctx context.Context, r *feedRoom, life int, upTo uint64) bool {
	end, err := f.log.LastSeq(ctx)
	if err != nil {
		return false
	}
	if upTo <= end {
		f.stats.lost.Add(1)
		f.log.RaiseAlarm(upTo-1, upTo+1)
		r.covered(life, upTo)
		return true
	}
	return r.abandon(life, end)
}

// failed counts a fill that failed and returns how many did in a row.
func (r *feedRoom) failed() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures++
	return r.failures
}

// abandon forgets announcements above end, the end of the log, after enough
// failures; false before.
func (r *feedRoom) abandon(life int, end uint64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.life != life {
		return true
	}
	if r.failures < abandonAfter {
		return false
	}
	r.failures = 0
	r.held, r.heldBytes = nil, 0
	r.want.Store(end)
	return true
}

// backoff is the pause after n failures in a row.
func backoff(n int) time.Duration {
	return min(fillRetryFirst<<min(max(n-1, 0), 10), fillRetryLast)
}
