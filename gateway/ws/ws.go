package ws

import (
	"context"
	"net"
	"net/http"
	"time"

	"partyline/gateway/lifecycle"
)

// Close codes of the wire contract. 1000–1013 are those of RFC 6455 and the
// IANA registry.
const (
	CloseNormal        = 1000
	CloseGoingAway     = 1001
	CloseProtocolError = 1002
	CloseUnsupported   = 1003
	CloseNoStatus      = 1005 // never on the wire: the peer's Close had no code
	CloseAbnormal      = 1006 // never on the wire: there was no Close
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

// Subprotocol is the WebSocket subprotocol of the wire contract.
const Subprotocol = "partyline.v1"

// Acceptance is a granted upgrade.
type Acceptance struct {
	Session     Session
	Subprotocol string // selected subprotocol, "" for none
	Options     Options
	// Abandon, which may be nil, is called instead of Session.Open when the
	// peer was lost before the 101 could be written.
	Abandon func()
}

// Options bound one connection. Zero values take the engine's defaults.
type Options struct {
	MaxMessageBytes int           // longest message, all fragments together; longer: close 1009
	MaxQueueBytes   int           // outbound queue; see Conn.Send
	Heartbeat       time.Duration // period of pings, negative: none and no dead-peer check
	Binary          bool          // binary messages are allowed (else close 1003)
	KeepAliveOff    bool          // turn TCP keep-alive off
	MaxLifetime     time.Duration // then close 1000; 0: unbounded
	// Backpressure stops reading from the peer while more than half of
	// MaxQueueBytes is queued, for sessions that answer each message.
	Backpressure bool
	// SlowFrame makes the last frame of a slow consumer; the engine releases
	// it. It is called at most once, inside Conn.Send, and must not call the
	// connection. nil: none.
	SlowFrame func() *Frame
}

// Handler decides about handshakes. Handshake is called after the request was
// found to be a well-formed WebSocket upgrade (see [Upgradable]) and before
// anything is answered. Exactly one of the results is not nil. It may block on
// bounded work only.
type Handler interface {
	Handshake(ctx context.Context, r *Request) (*Acceptance, *Refusal)
	// Malformed is told of an attempt that never became a well-formed upgrade
	// and says how to answer it; nil keeps ref. r holds what could be read.
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
	Code      int // close code sent or received; 1005 or 1006 when there was none
	Initiator Initiator
	Reason    string // fixed text of ours, or the peer's (bounded, printable)
}

// Conn is an open connection. All methods are safe for concurrent use and never
// block.
type Conn interface {
	// Send queues a frame; it keeps its own reference. When the queue would
	// exceed Options.MaxQueueBytes, the connection is handed the slow-consumer
	// treatment: what waits is dropped, Options.SlowFrame (if any) is written
	// where possible, then close 4008. Send on a closing connection does
	// nothing. It reports whether the frame was queued or written.
	Send(f *Frame) bool
	// Close sends last (may be nil), then a Close frame, then closes. The
	// first call decides; later ones do nothing. reason is cut at 123 bytes.
	Close(code int, reason string, last *Frame)
	// Attempt is the record of this connection.
	Attempt() *lifecycle.Attempt
	// RTT is the last measured ping round trip, 0 when unknown.
	RTT() time.Duration
	// Queued is the number of bytes that wait to be written: who sends much
	// at once pauses when it grows.
	Queued() int
}

// Engine runs connections.
type Engine interface {
	// Serve accepts connections from ln, which may be a TLS listener, and
	// blocks until ctx ends; then it closes ln, which it owns, and returns nil.
	// Open connections stay until Shutdown. It may be called for several
	// listeners.
	Serve(ctx context.Context, ln net.Listener) error
	// Upgrade answers a request of an HTTP server: it decides exactly as
	// Serve does, answers a refusal through w, and takes over the connection
	// when the handshake is granted. attempt was begun by the caller.
	Upgrade(w http.ResponseWriter, r *http.Request, attempt *lifecycle.Attempt)
	// Connections is the number of open WebSocket connections.
	Connections() int
	// Shutdown refuses new connections, closes what is still open with 1001,
	// and waits for all of it and for what the engine runs for it. When ctx ends first, it cuts what is left and
	// returns the context's error.
	Shutdown(ctx context.Context) error
}
