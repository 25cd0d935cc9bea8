package admission

import (
	"net/netip"
	"sync"
	"time"
)

// maxAddresses bounds the addresses that are remembered. When more than that
// connect at once, the memory starts anew: a rate limit may then let some more
// through, and never runs out of memory.
const maxAddresses = 100_000

// rates limits attempts per address: an IPv4 address, or the /64 of an IPv6
// one, which is what one subscriber has.
type rates struct {
	perSecond float64 // 0: unlimited
	burst     float64

	mu     sync.Mutex
	used   map[netip.Addr]usage
	pruned time.Time
}

// usage is a token bucket: tokens taken and not yet given back.
type usage struct {
	taken float64
	last  time.Time
}

func newRates(perSecond int) *rates {
	return &rates{perSecond: float64(perSecond), burst: 4 * float64(perSecond), used: make(map[netip.Addr]usage)}
}

// take reports whether an address may connect now; else how long it has to
// wait.
func (r *rates) take(addr netip.Addr, now time.Time) (ok bool, wait time.Duration) {
	if r.perSecond <= 0 {
		return true, 0
	}
	if addr.Is6() {
		if p, err := addr.Prefix(64); err == nil {
			addr = p.Addr()
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.prune(now)
	u := r.left(r.used[addr], now)
	if u.taken+1 > r.burst {
		r.used[addr] = u
		return false, time.Duration((u.taken + 1 - r.burst) / r.perSecond * float64(time.Second))
	}
	u.taken++
	r.used[addr] = u
	return true, 0
}

// left is what remains of a usage by now.
func (r *rates) left(u usage, now time.Time) usage {
	if !u.last.IsZero() {
		u.taken = max(0, u.taken-now.Sub(u.last).Seconds()*r.perSecond)
	}
	u.last = now
	return u
}

// prune forgets addresses that have their whole burst again. r.mu is held.
func (r *rates) prune(now time.Time) {
	if len(r.used) > maxAddresses {
		clear(r.used)
	}
	if now.Sub(r.pruned) < 10*time.Second {
		return
	}
	r.pruned = now
	for addr, u := range r.used {
		if r.left(u, now).taken == 0 {
			delete(r.used, addr)
		}
	}
}
