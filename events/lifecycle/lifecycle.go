// Package lifecycle defines what the stream CONN carries: batches of rows, one
// row per stage of a connection attempt, with the columns of the telemetry
// contract.
package lifecycle

import (
	"net/netip"
	"time"
)

// Stage is a step in the life of a connection attempt, in the order given here.
type Stage string

// The stages.
const (
	StageAccept     Stage = "accept"
	StageTLS        Stage = "tls"
	StageRequest    Stage = "request"
	StageOrigin     Stage = "origin"
	StageAuth       Stage = "auth"
	StageLimits     Stage = "limits"
	StageUpgraded   Stage = "upgraded"
	StageFirstFrame Stage = "first_frame"
	StageJoined     Stage = "joined"
	StageFirstEvent Stage = "first_event"
	StagePing       Stage = "ping"
	StageClosing    Stage = "closing"
	StageClosed     Stage = "closed"
)

// Row is one stage of one attempt; the fields are the columns of
// connection_events.
type Row struct {
	Time        time.Time     // when the stage was passed
	Trace       string        // chosen by the client, "" for none
	Conn        string        // UUIDv7 text, one per attempt
	Gateway     string        // gateway incarnation
	Stage       Stage         //
	Outcome     Outcome       //
	Duration    time.Duration // since the previous stage
	SinceAccept time.Duration //
	ErrorType   string        // a code of the contract
	ErrorDetail string        // one of our fixed texts, at most 120 bytes
	Params      []string      // names of known query parameters, never values
	TokenVia    string        // "", "query", "header", "subprotocol"
	ClientIP    netip.Addr    // masked
	ClientPort  uint16        //
	PeerIP      netip.Addr    // masked
	LocalPort   uint16        //
	Host        string        //
	Scheme      string        // "ws", "wss"
	Path        string        // without the query
	Method      string        //
	HTTPVersion string        // "1.1"
	Status      int           // HTTP status answered, 0 for none
	Origin      string        //
	Subprotocol string        //
	Extensions  string        //
	Headers     []Header      // allow-listed only
	UserAgent   string        //
	Proxied     bool          //
	XFFHops     int           //
	CloseCode   int           //
	CloseBy     string        // client, server, network, timeout
	CloseReason string        //
	RTT         time.Duration //
	FramesIn    uint64        //
	FramesOut   uint64        //
	BytesIn     uint64        //
	BytesOut    uint64        //
	QueuePeak   uint64        // bytes
	UserHash    string        //
	Rooms       int           //
	Synthetic   bool          // made by a diagnostic tool
	Previous    string        // attempt of which this one is the resumption
	TLSVersion  string        // "1.3", "" without TLS
	TLSCipher   string        //
	TLSResumed  bool          //
	ALPN        string        //
}

// Header is one allow-listed request header.
type Header struct{ Name, Value string }

// Outcome says how a stage went.
type Outcome string

// Types of rows that no attempt made itself.
const (
	// TypeDropped is the ErrorType of a closed row without Conn that tells of
	// lost telemetry; ErrorDetail is the number of rows.
	TypeDropped = "telemetry_dropped"
	// TypeLost is the ErrorType of the closed row that the reader of CONN makes
	// for a connection whose gateway died.
	TypeLost = "gateway_lost"
)

// HeartbeatEvery is how often a gateway that has nothing to tell publishes an
// empty batch, by which it is known to live.
const HeartbeatEvery = 15 * time.Second

// The outcomes.
const (
	OK      Outcome = "ok"
	Refused Outcome = "refused"
	Failed  Outcome = "error"
)
