package history

import (
	"fmt"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"partyline/events"
	"partyline/projections/readmodel"
)

// Schema creates the tables, and those indexes that folding needs.
const Schema = `
CREATE TABLE event (
	seq    INTEGER PRIMARY KEY,
	room   INTEGER NOT NULL, -- number of the room
	kind   INTEGER NOT NULL, -- see kindOf
	ts     INTEGER NOT NULL, -- time of storage, nanoseconds since 1970
	id     INTEGER,          -- hash of (uid, id), NULL without them
	target INTEGER,          -- message that an edit, deletion or reaction is about
	data   BLOB NOT NULL     -- the stored payload
);
CREATE INDEX event_target ON event (target) WHERE target IS NOT NULL;
CREATE INDEX event_poison ON event (kind) WHERE kind < 0;
CREATE TABLE changed (   -- messages that were edited or deleted
	seq     INTEGER PRIMARY KEY,
	edited  INTEGER NOT NULL, -- time of the last edit, nanoseconds since 1970, 0 for none
	deleted INTEGER NOT NULL,
	text    TEXT              -- after the last edit, NULL for as sent
);
CREATE TABLE reaction (
	seq   INTEGER NOT NULL, -- of the message
	emoji TEXT NOT NULL,
	uid   TEXT NOT NULL,
	at    INTEGER NOT NULL, -- sequence of the event that set it
	PRIMARY KEY (seq, emoji, uid)
) WITHOUT ROWID;`

// Indexes creates the indexes that queries need; a bulk load builds them after
// the rows.
const Indexes = `
CREATE INDEX event_room ON event (room, seq);
CREATE INDEX event_message ON event (room, seq) WHERE kind = 1;
CREATE INDEX event_id ON event (id) WHERE id IS NOT NULL;`

// Tables returns what a verification compares.
func Tables() []readmodel.Table {
	return []readmodel.Table{
		{Name: "event", Rows: `SELECT e.seq, r.name, e.kind, e.ts, e.id, e.target, e.data
			FROM event e LEFT JOIN room r ON r.id = e.room ORDER BY e.seq`},
		{Name: "changed", Rows: `SELECT seq, edited, deleted, text FROM changed ORDER BY seq`},
		{Name: "reaction", Rows: `SELECT seq, emoji, uid, at FROM reaction ORDER BY seq, emoji, uid`},
	}
}

// The kinds as numbers; they are part of the schema.
const (
	kindPoison  = -1 // cannot be decoded
	kindOther   = 0  // unknown to this program
	kindMessage = 1
	kindEdit    = 2
	kindDelete  = 3
	kindReact   = 4
	kindRoom    = 5
	kindErase   = 6
)

// kindOf returns the number of an event's kind.
func kindOf(rec *readmodel.Record) int64 {
	if rec.Poison {
		return kindPoison
	}
	switch rec.Event.Kind {
	case events.KindMessage:
		return kindMessage
	case events.KindEdit:
		return kindEdit
	case events.KindDelete:
		return kindDelete
	case events.KindReact:
		return kindReact
	case events.KindRoom:
		return kindRoom
	case events.KindErase:
		return kindErase
	default:
		return kindOther
	}
}

// Index builds the indexes for queries unless they exist.
func Index(conn *sqlite.Conn) error {
	exists := false
	err := sqlitex.Execute(conn, `SELECT 1 FROM sqlite_master WHERE name = 'event_room'`, &sqlitex.ExecOptions{
		ResultFunc: func(*sqlite.Stmt) error { exists = true; return nil },
	})
	if err != nil || exists {
		return err
	}
	if err := sqlitex.ExecuteScript(conn, Indexes, nil); err != nil {
		return fmt.Errorf("build indexes: %w", err)
	}
	return nil
}
