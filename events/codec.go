package events

import (
	"fmt"
	"strconv"
	"time"

	"partyline/events/jsonscan"
)

// Append appends the event as compact JSON, members in a fixed order and zero
// members left out. It does not allocate when dst has room. The strings of e
// must be valid UTF-8, Meta a JSON object.
func (e *Event) Append(dst []byte) []byte {
	v := e.V
	if v == 0 {
		v = Version
	}
	dst = append(dst, `{"v":`...)
	dst = strconv.AppendInt(dst, int64(v), 10)
	dst = appendMember(dst, "kind", string(e.Kind))
	dst = appendMember(dst, "id", e.ID)
	dst = appendMember(dst, "room", e.Room)
	dst = appendMember(dst, "uid", e.UID)
	dst = appendMember(dst, "user", e.User)
	dst = appendNumber(dst, "target", e.Target)
	dst = appendMember(dst, "text", e.Text)
	dst = appendNumber(dst, "reply_to", e.ReplyTo)
	if len(e.Meta) > 0 {
		dst = append(dst, `,"meta":`...)
		dst = append(dst, e.Meta...)
	}
	dst = appendMember(dst, "emoji", e.Emoji)
	if e.Kind == KindReact {
		dst = append(dst, `,"on":`...)
		dst = strconv.AppendBool(dst, e.On)
	}
	dst = appendMember(dst, "topic", e.Topic)
	if len(e.Seqs) > 0 {
		dst = append(dst, `,"seqs":[`...)
		for i, seq := range e.Seqs {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = strconv.AppendUint(dst, seq, 10)
		}
		dst = append(dst, ']')
	}
	return append(dst, '}')
}

func appendMember(dst []byte, name, value string) []byte {
	if value == "" {
		return dst
	}
	dst = append(dst, ',', '"')
	dst = append(dst, name...)
	dst = append(dst, '"', ':')
	return jsonscan.AppendString(dst, value)
}

func appendNumber(dst []byte, name string, value uint64) []byte {
	if value == 0 {
		return dst
	}
	dst = append(dst, ',', '"')
	dst = append(dst, name...)
	dst = append(dst, '"', ':')
	return strconv.AppendUint(dst, value, 10)
}

// Decode reads a stored event into e, which it resets. Unknown members are
// ignored, unknown kinds and newer versions accepted: readers pass on or ignore
// what they do not know. The result shares no memory with data.
//
// An error means that the payload is no event at all: not one JSON object, a
// member twice or of a wrong type, or no kind.
func Decode(data []byte, e *Event) error {
	*e = Event{Seqs: e.Seqs[:0]}
	var s jsonscan.Scanner
	s.Reset(data)
	for s.Next() {
		if err := e.member(s.Key(), s.Value()); err != nil {
			return err
		}
	}
	if err := s.Err(); err != nil {
		return fmt.Errorf("decoding an event: %w", err)
	}
	if e.Kind == "" || e.V <= 0 {
		return fmt.Errorf("decoding an event: no kind or no version")
	}
	return nil
}

// member takes one member of the payload.
func (e *Event) member(key []byte, v jsonscan.Value) error {
	ok := true
	switch string(key) {
	case "v":
		var n uint64
		n, ok = v.Uint64()
		e.V = int(min(n, 1<<30))
	case "kind":
		var kind string
		kind, ok = text(v)
		e.Kind = Kind(kind)
	case "id":
		e.ID, ok = text(v)
	case "room":
		e.Room, ok = text(v)
	case "uid":
		e.UID, ok = text(v)
	case "user":
		e.User, ok = text(v)
	case "text":
		e.Text, ok = text(v)
	case "emoji":
		e.Emoji, ok = text(v)
	case "topic":
		e.Topic, ok = text(v)
	case "target":
		e.Target, ok = v.Uint64()
	case "reply_to":
		e.ReplyTo, ok = v.Uint64()
	case "on":
		e.On, ok = v.Bool()
	case "meta":
		if ok = v.Kind == jsonscan.Object; ok {
			e.Meta = v.AppendCompact(nil)
		}
	case "seqs":
		e.Seqs, ok = v.AppendUint64s(e.Seqs)
	}
	if !ok {
		return fmt.Errorf("decoding an event: member %q has a wrong type", key)
	}
	return nil
}

func text(v jsonscan.Value) (string, bool) {
	b, ok := v.Text(nil)
	return string(b), ok
}

// TimeLayout is the form of times on the wire: RFC 3339, UTC, microseconds.
const TimeLayout = "2006-01-02T15:04:05.000000Z"

// AppendTime appends t in the form of [TimeLayout], without quotes.
func AppendTime(dst []byte, t time.Time) []byte {
	return t.UTC().AppendFormat(dst, TimeLayout)
}

func appendString(dst []byte, s string) []byte { return jsonscan.AppendString(dst, s) }
