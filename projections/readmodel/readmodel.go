package readmodel

import (
	"partyline/events"
	"partyline/events/stream"
)

// Record is one event on its way into the read models: decoded once, for all.
type Record struct {
	Stored *stream.Stored
	Event  events.Event // zero when Poison; may alias Stored.Data
	Poison bool         // the payload could not be decoded
	Room   int64        // number of the room, see package rooms
}

// Effect is what an event changed beyond being stored: decided by the history,
// which knows the fold rules, and counted by the rooms.
type Effect struct {
	Messages int       // change of the room's messages that are not deleted
	Fixed    []RoomFix // rooms that an erasure reached into
}

// RoomFix is what an erasure did to one room.
type RoomFix struct {
	Room     int64
	Events   int    // change of the number of events
	Messages int    // change of the number of messages that are not deleted
	LastSeq  uint64 // the room's last event now, 0 for none
	LastTime int64  // its time of storage, nanoseconds since 1970
	Topic    string // the room's topic now, if TopicChanged

	TopicChanged bool
}

// Table describes a table to the verification: Rows selects its contents in
// canonical order, free of numbers that depend on history (such as the numbers
// of rooms). The first column identifies a row to people.
type Table struct {
	Name string
	Rows string
}
