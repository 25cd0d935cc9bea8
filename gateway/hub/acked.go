package hub

import (
	"sync"
	"time"
)

// ackKey names what an identity stores under an id.
type ackKey struct{ uid, id string }

// ackEntry is the answer to it, in a list by the time of its last use.
type ackEntry struct {
	key         ackKey
	seq         uint64
	at          time.Time
	newer, next *ackEntry // next: the one that was used before it
}

// acked knows which ids are being stored and which were acknowledged lately, so
// that the same id is stored once and answered alike. Safe for concurrent use.
type acked struct {
	max int

	mu       sync.Mutex
	inFlight map[ackKey]*pending
	recent   map[ackKey]*ackEntry
	ends     ackEntry // of the list: next is the latest entry, newer the oldest
}

func newAcked(max int) *acked {
	a := &acked{max: max, inFlight: make(map[ackKey]*pending), recent: make(map[ackKey]*ackEntry)}
	a.ends.newer, a.ends.next = &a.ends, &a.ends
	return a
}

// begin registers that w wants to store key. found: it was stored before, as e
// says. joined: it is being stored, and w will be told. Otherwise p now stands
// for it, and has to be finished.
func (a *acked) begin(key ackKey, p *pending, w waiter) (e ackEntry, found, joined bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if e := a.recent[key]; e != nil {
		e.unlink()
		a.link(e)
		return *e, true, false
	}
	if q := a.inFlight[key]; q != nil {
		q.more = append(q.more, w)
		return ackEntry{}, false, true
	}
	a.inFlight[key] = p
	p.first = w
	return ackEntry{}, false, false
}

// finish ends what begin began and returns who waits. A seq above 0 is
// remembered.
func (a *acked) finish(p *pending, seq uint64, at time.Time) (first waiter, more []waiter) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.inFlight, p.key)
	first, more = p.first, p.more
	p.more = nil
	if seq == 0 {
		return first, more
	}
	var e *ackEntry
	if len(a.recent) >= a.max { // the oldest makes room
		e = a.ends.newer
		e.unlink()
		delete(a.recent, e.key)
	} else {
		e = new(ackEntry)
	}
	*e = ackEntry{key: p.key, seq: seq, at: at}
	a.recent[p.key] = e
	a.link(e)
	return first, more
}

// link makes e the latest entry. mu is held.
func (a *acked) link(e *ackEntry) {
	e.newer, e.next = &a.ends, a.ends.next
	e.newer.next, e.next.newer = e, e
}

func (e *ackEntry) unlink() { e.newer.next, e.next.newer = e.next, e.newer }
