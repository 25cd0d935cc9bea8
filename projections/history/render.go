package history

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"zombiezen.com/go/sqlite"
)

// maxReacted is the number of identities listed for one emoji; the count goes on.
const maxReacted = 50

// timeFormat is RFC 3339 with microseconds, as everywhere on the wire.
const timeFormat = "2006-01-02T15:04:05.000000Z"

// folded is a folded message on the wire (wire contract, detail 1).
type folded struct {
	Seq       uint64          `json:"seq"`
	Time      string          `json:"ts"`
	ID        string          `json:"id"`
	UID       string          `json:"uid"`
	User      string          `json:"user"`
	Text      *string         `json:"text,omitempty"`
	Edited    string          `json:"edited,omitempty"`
	Deleted   bool            `json:"deleted,omitempty"`
	ReplyTo   uint64          `json:"reply_to,omitempty"`
	Meta      json.RawMessage `json:"meta,omitempty"`
	Reactions json.RawMessage `json:"reactions,omitempty"`
	Reacted   json.RawMessage `json:"reacted,omitempty"`
}

// render returns the folded message of a message's row as JSON.
func render(conn *sqlite.Conn, m row) ([]byte, error) {
	ev, err := m.decode()
	if err != nil {
		return nil, err
	}
	c, err := getChange(conn, m.seq)
	if err != nil {
		return nil, err
	}
	f := folded{
		Seq: m.seq, Time: fromNano(m.time).Format(timeFormat), ID: ev.ID, UID: ev.UID, User: ev.User,
		Deleted: c.deleted, ReplyTo: ev.ReplyTo,
	}
	if c.edited != 0 {
		f.Edited = time.Unix(0, c.edited).UTC().Format(timeFormat)
		ev.Text = c.text
	}
	if !c.deleted {
		f.Text, f.Meta = &ev.Text, ev.Meta
		if f.Reactions, f.Reacted, err = reactions(conn, m.seq); err != nil {
			return nil, err
		}
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(f); err != nil {
		return nil, fmt.Errorf("encode folded message %d: %w", m.seq, err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// reactions returns the members reactions and reacted, nil without any.
func reactions(conn *sqlite.Conn, seq uint64) (counts, uids json.RawMessage, err error) {
	s, err := conn.Prepare(`SELECT emoji, uid FROM reaction WHERE seq = ? ORDER BY emoji, at`)
	if err != nil {
		return nil, nil, err
	}
	defer end(s)
	s.BindInt64(1, int64(seq))
	type group struct {
		emoji string
		count int
		uids  []string
	}
	var groups []group
	for {
		ok, err := s.Step()
		if err != nil {
			return nil, nil, err
		}
		if !ok {
			break
		}
		emoji, uid := s.ColumnText(0), s.ColumnText(1)
		if len(groups) == 0 || groups[len(groups)-1].emoji != emoji {
			groups = append(groups, group{emoji: emoji})
		}
		g := &groups[len(groups)-1]
		if g.count++; g.count <= maxReacted {
			g.uids = append(g.uids, uid)
		}
	}
	for i, g := range groups {
		sep := byte(',')
		if i == 0 {
			sep = '{'
		}
		name, err := json.Marshal(g.emoji)
		if err != nil {
			return nil, nil, err
		}
		list, err := json.Marshal(g.uids)
		if err != nil {
			return nil, nil, err
		}
		counts = append(append(append(counts, sep), name...), ':')
		counts = strconv.AppendInt(counts, int64(g.count), 10)
		uids = append(append(append(uids, sep), name...), ':')
		uids = append(uids, list...)
	}
	if groups == nil {
		return nil, nil, nil
	}
	return append(counts, '}'), append(uids, '}'), nil
}
