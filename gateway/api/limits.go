package api

import (
	"net/netip"
	"sync"
	"time"

	"partyline/events"
)

// What one address may get wrong in a minute.
const (
	maxWrongTokens   = 10
	maxUnknownTraces = 120
	maxStrikers      = 4096 // addresses that are remembered
)

// strikes counts what addresses do wrong within a period. IPv6 addresses count
// by their /64, which one customer has whole. Safe for concurrent use.
type strikes struct {
	max    int
	period time.Duration

	mu     sync.Mutex
	byAddr map[netip.Prefix]*strike
}

type strike struct {
	since time.Time
	n     int
}

func newStrikes(max int, period time.Duration) *strikes {
	return &strikes{max: max, period: period, byAddr: make(map[netip.Prefix]*strike)}
}

func customer(a netip.Addr) netip.Prefix {
	bits := 64
	if a.Is4() {
		bits = 32
	}
	p, _ := a.Prefix(bits) // zero for what is no address
	return p
}

// blocked reports how long an address has to wait; 0: it need not.
func (s *strikes) blocked(a netip.Addr, now time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.byAddr[customer(a)]
	if st == nil || st.n < s.max {
		return 0
	}
	return max(0, s.period-now.Sub(st.since))
}

// take counts one more, unless the address has to wait; it reports how long.
func (s *strikes) take(a netip.Addr, now time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if st := s.byAddr[customer(a)]; st != nil && st.n >= s.max {
		if wait := s.period - now.Sub(st.since); wait > 0 {
			return wait
		}
	}
	s.count(a, now)
	return 0
}

// add counts one more.
func (s *strikes) add(a netip.Addr, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count(a, now)
}

// count is add with the lock held.
func (s *strikes) count(a netip.Addr, now time.Time) {
	key := customer(a)
	st := s.byAddr[key]
	if st == nil {
		s.makeRoom(now)
		st = &strike{since: now}
		s.byAddr[key] = st
	}
	if now.Sub(st.since) >= s.period {
		*st = strike{since: now}
	}
	st.n++
}

// makeRoom forgets those whose period is over, or else anybody: an attacker with
// thousands of addresses is not held by a limit per address.
func (s *strikes) makeRoom(now time.Time) {
	if len(s.byAddr) < maxStrikers {
		return
	}
	for key, st := range s.byAddr {
		if now.Sub(st.since) >= s.period {
			delete(s.byAddr, key)
		}
	}
	for key := range s.byAddr {
		if len(s.byAddr) < maxStrikers {
			return
		}
		delete(s.byAddr, key)
	}
}

// Requests of a kind that are worked on at a time.
const (
	maxQueries = 256
	maxReplays = 16
	maxSends   = 256
	maxFinds   = 64
)

// slots bounds what is worked on at a time, by kind.
type slots struct{ queries, replays, sends, finds slot }

type slot chan struct{}

func newSlots() slots {
	return slots{make(slot, maxQueries), make(slot, maxReplays), make(slot, maxSends), make(slot, maxFinds)}
}

// enter takes a slot, which leave gives back.
func (s slot) enter() error {
	select {
	case s <- struct{}{}:
		return nil
	default:
		return events.Errorf(events.CodeOverloaded, "too many such requests are being answered; try again")
	}
}

func (s slot) leave() { <-s }
