package query

import (
	"context"
	"errors"
	"time"
)

// Errors of every [Backend], in one process and over NATS.
var (
	// ErrUnavailable is returned when no read model can answer at the moment:
	// no projector, a time-out, overload, or a rebuild from the start. Asking
	// again later may help.
	ErrUnavailable = errors.New("read model unavailable")
	// ErrInvalid is returned for a request that breaks the bounds written at
	// its type; asking again does not help.
	ErrInvalid = errors.New("invalid query")
)

// MaxPageBytes bounds the payload of one answer: pages end early, with More
// set, rather than exceed it.
const MaxPageBytes = 256 << 10

// Backend answers queries from a read model. Every answer comes from one read
// transaction. AtLeast waits, at most one second, until the read model has
// applied that stream sequence; afterwards it answers with what it has, and
// Applied tells how far that is. Implementations are safe for concurrent use.
type Backend interface {
	// Tail and history pages of folded messages, oldest first.
	Messages(ctx context.Context, r MessagesRequest) (Page, error)
	// Raw stored events, oldest first.
	Events(ctx context.Context, r EventsRequest) (EventsPage, error)
	// Find looks up what an identity stored under an id.
	Find(ctx context.Context, r FindRequest) (Found, error)
	// Target says what an edit, delete or reaction would be applied to.
	Target(ctx context.Context, r TargetRequest) (Target, error)
	// Rooms lists rooms by name.
	Rooms(ctx context.Context, r RoomsRequest) (RoomsPage, error)
	// Status tells how far the read model is.
	Status(ctx context.Context) (Status, error)
}

// MessagesRequest asks for a page of folded messages. With neither Before nor
// After nor FromStart it is the latest Limit messages (tail).
type MessagesRequest struct {
	Room      string `json:"room"`
	Before    uint64 `json:"before,omitempty"`     // only messages with a smaller seq
	After     uint64 `json:"after,omitempty"`      // only messages with a larger seq
	FromStart bool   `json:"from_start,omitempty"` // the first messages: after 0
	Limit     int    `json:"limit"`                // 0–200
	AtLeast   uint64 `json:"at_least,omitempty"`
}

// Page is a page of folded messages. Messages is a JSON array, ready to be
// sent: the same bytes in joined, history and REST.
type Page struct {
	Messages []byte
	Count    int
	More     bool   // older ones exist (newer ones, for a request with After or FromStart)
	Head     uint64 // seq of the room's last event as of Applied, 0 for an empty room
	Applied  uint64 // stream sequence that the read model has applied
}

// EventsRequest asks for raw events of a room with After < seq <= UpTo.
type EventsRequest struct {
	Room    string `json:"room"`
	After   uint64 `json:"after,omitempty"`
	UpTo    uint64 `json:"up_to,omitempty"` // 0: no bound
	Limit   int    `json:"limit"`           // 1–1000
	AtLeast uint64 `json:"at_least,omitempty"`
}

// RawEvent is one stored event.
type RawEvent struct {
	Seq  uint64
	Prev uint64
	Time time.Time
	Data []byte
}

// EventsPage is a page of raw events.
type EventsPage struct {
	Events  []RawEvent
	More    bool   // further events up to UpTo exist
	Remain  int    // number of the room's events with seq > After (and <= UpTo), counted up to 100,001
	Head    uint64 // see Page
	Applied uint64
}

// FindRequest asks for the event that UID stored under ID.
type FindRequest struct {
	UID     string `json:"uid"`
	ID      string `json:"id"`
	AtLeast uint64 `json:"at_least,omitempty"`
}

// Found answers a FindRequest.
type Found struct {
	Seq     uint64    // 0: nothing is stored under this id
	Time    time.Time // time of storage
	Room    string    // where it was stored
	Known   bool      // this identity has stored something
	Applied uint64
}

// TargetRequest asks about the message Seq of Room.
type TargetRequest struct {
	Room    string `json:"room"`
	Seq     uint64 `json:"seq"`
	AtLeast uint64 `json:"at_least,omitempty"`
}

// Target answers a TargetRequest.
type Target struct {
	Exists  bool // a message of that room with that seq is known
	Deleted bool
	UID     string // its author
	Applied uint64
}

// RoomsRequest asks for rooms with names after After, in order of names. Name
// asks for exactly one room.
type RoomsRequest struct {
	Name    string `json:"name,omitempty"`
	After   string `json:"after,omitempty"`
	Limit   int    `json:"limit"` // 1–200
	AtLeast uint64 `json:"at_least,omitempty"`
}

// Room is a room as the read model knows it. LastMessage is the folded last
// message as JSON, nil when there is none.
type Room struct {
	Name        string
	Topic       string
	Messages    uint64 // messages that are not deleted
	Events      uint64
	LastSeq     uint64
	LastTime    time.Time
	LastMessage []byte
}

// RoomsPage answers a RoomsRequest.
type RoomsPage struct {
	Rooms   []Room
	More    bool
	Applied uint64
}

// Status tells how far the read model is behind the log.
type Status struct {
	Applied uint64 `json:"applied"` // stream sequence
	Last    uint64 `json:"last"`    // last stream sequence it knows of
}
