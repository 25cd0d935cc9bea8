package projections

import (
	"errors"
	"fmt"
	"hash/fnv"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"partyline/events"
	"partyline/events/stream"
	"partyline/projections/history"
	"partyline/projections/readmodel"
	"partyline/projections/rooms"
)

// errForeign is returned when the log is not the one that the file was computed
// from: a new computation is needed.
var errForeign = errors.New("read model belongs to another log")

// checkpoint says what the tables contain: everything up to seq of the log that
// had this epoch and, at seq, an event with this time and digest.
type checkpoint struct {
	epoch  string
	seq    uint64
	time   int64 // nanoseconds since 1970
	digest uint64
}

// digest tells events apart that have the same sequence in two logs.
func digest(ev *stream.Stored) uint64 {
	h := fnv.New64a()
	h.Write([]byte(ev.Room))
	h.Write([]byte{0})
	h.Write(ev.Data)
	return h.Sum64()
}

// writer folds events into a file, in transactions that contain the checkpoint.
// It has one owner at a time.
type writer struct {
	conn    *sqlite.Conn
	history *history.Writer
	rooms   *rooms.Writer
	check   checkpoint     // as committed
	next    checkpoint     // within the transaction
	last    *stream.Stored // event at next.seq, nil when it is the committed one
	open    bool           // a transaction is open
	poison  int            // events that could not be decoded, of this transaction
}

// newWriter makes a writer on a file that has the schema.
func newWriter(conn *sqlite.Conn) (*writer, error) {
	check, err := readCheckpoint(conn)
	if err != nil {
		return nil, err
	}
	return &writer{
		conn: conn, history: history.NewWriter(conn), rooms: rooms.NewWriter(conn),
		check: check, next: check,
	}, nil
}

// decode makes a record of an event. What cannot be decoded is kept as it is and
// folded into nothing; it never stops a read model.
func decode(ev *stream.Stored) readmodel.Record {
	rec := readmodel.Record{Stored: ev}
	if err := events.Decode(ev.Data, &rec.Event); err != nil {
		rec.Event, rec.Poison = events.Event{}, true
	}
	return rec
}

// add folds one event. Events that are contained already are compared and
// skipped: one that differs means another log.
func (w *writer) add(rec *readmodel.Record) error {
	ev := rec.Stored
	if ev.Seq <= w.next.seq {
		return w.compare(ev)
	}
	if err := w.begin(); err != nil {
		return err
	}
	number, err := w.rooms.Number(ev.Room)
	if err != nil {
		return err
	}
	rec.Room = number
	effect, err := w.history.Apply(rec)
	if err != nil {
		return fmt.Errorf("fold event %d into history: %w", ev.Seq, err)
	}
	if err := w.rooms.Apply(rec, effect); err != nil {
		return fmt.Errorf("fold event %d into rooms: %w", ev.Seq, err)
	}
	if rec.Poison {
		w.poison++
	}
	w.next.seq, w.last = ev.Seq, ev
	return nil
}

// compare returns errForeign unless ev is the event that the file has.
func (w *writer) compare(ev *stream.Stored) error {
	var same bool
	var err error
	if ev.Seq == w.check.seq {
		same = ev.Time.UnixNano() == w.check.time && digest(ev) == w.check.digest
	} else {
		same, err = history.Same(w.conn, ev)
	}
	if err != nil {
		return err
	}
	if !same {
		return fmt.Errorf("%w: sequence %d has another event", errForeign, ev.Seq)
	}
	return nil
}

func (w *writer) begin() error {
	if w.open {
		return nil
	}
	if err := run(w.conn, `BEGIN IMMEDIATE`); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	w.open = true
	return nil
}

// commit ends the transaction, if one is open. epoch is that of the log now.
func (w *writer) commit(epoch string) error {
	if !w.open {
		return nil
	}
	if err := w.rooms.Flush(); err != nil {
		return err
	}
	w.next.epoch = epoch
	if w.last != nil {
		w.next.time, w.next.digest = w.last.Time.UnixNano(), digest(w.last)
	}
	if err := writeCheckpoint(w.conn, w.next); err != nil {
		return err
	}
	if err := run(w.conn, `COMMIT`); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	w.open, w.poison, w.check, w.last = false, 0, w.next, nil
	return nil
}

// rollback forgets the open transaction, and what the folds remember of it.
func (w *writer) rollback() {
	if !w.open {
		return
	}
	// An error such as a full disk may have ended the transaction already.
	_ = run(w.conn, `ROLLBACK`)
	w.history, w.rooms = history.NewWriter(w.conn), rooms.NewWriter(w.conn)
	w.open, w.poison, w.next, w.last = false, 0, w.check, nil
}

// run executes a statement without parameters.
func run(conn *sqlite.Conn, statement string) error {
	return sqlitex.Execute(conn, statement, nil)
}

func readCheckpoint(conn *sqlite.Conn) (checkpoint, error) {
	var c checkpoint
	err := sqlitex.Execute(conn, `SELECT epoch, seq, ts, digest FROM checkpoint`, &sqlitex.ExecOptions{
		ResultFunc: func(s *sqlite.Stmt) error {
			c = checkpoint{
				epoch: s.ColumnText(0), seq: uint64(s.ColumnInt64(1)),
				time: s.ColumnInt64(2), digest: uint64(s.ColumnInt64(3)),
			}
			return nil
		},
	})
	if err != nil {
		return c, fmt.Errorf("read checkpoint: %w", err)
	}
	return c, nil
}

func writeCheckpoint(conn *sqlite.Conn, c checkpoint) error {
	s, err := conn.Prepare(`INSERT OR REPLACE INTO checkpoint (one, epoch, seq, ts, digest) VALUES (1, ?, ?, ?, ?)`)
	if err == nil {
		s.BindText(1, c.epoch)
		s.BindInt64(2, int64(c.seq))
		s.BindInt64(3, c.time)
		s.BindInt64(4, int64(c.digest))
		_, err = s.Step()
	}
	if err != nil {
		return fmt.Errorf("write checkpoint: %w", err)
	}
	return nil
}
