package hub

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"

	"partyline/events/query"
	"partyline/events/stream"
	"partyline/gateway/token"
)

// Config bounds a Hub. Zero values take the defaults named at each field.
type Config struct {
	Logger  *slog.Logger // nil: discard
	Gateway string       // name of this gateway, unique in the deployment; required
	Version string       // shown in welcome

	MaxFrameBytes int           // shown in welcome; 0: 64 KiB
	Heartbeat     time.Duration // shown in welcome; 0: 25s
	RoomsPerConn  int           // rooms that one connection may join; 0: 100

	// SendsPerSecond limits the storing frames of one connection; 0: no limit.
	SendsPerSecond float64
	SendBurst      int // 0: twice SendsPerSecond

	MaxReplay     int           // events that a since may be behind; 0: 10,000
	ReplayPage    int           // events of one page of a replay; 0: 500
	ExpensiveJoin int           // joins that may ask the read model at once; 0: 32
	LookupWindow  time.Duration // see Identity.Known; 0: 60s

	RingEvents int // events in memory for one room; 0: 256
	RingBytes  int // the memory that they take; 0: 256 KiB
	RingTotal  int // memory of all rings; 0: 64 MiB

	RoomGrace     time.Duration // an empty room is followed that much longer; 0: 30s
	PresenceGrace time.Duration // a user without connections stays that long; 0: 75s
	PresenceEvery time.Duration // presence changes are gathered that long; 0: 1s
	PresenceNames int           // above it presence has only the number; 0: 200
	GossipEvery   time.Duration // period of a gateway's sign of life; 0: 5s
	ReadEvery     time.Duration // read markers are gathered that long; 0: 1s

	AckedIDs int // acknowledgements kept in memory; 0: 32,768

	// DrainFor is the time over which Drain spreads the closes; 0: 20s.
	DrainFor time.Duration
}

// Log is what a hub needs of [stream.Log].
type Log interface {
	Epoch() string
	Secret() []byte
	DedupWindow() time.Duration
	LastSeqs(ctx context.Context, rooms []string) (map[string]uint64, error)
	Fill(ctx context.Context, room string, after, upTo uint64) ([]*stream.Stored, error)
}

// Publisher is what a hub needs of [stream.Publisher].
type Publisher interface {
	Submit(room, msgID string, data []byte, r stream.Receiver) error
}

// Feed is what a hub needs of [stream.Feed]. Expect is called under locks of the
// hub: it must not wait, nor call a sink.
type Feed interface {
	Follow(ctx context.Context, room string, sink stream.Sink) (head uint64, err error)
	Unfollow(room string)
	Expect(room string, seq uint64, duplicate bool)
}

// Deps are the parts that a hub works with; all but Tokens are required. They stay the
// caller's, and must run longer than the hub.
type Deps struct {
	Log       Log
	Publisher Publisher
	Feed      Feed
	Query     query.Backend
	NATS      *nats.Conn // for presence, typing, receipts and read markers
	// Tokens verifies those of auth frames; nil: open mode, in which no Identity
	// has Claims.
	Tokens *token.Verifier
}

func (d Deps) validate() error {
	if d.Log == nil || d.Publisher == nil || d.Feed == nil || d.Query == nil || d.NATS == nil {
		return errors.New("hub: a dependency is missing")
	}
	return nil
}

func (c *Config) setDefaults() error {
	if c.Gateway == "" {
		return errors.New("hub: Gateway is empty")
	}
	if c.SendsPerSecond < 0 || c.RoomsPerConn < 0 || c.MaxReplay < 0 {
		return fmt.Errorf("hub: negative limit in %+v", *c)
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	orInt(&c.MaxFrameBytes, 64<<10)
	orInt(&c.RoomsPerConn, 100)
	orInt(&c.SendBurst, int(2*c.SendsPerSecond))
	orInt(&c.MaxReplay, 10_000)
	orInt(&c.ReplayPage, 500)
	orInt(&c.ExpensiveJoin, 32)
	orInt(&c.RingEvents, 256)
	orInt(&c.RingBytes, 256<<10)
	orInt(&c.RingTotal, 64<<20)
	orInt(&c.PresenceNames, 200)
	orInt(&c.AckedIDs, 32_768)
	orTime(&c.Heartbeat, 25*time.Second)
	orTime(&c.LookupWindow, time.Minute)
	orTime(&c.RoomGrace, 30*time.Second)
	orTime(&c.PresenceGrace, 75*time.Second)
	orTime(&c.PresenceEvery, time.Second)
	orTime(&c.GossipEvery, 5*time.Second)
	orTime(&c.ReadEvery, time.Second)
	orTime(&c.DrainFor, 20*time.Second)
	c.SendBurst = max(c.SendBurst, 1)
	return nil
}

func orInt(v *int, def int) {
	if *v <= 0 {
		*v = def
	}
}

func orTime(v *time.Duration, def time.Duration) {
	if *v <= 0 {
		*v = def
	}
}

// Fixed bounds, chosen so that an honest client never meets them.
const (
	maxQueuedFrames = 256       // frames of one connection that wait for their turn
	maxQueuedBytes  = 512 << 10 // and their bytes
	maxInFlight     = 1024      // unresolved events of one connection
	maxMalformed    = 10        // malformed frames in a row (contract, detail 12)
	maxRefusals     = 100       // rate_limited answers within refusalWindow (promise 5)
	refusalWindow   = 10 * time.Second

	maxText        = 4000 // code points, shown in welcome
	defaultTail    = 50
	retryAfter     = time.Second      // told with storage_unavailable
	followTimeout  = 5 * time.Second  // following a room
	queryTimeout   = 5 * time.Second  // one question to the read model
	maxLookups     = 64               // look-ups of ids under way; others wait their turn
	lookupPatience = 5 * time.Second  // so long at most
	lookupMargin   = 15 * time.Second // see lookupAge
	catchUpTimeout = 30 * time.Second // a reader that does not drain its queue
	drainHigh      = 256 << 10        // bytes in an outbound queue before a replay pauses
)
