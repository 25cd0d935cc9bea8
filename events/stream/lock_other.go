//go:build !unix

package stream

import (
	"fmt"
	"os"
	"path/filepath"
)

// lockDir opens the lock file; this system has no advisory locks that end with
// the process.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "LOCK"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking the data directory: %w", err)
	}
	return f, nil
}
