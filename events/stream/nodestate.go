package stream

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// nodeState is what a node remembers of itself beside the log, to tell damage
// and unclean stops from a fresh start. It is kept in node.json.
type nodeState struct {
	BootID  string    `json:"boot_id"` // of the kernel under which the node ran last
	Clean   bool      `json:"clean"`   // it was stopped, not cut off
	Created time.Time `json:"created"` // of stream CHAT; zero before it existed
	LastSeq uint64    `json:"last_seq"`
	Msgs    uint64    `json:"msgs"`
}

func stateFile(dir string) string { return filepath.Join(dir, "node.json") }

// loadState reads the state; ok is false when the node never ran.
func loadState(dir string) (s nodeState, ok bool, err error) {
	data, err := os.ReadFile(stateFile(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return s, false, nil
	}
	if err != nil {
		return s, false, fmt.Errorf("reading the node's state: %w", err)
	}
	if err := json.Unmarshal(data, &s); err != nil {
		return s, false, fmt.Errorf("%w: %s: %w", ErrCorrupt, stateFile(dir), err)
	}
	return s, true, nil
}

// save writes the state so that it is whole and on disk.
func (s nodeState) save(dir string) error {
	data, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("encoding the node's state: %w", err)
	}
	tmp := stateFile(dir) + ".tmp"
	if err := os.WriteFile(tmp, append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("writing the node's state: %w", err)
	}
	if err := syncPath(tmp); err != nil {
		return fmt.Errorf("writing the node's state: %w", err)
	}
	if err := os.Rename(tmp, stateFile(dir)); err != nil {
		return fmt.Errorf("writing the node's state: %w", err)
	}
	return syncPath(dir)
}

// bootID names the running kernel since its start; "" where there is no such
// thing, which counts as the same boot.
func bootID() string {
	data, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}

// syncPath makes a file or directory durable.
func syncPath(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// syncTree makes everything below dir durable: at a stop, and at a start, since
// unsynced writes of before may still be in the page cache, and the server has
// written its streams' settings anew. Without blocks it leaves out the events,
// which may be many files.
func syncTree(dir string, blocks bool) error {
	return filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // a temporary file of the store
		case err != nil:
			return err
		case d.IsDir() || d.Type().IsRegular() && (blocks || filepath.Ext(name) != ".blk"):
			if err := syncPath(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		return nil
	})
}
