package projections

import (
	"fmt"
	"os"
	"path/filepath"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// lock holds a directory against other processes.
type lock struct{ conn *sqlite.Conn }

// lockDir makes and locks a directory. The lock is an exclusive transaction on
// an empty database: it works wherever SQLite does and ends with the process.
func lockDir(dir string) (*lock, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("read models in %s: %w: %w", dir, ErrNotWritable, err)
	}
	conn, err := sqlite.OpenConn(filepath.Join(dir, lockName), sqlite.OpenReadWrite|sqlite.OpenCreate)
	if err != nil {
		return nil, notWritable(dir, err)
	}
	conn.SetBusyTimeout(0)
	if err := sqlitex.ExecuteTransient(conn, `BEGIN EXCLUSIVE`, nil); err != nil {
		conn.Close()
		if sqlite.ErrCode(err).ToPrimary() == sqlite.ResultBusy {
			return nil, fmt.Errorf("read models in %s: %w", dir, ErrInUse)
		}
		return nil, notWritable(dir, err)
	}
	return &lock{conn: conn}, nil
}

// release ends the lock.
func (l *lock) release() { l.conn.Close() }
