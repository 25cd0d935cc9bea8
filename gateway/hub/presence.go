package hub

import (
	"hash/fnv"
	"time"

	"partyline/gateway/frame"
	"partyline/gateway/ws"
)

// presence is who is in a room, on this gateway and on others. It is guarded by
// the room's lock; changes are told at the next tick of the hub.
type presence struct {
	people    map[string]*person // by uid
	changed   []*person          // to be looked at by the next tick
	leaving   []leaving          // grace periods, in the order in which they end
	newcomers []*member          // joined since the last tick: they get everybody
	present   int                // people who are there

	announced int    // people whom this gateway tells others about
	digest    uint64 // exclusive or of their hashes
	remotes   map[string]*remote

	toldCount int       // the number that members were told last
	sendState bool      // somebody asked for our whole state
	ask       bool      // ask the others for theirs
	lastTold  time.Time // when others last heard our digest
}

// leaving is a grace period that runs.
type leaving struct {
	p     *person
	until time.Time
}

// person is one identity in one room.
type person struct {
	uid, user string
	conns     int       // connections of this gateway
	until     time.Time // end of the grace period, when conns is 0
	gateways  int       // other gateways that announce it
	local     bool      // connected here, or in the grace period
	announced bool      // others were told that it is here
	told      bool      // members were told that it is here
	inChanged bool
	inLeaving bool
}

func (p *person) here() bool { return p.local || p.gateways > 0 }

// person returns the entry of uid, made when missing.
func (r *room) person(uid, user string) *person {
	pr := &r.people
	if p := pr.people[uid]; p != nil {
		if user != "" {
			p.user = user
		}
		return p
	}
	if pr.people == nil {
		pr.people = make(map[string]*person, 1)
	}
	p := &person{uid: uid, user: user}
	pr.people[uid] = p
	return p
}

// change applies fn to p and keeps the count and the list of changes.
func (r *room) change(p *person, fn func()) {
	pr := &r.people
	before := p.here()
	fn()
	if after := p.here(); after != before {
		if after {
			pr.present++
		} else {
			pr.present--
		}
	}
	if !p.inChanged {
		p.inChanged = true
		pr.changed = append(pr.changed, p)
		r.h.wake(r)
	}
}

// addPerson counts a connection of m's identity.
func (r *room) addPerson(m *member) {
	p := r.person(m.s.id.UID, m.s.id.User)
	p.conns++
	if !p.local {
		r.change(p, func() { p.local = true })
	}
}

// removePerson counts a connection less; the last one starts the grace period.
func (r *room) removePerson(m *member) {
	p := r.people.people[m.s.id.UID]
	p.conns--
	if p.conns > 0 {
		return
	}
	p.until = time.Now().Add(r.h.cfg.PresenceGrace)
	if !p.inLeaving {
		p.inLeaving = true
		r.people.leaving = append(r.people.leaving, leaving{p, p.until})
	}
	r.h.wake(r)
}

// expireGrace ends the presence of those whose grace period is over.
func (r *room) expireGrace(now time.Time) {
	pr := &r.people
	for len(pr.leaving) > 0 && !now.Before(pr.leaving[0].until) {
		l := pr.leaving[0]
		pr.leaving[0] = leaving{}
		pr.leaving = pr.leaving[1:]
		p := l.p
		if p.conns == 0 && now.Before(p.until) {
			// Came back and left again meanwhile.
			pr.leaving = append(pr.leaving, leaving{p, p.until})
			continue
		}
		p.inLeaving = false
		if p.conns == 0 && p.local {
			r.change(p, func() { p.local = false })
		}
	}
	if len(pr.leaving) == 0 {
		pr.leaving = nil
	}
}

// presenceTick tells members and other gateways what changed; again: there will
// be something to do at the next tick.
func (r *room) presenceTick(now time.Time) (again bool) {
	r.mu.Lock()
	r.expireGrace(now)
	joined, left, delta := r.collectChanges()
	pr := &r.people
	names := r.h.cfg.PresenceNames
	shrank := pr.toldCount > names && pr.present <= names
	if len(joined)+len(left) > 0 {
		switch {
		case pr.present > names:
			joined, left = nil, nil
		case shrank:
			joined, left = r.everybody(), nil // nobody was named so far
		}
		r.tell(r.toBeTold(left), joined, left)
		pr.toldCount = pr.present
	}
	r.greet()
	out := r.h.gossip.compose(r, delta, now)
	again = len(pr.leaving) > 0 || pr.ask || pr.sendState
	r.mu.Unlock()
	r.h.gossip.publish(r.name, out)
	return again
}

// collectChanges compares everybody that changed with what was told.
func (r *room) collectChanges() (joined, left []frame.Person, delta delta) {
	pr := &r.people
	for _, p := range pr.changed {
		p.inChanged = false
		if here := p.here(); here != p.told {
			p.told = here
			who := frame.Person{UID: p.uid, User: p.user}
			if here {
				joined = append(joined, who)
			} else {
				left = append(left, who)
			}
		}
		if p.local != p.announced {
			p.announced = p.local
			pr.digest ^= hashUID(p.uid)
			if p.local {
				pr.announced++
				delta.Join = append(delta.Join, gossipPerson{p.uid, p.user})
			} else {
				pr.announced--
				delta.Leave = append(delta.Leave, p.uid)
			}
		}
		if !p.here() && p.conns == 0 && !p.inLeaving {
			delete(pr.people, p.uid)
		}
	}
	pr.changed = nil
	return joined, left, delta
}

// toBeTold is who gets what changed since the last tick: everybody, without those
// who are greeted right after. It is the room's own list where it can be.
func (r *room) toBeTold(left []frame.Person) []ws.Conn {
	news := r.people.newcomers
	if len(news) == 0 || len(left) > 0 || r.people.present > r.h.cfg.PresenceNames {
		return r.conns
	}
	greeted := make(map[*member]struct{}, len(news))
	for _, m := range news {
		greeted[m] = struct{}{}
	}
	var rest []ws.Conn
	for i, m := range r.live {
		if _, ok := greeted[m]; !ok {
			rest = append(rest, r.conns[i])
		}
	}
	return rest
}

// greet tells those who joined since the last tick who is there.
func (r *room) greet() {
	pr := &r.people
	newcomers := pr.newcomers
	pr.newcomers = nil
	if len(newcomers) == 0 || pr.present > r.h.cfg.PresenceNames {
		return
	}
	conns := make([]ws.Conn, 0, len(newcomers))
	for _, m := range newcomers {
		if !m.left {
			conns = append(conns, m.s.conn)
		}
	}
	r.tell(conns, r.everybody(), nil)
}

func (r *room) everybody() []frame.Person {
	out := make([]frame.Person, 0, r.people.present)
	for _, p := range r.people.people {
		if p.here() {
			out = append(out, frame.Person{UID: p.uid, User: p.user})
		}
	}
	return out
}

// tell sends one presence frame to all of conns.
func (r *room) tell(conns []ws.Conn, joined, left []frame.Person) {
	if len(conns) == 0 {
		return
	}
	buf := r.h.getBuffer()
	buf.b = frame.AppendPresence(buf.b, r.name, joined, left, r.people.present)
	f := ws.NewText(buf.b)
	r.h.putBuffer(buf)
	for _, c := range conns {
		c.Send(f)
	}
	f.Release()
}

// hasPeople reports whether somebody of this gateway is there, or in the grace
// period.
func (r *room) hasPeople() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.people.announced > 0 || len(r.people.leaving) > 0 || len(r.people.changed) > 0
}

func hashUID(uid string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(uid))
	return h.Sum64()
}
