// Package ws is the WebSocket engine: it accepts sockets, answers the opening
// handshake (RFC 6455 section 4), reads and checks frames, and writes queued
// frames. What messages mean is decided by a [Handler].
package ws

import (
	"context"
	"net"
	"net/netip"
	"time"

	"partyline/events"
	"partyline/gateway/lifecycle"
)

// Close codes of the wire contract. 1000–1013 are those of RFC 6455 and the
// IANA registry.
const (
	CloseNormal        = 1000
	CloseGoingAway     = 1001
	CloseProtocolError = 1002
	CloseUnsupported   = 1003
	CloseNotUTF8       = 1007
	ClosePolicy        = 1008
	CloseTooBig        = 1009
	CloseInternal      = 1011
	CloseTryLater      = 1013
	CloseTokenExpired  = 4001
	CloseKicked        = 4003
	CloseSlowConsumer  = 4008
	CloseHeartbeat     = 4009
	CloseRateLimited   = 4029
)

// HeaderField is one header line of a request. Name is as sent.
type HeaderField struct{ Name, Value string }

// Request is the opening handshake of one connection attempt, as it arrived on
// either listener.
type Request struct {
	Method   string
	Target   string // request target as sent
	Path     string // decoded path, without the query
	RawQuery string
	Proto    string // "HTTP/1.1"
	Host     string
	Headers  []HeaderField
	Remote   netip.AddrPort
	Local    netip.AddrPort
	TLS      bool
	Attempt  *lifecycle.Attempt // never nil
}

// Refusal is a refused upgrade: an HTTP answer with a problem document
// (RFC 9457).
type Refusal struct {
	Status     int // HTTP status
	Code       events.Code
	Detail     string         // one sentence: what was wrong, what to change
	RetryAfter time.Duration  // 0: no Retry-After header
	Extra      map[string]any // further members of the problem document
}

// Acceptance is a granted upgrade.
type Acceptance struct {
	Session     Session
	Subprotocol string // selected subprotocol, "" for none
	Options     Options
}

// Options bound one connection. Zero values take the engine's defaults.
type Options struct {
	MaxMessageBytes int           // longest message, all fragments together; longer: close 1009
	MaxQueueBytes   int           // outbound queue; see Conn.Send
	Heartbeat       time.Duration // period of pings, negative: none and no dead-peer check
	Binary          bool          // binary messages are allowed (else close 1003)
	KeepAliveOff    bool          // turn TCP keep-alive off
	MaxLifetime     time.Duration // 0: unbounded
}

// Handler decides about handshakes. Handshake is called after the request was
// found to be a well-formed WebSocket upgrade (see [Upgradable]) and before
// anything is answered. Exactly one of the results is not nil. It may block on
// bounded work only.
type Handler interface {
	Handshake(ctx context.Context, r *Request) (*Acceptance, *Refusal)
	// Malformed is told of an attempt that never became a well-formed upgrade
	// and says how to answer it; see Upgradable for what ref already holds.
	Malformed(r *Request, ref *Refusal) *Refusal
}

// Session receives what happens on one connection. Its calls are serial.
type Session interface {
	// Open is called once, after the 101 was written.
	Open(c Conn)
	// Message is called for each complete message. payload is valid until it
	// returns and, when text, valid UTF-8.
	Message(text bool, payload []byte)
	// Closed is called exactly once, last, for every opened connection.
	Closed(info CloseInfo)
}

// Initiator says who ended a connection.
type Initiator string

// Who ended a connection.
const (
	ByClient  Initiator = "client"
	ByServer  Initiator = "server"
	ByNetwork Initiator = "network"
	ByTimeout Initiator = "timeout"
)

// CloseInfo tells how a connection ended.
type CloseInfo struct {
	Code      int // close code sent or received; 1006 when there was none
	Initiator Initiator
	Reason    string // fixed text of ours, or the peer's (bounded, printable)
}

// Conn is an open connection. All methods are safe for concurrent use and never
// block.
type Conn interface {
	// Send queues a frame; it keeps its own reference. When the queue would
	// exceed Options.MaxQueueBytes, the connection is handed the slow-consumer
	// treatment: SlowConsumerFrame (if any) is written where possible, then
	// close 4008. Send on a closing connection does nothing. It reports whether
	// the frame was queued.
	Send(f *Frame) bool
	// Close sends last (may be nil), then a Close frame, then closes. The
	// first call decides; later ones do nothing.
	Close(code int, reason string, last *Frame)
	// Attempt is the record of this connection.
	Attempt() *lifecycle.Attempt
	// RTT is the last measured ping round trip, 0 when unknown.
	RTT() time.Duration
}

// Engine runs connections.
type Engine interface {
	// Serve accepts connections from ln and blocks until ctx ends.
	Serve(ctx context.Context, ln net.Listener) error
	// Adopt takes over a connection that an HTTP server has hijacked: req is
	// its request, buffered are bytes that were read after the request. It
	// answers the handshake and returns at once.
	Adopt(nc net.Conn, buffered []byte, req *Request)
	// Connections is the number of open WebSocket connections.
	Connections() int
	// Shutdown closes what is still open, with 1001, and waits for it until
	// ctx ends.
	Shutdown(ctx context.Context) error
}
