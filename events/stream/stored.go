package stream

import "time"

// Stored is one event as the log holds it. Data is the stored payload, byte for
// byte; it is shared between readers and must not be changed.
type Stored struct {
	Room string    // from the subject
	Seq  uint64    // stream sequence; grows within a room, not by one
	Prev uint64    // stream sequence of the room's previous event, 0 for the first
	Time time.Time // time of storage, UTC
	Data []byte
}

// Ack says where an event was stored.
type Ack struct {
	Seq       uint64 // stream sequence
	Duplicate bool   // the same message id had been stored before, at Seq
}
