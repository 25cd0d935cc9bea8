// Package frame is the JSON of the wire contract's frames: what clients send is
// decoded, what the server sends is appended.
package frame

import (
	"time"

	"partyline/events"
	"partyline/events/stream"
)

// Type is the value of a frame's "type" member.
type Type string

// The client frame types.
const (
	Join    Type = "join"
	Leave   Type = "leave"
	Send    Type = "send"
	Edit    Type = "edit"
	Delete  Type = "delete"
	React   Type = "react"
	Read    Type = "read"
	Typing  Type = "typing"
	History Type = "history"
	Auth    Type = "auth"
	Ping    Type = "ping"
)

// Client is a decoded client frame; members that the type does not have are
// zero. It may be reused.
type Client struct {
	Type     Type
	ID       string
	Room     string
	Text     string
	ReplyTo  uint64
	Meta     []byte
	Target   uint64
	Emoji    string
	On       bool
	Retry    bool
	Tail     int // -1: not given
	Since    uint64
	HasSince bool
	Epoch    string
	Seq      uint64
	Before   uint64
	After    uint64
	Limit    int
	Token    string
	T        []byte // the number of a ping, as sent
}

// Decode reads a client frame strictly: duplicate members, wrong types and
// missing members are bad_frame, values out of range get their own code. On an
// error f.ID and f.Room hold what could be read, for the error frame. malformed
// says that the text was no JSON object at all (details 11 and 12 of the
// contract).
func Decode(data []byte, f *Client) (err *events.Error, malformed bool) { panic("seam") }

// AppendEvent appends an event frame around the stored bytes.
func AppendEvent(dst []byte, ev *stream.Stored) []byte { panic("seam") }

// AppendAck appends an ack frame.
func AppendAck(dst []byte, id string, seq uint64, ts time.Time, duplicate bool) []byte {
	panic("seam")
}

// AppendError appends an error frame; id and room are left out when empty,
// retryAfter when 0.
func AppendError(dst []byte, e *events.Error, id, room string, retryAfter time.Duration) []byte {
	panic("seam")
}
