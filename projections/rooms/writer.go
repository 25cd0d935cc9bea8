package rooms

import (
	"fmt"

	"zombiezen.com/go/sqlite"

	"partyline/events"
	"partyline/projections/readmodel"
)

// Schema creates the tables.
const Schema = `
CREATE TABLE room (
	id       INTEGER PRIMARY KEY,
	name     TEXT NOT NULL UNIQUE,
	topic    TEXT NOT NULL,
	messages INTEGER NOT NULL, -- that are not deleted
	events   INTEGER NOT NULL,
	last_seq INTEGER NOT NULL,
	last_ts  INTEGER NOT NULL  -- nanoseconds since 1970
);`

// Tables returns what a verification compares.
func Tables() []readmodel.Table {
	return []readmodel.Table{{
		Name: "room",
		Rows: `SELECT name, topic, messages, events, last_seq, last_ts FROM room ORDER BY name`,
	}}
}

// maxCached bounds the rooms that a Writer keeps in memory between commits.
const maxCached = 1 << 16

// room is a row in memory.
type room struct {
	id       int64
	name     string
	topic    string
	messages int64
	events   int64
	lastSeq  uint64
	lastTime int64
	stored   bool // has a row
	dirty    bool // differs from the row
}

// Writer folds events into the tables. Rows of rooms that were touched are kept
// in memory and written by Flush, once per transaction. Not safe for concurrent
// use.
type Writer struct {
	conn   *sqlite.Conn
	byName map[string]*room
	byID   map[int64]*room
	dirty  []*room
	nextID int64 // 0: to be read from the table
}

// NewWriter makes a writer on conn. After a rollback it must be replaced by a
// new one: what it remembers may not have happened.
func NewWriter(conn *sqlite.Conn) *Writer {
	return &Writer{conn: conn, byName: map[string]*room{}, byID: map[int64]*room{}}
}

// Number returns the number of the room with this name, a new one for a new
// room.
func (w *Writer) Number(name string) (int64, error) {
	if r := w.byName[name]; r != nil {
		return r.id, nil
	}
	r, err := w.load(`SELECT id, name, topic, messages, events, last_seq, last_ts FROM room WHERE name = ?`,
		func(s *sqlite.Stmt) { s.BindText(1, name) })
	if err != nil {
		return 0, fmt.Errorf("read room: %w", err)
	}
	if r == nil {
		if r, err = w.create(name); err != nil {
			return 0, fmt.Errorf("number room: %w", err)
		}
	}
	w.keep(r)
	return r.id, nil
}

// Apply folds one event, which the history has folded already with this effect.
func (w *Writer) Apply(rec *readmodel.Record, effect readmodel.Effect) error {
	r, err := w.room(rec.Room)
	if err != nil {
		return err
	}
	w.touch(r)
	r.events++
	r.messages += int64(effect.Messages)
	r.lastSeq = rec.Stored.Seq
	r.lastTime = rec.Stored.Time.UnixNano()
	if rec.Event.Kind == events.KindRoom {
		r.topic = rec.Event.Topic
	}
	for _, fix := range effect.Fixed {
		if err := w.fix(fix); err != nil {
			return err
		}
	}
	return nil
}

// fix corrects a room after an erasure. Its numbers already contain the erase
// event itself where that is in the same room.
func (w *Writer) fix(f readmodel.RoomFix) error {
	r, err := w.room(f.Room)
	if err != nil {
		return err
	}
	w.touch(r)
	r.events += int64(f.Events)
	r.messages += int64(f.Messages)
	r.lastSeq, r.lastTime = f.LastSeq, f.LastTime
	if f.TopicChanged {
		r.topic = f.Topic
	}
	return nil
}

// Flush writes the rooms that changed. A room without events is removed, as if
// it had never been: all of its events were erased.
func (w *Writer) Flush() error {
	for _, r := range w.dirty {
		if err := w.write(r); err != nil {
			return fmt.Errorf("write room: %w", err)
		}
		r.dirty = false
	}
	w.dirty = w.dirty[:0]
	if len(w.byID) > maxCached {
		clear(w.byName)
		clear(w.byID)
	}
	return nil
}

func (w *Writer) write(r *room) error {
	switch {
	case r.events == 0:
		delete(w.byName, r.name)
		delete(w.byID, r.id)
		w.nextID = 0
		return exec(w.conn, `DELETE FROM room WHERE id = ?`, func(s *sqlite.Stmt) { s.BindInt64(1, r.id) })
	case r.stored:
		// The name stays, so that its index is not touched.
		return exec(w.conn, `UPDATE room SET topic = ?, messages = ?, events = ?, last_seq = ?, last_ts = ?
			WHERE id = ?`, func(s *sqlite.Stmt) {
			r.bindState(s, 1)
			s.BindInt64(6, r.id)
		})
	default:
		r.stored = true
		return exec(w.conn, `INSERT INTO room (id, name, topic, messages, events, last_seq, last_ts)
			VALUES (?, ?, ?, ?, ?, ?, ?)`, func(s *sqlite.Stmt) {
			s.BindInt64(1, r.id)
			s.BindText(2, r.name)
			r.bindState(s, 3)
		})
	}
}

// bindState binds what changes of a room, from the given parameter on.
func (r *room) bindState(s *sqlite.Stmt, from int) {
	s.BindText(from, r.topic)
	s.BindInt64(from+1, r.messages)
	s.BindInt64(from+2, r.events)
	s.BindInt64(from+3, int64(r.lastSeq))
	s.BindInt64(from+4, r.lastTime)
}

// room returns a room by its number.
func (w *Writer) room(id int64) (*room, error) {
	if r := w.byID[id]; r != nil {
		return r, nil
	}
	r, err := w.load(`SELECT id, name, topic, messages, events, last_seq, last_ts FROM room WHERE id = ?`,
		func(s *sqlite.Stmt) { s.BindInt64(1, id) })
	if err != nil {
		return nil, fmt.Errorf("read room: %w", err)
	}
	if r == nil {
		return nil, fmt.Errorf("read room: no room has number %d", id)
	}
	w.keep(r)
	return r, nil
}

// create makes a room that is in no table yet.
func (w *Writer) create(name string) (*room, error) {
	if w.nextID == 0 {
		s, err := w.conn.Prepare(`SELECT COALESCE(MAX(id), 0) FROM room`)
		if err != nil {
			return nil, err
		}
		if _, err := s.Step(); err != nil {
			return nil, err
		}
		w.nextID = s.ColumnInt64(0) + 1
		if err := s.Reset(); err != nil {
			return nil, err
		}
		for id := range w.byID { // those not written yet
			w.nextID = max(w.nextID, id+1)
		}
	}
	r := &room{id: w.nextID, name: name}
	w.nextID++
	return r, nil
}

func (w *Writer) load(query string, bind func(*sqlite.Stmt)) (*room, error) {
	s, err := w.conn.Prepare(query)
	if err != nil {
		return nil, err
	}
	bind(s)
	found, err := s.Step()
	if err != nil || !found {
		return nil, err
	}
	r := &room{
		id:       s.ColumnInt64(0),
		name:     s.ColumnText(1),
		topic:    s.ColumnText(2),
		messages: s.ColumnInt64(3),
		events:   s.ColumnInt64(4),
		lastSeq:  uint64(s.ColumnInt64(5)),
		lastTime: s.ColumnInt64(6),
		stored:   true,
	}
	return r, s.Reset()
}

func (w *Writer) keep(r *room) {
	w.byName[r.name] = r
	w.byID[r.id] = r
}

func (w *Writer) touch(r *room) {
	if !r.dirty {
		r.dirty = true
		w.dirty = append(w.dirty, r)
	}
}

// exec runs a statement that returns no rows.
func exec(conn *sqlite.Conn, query string, bind func(*sqlite.Stmt)) error {
	s, err := conn.Prepare(query)
	if err != nil {
		return err
	}
	bind(s)
	_, err = s.Step()
	return err
}
