package hub

import (
	"slices"
	"sync"
	"time"

	"partyline/events/lifecycle"
	"partyline/events/stream"
	"partyline/gateway/frame"
	"partyline/gateway/ws"
)

// room is one followed room: the latest events, and who gets the next ones. It
// is the feed's sink.
type room struct {
	h    *Hub
	name string

	ready chan struct{} // closed when following succeeded or failed
	err   error         // why it failed; set before ready is closed
	gone  chan struct{} // closed when the feed has let go of the room

	// Guarded by the lock of the shard.
	holds     int  // members, and joins under way
	closing   bool // being unfollowed: wait for gone and start again
	idleSince time.Time

	mu      sync.Mutex // guards what follows
	resets  int        // how often the log's epoch changed
	head    uint64     // seq of the last event known here
	ring    ring
	conns   []ws.Conn // who gets each event, flat: a broadcast walks it in order
	live    []*member // the members of conns, index by index
	waiting []*member // get events only above their own position, see member.after
	fresh   []*member // live ones that have not seen an event yet
	acks    map[uint64][]*pending
	tails   map[int]*tailFlight // by limit
	typing  bucket
	people  presence
	out     outbox
}

func newRoom(h *Hub, name string) *room {
	r := &room{h: h, name: name, ready: make(chan struct{}), gone: make(chan struct{})}
	r.out.some.L = &r.mu
	return r
}

// member is one connection in one room.
type member struct {
	s *session
	r *room

	// Guarded by r.mu.
	live    int    // index in r.live, -1: not there
	fresh   int    // index in r.fresh, -1: not there
	after   uint64 // in r.waiting: live from the first event above it
	counted bool   // present in r.people
	posted  bool   // what was sent to it may wait in the outbox
	left    bool   // gone for good

	joined bool // "joined" was sent; guarded by s.mu
}

// Deliver implements [stream.Sink]: one frame is encoded and shared by all.
func (r *room) Deliver(ev *stream.Stored) {
	buf := r.h.getBuffer()
	buf.b = frame.AppendEvent(buf.b, ev)
	f := ws.NewText(buf.b)
	r.h.putBuffer(buf)

	r.mu.Lock()
	r.awaitEvents()
	r.head = ev.Seq
	r.dropTails()
	r.promote(ev.Seq)
	r.broadcast(f)
	r.recordFirstEvents()
	r.remember(ringEntry{seq: ev.Seq, at: ev.Time, frame: f})
	acked := r.acks[ev.Seq]
	if acked != nil {
		delete(r.acks, ev.Seq)
	}
	r.mu.Unlock()

	for _, p := range acked {
		p.resolve(ev.Seq, ev.Time)
	}
}

// remember puts an event into the ring, whose reference on the frame it takes
// over, and keeps the bounds.
func (r *room) remember(e ringEntry) {
	cfg := &r.h.cfg
	r.ring.push(e)
	total := r.h.ringBytes.Add(int64(e.size()))
	for r.ring.n > cfg.RingEvents || r.ring.bytes > cfg.RingBytes || total > int64(cfg.RingTotal) {
		if r.ring.n == 0 {
			break
		}
		total = r.h.ringBytes.Add(int64(-r.ring.pop()))
	}
}

// promote makes those waiting members live whose position is below seq.
func (r *room) promote(seq uint64) {
	if len(r.waiting) == 0 {
		return
	}
	rest := r.waiting[:0]
	for _, m := range r.waiting {
		if seq > m.after {
			r.addLive(m)
		} else {
			rest = append(rest, m)
		}
	}
	clear(r.waiting[len(rest):])
	r.waiting = rest
}

func (r *room) addLive(m *member) {
	m.posted = true
	m.live = len(r.live)
	r.live = append(r.live, m)
	r.conns = append(r.conns, m.s.conn)
	r.out.version++
	if !m.s.sawEvent.Load() {
		m.fresh = len(r.fresh)
		r.fresh = append(r.fresh, m)
	}
}

// detach takes m out of every list: it gets nothing more from the room.
func (r *room) detach(m *member) {
	if i := m.live; i >= 0 {
		if r.out.shared { // somebody sends to the list as it was
			r.conns = slices.Clone(r.conns)
			r.out.shared = false
		}
		r.out.version++
		last := len(r.live) - 1
		r.live[i], r.conns[i] = r.live[last], r.conns[last]
		r.live[i].live = i
		r.live[last], r.conns[last] = nil, nil
		r.live, r.conns = r.live[:last], r.conns[:last]
		m.live = -1
	}
	r.dropFresh(m)
	for i, w := range r.waiting {
		if w == m {
			last := len(r.waiting) - 1
			r.waiting[i] = r.waiting[last]
			r.waiting[last] = nil
			r.waiting = r.waiting[:last]
			break
		}
	}
}

func (r *room) dropFresh(m *member) {
	i := m.fresh
	if i < 0 {
		return
	}
	last := len(r.fresh) - 1
	r.fresh[i] = r.fresh[last]
	r.fresh[i].fresh = i
	r.fresh[last] = nil
	r.fresh = r.fresh[:last]
	m.fresh = -1
}

// recordFirstEvents notes the stage first_event of connections that just got
// their first one. The list is empty nearly always.
func (r *room) recordFirstEvents() {
	if len(r.fresh) == 0 {
		return
	}
	for _, m := range r.fresh {
		m.fresh = -1
		m.s.recordFirstEvent()
	}
	r.fresh = nil
}

func (s *session) recordFirstEvent() {
	if s.sawEvent.CompareAndSwap(false, true) {
		s.conn.Attempt().Stage(lifecycle.StageFirstEvent)
	}
}

// Reset implements [stream.Sink]: nothing that is in memory holds any more, and
// every member starts again with a fresh joined.
func (r *room) Reset(head uint64) {
	r.mu.Lock()
	r.resets++
	r.head = head
	r.h.ringBytes.Add(int64(-r.ring.clear(head)))
	r.dropTails()
	members := append(append([]*member(nil), r.live...), r.waiting...)
	for _, m := range members {
		m.live, m.fresh = -1, -1
	}
	r.live, r.conns, r.waiting, r.fresh = nil, nil, nil, nil
	r.out.version++
	acks := r.acks
	r.acks = nil
	r.mu.Unlock()

	for _, ps := range acks {
		for _, p := range ps {
			p.fail(errUnavailable)
		}
	}
	for _, m := range members {
		m.s.enqueue(task{resync: m})
	}
}

// leave takes m out of the room for good.
func (r *room) leave(m *member) {
	r.mu.Lock()
	if m.left {
		r.mu.Unlock()
		return
	}
	m.left = true
	r.detach(m)
	if m.counted {
		m.counted = false
		r.removePerson(m)
	}
	r.mu.Unlock()
	r.h.release(r)
}

// awaitEvent finds the time of storage of p's event in the ring, or has p told
// when the event comes; done: at is known; wait: p will be told.
func (r *room) awaitEvent(p *pending, seq uint64) (at time.Time, done, wait bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.ring.find(seq); e != nil {
		return e.at, true, false
	}
	if seq <= r.head {
		return time.Time{}, false, false
	}
	if r.acks == nil {
		r.acks = make(map[uint64][]*pending)
	}
	r.acks[seq] = append(r.acks[seq], p)
	return time.Time{}, false, true
}

// forgetAck stops waiting for p's event; false: p was told already.
func (r *room) forgetAck(p *pending, seq uint64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	ps := r.acks[seq]
	for i, q := range ps {
		if q != p {
			continue
		}
		if len(ps) == 1 {
			delete(r.acks, seq)
		} else {
			r.acks[seq] = append(ps[:i:i], ps[i+1:]...)
		}
		return true
	}
	return false
}

// position returns what a join starts from.
func (r *room) position() (head uint64, resets int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.head, r.resets
}
