package ws

import (
	"sync"
	"time"

	"partyline/events"
)

const (
	maxTurnedAway = 64 // connections beyond the limits that are still told why
	retryAfter    = 5 * time.Second
	lingerTime    = time.Second // for the peer to read a refusal
)

// gate counts the sockets of an engine and decides which may come in. Engines
// that work together share one.
type gate struct {
	maxConnections, maxHandshakes int

	mu         sync.Mutex // guards what follows; held over nothing else
	empty      sync.Cond  // no socket is left
	sockets    int
	handshakes int // of them not open yet
	turned     int // of them beyond the limits, being told so
	open       int // of them with an open connection
	draining   bool
}

func newGate(cfg *Config) *gate {
	g := &gate{maxConnections: cfg.MaxConnections, maxHandshakes: cfg.MaxHandshakes}
	g.empty.L = &g.mu
	return g
}

// ticket is what a gate knows about one socket. Its mutex guards it.
type ticket struct{ inside, turned, shook, open bool }

// enter lets a socket in or says why not. With turnAway a socket beyond the
// limits may get inside as well, to be told so.
func (g *gate) enter(t *ticket, turnAway bool) *Refusal {
	g.mu.Lock()
	defer g.mu.Unlock()
	var ref *Refusal
	switch {
	case g.draining:
		ref = &Refusal{Status: 503, Code: events.CodeDraining, Detail: "the server is shutting down", RetryAfter: retryAfter}
	case g.sockets-g.turned >= g.maxConnections:
		ref = &Refusal{Status: 503, Code: events.CodeOverloaded, Detail: "too many connections", RetryAfter: retryAfter}
	case g.handshakes >= g.maxHandshakes:
		ref = &Refusal{Status: 503, Code: events.CodeOverloaded, Detail: "too many handshakes in progress", RetryAfter: retryAfter}
	}
	switch {
	case ref == nil:
		g.handshakes++
	case !turnAway || g.turned >= maxTurnedAway:
		return ref
	default:
		g.turned++
		t.turned, t.shook = true, true
	}
	t.inside = true
	g.sockets++
	return ref
}

// shaken ends the handshake of a socket.
func (g *gate) shaken(t *ticket) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shakenLocked(t)
}

func (g *gate) shakenLocked(t *ticket) {
	if !t.shook {
		t.shook = true
		g.handshakes--
	}
}

// opened counts an open connection. It returns false when a shutdown was faster;
// the connection then has to be closed by the caller.
func (g *gate) opened(t *ticket) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shakenLocked(t)
	t.open = true
	g.open++
	return !g.draining
}

// leave forgets a socket.
func (g *gate) leave(t *ticket) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !t.inside {
		return
	}
	g.shakenLocked(t)
	if t.turned {
		g.turned--
	}
	if t.open {
		g.open--
	}
	g.sockets--
	*t = ticket{shook: true}
	if g.sockets == 0 {
		g.empty.Broadcast()
	}
}

// drain lets nothing in any more.
func (g *gate) drain() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.draining = true
}

// wait waits until no socket is left.
func (g *gate) wait() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.sockets > 0 {
		g.empty.Wait()
	}
}

func (g *gate) connections() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.open
}
