package hub

import (
	"context"
	"time"

	"partyline/events/query"
)

const (
	tailLimits     = 4        // different limits cached for one room
	tailCacheBytes = 32 << 20 // encoded tails of all rooms
	tailCacheAge   = time.Minute
)

// tailFlight is one question for the tail of a room, and afterwards its answer,
// shared by all who want the same.
type tailFlight struct {
	fence uint64
	done  chan struct{} // closed when page and err are set
	page  query.Page
	err   error
	since time.Time
	bytes int // charged to the cache; guarded by the room's lock
}

// tail returns the latest messages of r as of fence or later (as far as the
// read model got within its second). A storm of joins asks once.
func (h *Hub) tail(ctx context.Context, r *room, limit int, fence uint64) (query.Page, error) {
	for {
		fl, mine := r.tailFlight(limit, fence)
		if mine {
			h.askTail(ctx, r, limit, fl)
			return fl.page, fl.err
		}
		select {
		case <-fl.done:
		case <-ctx.Done():
			return query.Page{}, unavailable(ctx.Err())
		}
		if fl.err != nil || fl.fence >= fence || fl.page.Head >= fence {
			return fl.page, fl.err
		}
	}
}

// tailFlight returns a question that is at least as new as fence; mine: the
// caller has to ask it.
func (r *room) tailFlight(limit int, fence uint64) (fl *tailFlight, mine bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if fl = r.tails[limit]; fl != nil {
		select {
		case <-fl.done:
			if fl.page.Head >= fence {
				return fl, false
			}
			r.dropTail(limit)
		default:
			return fl, false
		}
	}
	if len(r.tails) >= tailLimits {
		r.dropTails()
	}
	fl = &tailFlight{fence: fence, done: make(chan struct{}), since: time.Now()}
	if r.tails == nil {
		r.tails = make(map[int]*tailFlight, 1)
	}
	r.tails[limit] = fl
	return fl, true
}

func (h *Hub) askTail(ctx context.Context, r *room, limit int, fl *tailFlight) {
	fl.page, fl.err = h.messages(ctx, query.MessagesRequest{Room: r.name, Limit: limit, AtLeast: fl.fence})
	size := len(fl.page.Messages)
	r.mu.Lock()
	if r.tails[limit] == fl {
		keep := fl.err == nil && fl.page.Head >= fl.fence && fl.page.Head >= r.head
		if keep && h.tailBytes.Add(int64(size)) <= tailCacheBytes {
			fl.bytes = size
		} else {
			if keep {
				h.tailBytes.Add(int64(-size))
			}
			delete(r.tails, limit)
		}
	}
	r.mu.Unlock()
	close(fl.done)
}

// messages asks the read model for folded messages.
func (h *Hub) messages(ctx context.Context, q query.MessagesRequest) (query.Page, error) {
	if err := h.enterExpensive(ctx); err != nil {
		return query.Page{}, err
	}
	defer h.leaveExpensive()
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	page, err := h.query.Messages(ctx, q)
	if err != nil {
		return page, unavailable(err)
	}
	if page.Messages == nil {
		page.Messages = []byte("[]")
	}
	return page, nil
}

// dropTail forgets one cached tail; under r.mu.
func (r *room) dropTail(limit int) {
	if fl := r.tails[limit]; fl != nil {
		r.h.tailBytes.Add(int64(-fl.bytes))
		fl.bytes = 0
		delete(r.tails, limit)
	}
}

// dropTails forgets every cached tail; under r.mu. Questions under way go on
// for those who wait for them.
func (r *room) dropTails() {
	for limit := range r.tails {
		r.dropTail(limit)
	}
}

// dropOldTails forgets the tails of a quiet room; under r.mu.
func (r *room) dropOldTails(now time.Time) {
	for limit, fl := range r.tails {
		if now.Sub(fl.since) > tailCacheAge {
			r.dropTail(limit)
		}
	}
}
