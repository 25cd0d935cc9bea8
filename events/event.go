package events

// Version is the version of the event payload that this program writes (field
// "v"). Payloads of a newer version are stored and passed on unchanged.
const Version = 1

// Kind says what an [Event] did. Kinds that this program does not know are
// stored, sent and replayed unchanged, and ignored by folds.
type Kind string

// The kinds of version 1.
const (
	KindMessage Kind = "message" // somebody said something
	KindEdit    Kind = "edit"    // the author replaced the text of a message
	KindDelete  Kind = "delete"  // the author withdrew a message
	KindReact   Kind = "react"   // somebody set or removed a reaction
	KindRoom    Kind = "room"    // a fact about the room itself changed
	KindErase   Kind = "erase"   // sequences were erased from the log
)

// Event is what one message of the CHAT stream carries: the payload that is
// stored, sent to members and replayed, byte for byte.
type Event struct {
	V       int      // payload version; 0 means Version
	Kind    Kind     //
	ID      string   // chosen by the author's client, unique together with UID
	Room    string   // room name, see CheckRoom
	UID     string   // public id of the identity: 16 hex digits, see Identity
	User    string   // the name shown
	Text    string   // message, edit: 1–4,000 code points, as typed
	ReplyTo uint64   // message: stream sequence answered to, 0 for none
	Meta    []byte   // message: compact JSON object of at most 2 KiB, nil for none
	Target  uint64   // edit, delete, react: stream sequence of the message
	Emoji   string   // react: one grapheme of at most 16 code points
	On      bool     // react: set (true) or removed
	Topic   string   // room: what the room is about
	Seqs    []uint64 // erase: the stream sequences that were erased
}
