package hub

import "time"

// remote is what another gateway said about its people in a room.
type remote struct {
	people    map[string]struct{}
	staging   map[string]string // uid to name, while parts of a state come
	sum       uint64            // exclusive or of the hashes of people
	digest    uint64            // what sum should be
	confirmed time.Time
	asked     time.Time
}

// presenceFrom applies what another gateway said about r.
func (r *room) presenceFrom(msg *gossipMessage, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if msg.Kind == "ask" {
		if msg.To == "" || msg.To == r.h.cfg.Gateway {
			r.people.sendState = true
			r.h.wake(r)
		}
		return
	}
	rem := r.people.remotes[msg.Gateway]
	if rem == nil {
		rem = &remote{people: make(map[string]struct{})}
		if r.people.remotes == nil {
			r.people.remotes = make(map[string]*remote)
		}
		r.people.remotes[msg.Gateway] = rem
	}
	switch msg.Kind {
	case "delta":
		r.applyDelta(rem, msg)
	case "state":
		r.applyState(rem, msg)
	default:
		return
	}
	if msg.More {
		return
	}
	rem.digest, rem.confirmed = msg.Digest, now
	if rem.digest != rem.sum {
		r.h.wake(r)
	}
}

func (r *room) applyDelta(rem *remote, msg *gossipMessage) {
	for _, p := range msg.Join {
		r.addRemote(rem, p.UID, p.User)
	}
	for _, uid := range msg.Leave {
		r.removeRemote(rem, uid)
	}
}

// applyState takes a whole state in place of what was known, at its last part.
func (r *room) applyState(rem *remote, msg *gossipMessage) {
	if msg.First {
		rem.staging = make(map[string]string, len(msg.Join))
	}
	if rem.staging == nil || len(rem.staging) > remotePeople {
		return
	}
	for _, p := range msg.Join {
		rem.staging[p.UID] = p.User
	}
	if msg.More {
		return
	}
	for uid := range rem.people {
		if _, ok := rem.staging[uid]; !ok {
			r.removeRemote(rem, uid)
		}
	}
	for uid, user := range rem.staging {
		r.addRemote(rem, uid, user)
	}
	rem.staging = nil
}

func (r *room) addRemote(rem *remote, uid, user string) {
	if _, ok := rem.people[uid]; ok || uid == "" || len(rem.people) >= remotePeople {
		return
	}
	rem.people[uid] = struct{}{}
	rem.sum ^= hashUID(uid)
	p := r.person(uid, user)
	r.change(p, func() { p.gateways++ })
}

func (r *room) removeRemote(rem *remote, uid string) {
	if _, ok := rem.people[uid]; !ok {
		return
	}
	delete(rem.people, uid)
	rem.sum ^= hashUID(uid)
	p := r.person(uid, "")
	r.change(p, func() { p.gateways-- })
}

func (r *room) dropRemote(name string) {
	rem := r.people.remotes[name]
	if rem == nil {
		return
	}
	for uid := range rem.people {
		r.removeRemote(rem, uid)
	}
	delete(r.people.remotes, name)
}

// checkRemotes drops what nobody has confirmed for long; under r.mu.
func (r *room) checkRemotes(now time.Time) {
	for name, rem := range r.people.remotes {
		if now.Sub(rem.confirmed) > remoteMaxAge {
			r.dropRemote(name)
		}
	}
}
