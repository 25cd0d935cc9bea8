package ws

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"partyline/gateway/lifecycle"
)

// engine runs each connection on a goroutine of its own. It works on every
// system and with TLS.
type engine struct {
	cfg   Config
	start time.Time
	wake  chan struct{} // tells the sweeper that a shutdown has nothing left
	// clock is engine time in nanoseconds: monotonic, coarse, moved by the
	// sweeper while connections are open.
	clock clock

	gate *gate

	// mu guards what follows; it is never held over I/O or a connection's
	// mutex.
	mu       sync.Mutex
	changed  sync.Cond
	live     map[*slot]struct{}
	open     int // slots with an open connection
	sweeping bool
	ending   bool // a shutdown has begun
	severed  bool // its time is over
}

// slot is the place of one socket in an engine, from accept to the end.
type slot struct {
	ticket ticket
	nc     net.Conn
	c      *conn // nil until it is open
}

// NewGoroutine makes the portable engine. It starts nothing.
func NewGoroutine(cfg Config) (Engine, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	return newEngine(cfg, newGate(&cfg)), nil
}

func newEngine(cfg Config, g *gate) *engine {
	e := &engine{cfg: cfg, gate: g, start: time.Now(), live: make(map[*slot]struct{}), wake: make(chan struct{}, 1)}
	e.changed.L = &e.mu
	e.clock.start = e.start
	return e
}

func (e *engine) now() int64 { return e.clock.Load() }

// since is the real monotonic time.
func (e *engine) since() int64 { return int64(time.Since(e.start)) }

// Connections implements Engine.
func (e *engine) Connections() int { return e.gate.connections() }

// admit gives a slot for a new socket or says why there is none. For a socket
// beyond the limits there may be one as well, to say so.
func (e *engine) admit(nc net.Conn) (*slot, *Refusal) {
	var t ticket
	ref := e.gate.enter(&t, true)
	if !t.inside {
		return nil, ref
	}
	return e.adopt(nc, t), ref
}

// opened makes a slot an open connection. It returns false when a shutdown was
// faster; the connection then has to be closed by the caller.
func (e *engine) opened(s *slot, c *conn) bool {
	e.mu.Lock()
	s.c = c
	e.open++
	if !e.sweeping {
		e.sweeping = true
		go e.sweep()
	}
	e.mu.Unlock()
	return e.gate.opened(&s.ticket)
}

// leave gives a slot back.
func (e *engine) leave(s *slot) {
	e.mu.Lock()
	if s.c != nil {
		e.open--
	}
	delete(e.live, s)
	e.hurry()
	e.mu.Unlock()
	e.gate.leave(&s.ticket)
}

// hurry ends the sweeper of a shutdown that has nothing left. mu is held.
func (e *engine) hurry() {
	if e.ending && e.open == 0 {
		select {
		case e.wake <- struct{}{}:
		default:
		}
	}
}

// adopt gives a slot to a connection that has entered the gate already.
func (e *engine) adopt(nc net.Conn, t ticket) *slot {
	s := &slot{ticket: t, nc: nc}
	e.mu.Lock()
	e.live[s] = struct{}{}
	severed := e.severed
	e.mu.Unlock()
	if severed {
		sever(nc)
	}
	return s
}

// Upgrade implements Engine.
func (e *engine) Upgrade(w http.ResponseWriter, r *http.Request, attempt *lifecycle.Attempt) {
	var t ticket
	if h := e.cfg.takeOver(e.gate, &t, w, r, attempt); h != nil {
		e.upgrade(t, h)
	}
}

func (e *engine) upgrade(t ticket, h *hijacked) {
	if h.in.buf == nil {
		h.in = newInbox()
	}
	go e.establish(e.adopt(h.nc, t), h.nc, h.in, h.req, h.acc)
}

// Shutdown implements Engine.
func (e *engine) Shutdown(ctx context.Context) error {
	e.beginShutdown()
	return e.awaitShutdown(ctx)
}

// beginShutdown lets nothing in and closes what is open.
func (e *engine) beginShutdown() {
	e.gate.drain()
	e.mu.Lock()
	e.ending = true
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
}

// awaitShutdown waits for the end of everything; after ctx it is cut.
func (e *engine) awaitShutdown(ctx context.Context) error {
	// After ctx everything left is cut; then the wait is short.
	stop := context.AfterFunc(ctx, e.cut)
	defer stop()
	e.gate.wait()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.hurry()
	for e.sweeping {
		e.changed.Wait()
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("close connections: %w", err)
	}
	return nil
}

// cut closes every socket.
func (e *engine) cut() {
	e.mu.Lock()
	e.severed = true
	var left []net.Conn
	for s := range e.live {
		left = append(left, s.nc)
	}
	e.mu.Unlock()
	for _, nc := range left {
		sever(nc)
	}
}

func sever(nc net.Conn) {
	abort(nc)
	bareConn(nc).Close() // a TLS farewell could wait
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
