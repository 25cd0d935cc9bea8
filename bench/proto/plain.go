package proto

import "bytes"

// Plain is the protocol of the peers, see package peer.
type Plain struct{}

// Path is the root.
func (Plain) Path(Identity) string { return "/" }

// AppendJoin joins a room.
func (Plain) AppendJoin(dst []byte, room string, _ *Resume) []byte {
	return append(append(dst, 'j'), room...)
}

// AppendSend sends the text itself.
func (Plain) AppendSend(dst []byte, _, _ string, text []byte, _ bool) []byte {
	return append(dst, text...)
}

// Acks is false.
func (Plain) Acks() bool { return false }

// CanResume is false.
func (Plain) CanResume() bool { return false }

// Parse splits a message at line feeds.
func (Plain) Parse(payload []byte, events []Event) ([]Event, error) {
	for line := range bytes.SplitSeq(payload, []byte{'\n'}) {
		e := Event{Kind: Message, Text: line}
		if len(line) == 1 && line[0] == 'j' {
			e.Kind = Joined
		}
		events = append(events, e)
	}
	return events, nil
}
