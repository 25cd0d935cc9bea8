package frame

import (
	"strconv"
	"time"

	"partyline/events"
	"partyline/events/jsonscan"
	"partyline/events/stream"
)

// WelcomeFrame is the first frame of a connection.
type WelcomeFrame struct {
	Conn          string // id of the connection attempt
	User          string // shown name
	UID           string // public id of the identity
	Sub           string // token subject, "" in open mode
	Epoch         string
	ReportKey     string
	Version       string // of the server
	Gateway       string // name of the gateway
	Time          time.Time
	Heartbeat     time.Duration
	MaxFrameBytes int
	MaxText       int // code points
	Rooms         int // that one connection may join
	SendsPerS     float64
}

// JoinedFrame answers a join: with Messages, or, when that is nil, with the
// number of events that follow.
type JoinedFrame struct {
	Room, ID, Epoch string
	LastSeq         uint64
	Members         int
	Messages        []byte // JSON array of folded messages
	More            bool
	Replayed        int
	Reset           bool
}

// Person is somebody in a room.
type Person struct{ UID, User string }

// AppendWelcome appends a welcome frame.
func AppendWelcome(dst []byte, w *WelcomeFrame) []byte {
	dst = append(dst, `{"type":"welcome"`...)
	dst = appendText(dst, "conn", w.Conn)
	dst = appendText(dst, "user", w.User)
	dst = appendText(dst, "uid", w.UID)
	dst = appendOptional(dst, "sub", w.Sub)
	dst = appendText(dst, "epoch", w.Epoch)
	dst = appendText(dst, "report_key", w.ReportKey)
	dst = append(dst, `,"server":{"version":`...)
	dst = jsonscan.AppendString(dst, w.Version)
	dst = appendText(dst, "gateway", w.Gateway)
	dst = append(dst, '}')
	dst = appendTime(dst, "time", w.Time)
	dst = append(dst, `,"heartbeat_s":`...)
	dst = strconv.AppendFloat(dst, w.Heartbeat.Seconds(), 'g', -1, 64)
	dst = append(dst, `,"limits":{"max_frame_bytes":`...)
	dst = strconv.AppendInt(dst, int64(w.MaxFrameBytes), 10)
	dst = appendInt(dst, "max_text", int64(w.MaxText))
	dst = append(dst, `,"sends_per_s":`...)
	dst = strconv.AppendFloat(dst, w.SendsPerS, 'g', -1, 64)
	dst = appendInt(dst, "rooms", int64(w.Rooms))
	return append(dst, `}}`...)
}

// AppendJoined appends a joined frame.
func AppendJoined(dst []byte, j *JoinedFrame) []byte {
	dst = append(dst, `{"type":"joined"`...)
	dst = appendText(dst, "room", j.Room)
	dst = appendOptional(dst, "id", j.ID)
	dst = appendText(dst, "epoch", j.Epoch)
	dst = appendUint(dst, "last_seq", j.LastSeq)
	dst = appendInt(dst, "members", int64(j.Members))
	if j.Messages != nil {
		dst = append(append(dst, `,"messages":`...), j.Messages...)
		dst = appendBool(dst, "more", j.More)
	} else {
		dst = appendInt(dst, "replayed", int64(j.Replayed))
	}
	if j.Reset {
		dst = append(dst, `,"reset":true`...)
	}
	return append(dst, '}')
}

// AppendLeft appends a left frame.
func AppendLeft(dst []byte, room, id string) []byte {
	dst = append(dst, `{"type":"left"`...)
	dst = appendText(dst, "room", room)
	dst = appendOptional(dst, "id", id)
	return append(dst, '}')
}

// AppendAuthed appends an authed frame.
func AppendAuthed(dst []byte, id string, expires time.Time) []byte {
	dst = append(dst, `{"type":"authed"`...)
	dst = appendOptional(dst, "id", id)
	dst = appendTime(dst, "expires", expires)
	return append(dst, '}')
}

// AppendEvent appends an event frame around the stored bytes.
func AppendEvent(dst []byte, ev *stream.Stored) []byte {
	dst = append(dst, `{"type":"event","room":"`...)
	dst = append(dst, ev.Room...) // needs no escapes, see events.CheckRoom
	dst = append(dst, `","seq":`...)
	dst = strconv.AppendUint(dst, ev.Seq, 10)
	dst = append(dst, `,"prev":`...)
	dst = strconv.AppendUint(dst, ev.Prev, 10)
	dst = appendTime(dst, "ts", ev.Time)
	dst = append(dst, `,"event":`...)
	dst = append(dst, ev.Data...)
	return append(dst, '}')
}

// AppendAck appends an ack frame.
func AppendAck(dst []byte, id string, seq uint64, ts time.Time, duplicate bool) []byte {
	dst = append(dst, `{"type":"ack"`...)
	dst = appendText(dst, "id", id)
	dst = appendUint(dst, "seq", seq)
	dst = appendTime(dst, "ts", ts)
	if duplicate {
		dst = append(dst, `,"duplicate":true`...)
	}
	return append(dst, '}')
}

// AppendHistory appends a history frame; messages is a JSON array.
func AppendHistory(dst []byte, id, room string, messages []byte, more bool) []byte {
	dst = append(dst, `{"type":"history"`...)
	dst = appendText(dst, "id", id)
	dst = appendText(dst, "room", room)
	dst = append(append(dst, `,"messages":`...), messages...)
	dst = appendBool(dst, "more", more)
	return append(dst, '}')
}

// AppendPresence appends a presence frame; lists that are nil are left out.
func AppendPresence(dst []byte, room string, join, leave []Person, members int) []byte {
	dst = append(dst, `{"type":"presence"`...)
	dst = appendText(dst, "room", room)
	dst = appendPeople(dst, "join", join)
	dst = appendPeople(dst, "leave", leave)
	dst = appendInt(dst, "members", int64(members))
	return append(dst, '}')
}

func appendPeople(dst []byte, name string, people []Person) []byte {
	if people == nil {
		return dst
	}
	dst = append(appendName(dst, name), '[')
	for i, p := range people {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"uid":`...)
		dst = jsonscan.AppendString(dst, p.UID)
		dst = appendText(dst, "user", p.User)
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

// AppendTyping appends a typing frame.
func AppendTyping(dst []byte, room, uid, user string, on bool) []byte {
	dst = append(dst, `{"type":"typing"`...)
	dst = appendText(dst, "room", room)
	dst = appendText(dst, "uid", uid)
	dst = appendText(dst, "user", user)
	dst = appendBool(dst, "on", on)
	return append(dst, '}')
}

// AppendReceipt appends a receipt frame.
func AppendReceipt(dst []byte, room string, seq uint64) []byte {
	dst = append(dst, `{"type":"receipt"`...)
	dst = appendText(dst, "room", room)
	dst = appendUint(dst, "seq", seq)
	return append(dst, '}')
}

// AppendPong appends a pong frame; t is the number of the ping as it was sent.
func AppendPong(dst, t []byte, now time.Time) []byte {
	dst = append(dst, `{"type":"pong","t":`...)
	dst = append(dst, t...)
	dst = appendTime(dst, "time", now)
	return append(dst, '}')
}

// AppendError appends an error frame; id and room are left out when empty,
// retry_after_ms when retryAfter is 0.
func AppendError(dst []byte, e *events.Error, id, room string, retryAfter time.Duration) []byte {
	dst = append(dst, `{"type":"error"`...)
	dst = appendText(dst, "code", string(e.Code))
	dst = appendText(dst, "message", e.Message)
	dst = appendOptional(dst, "id", id)
	dst = appendOptional(dst, "room", room)
	if retryAfter > 0 {
		dst = appendInt(dst, "retry_after_ms", retryAfter.Milliseconds())
	}
	return append(dst, '}')
}

// AppendBye appends a bye frame.
func AppendBye(dst []byte, reason string, reconnectAfter time.Duration) []byte {
	dst = append(dst, `{"type":"bye"`...)
	dst = appendText(dst, "reason", reason)
	dst = appendInt(dst, "reconnect_after_ms", reconnectAfter.Milliseconds())
	return append(dst, '}')
}

func appendName(dst []byte, name string) []byte {
	dst = append(dst, ',', '"')
	dst = append(dst, name...)
	return append(dst, '"', ':')
}

func appendText(dst []byte, name, value string) []byte {
	return jsonscan.AppendString(appendName(dst, name), value)
}

func appendOptional(dst []byte, name, value string) []byte {
	if value == "" {
		return dst
	}
	return appendText(dst, name, value)
}

func appendUint(dst []byte, name string, value uint64) []byte {
	return strconv.AppendUint(appendName(dst, name), value, 10)
}

func appendInt(dst []byte, name string, value int64) []byte {
	return strconv.AppendInt(appendName(dst, name), value, 10)
}

func appendBool(dst []byte, name string, value bool) []byte {
	return strconv.AppendBool(appendName(dst, name), value)
}

func appendTime(dst []byte, name string, t time.Time) []byte {
	dst = append(appendName(dst, name), '"')
	dst = events.AppendTime(dst, t)
	return append(dst, '"')
}
