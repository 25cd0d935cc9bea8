package events

import (
	"cmp"
	"slices"
	"strconv"
	"time"
)

// MaxReacted is the number of identities that a folded message lists for one
// emoji; counts go on above it.
const MaxReacted = 50

// Message is a folded message: what a message event has become by the edits,
// deletion and reactions that followed it in its room. The rules of Apply are
// normative (wire contract, detail 1); clients in other languages are tested on
// the same golden files. Not safe for concurrent use.
type Message struct {
	Seq       uint64
	Time      time.Time // of storage
	ID        string
	UID       string
	User      string
	Text      string
	Edited    time.Time // of the last edit; zero: never
	Deleted   bool      // a tombstone: no Text, Meta or Reactions
	ReplyTo   uint64
	Meta      []byte     // compact JSON object, nil for none
	Reactions []Reaction // ordered by the bytes of Emoji, none empty
}

// Reaction is the set of identities that reacted with one emoji, in the order in
// which they did.
type Reaction struct {
	Emoji string
	UIDs  []string
}

// NewMessage begins the fold of a message event that was stored under seq at ts.
func NewMessage(seq uint64, ts time.Time, e *Event) *Message {
	return &Message{
		Seq: seq, Time: ts, ID: e.ID, UID: e.UID, User: e.User,
		Text: e.Text, ReplyTo: e.ReplyTo, Meta: e.Meta,
	}
}

// Apply folds a later event of the same room, stored under seq at ts, into the
// message. It reports whether that changed anything. Events with another target,
// edits and deletions by others than the author, and everything after a
// deletion are ignored; reactions are sets: setting one again changes nothing.
func (m *Message) Apply(seq uint64, ts time.Time, e *Event) bool {
	if e.Target != m.Seq || seq <= m.Seq || m.Deleted {
		return false
	}
	switch e.Kind {
	case KindEdit:
		if e.UID != m.UID {
			return false
		}
		m.Text, m.Edited = e.Text, ts
	case KindDelete:
		if e.UID != m.UID {
			return false
		}
		m.Deleted, m.Text, m.Meta, m.Reactions = true, "", nil, nil
	case KindReact:
		if e.On {
			return m.react(e.Emoji, e.UID)
		}
		return m.unreact(e.Emoji, e.UID)
	default:
		return false
	}
	return true
}

func (m *Message) find(emoji string) (int, bool) {
	return slices.BinarySearchFunc(m.Reactions, emoji, func(r Reaction, emoji string) int {
		return cmp.Compare(r.Emoji, emoji)
	})
}

func (m *Message) react(emoji, uid string) bool {
	i, found := m.find(emoji)
	if !found {
		m.Reactions = slices.Insert(m.Reactions, i, Reaction{Emoji: emoji})
	}
	r := &m.Reactions[i]
	if slices.Contains(r.UIDs, uid) {
		return false
	}
	r.UIDs = append(r.UIDs, uid)
	return true
}

func (m *Message) unreact(emoji, uid string) bool {
	i, found := m.find(emoji)
	if !found {
		return false
	}
	r := &m.Reactions[i]
	at := slices.Index(r.UIDs, uid)
	if at < 0 {
		return false
	}
	r.UIDs = slices.Delete(r.UIDs, at, at+1)
	if len(r.UIDs) == 0 {
		m.Reactions = slices.Delete(m.Reactions, i, i+1)
	}
	return true
}

// Append appends the folded message as compact JSON: the same bytes in joined,
// history and REST.
func (m *Message) Append(dst []byte) []byte {
	dst = append(dst, `{"seq":`...)
	dst = strconv.AppendUint(dst, m.Seq, 10)
	dst = append(dst, `,"ts":"`...)
	dst = AppendTime(dst, m.Time)
	dst = append(dst, '"')
	dst = appendMember(dst, "id", m.ID)
	dst = appendMember(dst, "uid", m.UID)
	dst = appendMember(dst, "user", m.User)
	dst = appendMember(dst, "text", m.Text)
	if !m.Edited.IsZero() {
		dst = append(dst, `,"edited":"`...)
		dst = AppendTime(dst, m.Edited)
		dst = append(dst, '"')
	}
	if m.Deleted {
		dst = append(dst, `,"deleted":true`...)
	}
	dst = appendNumber(dst, "reply_to", m.ReplyTo)
	if len(m.Meta) > 0 {
		dst = append(dst, `,"meta":`...)
		dst = append(dst, m.Meta...)
	}
	return append(m.appendReactions(dst), '}')
}

func (m *Message) appendReactions(dst []byte) []byte {
	if len(m.Reactions) == 0 {
		return dst
	}
	for i, r := range m.Reactions {
		if i == 0 {
			dst = append(dst, `,"reactions":{`...)
		} else {
			dst = append(dst, ',')
		}
		dst = appendString(dst, r.Emoji)
		dst = append(dst, ':')
		dst = strconv.AppendInt(dst, int64(len(r.UIDs)), 10)
	}
	for i, r := range m.Reactions {
		if i == 0 {
			dst = append(dst, `},"reacted":{`...)
		} else {
			dst = append(dst, ',')
		}
		dst = appendString(dst, r.Emoji)
		for j, uid := range r.UIDs[:min(len(r.UIDs), MaxReacted)] {
			if j == 0 {
				dst = append(dst, ":["...)
			} else {
				dst = append(dst, ',')
			}
			dst = appendString(dst, uid)
		}
		dst = append(dst, ']')
	}
	return append(dst, '}')
}
