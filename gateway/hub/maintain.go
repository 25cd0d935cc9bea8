package hub

import (
	"slices"
	"time"
)

// maintain runs the slow timers: presence, idle rooms, memory.
func (h *Hub) maintain() {
	tick := time.NewTicker(h.cfg.PresenceEvery)
	defer tick.Stop()
	hello := time.NewTicker(h.cfg.GossipEvery)
	defer hello.Stop()
	h.gossip.hello()
	for next := 0; ; {
		select {
		case <-h.ctx.Done():
			return
		case <-hello.C:
			h.gossip.hello()
			h.gossip.expire(time.Now())
		case now := <-tick.C:
			h.presenceTick(now)
			h.closeExpired(now)
			h.sweep(&h.shards[next], now)
			next = (next + 1) % shardCount
			h.closeIdle(now)
			h.boundRings()
		}
	}
}

// wake puts the room on the list of the next presence tick.
func (h *Hub) wake(r *room) {
	h.activeMu.Lock()
	h.active[r] = struct{}{}
	h.activeMu.Unlock()
}

func (h *Hub) presenceTick(now time.Time) {
	h.activeMu.Lock()
	active := h.active
	h.active = make(map[*room]struct{})
	h.activeMu.Unlock()
	for r := range active {
		if r.presenceTick(now) {
			h.wake(r)
		}
	}
}

// sweep does what each room needs once in shardCount ticks.
func (h *Hub) sweep(sh *shard, now time.Time) {
	for _, r := range sh.list() {
		r.mu.Lock()
		r.dropOldTails(now)
		r.checkRemotes(now)
		r.mu.Unlock()
		h.wake(r)
	}
}

// closeIdle unfollows rooms that have been empty for the grace period.
func (h *Hub) closeIdle(now time.Time) {
	for i := range h.shards {
		sh := &h.shards[i]
		sh.mu.Lock()
		var idle []*room
		for _, r := range sh.rooms {
			if r.holds == 0 && !r.closing && r.followedNow() &&
				now.Sub(r.idleSince) >= h.cfg.RoomGrace && !r.hasPeople() {
				r.closing = true
				idle = append(idle, r)
			}
		}
		sh.mu.Unlock()
		for _, r := range idle {
			h.unfollow(r)
		}
	}
}

// boundRings drops the rings of the quietest rooms when all rings together come
// near their limit.
func (h *Hub) boundRings() {
	limit := int64(h.cfg.RingTotal)
	if h.ringBytes.Load() <= limit/10*9 {
		return
	}
	type quiet struct {
		r    *room
		last time.Time
	}
	var all []quiet
	for i := range h.shards {
		for _, r := range h.shards[i].list() {
			r.mu.Lock()
			if r.ring.n > 0 {
				all = append(all, quiet{r, r.ring.at(r.ring.n - 1).at})
			}
			r.mu.Unlock()
		}
	}
	slices.SortFunc(all, func(a, b quiet) int { return a.last.Compare(b.last) })
	for _, q := range all {
		if h.ringBytes.Load() <= limit/4*3 {
			return
		}
		q.r.mu.Lock()
		h.ringBytes.Add(int64(-q.r.ring.clear(q.r.head)))
		q.r.mu.Unlock()
	}
}
