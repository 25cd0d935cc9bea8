package proto

import (
	"bytes"
	"fmt"
)

// Centrifuge is the bidirectional JSON protocol of Centrifugo.
type Centrifuge struct{}

// Ids of the commands; the reply has the id of its command.
const (
	idConnect = iota + 1
	idSubscribe
	idPublish
)

// Path is the root.
func (Centrifuge) Path(Identity) string { return "/" }

// AppendJoin connects and subscribes in one message.
func (Centrifuge) AppendJoin(dst []byte, room string, _ *Resume) []byte {
	return fmt.Appendf(dst, `{"id":%d,"connect":{}}`+"\n"+`{"id":%d,"subscribe":{"channel":"%s"}}`, idConnect, idSubscribe, room)
}

// AppendSend publishes a string.
func (Centrifuge) AppendSend(dst []byte, room, _ string, text []byte, _ bool) []byte {
	dst = fmt.Appendf(dst, `{"id":%d,"publish":{"channel":"%s","data":"`, idPublish, room)
	return append(append(dst, text...), `"}}`...)
}

// Acks is true.
func (Centrifuge) Acks() bool { return true }

// CanResume is false: the peer keeps no history.
func (Centrifuge) CanResume() bool { return false }

// Parse reads the lines of a message.
func (Centrifuge) Parse(payload []byte, events []Event) ([]Event, error) {
	for line := range bytes.SplitSeq(payload, []byte{'\n'}) {
		switch {
		case len(line) == 0:
		case len(line) == 2:
			events = append(events, Event{Kind: Answer, Text: line}) // {} is its ping
		case bytes.HasPrefix(line, []byte(`{"push":{`)):
			data, ok := after(line, []byte(`"pub":{"data":"`))
			if !ok {
				continue // another kind of push
			}
			text, ok := untilQuote(data)
			if !ok {
				return events, syntax(payload)
			}
			events = append(events, Event{Kind: Message, Text: text})
		case bytes.Contains(line, []byte(`"error":`)):
			events = append(events, Event{Kind: Failed, Text: line})
		case bytes.HasPrefix(line, []byte(`{"id":2,"subscribe":`)):
			events = append(events, Event{Kind: Joined})
		case bytes.HasPrefix(line, []byte(`{"id":3,`)):
			events = append(events, Event{Kind: Ack})
		}
	}
	return events, nil
}
