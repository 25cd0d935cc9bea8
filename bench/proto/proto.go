package proto

import (
	"bytes"
	"errors"
	"fmt"
	"time"
)

// Kind says what an [Event] is.
type Kind uint8

// Kinds of events.
const (
	Ignored Kind = iota
	Joined       // the join is complete
	Message      // a text of the room
	Ack          // a text was stored
	Answer       // Text has to be sent back
	Bye          // the server will close
	Refused      // a text, or a join without ID, that may be tried again After
	Failed       // Text is what the server complains about
)

// Event is one thing that a server says. Its slices are parts of the message.
type Event struct {
	Kind      Kind
	Text      []byte
	Seq, Prev uint64 // Message: numbers of the server, 0 without; Joined: what it covers
	Epoch     string // Joined
	Reset     bool   // Joined: a resume was not possible
	Duplicate bool   // Ack
	ID        []byte // Ack, Refused: of the text
	After     time.Duration
}

// Identity is who connects.
type Identity struct {
	User   string
	Client string // key of the installation
}

// Resume is from where a join continues.
type Resume struct {
	Since uint64
	Epoch string
}

// Protocol turns what the generator wants into messages and back. It holds no
// state and may be used for any number of connections.
type Protocol interface {
	// Path is the request target for an identity.
	Path(id Identity) string
	// AppendJoin appends the message that joins a room, sent right after the
	// upgrade. resume is nil or, if CanResume, from where to continue.
	AppendJoin(dst []byte, room string, resume *Resume) []byte
	// AppendSend appends the message that sends a text. retry marks one that may
	// have been stored before.
	AppendSend(dst []byte, room, id string, text []byte, retry bool) []byte
	// Parse appends the events of one message.
	Parse(payload []byte, events []Event) ([]Event, error)
	// Acks reports whether each text is acknowledged to its sender.
	Acks() bool
	// CanResume reports whether a join can continue where another connection ended.
	CanResume() bool
}

// ErrSyntax is returned for messages that are not understood.
var ErrSyntax = errors.New("message is not understood")

func syntax(payload []byte) error { return fmt.Errorf("%w: %.200q", ErrSyntax, payload) }

// after returns what follows the first marker in b.
func after(b, marker []byte) ([]byte, bool) {
	i := bytes.Index(b, marker)
	if i < 0 {
		return nil, false
	}
	return b[i+len(marker):], true
}

// number reads the digits at the start of b.
func number(b []byte) (n uint64, ok bool) {
	for i, c := range b {
		if c < '0' || c > '9' {
			return n, i > 0
		}
		n = n*10 + uint64(c-'0')
	}
	return n, len(b) > 0
}

// untilQuote returns what precedes the first quotation mark. Nothing that the
// generator sends needs escapes.
func untilQuote(b []byte) ([]byte, bool) {
	i := bytes.IndexByte(b, '"')
	if i < 0 {
		return nil, false
	}
	return b[:i], true
}
