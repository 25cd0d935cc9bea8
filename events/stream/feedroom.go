package stream

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/nats-io/nats.go"
)

// Bounds of the events of one room that wait behind a hole. What does not fit
// is read from the log with the hole.
const (
	heldEvents = 256
	heldBytes  = 256 << 10
)

// feedRoom is a followed room. Its events reach the sink in three ways, live
// copies, fills and what was held behind a hole, all under mu and all only when
// nothing can be missing before them.
type feedRoom struct {
	name  string
	sink  Sink
	stats *feedCounters

	// last is the sequence up to which nothing of the room is missing: what
	// exists at or below it was delivered. Written under mu.
	last atomic.Uint64
	// want is the highest sequence known to be the room's; above last, there is
	// something to fill.
	want atomic.Uint64
	// queued is true while the room is in the fill queue or with a worker.
	queued atomic.Bool
	// expected is the highest sequence that Expect named, checking whether the
	// room is in the list of delayed checks.
	expected atomic.Uint64
	checking atomic.Bool

	mu        sync.Mutex // guards what follows; held while the sink is called
	sub       *nats.Subscription
	settling  bool   // the head is not known yet: everything is held
	gone      bool   // unfollowed: nothing is delivered any more
	life      int    // grows with every reset, so that older fills are ignored
	tail      uint64 // the event delivered last, or the head
	held      []*Stored
	heldBytes int
	failures  int // fills that failed in a row
}

// begin notes the subscription; false when the room was ended meanwhile.
func (r *feedRoom) begin(sub *nats.Subscription) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.gone {
		_ = sub.Unsubscribe()
		return false
	}
	r.sub = sub
	return true
}

// end stops all deliveries; it waits for one that is under way.
func (r *feedRoom) end() {
	r.mu.Lock()
	r.gone = true
	r.held, r.heldBytes = nil, 0
	sub := r.sub
	r.sub = nil
	r.mu.Unlock()
	if sub != nil {
		_ = sub.Unsubscribe() // a closed connection has no subscriptions
	}
}

// unsettle begins a reset: from now on live copies are held until settle.
func (r *feedRoom) unsettle() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.settling = true
	r.life++
	r.held, r.heldBytes = nil, 0
	r.want.Store(0)
	r.expected.Store(0)
}

// settle sets the head from which deliveries go on; reset tells the sink. It
// is false when the room was ended meanwhile.
func (r *feedRoom) settle(head uint64, reset bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.gone {
		return false
	}
	if reset {
		r.sink.Reset(head)
	}
	r.tail = head
	r.last.Store(head)
	r.settling = false
	r.drain()
	return true
}

// live takes a live copy: it is delivered, dropped as a duplicate, or held
// behind a hole. fill is true when there is something to fill.
func (r *feedRoom) live(ev *Stored) (fill bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	last := r.last.Load()
	switch {
	case r.gone:
		return false
	case r.settling:
		r.hold(ev)
		return false
	case ev.Seq <= last:
		r.stats.duplicates.Add(1)
		return false
	case ev.Prev > last: // an erased prev is at or below last, and no hole
		r.hold(ev)
		raise(&r.want, ev.Prev)
		return true
	}
	r.deliver(ev)
	if len(r.held) > 0 {
		r.drain()
	}
	return r.want.Load() > ev.Seq && r.want.Load() > r.last.Load()
}

// deliver gives an event to the sink.
func (r *feedRoom) deliver(ev *Stored) {
	if ev.Prev > r.tail {
		ev.Prev = r.tail // what it names is erased or lost
	}
	r.tail = ev.Seq
	r.sink.Deliver(ev)
	r.last.Store(ev.Seq)
	r.stats.delivered.Add(1)
}

// hold keeps an event that cannot be delivered yet, ordered by sequence. One
// that does not fit will be filled.
func (r *feedRoom) hold(ev *Stored) {
	if len(r.held) >= heldEvents || r.heldBytes+len(ev.Data) > heldBytes {
		raise(&r.want, ev.Seq)
		return
	}
	i, found := slices.BinarySearchFunc(r.held, ev.Seq, func(h *Stored, seq uint64) int {
		return cmp.Compare(h.Seq, seq)
	})
	if found {
		r.stats.duplicates.Add(1)
		return
	}
	r.held = slices.Insert(r.held, i, ev)
	r.heldBytes += len(ev.Data)
}

// drain delivers what is held and has nothing missing before it any more; what
// remains tells how far the hole reaches.
func (r *feedRoom) drain() {
	n := 0
	for _, ev := range r.held {
		if ev.Prev > r.last.Load() {
			raise(&r.want, ev.Prev)
			break
		}
		if ev.Seq > r.last.Load() {
			r.deliver(ev)
		}
		r.heldBytes -= len(ev.Data)
		n++
	}
	clear(r.held[:n])
	if r.held = r.held[n:]; len(r.held) == 0 {
		r.held, r.heldBytes = nil, 0
	}
}

// hole returns what is to be filled; ok is false when nothing is.
func (r *feedRoom) hole() (after, upTo uint64, life int, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	after, upTo = r.last.Load(), r.want.Load()
	return after, upTo, r.life, !r.gone && !r.settling && upTo > after
}

// filled takes a page of a fill; false when the fill is outdated.
func (r *feedRoom) filled(life int, page []*Stored) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.gone || r.life != life {
		return false
	}
	for _, ev := range page {
		if ev.Seq > r.last.Load() {
			r.deliver(ev)
			r.stats.filled.Add(1)
		}
	}
	r.drain()
	return true
}

// covered ends a fill: everything the log has up to upTo was delivered.
func (r *feedRoom) covered(life int, upTo uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.gone || r.life != life {
		return
	}
	r.failures = 0
	if upTo > r.last.Load() {
		r.last.Store(upTo)
	}
	r.drain()
}

// raise sets a to at least n.
func raise(a *atomic.Uint64, n uint64) {
	for {
		old := a.Load()
		if old >= n || a.CompareAndSwap(old, n) {
			return
		}
	}
}
