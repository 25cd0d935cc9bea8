package history

import (
	"zombiezen.com/go/sqlite"

	"partyline/events"
)

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
	f := events.NewMessage(m.seq, fromNano(m.time), &ev)
	if c.edited != 0 {
		f.Edited, f.Text = fromNano(c.edited), c.text
	}
	if c.deleted {
		f.Deleted, f.Text, f.Meta = true, "", nil
	} else if f.Reactions, err = reactions(conn, m.seq); err != nil {
		return nil, err
	}
	return f.Append(nil), nil
}

// reactions returns the reactions to a message: emojis by their bytes, identities
// in the order in which they reacted.
func reactions(conn *sqlite.Conn, seq uint64) ([]events.Reaction, error) {
	s, err := conn.Prepare(`SELECT emoji, uid FROM reaction WHERE seq = ? ORDER BY emoji, at`)
	if err != nil {
		return nil, err
	}
	defer end(s)
	s.BindInt64(1, int64(seq))
	var list []events.Reaction
	for {
		ok, err := s.Step()
		if err != nil || !ok {
			return list, err
		}
		emoji := s.ColumnText(0)
		if len(list) == 0 || list[len(list)-1].Emoji != emoji {
			list = append(list, events.Reaction{Emoji: emoji})
		}
		r := &list[len(list)-1]
		r.UIDs = append(r.UIDs, s.ColumnText(1))
	}
}
