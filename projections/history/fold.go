package history

import (
	"zombiezen.com/go/sqlite"

	"partyline/events"
	"partyline/events/stream"
)

// change is the row of the table changed: what edits and a deletion did to a
// message.
type change struct {
	edited  int64 // nanoseconds since 1970, 0: never
	deleted bool
	text    string // valid if edited
}

// changed returns what was done to a message; the zero value for nothing.
func (w *Writer) changed(seq uint64) (change, error) { return getChange(w.conn, seq) }

func getChange(conn *sqlite.Conn, seq uint64) (change, error) {
	s, err := conn.Prepare(`SELECT edited, deleted, text FROM changed WHERE seq = ?`)
	if err != nil {
		return change{}, err
	}
	s.BindInt64(1, int64(seq))
	ok, err := s.Step()
	if err != nil || !ok {
		return change{}, err
	}
	c := change{edited: s.ColumnInt64(0), deleted: s.ColumnBool(1), text: s.ColumnText(2)}
	return c, s.Reset()
}

// change folds an edit, deletion or reaction into its message. The rules are
// those of events.Message; a test holds the two together. messages is the change
// of the number of messages that are not deleted.
func (w *Writer) change(room int64, ev *stream.Stored, e *events.Event) (messages int, err error) {
	target, ok, err := get(w.conn, e.Target)
	if err != nil || !ok || target.kind != kindMessage || target.room != room || target.seq >= ev.Seq {
		return 0, err
	}
	c, err := w.changed(e.Target)
	if err != nil || c.deleted {
		return 0, err
	}
	if e.Kind == events.KindReact {
		return 0, w.react(ev.Seq, e)
	}
	message, err := target.decode()
	if err != nil || message.UID != e.UID {
		return 0, err
	}
	if e.Kind == events.KindEdit {
		c.edited, c.text = ev.Time.UnixNano(), e.Text
		return 0, w.putChange(e.Target, c)
	}
	if err := w.forget(e.Target); err != nil {
		return 0, err
	}
	c.deleted, c.text = true, ""
	return -1, w.putChange(e.Target, c)
}

// react sets or removes a reaction; setting it again changes nothing.
func (w *Writer) react(seq uint64, e *events.Event) error {
	if e.On {
		return exec(w.conn, `INSERT OR IGNORE INTO reaction (seq, emoji, uid, at) VALUES (?, ?, ?, ?)`,
			func(s *sqlite.Stmt) {
				s.BindInt64(1, int64(e.Target))
				s.BindText(2, e.Emoji)
				s.BindText(3, e.UID)
				s.BindInt64(4, int64(seq))
			})
	}
	return exec(w.conn, `DELETE FROM reaction WHERE seq = ? AND emoji = ? AND uid = ?`,
		func(s *sqlite.Stmt) {
			s.BindInt64(1, int64(e.Target))
			s.BindText(2, e.Emoji)
			s.BindText(3, e.UID)
		})
}

func (w *Writer) putChange(seq uint64, c change) error {
	return exec(w.conn, `INSERT OR REPLACE INTO changed (seq, edited, deleted, text) VALUES (?, ?, ?, ?)`,
		func(s *sqlite.Stmt) {
			s.BindInt64(1, int64(seq))
			s.BindInt64(2, c.edited)
			s.BindBool(3, c.deleted)
			if c.edited != 0 && !c.deleted {
				s.BindText(4, c.text)
			} else {
				s.BindNull(4)
			}
		})
}

// forget removes what was done to a message.
func (w *Writer) forget(seq uint64) error {
	bind := func(s *sqlite.Stmt) { s.BindInt64(1, int64(seq)) }
	if err := exec(w.conn, `DELETE FROM changed WHERE seq = ?`, bind); err != nil {
		return err
	}
	return exec(w.conn, `DELETE FROM reaction WHERE seq = ?`, bind)
}
