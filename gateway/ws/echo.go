package ws

import (
	"context"
	"net/netip"
	"net/url"
	"slices"
	"sync"
	"time"

	"partyline/events"
	lc "partyline/events/lifecycle"
)

// Bounds of the echo route, from the wire contract.
const (
	echoMessage   = 256 << 10
	echoTotal     = 16 << 20
	echoLife      = 10 * time.Minute
	echoQuietLife = 300 * time.Second
	echoPerAddr   = 8
	// echoFree is the longest message without limits: what conformance suites
	// send.
	echoFree = 16 << 20
)

// Echo is the handler of /ws/echo/: it returns each message unchanged, to test
// transport. It has no identity, so any Origin may use it. Safe for concurrent
// use.
type Echo struct {
	limits bool

	mu      sync.Mutex
	perAddr map[netip.Addr]int
}

// NewEcho makes the echo handler. Without limits, everything may be used by
// anybody for as long as it likes; that is for benches and conformance runs.
func NewEcho(limits bool) *Echo {
	return &Echo{limits: limits, perAddr: make(map[netip.Addr]int)}
}

// Handshake implements Handler. "?quiet=1" turns the server's pings and TCP
// keep-alive off, for at most 300 s.
func (e *Echo) Handshake(_ context.Context, r *Request) (*Acceptance, *Refusal) {
	addr := r.Remote.Addr()
	if e.limits && !e.enter(addr) {
		ref := &Refusal{
			Status: 429, Code: events.CodeRateLimited, RetryAfter: 10 * time.Second,
			Detail: "this address has eight echo connections already",
		}
		r.Attempt.Refuse(lc.StageLimits, ref.Status, ref.Code, ref.Detail)
		return nil, ref
	}
	acc := &Acceptance{
		Session: &echoSession{echo: e, addr: addr},
		Options: Options{
			MaxMessageBytes: echoMessage, MaxLifetime: echoLife,
			MaxQueueBytes: 4 * echoMessage, Binary: true, Backpressure: true,
		},
		Abandon: func() { e.leave(addr) },
	}
	if slices.Contains(r.Subprotocols(), Subprotocol) {
		acc.Subprotocol = Subprotocol
	}
	if !e.limits {
		acc.Options.MaxMessageBytes, acc.Options.MaxQueueBytes = echoFree, 4*echoFree
		acc.Options.MaxLifetime = 0
	}
	query, _ := url.ParseQuery(r.RawQuery) // what is malformed asks for nothing
	if query.Get("quiet") == "1" {
		acc.Options.Heartbeat = -1
		acc.Options.KeepAliveOff = true
		acc.Options.MaxLifetime = echoQuietLife
	}
	return acc, nil
}

// Malformed implements Handler.
func (e *Echo) Malformed(_ *Request, ref *Refusal) *Refusal { return ref }

func (e *Echo) enter(addr netip.Addr) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.perAddr[addr] >= echoPerAddr {
		return false
	}
	e.perAddr[addr]++
	return true
}

func (e *Echo) leave(addr netip.Addr) {
	if !e.limits {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.perAddr[addr]--; e.perAddr[addr] <= 0 {
		delete(e.perAddr, addr)
	}
}

type echoSession struct {
	echo  *Echo
	addr  netip.Addr
	conn  Conn
	total int
}

// Open implements Session.
func (s *echoSession) Open(c Conn) { s.conn = c }

// Message implements Session.
func (s *echoSession) Message(text bool, payload []byte) {
	s.total += len(payload)
	if s.echo.limits && s.total > echoTotal {
		s.conn.Close(ClosePolicy, "echo limit of 16 MiB reached", nil)
		return
	}
	f := NewText
	if !text {
		f = NewBinary
	}
	frame := f(payload)
	s.conn.Send(frame)
	frame.Release()
}

// Closed implements Session.
func (s *echoSession) Closed(CloseInfo) { s.echo.leave(s.addr) }
