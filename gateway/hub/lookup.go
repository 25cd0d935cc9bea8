package hub

import (
	"context"
	"sort"
	"time"

	"partyline/events/query"
	"partyline/gateway/frame"
)

// mustLookUp reports whether the read model has to be asked whether the id was
// stored: on the client's word, and while a reconnected client may be sending
// again what it sent before.
func (s *session) mustLookUp(f *frame.Client) bool {
	return f.Retry || s.known.Load() && time.Since(s.opened) < s.h.cfg.LookupWindow
}

// storedBefore answers p from the read model when the id was stored; done: p is
// finished.
func (s *session) storedBefore(f *frame.Client, p *pending) (done bool, err error) {
	if !s.mustLookUp(f) {
		return false, nil
	}
	known, done, err := p.lookUp(s.familiar.Load())
	switch {
	case err != nil || done:
	case known == yes:
		s.familiar.Store(true)
	case known == no && !f.Retry:
		s.known.Store(false)
	}
	return done, err
}

// whether the identity has stored something.
type whether int

const (
	perhaps whether = iota
	no
	yes
)

// lookUp answers p from the read model when the id was stored; done: p is
// finished. Of a familiar identity it is known already that it has stored
// something.
//
// The read model has to know only what the log itself may have forgotten: the
// log refuses the id of anything newer. So a read model that is busy catching up
// keeps nobody from writing.
func (p *pending) lookUp(familiar bool) (known whether, done bool, err error) {
	fence, head := p.r.lookupFence(lookupAge(p.h.log.DedupWindow()))
	found, err := p.h.find(query.FindRequest{UID: p.key.uid, ID: p.key.id, AtLeast: fence, Familiar: familiar})
	if err != nil {
		return perhaps, false, err
	}
	if found.Seq > 0 {
		p.duplicate = true
		p.resolve(found.Seq, found.Time)
		return yes, true, nil
	}
	if found.Applied < fence {
		// The read model is too far behind to say no.
		return perhaps, false, errUnavailable
	}
	switch {
	case found.Known:
		return yes, false, nil
	case found.Applied < head:
		return perhaps, false, nil
	}
	return no, false, nil
}

// lookupAge is how old an event is that a look-up has to find. Between a look-up
// and the storing of its event lies the publisher's patience at most (10 s), and
// the clocks of gateway and log may differ: the log still remembers what is
// younger when the event reaches it. 0: everything has to be found.
func lookupAge(window time.Duration) time.Duration {
	if window < 4*lookupMargin {
		return 0
	}
	return window/2 - lookupMargin
}

// find asks the read model, when it is the asker's turn.
func (h *Hub) find(q query.FindRequest) (query.Found, error) {
	turn, cancel := context.WithTimeout(h.ctx, lookupPatience)
	defer cancel()
	select {
	case h.lookups <- struct{}{}:
		defer func() { <-h.lookups }()
	case <-turn.Done():
		return query.Found{}, errUnavailable
	}
	ctx, cancel := context.WithTimeout(h.ctx, queryTimeout)
	defer cancel()
	found, err := h.query.Find(ctx, q)
	if err != nil {
		return found, unavailable(err)
	}
	return found, nil
}

// lookupFence returns the room's head, and the seq up to which the room's events
// are older than age, or a later one.
func (r *room) lookupFence(age time.Duration) (fence, head uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if age <= 0 {
		return r.head, r.head
	}
	cutoff := time.Now().Add(-age)
	young := sort.Search(r.ring.n, func(i int) bool { return r.ring.at(i).at.After(cutoff) })
	if young == 0 {
		return min(r.ring.floor, r.head), r.head
	}
	return r.ring.at(young - 1).seq, r.head
}
