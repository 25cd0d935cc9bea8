package projections

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"partyline/projections/history"
	"partyline/projections/rooms"
)

// Names of the files in Config.Dir.
const (
	fileName  = "readmodel.db"
	buildName = "readmodel.build.db"  // being computed beside
	checkName = "readmodel.verify.db" // computed for a comparison
	asideName = "readmodel.broken.db" // the last file that could not be used
	lockName  = "readmodel.lock"
)

const (
	// applicationID marks our files (PRAGMA application_id): "PLrm".
	applicationID = 0x504c726d
	// schemaVersion is PRAGMA user_version. A file of any other version is
	// computed anew: there are no migrations of what is disposable.
	schemaVersion = 1
)

const schema = `
CREATE TABLE checkpoint (
	one    INTEGER PRIMARY KEY CHECK (one = 1),
	epoch  TEXT NOT NULL,
	seq    INTEGER NOT NULL,
	ts     INTEGER NOT NULL,
	digest INTEGER NOT NULL
);` + rooms.Schema + history.Schema

// errUnusable is returned for a file that is not a read model of this version.
var errUnusable = errors.New("file is not a read model of this version")

// store is an open file: one writer, and connections for queries.
type store struct {
	writer  *writer
	readers *sqlitex.Pool
}

// openStore opens a file, making it when it is missing.
func openStore(path string, readers int) (_ *store, err error) {
	conn, err := openConn(path)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			conn.Close()
		}
	}()
	w, err := prepareStore(conn)
	if err != nil {
		return nil, err
	}
	pool, err := sqlitex.NewPool(path, sqlitex.PoolOptions{
		Flags:    sqlite.OpenReadOnly,
		PoolSize: readers,
		PrepareConn: func(c *sqlite.Conn) error {
			return run(c, `PRAGMA query_only = ON`)
		},
	})
	if err != nil {
		return nil, fmt.Errorf("open for queries: %w", err)
	}
	return &store{writer: w, readers: pool}, nil
}

// prepareStore checks or makes the schema, and makes the writer. That a table is
// missing makes the file unusable.
func prepareStore(conn *sqlite.Conn) (*writer, error) {
	err := prepareFile(conn)
	if err == nil {
		err = history.Index(conn)
	}
	if err != nil {
		return nil, err
	}
	w, err := newWriter(conn)
	if sqlite.ErrCode(err) == sqlite.ResultError {
		return nil, fmt.Errorf("%w: %w", errUnusable, err)
	}
	return w, err
}

// openConn opens a file for writing, in WAL mode: queries and the writer do not
// block one another. synchronous=NORMAL: a power loss may take back commits,
// never order or consistency, and what is missing is read from the log again.
func openConn(path string) (*sqlite.Conn, error) {
	conn, err := sqlite.OpenConn(path, sqlite.OpenReadWrite|sqlite.OpenCreate)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	for _, pragma := range []string{
		`PRAGMA journal_mode = WAL`, `PRAGMA synchronous = NORMAL`, `PRAGMA cache_size = -32768`,
	} {
		if err := sqlitex.ExecuteTransient(conn, pragma, nil); err != nil {
			conn.Close()
			return nil, fmt.Errorf("open %s: %w", path, err)
		}
	}
	return conn, nil
}

// prepareFile gives a new file the schema and checks that of an existing one.
func prepareFile(conn *sqlite.Conn) error {
	tables, err := pragma(conn, `SELECT COUNT(*) FROM sqlite_master`)
	if err != nil {
		return err
	}
	if tables == 0 {
		return createSchema(conn)
	}
	id, err := pragma(conn, `PRAGMA application_id`)
	if err != nil {
		return err
	}
	version, err := pragma(conn, `PRAGMA user_version`)
	if err != nil {
		return err
	}
	if id != applicationID || version != schemaVersion {
		return fmt.Errorf("%w: application %#x, version %d instead of %d", errUnusable, id, version, schemaVersion)
	}
	return nil
}

func createSchema(conn *sqlite.Conn) error {
	mark := fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d;", applicationID, schemaVersion)
	if err := sqlitex.ExecuteScript(conn, mark+schema, nil); err != nil {
		return fmt.Errorf("create schema: %w", err)
	}
	return nil
}

// pragma returns the integer that a statement selects.
func pragma(conn *sqlite.Conn, statement string) (v int64, err error) {
	err = sqlitex.ExecuteTransient(conn, statement, &sqlitex.ExecOptions{
		ResultFunc: func(s *sqlite.Stmt) error { v = s.ColumnInt64(0); return nil },
	})
	if err != nil {
		return 0, fmt.Errorf("read schema: %w", err)
	}
	return v, nil
}

// close ends running queries and closes the file; the last connection removes
// the write-ahead log.
func (s *store) close() error {
	s.writer.rollback()
	return errors.Join(s.readers.Close(), s.writer.conn.Close())
}

// isBroken reports whether err says that the file itself cannot be used.
func isBroken(err error) bool {
	if errors.Is(err, errUnusable) {
		return true
	}
	switch sqlite.ErrCode(err).ToPrimary() {
	case sqlite.ResultCorrupt, sqlite.ResultNotADB:
		return true
	default:
		return false
	}
}

// notWritable turns the errors of a directory or file that cannot be written
// into ErrNotWritable.
func notWritable(dir string, err error) error {
	code := sqlite.ErrCode(err).ToPrimary()
	if errors.Is(err, os.ErrPermission) || code == sqlite.ResultReadOnly || code == sqlite.ResultCantOpen {
		return fmt.Errorf("read models in %s: %w: %w", dir, ErrNotWritable, err)
	}
	return fmt.Errorf("read models in %s: %w", dir, err)
}

// removeFile removes a database and what SQLite keeps beside it.
func removeFile(path string) error {
	for _, suffix := range []string{"-wal", "-shm", "-journal", ""} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// moveAside keeps a file that cannot be used for inspection, in place of an
// earlier one, so that repeated damage does not fill the disk.
func moveAside(dir string) error {
	path, aside := filepath.Join(dir, fileName), filepath.Join(dir, asideName)
	if err := removeFile(aside); err != nil {
		return err
	}
	for _, suffix := range []string{"-wal", "-shm"} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	if err := os.Rename(path, aside); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
