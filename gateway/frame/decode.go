package frame

import (
	"errors"

	"partyline/events"
	"partyline/events/jsonscan"
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

// Bounds of pages.
const (
	MaxPage     = 200 // messages of a tail or history page
	DefaultTail = 50
)

// maxToken bounds a token; longer ones are no tokens.
const maxToken = 8 << 10

// Client is a decoded client frame; members that the type does not have are
// zero. It shares no memory with the bytes that it was decoded from, but its
// texts share that of the Client: they are valid until the next Decode into it,
// and who keeps one clones it.
type Client struct {
	Type     Type
	ID       string
	Room     string
	Text     string
	ReplyTo  uint64
	Meta     []byte // compact JSON object, nil for none
	Target   uint64
	Emoji    string
	On       bool
	Retry    bool
	Tail     int // -1: Since is given instead
	Since    uint64
	HasSince bool
	Epoch    string
	Seq      uint64
	Before   uint64
	After    uint64
	HasAfter bool
	Limit    int
	Token    string
	T        []byte // the number of a ping, as it was sent

	texts []byte // what the members are views of
	meta  []byte
}

// member is a set of the members that a frame has.
type member uint32

const (
	hasType member = 1 << iota
	hasID
	hasRoom
	hasText
	hasTarget
	hasEmoji
	hasOn
	hasTail
	hasSince
	hasEpoch
	hasSeq
	hasBefore
	hasAfter
	hasLimit
	hasToken
	hasT
	hasReplyTo
	hasMeta
	hasRetry
)

// needs says which members a type cannot do without.
func (t Type) needs() (members member, known bool) {
	switch t {
	case Join, Leave:
		return hasRoom, true
	case Send:
		return hasID | hasRoom | hasText, true
	case Edit:
		return hasID | hasRoom | hasTarget | hasText, true
	case Delete:
		return hasID | hasRoom | hasTarget, true
	case React:
		return hasID | hasRoom | hasTarget | hasEmoji | hasOn, true
	case Read:
		return hasRoom | hasSeq, true
	case Typing:
		return hasRoom | hasOn, true
	case History:
		return hasID | hasRoom | hasLimit, true
	case Auth:
		return hasToken, true
	case Ping:
		return hasT, true
	}
	return 0, false
}

// Decode reads a client frame (wire contract, details 10 to 14 and 24). Unknown
// members are ignored. On an error, f holds what could be read, so that the
// error frame can name the id and the room; both are "" unless well-formed.
// malformed says that the text was not a JSON object at all.
func Decode(data []byte, f *Client) (err *events.Error, malformed bool) {
	*f = Client{Tail: -1, T: f.T[:0], texts: f.texts[:0], meta: f.meta[:0]}
	var s jsonscan.Scanner
	s.Reset(data)
	s.AllowSurrogates()
	d := decoder{f: f}
	for s.Next() {
		d.member(s.Key(), s.Value())
	}
	if serr := s.Err(); serr != nil {
		malformed = errors.Is(serr, jsonscan.ErrSyntax) || errors.Is(serr, jsonscan.ErrUTF8)
		d.err = events.Errorf(events.CodeBadFrame, "the frame is not a usable JSON object: %v", serr)
	}
	err = d.finish()
	if f.ID != "" && events.CheckID(f.ID) != nil {
		f.ID = ""
	}
	if f.Room != "" && events.CheckRoom(f.Room) != nil {
		f.Room = ""
	}
	return err, malformed
}

// decoder takes the members of one frame. Its error is the first one.
type decoder struct {
	f   *Client
	has member
	err *events.Error
}

func (d *decoder) fail(err error) {
	if err == nil || d.err != nil {
		return
	}
	if e, ok := errors.AsType[*events.Error](err); ok {
		d.err = e
	}
}

func (d *decoder) failf(format string, args ...any) {
	d.fail(events.Errorf(events.CodeBadFrame, format, args...))
}

// member takes one member; which of them the type wants is checked in finish.
func (d *decoder) member(key []byte, v jsonscan.Value) {
	f := d.f
	var is member
	var ok bool
	switch string(key) {
	case "type":
		var t string
		t, ok = f.text(v)
		f.Type, is = Type(t), hasType
	case "id":
		f.ID, ok = f.text(v)
		is = hasID
	case "room":
		f.Room, ok = f.text(v)
		is = hasRoom
	case "text":
		is = hasText
		if ok = v.Kind == jsonscan.String; ok && v.Surrogate {
			d.fail(events.Errorf(events.CodeBadText, "the text has half a surrogate pair"))
			return
		}
		f.Text, ok = f.text(v)
	case "emoji":
		f.Emoji, ok = f.text(v)
		is = hasEmoji
	case "epoch":
		f.Epoch, ok = f.text(v)
		is = hasEpoch
	case "token":
		f.Token, ok = f.text(v)
		is = hasToken
	case "on":
		f.On, ok = v.Bool()
		is = hasOn
	case "retry":
		f.Retry, ok = v.Bool()
		is = hasRetry
	case "t":
		if ok = v.Kind == jsonscan.Number; ok {
			f.T = append(f.T, v.Raw...)
		}
		is = hasT
	case "meta":
		is = hasMeta
		if ok = v.Kind == jsonscan.Object; ok {
			var err error
			f.meta, err = events.CompactMeta(f.meta[:0], v.Raw)
			f.Meta = f.meta
			d.fail(err)
		}
	default:
		is, ok = d.number(key, v)
	}
	if !ok {
		d.failf("member %q has a wrong type", key)
	}
	d.has |= is
}

// number takes the members that are integers.
func (d *decoder) number(key []byte, v jsonscan.Value) (is member, ok bool) {
	f := d.f
	switch string(key) {
	case "target":
		f.Target, ok = v.Uint64()
		return hasTarget, ok
	case "reply_to":
		f.ReplyTo, ok = v.Uint64()
		return hasReplyTo, ok
	case "seq":
		f.Seq, ok = v.Uint64()
		return hasSeq, ok
	case "since":
		f.Since, ok = v.Uint64()
		f.HasSince = ok
		return hasSince, ok
	case "before":
		f.Before, ok = v.Uint64()
		return hasBefore, ok
	case "after":
		f.After, ok = v.Uint64()
		f.HasAfter = ok
		return hasAfter, ok
	case "tail":
		f.Tail, ok = count(v)
		return hasTail, ok
	case "limit":
		f.Limit, ok = count(v)
		return hasLimit, ok
	}
	return 0, true
}

// count reads a small integer; larger ones are out of every range.
func count(v jsonscan.Value) (int, bool) {
	n, ok := v.Uint64()
	return int(min(n, MaxPage+1)), ok
}

// text returns what a string means.
func (f *Client) text(v jsonscan.Value) (string, bool) {
	start := len(f.texts)
	b, ok := v.Text(f.texts[start:]) // a part of the input, or unescaped there
	f.texts = append(f.texts, b...)
	return view(f.texts[start:]), ok
}

// finish checks what the type asks for.
func (d *decoder) finish() *events.Error {
	f := d.f
	if d.err != nil {
		return d.err
	}
	if d.has&hasType == 0 {
		return events.Errorf(events.CodeBadFrame, "the frame has no type")
	}
	needs, known := f.Type.needs()
	if !known {
		return events.Errorf(events.CodeUnknownType, "no frame type %q", shorten(string(f.Type)))
	}
	if missing := needs &^ d.has; missing != 0 {
		return events.Errorf(events.CodeBadFrame, "a frame of type %s needs %s", f.Type, missing)
	}
	if d.has&hasID != 0 && f.Type != Ping {
		d.fail(events.CheckID(f.ID))
	}
	if needs&hasRoom != 0 {
		d.fail(events.CheckRoom(f.Room))
	}
	if needs&hasText != 0 {
		d.fail(events.CheckText(f.Text))
	}
	if needs&hasEmoji != 0 {
		d.fail(events.CheckEmoji(f.Emoji))
	}
	if needs&hasTarget != 0 && f.Target == 0 {
		d.failf("target is an integer above 0")
	}
	if needs&hasToken != 0 && len(f.Token) > maxToken {
		d.failf("token is longer than %d bytes", maxToken)
	}
	d.ranges()
	return d.err
}

// ranges checks the members of join and history that depend on one another.
func (d *decoder) ranges() {
	f := d.f
	switch f.Type {
	case Join:
		switch {
		case d.has&hasTail != 0 && d.has&hasSince != 0:
			d.failf("join has tail or since, not both")
		case d.has&hasSince != 0 && f.Epoch == "":
			d.failf("since needs epoch")
		case f.Tail > MaxPage:
			d.failf("tail is 0 to %d", MaxPage)
		case d.has&(hasTail|hasSince) == 0:
			f.Tail = DefaultTail
		}
	case History:
		switch {
		case d.has&hasBefore != 0 && d.has&hasAfter != 0:
			d.failf("history has before or after, not both")
		case f.Limit < 1 || f.Limit > MaxPage:
			d.failf("limit is 1 to %d", MaxPage)
		}
	}
}

// String names the first member of the set.
func (m member) String() string {
	names := []string{
		"type", "id", "room", "text", "target", "emoji", "on", "tail", "since", "epoch",
		"seq", "before", "after", "limit", "token", "t", "reply_to", "meta", "retry",
	}
	for i, name := range names {
		if m&(1<<i) != 0 {
			return name
		}
	}
	return "nothing"
}

func shorten(s string) string {
	const most = 32
	if len(s) <= most {
		return s
	}
	return s[:most] + "…"
}
