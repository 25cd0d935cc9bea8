package ws

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"partyline/events"
	lc "partyline/events/lifecycle"
	"partyline/gateway/lifecycle"
)

const (
	maxTurnedAway = 64 // connections beyond the limits that are still told why
	retryAfter    = 5 * time.Second
	lingerTime    = time.Second // for the peer to read a refusal
)

// engine runs each connection on a goroutine of its own. It works on every
// system and with TLS.
type engine struct {
	cfg   Config
	start time.Time
	wake  chan struct{} // tells the sweeper that a shutdown has nothing left
	// clock is engine time in nanoseconds: monotonic, coarse, moved by the
	// sweeper while connections are open.
	clock atomic.Int64

	// mu guards what follows; it is never held over I/O or a connection's
	// mutex.
	mu         sync.Mutex
	changed    sync.Cond
	live       map[*slot]struct{}
	handshakes int // slots that are not open yet
	turned     int // slots beyond the limits, being told so
	open       int // slots with an open connection
	sweeping   bool
	draining   bool
}

// slot is the place of one socket in an engine, from accept to the end.
type slot struct {
	nc     net.Conn // nil while an HTTP server still has it
	c      *conn    // nil until it is open
	turned bool
	shook  bool // no longer counted as handshake
}

// NewGoroutine makes the portable engine. It starts nothing.
func NewGoroutine(cfg Config) (Engine, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	e := &engine{cfg: cfg, start: time.Now(), live: make(map[*slot]struct{}), wake: make(chan struct{}, 1)}
	e.changed.L = &e.mu
	return e, nil
}

func (e *engine) now() int64 { return e.clock.Load() }

// since is the real monotonic time.
func (e *engine) since() int64 { return int64(time.Since(e.start)) }

// Connections implements Engine.
func (e *engine) Connections() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.open
}

// admit gives a slot for a new socket or says why there is none. turnAway asks
// for a slot to say so.
func (e *engine) admit(nc net.Conn) (*slot, *Refusal) {
	e.mu.Lock()
	defer e.mu.Unlock()
	var ref *Refusal
	switch {
	case e.draining:
		ref = &Refusal{Status: 503, Code: events.CodeDraining, Detail: "the server is shutting down", RetryAfter: retryAfter}
	case len(e.live)-e.turned >= e.cfg.MaxConnections:
		ref = &Refusal{Status: 503, Code: events.CodeOverloaded, Detail: "too many connections", RetryAfter: retryAfter}
	case e.handshakes >= e.cfg.MaxHandshakes:
		ref = &Refusal{Status: 503, Code: events.CodeOverloaded, Detail: "too many handshakes in progress", RetryAfter: retryAfter}
	}
	s := &slot{nc: nc}
	switch {
	case ref == nil:
		e.handshakes++
	case nc == nil || e.turned >= maxTurnedAway:
		return nil, ref
	default:
		e.turned++
		s.turned, s.shook = true, true
	}
	e.live[s] = struct{}{}
	return s, ref
}

// shaken ends the handshake of a slot.
func (e *engine) shaken(s *slot) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !s.shook {
		s.shook = true
		e.handshakes--
	}
}

// opened makes a slot an open connection. It returns false when a shutdown was
// faster; the connection then has to be closed by the caller.
func (e *engine) opened(s *slot, c *conn) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	s.c = c
	e.open++
	if !e.sweeping {
		e.sweeping = true
		go e.sweep()
	}
	return !e.draining
}

// leave gives a slot back.
func (e *engine) leave(s *slot) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !s.shook {
		e.handshakes--
	}
	if s.turned {
		e.turned--
	}
	if s.c != nil {
		e.open--
	}
	delete(e.live, s)
	e.hurry()
	e.changed.Broadcast()
}

// hurry ends the sweeper of a shutdown that has nothing left. mu is held.
func (e *engine) hurry() {
	if e.draining && e.open == 0 {
		select {
		case e.wake <- struct{}{}:
		default:
		}
	}
}

// Upgrade implements Engine.
func (e *engine) Upgrade(w http.ResponseWriter, r *http.Request, attempt *lifecycle.Attempt) {
	req := FromHTTP(r)
	req.Attempt = attempt
	s, ref := e.admit(nil)
	if ref != nil {
		req.describe()
		attempt.Refuse(lc.StageLimits, ref.Status, ref.Code, ref.Detail)
		refuseHTTP(w, attempt, ref)
		return
	}
	taken := false
	defer func() { // also when the handler panics, which the HTTP server survives
		if !taken {
			e.leave(s)
		}
	}()
	acc, ref := e.decide(r.Context(), req, nil)
	if ref != nil {
		refuseHTTP(w, attempt, ref)
		return
	}
	nc, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		acc.abandon()
		e.cfg.Logger.ErrorContext(r.Context(), "hijack", "error", err)
		ref := &Refusal{Status: 500, Code: events.CodeInternal, Detail: "the connection cannot be taken over"}
		attempt.Refuse(lc.StageUpgraded, ref.Status, ref.Code, ref.Detail)
		refuseHTTP(w, attempt, ref)
		return
	}
	taken = true
	e.mu.Lock()
	s.nc = nc
	e.mu.Unlock()
	in := newInbox()
	if n := rw.Reader.Buffered(); n > 0 {
		early, _ := rw.Peek(n) // n bytes are there
		in.release()
		in.buf = getBuffer(n)
		in.w = copy(in.buf.b, early)
	}
	go e.establish(s, nc, in, req, acc)
}

func refuseHTTP(w http.ResponseWriter, attempt *lifecycle.Attempt, ref *Refusal) {
	WriteRefusalHTTP(w, ref)
	attempt.Close(0, string(ByServer), "refused")
}

// Shutdown implements Engine.
func (e *engine) Shutdown(ctx context.Context) error {
	e.mu.Lock()
	e.draining = true
	open := make([]*conn, 0, e.open)
	for s := range e.live {
		if s.c != nil {
			open = append(open, s.c)
		}
	}
	e.mu.Unlock()
	for _, c := range open {
		c.close(goingAway, nil)
	}
	// After ctx everything left is cut; then the wait is short.
	stop := context.AfterFunc(ctx, e.cut)
	defer stop()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.hurry()
	for len(e.live) > 0 || e.sweeping {
		e.changed.Wait()
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("close connections: %w", err)
	}
	return nil
}

// cut closes every socket. The slot of a connection that an HTTP server still
// has ends by itself.
func (e *engine) cut() {
	e.mu.Lock()
	var left []net.Conn
	for s := range e.live {
		if s.nc != nil {
			left = append(left, s.nc)
		}
	}
	e.mu.Unlock()
	for _, nc := range left {
		abort(nc)
		bareConn(nc).Close() // a TLS farewell could wait
	}
}

// Serve implements Engine.
func (e *engine) Serve(ctx context.Context, ln net.Listener) error {
	stop := context.AfterFunc(ctx, func() { ln.Close() })
	defer stop()
	var pause time.Duration
	for {
		nc, err := ln.Accept()
		if err == nil {
			pause = 0
			e.accepted(ctx, nc)
			continue
		}
		if ctx.Err() != nil {
			return nil // a clean stop
		}
		if errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("accept: %w", err)
		}
		// Out of descriptors or memory, or the peer has left: it passes.
		if pause = min(max(2*pause, 5*time.Millisecond), time.Second); pause == time.Second {
			e.cfg.Logger.WarnContext(ctx, "accept fails", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil // a clean stop
		case <-time.After(pause):
		}
	}
}
