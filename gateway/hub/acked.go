package hub

import (
	"container/list"
	"sync"
	"time"
)

// ackKey names what an identity stores under an id.
type ackKey struct{ uid, id string }

// ackEntry is the answer to it.
type ackEntry struct {
	key ackKey
	seq uint64
	at  time.Time
}

// acked knows which ids are being stored and which were acknowledged lately, so
// that the same id is stored once and answered alike. Safe for concurrent use.
type acked struct {
	max int

	mu       sync.Mutex
	inFlight map[ackKey]*pending
	recent   map[ackKey]*list.Element // of *ackEntry
	order    *list.List               // least recently used last
}

func newAcked(max int) *acked {
	return &acked{
		max: max, inFlight: make(map[ackKey]*pending),
		recent: make(map[ackKey]*list.Element), order: list.New(),
	}
}

// begin registers that w wants to store key. found: it was stored before, as e
// says. joined: it is being stored, and w will be told. Otherwise p now stands
// for it, and has to be finished.
func (a *acked) begin(key ackKey, p *pending, w waiter) (e ackEntry, found, joined bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if el := a.recent[key]; el != nil {
		a.order.MoveToFront(el)
		return *el.Value.(*ackEntry), true, false
	}
	if q := a.inFlight[key]; q != nil {
		q.waiters = append(q.waiters, w)
		return ackEntry{}, false, true
	}
	a.inFlight[key] = p
	p.waiters = append(p.waiters, w)
	return ackEntry{}, false, false
}

// finish ends what begin began and returns who waits. A seq above 0 is
// remembered.
func (a *acked) finish(p *pending, seq uint64, at time.Time) []waiter {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.inFlight, p.key)
	ws := p.waiters
	p.waiters = nil
	if seq > 0 {
		a.recent[p.key] = a.order.PushFront(&ackEntry{p.key, seq, at})
		for a.order.Len() > a.max {
			el := a.order.Back()
			delete(a.recent, el.Value.(*ackEntry).key)
			a.order.Remove(el)
		}
	}
	return ws
}
