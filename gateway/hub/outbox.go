package hub

import (
	"runtime"
	"slices"
	"sync"

	"partyline/gateway/ws"
)

const (
	// inlineMembers is the size up to which the goroutine that delivers an event
	// also sends it to everybody: for so few, another goroutine costs more.
	inlineMembers = 64
	// joinBytes bounds what waiting events are joined to, to leave in one write
	// for each member.
	joinBytes = 32 << 10
	// outboxEvents bounds the events that wait in one room: as much as is being
	// sent, and as much again. Beyond it the feed is held up, whose own queue is
	// bounded; what it drops it reads from the log.
	outboxEvents = joinBytes
	// outboxOthers bounds what waits for single members. Joins wait beyond it.
	outboxOthers = 1 << 20
	// turnSends is the number of sends between which others get the processor, so
	// that the next events of the room can arrive meanwhile.
	turnSends = 32
)

// outbox is what a large room has still to send, in the order in which its members
// get it. While the members are written to, more events arrive, and then leave
// together. The room's lock guards it; nothing is sent under that lock.
type outbox struct {
	waiting []parcel
	events  int  // bytes of waiting parcels for all
	others  int  // bytes of waiting parcels for one
	sending bool // a goroutine sends, and everything has to go through it
	shared  bool // a parcel refers to the room's list of connections as it is
	version int  // of that list
	queued  int  // parcels ever, to wait for one
	sent    int
	some    sync.Cond // a parcel was sent
}

// parcel is frames for connections. Nobody changes the list of connections, which
// may be a part of the room's as it was then; see [room.detach].
type parcel struct {
	conns   []ws.Conn
	frames  []*ws.Frame // one reference each
	bytes   int
	version int // of the room's list; -1: a list of its own
}

// broadcast sends f to every live member, or has it sent. It runs under r.mu,
// because a member that enters must see exactly what comes after its own position.
func (r *room) broadcast(f *ws.Frame) {
	r.h.stats.deliveries.Add(uint64(len(r.conns)))
	if len(r.conns) == 0 {
		return
	}
	o := &r.out
	if !o.sending && len(r.conns) <= r.h.inline {
		for _, c := range r.conns {
			c.Send(f)
		}
		return
	}
	size := len(f.Payload())
	if n := len(o.waiting); n > 0 && o.waiting[n-1].version == o.version && o.waiting[n-1].bytes+size <= joinBytes {
		p := &o.waiting[n-1]
		p.frames = append(p.frames, f.Retain())
		p.bytes += size
		o.events += size
		return
	}
	o.shared = true
	r.post(parcel{conns: slices.Clip(r.conns), frames: []*ws.Frame{f.Retain()}, bytes: size, version: o.version})
}

// sendTo sends frames to one member, behind what the room is sending to it. Under
// r.mu; the caller keeps its references.
func (r *room) sendTo(m *member, frames ...*ws.Frame) {
	if !r.out.sending || !m.posted && !m.s.hasLeft.Load() {
		for _, f := range frames {
			m.s.conn.Send(f)
		}
		return
	}
	p := parcel{conns: []ws.Conn{m.s.conn}, version: -1}
	for _, f := range frames {
		p.frames = append(p.frames, f.Retain())
		p.bytes += len(f.Payload())
	}
	r.post(p)
}

// post puts a parcel into the outbox. Under r.mu.
func (r *room) post(p parcel) {
	o := &r.out
	o.waiting = append(o.waiting, p)
	*o.charge(&p) += p.bytes
	o.queued++
	if o.sending {
		return
	}
	o.sending = true
	if !r.h.spawn(r.sendOut) { // the hub ends: so do its connections
		o.drop()
	}
}

// sendOut sends what waits until nothing does.
func (r *room) sendOut() {
	r.mu.Lock()
	o := &r.out
	for len(o.waiting) > 0 {
		p := o.waiting[0]
		o.waiting[0] = parcel{}
		if o.waiting = o.waiting[1:]; len(o.waiting) == 0 {
			o.waiting = nil
		}
		*o.charge(&p) -= p.bytes
		o.some.Broadcast()
		r.mu.Unlock()
		p.send()
		r.mu.Lock()
		o.sent++
		o.some.Broadcast()
	}
	o.sending, o.shared = false, false
	r.mu.Unlock()
}

// charge is what a parcel counts for.
func (o *outbox) charge(p *parcel) *int {
	if p.version < 0 {
		return &o.others
	}
	return &o.events
}

// drop forgets everything.
func (o *outbox) drop() {
	for _, p := range o.waiting {
		for _, f := range p.frames {
			f.Release()
		}
	}
	o.waiting, o.events, o.others, o.sent = nil, 0, 0, o.queued
	o.sending, o.shared = false, false
	o.some.Broadcast()
}

// send sends a parcel and gives its frames back.
func (p *parcel) send() {
	for len(p.frames) > 0 {
		n, bytes := 0, 0
		for n < len(p.frames) && (n == 0 || bytes+len(p.frames[n].Payload()) <= joinBytes) {
			bytes += len(p.frames[n].Payload())
			n++
		}
		f := p.frames[0]
		if n > 1 {
			f = ws.Join(p.frames[:n]...)
		}
		for i, c := range p.conns {
			c.Send(f)
			if i%turnSends == turnSends-1 {
				runtime.Gosched()
			}
		}
		if n > 1 {
			f.Release()
		}
		for _, f := range p.frames[:n] {
			f.Release()
		}
		p.frames = p.frames[n:]
	}
}

// awaitEvents waits until there is room for another event, awaitOthers for another
// frame to one member. Under r.mu, which they let go of meanwhile.
func (r *room) awaitEvents() {
	for r.out.events > outboxEvents {
		r.out.some.Wait()
	}
}

func (r *room) awaitOthers() {
	for r.out.others > outboxOthers {
		r.out.some.Wait()
	}
}

// settle waits until everything that is queued now was sent.
func (r *room) settle() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for until := r.out.queued; r.out.sent < until; {
		r.out.some.Wait()
	}
}
