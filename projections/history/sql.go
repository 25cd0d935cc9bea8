package history

import (
	"time"

	"zombiezen.com/go/sqlite"

	"partyline/events/stream"
)

// exec runs a statement that returns no rows.
func exec(conn *sqlite.Conn, statement string, bind func(*sqlite.Stmt)) error {
	s, err := conn.Prepare(statement)
	if err != nil {
		return err
	}
	bind(s)
	_, err = s.Step()
	return err
}

// selectRows reads all rows of a statement that begins with rowColumns.
func selectRows(conn *sqlite.Conn, statement string, bind func(*sqlite.Stmt)) ([]row, error) {
	var list []row
	err := eachRow(conn, statement, bind, func(r row) (bool, error) {
		list = append(list, r)
		return true, nil
	})
	return list, err
}

// eachRow calls fn for the rows of a statement that begins with rowColumns,
// until fn returns false. fn may run other statements.
func eachRow(conn *sqlite.Conn, statement string, bind func(*sqlite.Stmt), fn func(row) (bool, error)) error {
	s, err := conn.Prepare(statement)
	if err != nil {
		return err
	}
	defer end(s)
	bind(s)
	for {
		ok, err := s.Step()
		if err != nil || !ok {
			return err
		}
		if more, err := fn(scanRow(s)); err != nil || !more {
			return err
		}
	}
}

// end ends a statement, maybe before its last row. Its error would be that of
// the last Step, which was seen there.
func end(s *sqlite.Stmt) { _ = s.Reset() }

// selectInt returns the integer that a statement selects, 0 when it selects no
// row.
func selectInt(conn *sqlite.Conn, statement string, bind func(*sqlite.Stmt)) (int64, error) {
	s, err := conn.Prepare(statement)
	if err != nil {
		return 0, err
	}
	bind(s)
	if ok, err := s.Step(); err != nil || !ok {
		return 0, err
	}
	v := s.ColumnInt64(0)
	return v, s.Reset()
}

// stored returns the event as the log had it, without the room's name.
func (r *row) stored() *stream.Stored {
	return &stream.Stored{Seq: r.seq, Time: fromNano(r.time), Data: r.data}
}

func fromNano(ns int64) time.Time { return time.Unix(0, ns).UTC() }
