package projections

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"math"

	"zombiezen.com/go/sqlite"

	"partyline/projections/history"
	"partyline/projections/readmodel"
	"partyline/projections/rooms"
)

// Report is the result of a verification.
type Report struct {
	Applied uint64        // stream sequence at which the tables were compared
	Tables  []TableReport //
	Damage  string        // what SQLite's integrity check found, "" for nothing
}

// TableReport compares one table with its recomputation.
type TableReport struct {
	Name     string
	Rows     int    // in the file
	WantRows int    // recomputed
	Hash     string // SHA-256 over the rows in the file, in hex
	WantHash string // recomputed
	First    string // first column of the first row that differs, "" for none
}

// OK reports whether the read models are what the log says.
func (r Report) OK() bool {
	for _, t := range r.Tables {
		if !t.OK() {
			return false
		}
	}
	return r.Damage == ""
}

// OK reports whether the table is what the log says.
func (t TableReport) OK() bool { return t.Rows == t.WantRows && t.Hash == t.WantHash }

// tables lists what is compared.
func tables() []readmodel.Table { return append(history.Tables(), rooms.Tables()...) }

// Verify recomputes the read models into a temporary file and compares each
// table with the one in use, at the same stream sequence. It works while Run
// runs, and without it on the file that is there. Differences are in the report,
// not in the error.
func (m *Model) Verify(ctx context.Context) (Report, error) {
	m.upkeep.Lock()
	defer m.upkeep.Unlock()
	done, err := m.borrow()
	if err != nil {
		return Report{}, err
	}
	defer done()
	damage, shut, err := m.openAsIs()
	if err != nil || damage != "" {
		return Report{Damage: damage}, err
	}
	defer shut()
	b, err := m.build(ctx, checkName, m.checkpoint().seq)
	if err != nil {
		return Report{}, err
	}
	report, err := m.compareWith(ctx, b)
	return report, errors.Join(err, b.abandon())
}

// openAsIs opens the file if Run does not have it open, and leaves one that
// cannot be used where it is; damage says why it cannot.
func (m *Model) openAsIs() (damage string, shut func(), err error) {
	m.files.Lock()
	defer m.files.Unlock()
	if m.store != nil {
		return "", func() {}, nil
	}
	s, err := openStore(m.path(fileName), m.cfg.Readers)
	if isBroken(err) {
		return err.Error(), nil, nil
	}
	if err != nil {
		return "", nil, notWritable(m.cfg.Dir, err)
	}
	m.store = s
	return "", func() {
		if err := m.close(); err != nil {
			m.cfg.Logger.Warn("read models not closed cleanly", "error", err)
		}
	}, nil
}

// compareWith brings the computed file to the sequence of the one in use and
// compares them. Only taking the snapshot holds up the writer.
func (m *Model) compareWith(ctx context.Context, b *builder) (Report, error) {
	conn, put, err := m.take(ctx)
	if err != nil {
		return Report{}, err
	}
	defer put()
	var report Report
	err = transact(conn, func(conn *sqlite.Conn, applied uint64) error {
		if err := b.load(ctx, m.src, applied); err != nil {
			return err
		}
		report, err = compareFiles(conn, b.w.conn, applied)
		return err
	})
	return report, err
}

// compareFiles compares all tables and checks the file's structure.
func compareFiles(got, want *sqlite.Conn, applied uint64) (Report, error) {
	report := Report{Applied: applied}
	for _, t := range tables() {
		tr, err := compareTable(got, want, t)
		if err != nil {
			return report, fmt.Errorf("compare table %s: %w", t.Name, err)
		}
		report.Tables = append(report.Tables, tr)
	}
	var err error
	report.Damage, err = integrity(got)
	return report, err
}

// integrity returns the first finding of SQLite's own check, which includes that
// the indexes match the tables.
func integrity(conn *sqlite.Conn) (string, error) {
	s, err := conn.Prepare(`PRAGMA integrity_check(1)`)
	if err != nil {
		return "", err
	}
	defer func() { _ = s.Reset() }() // its error was that of Step
	if _, err := s.Step(); err != nil {
		return "", err
	}
	if text := s.ColumnText(0); text != "ok" {
		return text, nil
	}
	return "", nil
}

// compareTable walks through both tables in step.
func compareTable(got, want *sqlite.Conn, t readmodel.Table) (TableReport, error) {
	report := TableReport{Name: t.Name}
	a, err := newRows(got, t.Rows)
	if err != nil {
		return report, err
	}
	defer a.close()
	b, err := newRows(want, t.Rows)
	if err != nil {
		return report, err
	}
	defer b.close()
	for {
		if err := errors.Join(a.next(), b.next()); err != nil {
			return report, err
		}
		if a.done && b.done {
			break
		}
		if report.First == "" && !bytes.Equal(a.row, b.row) {
			report.First = firstKey(a, b)
		}
	}
	report.Rows, report.Hash = a.count, hex.EncodeToString(a.sum.Sum(nil))
	report.WantRows, report.WantHash = b.count, hex.EncodeToString(b.sum.Sum(nil))
	return report, nil
}

// firstKey names the row that differs, preferring what the file has.
func firstKey(a, b *rows) string {
	if !a.done {
		return a.stmt.ColumnText(0)
	}
	return b.stmt.ColumnText(0)
}

// rows reads a table in canonical order and hashes it. Columns are encoded with
// type and length, so that different rows never look alike.
type rows struct {
	stmt  *sqlite.Stmt
	sum   hash.Hash
	row   []byte // encoded present row, empty when done
	buf   []byte
	count int
	done  bool
}

func newRows(conn *sqlite.Conn, statement string) (*rows, error) {
	stmt, err := conn.Prepare(statement)
	if err != nil {
		return nil, err
	}
	return &rows{stmt: stmt, sum: sha256.New()}, nil
}

// close ends the statement early too; its error is that of a step.
func (r *rows) close() { _ = r.stmt.Reset() }

func (r *rows) next() error {
	r.row = r.row[:0]
	if r.done {
		return nil
	}
	ok, err := r.stmt.Step()
	if err != nil {
		return err
	}
	if !ok {
		r.done = true
		return nil
	}
	for i := range r.stmt.ColumnCount() {
		r.column(i)
	}
	r.count++
	r.sum.Write(r.row)
	return nil
}

func (r *rows) column(i int) {
	kind := r.stmt.ColumnType(i)
	r.row = append(r.row, byte(kind))
	switch kind {
	case sqlite.TypeNull:
	case sqlite.TypeInteger:
		r.row = binary.BigEndian.AppendUint64(r.row, uint64(r.stmt.ColumnInt64(i)))
	case sqlite.TypeFloat:
		r.row = binary.BigEndian.AppendUint64(r.row, math.Float64bits(r.stmt.ColumnFloat(i)))
	default:
		n := r.stmt.ColumnLen(i)
		if cap(r.buf) < n {
			r.buf = make([]byte, 2*n)
		}
		n = r.stmt.ColumnBytes(i, r.buf[:n])
		r.row = binary.BigEndian.AppendUint64(r.row, uint64(n))
		r.row = append(r.row, r.buf[:n]...)
	}
}
