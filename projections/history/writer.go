package history

import (
	"fmt"
	"math"

	"zombiezen.com/go/sqlite"

	"partyline/events"
	"partyline/events/stream"
	"partyline/projections/readmodel"
)

// Writer folds events into the tables. Not safe for concurrent use. It keeps
// nothing between events, so a rollback leaves it valid.
type Writer struct {
	conn   *sqlite.Conn
	insert *sqlite.Stmt
}

// NewWriter makes a writer on conn, which has the schema.
func NewWriter(conn *sqlite.Conn) *Writer { return &Writer{conn: conn} }

// Apply stores one event and folds it into what it is about. Events that are
// about nothing that exists (an unknown target, another's message) are stored
// and change nothing else.
func (w *Writer) Apply(rec *readmodel.Record) (readmodel.Effect, error) {
	var effect readmodel.Effect
	kind := kindOf(rec)
	if err := w.store(rec, kind); err != nil {
		return effect, err
	}
	var err error
	switch kind {
	case kindMessage:
		effect.Messages = 1
	case kindEdit, kindDelete, kindReact:
		effect.Messages, err = w.change(rec.Room, rec.Stored, &rec.Event)
	case kindErase:
		effect.Fixed, err = w.erase(rec)
	}
	return effect, err
}

// store appends the event as it is.
func (w *Writer) store(rec *readmodel.Record, kind int64) error {
	if w.insert == nil {
		s, err := w.conn.Prepare(`INSERT INTO event (seq, room, kind, ts, id, target, data) VALUES (?, ?, ?, ?, ?, ?, ?)`)
		if err != nil {
			return err
		}
		w.insert = s
	}
	s, ev := w.insert, &rec.Event
	if err := s.Reset(); err != nil {
		return err
	}
	s.BindInt64(1, int64(rec.Stored.Seq))
	s.BindInt64(2, rec.Room)
	s.BindInt64(3, kind)
	s.BindInt64(4, rec.Stored.Time.UnixNano())
	if ev.UID != "" && ev.ID != "" {
		s.BindInt64(5, idHash(ev.UID, ev.ID))
	} else {
		s.BindNull(5)
	}
	if isChange(kind) && ev.Target > 0 && ev.Target <= math.MaxInt64 {
		s.BindInt64(6, int64(ev.Target))
	} else {
		s.BindNull(6)
	}
	s.BindBytes(7, rec.Stored.Data)
	_, err := s.Step()
	return err
}

// isChange reports whether events of the kind are about a message.
func isChange(kind int64) bool {
	return kind == kindEdit || kind == kindDelete || kind == kindReact
}

// Same reports whether ev is what the table has at its sequence. An event that
// the table does not have was erased.
func Same(conn *sqlite.Conn, ev *stream.Stored) (bool, error) {
	row, ok, err := get(conn, ev.Seq)
	if err != nil || !ok {
		return true, err
	}
	return row.time == ev.Time.UnixNano() && string(row.data) == string(ev.Data), nil
}

// row is a row of the table event.
type row struct {
	seq  uint64
	room int64
	kind int64
	time int64
	data []byte
}

const rowColumns = `SELECT seq, room, kind, ts, data FROM event `

// scanRow reads the present row of a statement that begins with rowColumns.
func scanRow(s *sqlite.Stmt) row {
	data := make([]byte, s.ColumnLen(4))
	s.ColumnBytes(4, data)
	return row{
		seq: uint64(s.ColumnInt64(0)), room: s.ColumnInt64(1), kind: s.ColumnInt64(2),
		time: s.ColumnInt64(3), data: data,
	}
}

// get returns the event with this sequence; ok is false when there is none.
func get(conn *sqlite.Conn, seq uint64) (r row, ok bool, err error) {
	if seq > math.MaxInt64 {
		return row{}, false, nil
	}
	s, err := conn.Prepare(rowColumns + `WHERE seq = ?`)
	if err != nil {
		return row{}, false, err
	}
	s.BindInt64(1, int64(seq))
	if ok, err = s.Step(); err != nil || !ok {
		return row{}, false, err
	}
	r = scanRow(s)
	return r, true, s.Reset()
}

// decode decodes the event of a row that was decoded before it was stored.
func (r *row) decode() (events.Event, error) {
	var ev events.Event
	if err := events.Decode(r.data, &ev); err != nil {
		return ev, fmt.Errorf("decode stored event %d: %w", r.seq, err)
	}
	return ev, nil
}
