package stream

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// disk makes files durable; tests put another one in its place.
type disk interface {
	syncFile(f *os.File) error
	syncDir(name string) error
}

// realDisk asks the operating system.
type realDisk struct{}

func (realDisk) syncFile(f *os.File) error { return dataSync(f) }
func (realDisk) syncDir(name string) error { return syncPath(name) }

// probe is how many numbers after the newest known block are looked for. A
// block that was emptied by erasures is removed, so there may be holes; one that
// was filled and emptied between two syncs would need megabytes in milliseconds.
const probe = 8

// blockSync makes what the node has stored in CHAT durable. The node's file
// store appends to the block file with the highest number, with a write before
// each acknowledgement, and never writes events to an earlier one. So a sync
// covers the newest block of the previous sync and all that came after it.
//
// A block may be replaced under its name: a finished one by its compressed copy,
// any one by a copy without an erased event. The store syncs the copy before it
// renames it, but not the directory. So the newest block is held open: only then
// does another inode under its name tell for certain that it was replaced, and
// only then is an error reported that occurred before the sync (ADR 0007).
//
// Not safe for concurrent use.
type blockSync struct {
	dir   string
	disk  disk
	block uint64   // number of the newest block at the last sync
	file  *os.File // that block; nil before the first sync
}

// newBlockSync starts at the newest block of a stream's message directory; the
// ones before have to be durable.
func newBlockSync(dir string, d disk) (*blockSync, error) {
	newest, err := newestBlock(dir)
	if err != nil {
		return nil, err
	}
	return &blockSync{dir: dir, disk: d, block: max(newest, 1)}, nil
}

// newestBlock lists a message directory; 0: no block.
func newestBlock(dir string) (uint64, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0, fmt.Errorf("listing the blocks of the log: %w", err)
	}
	newest := uint64(0)
	for _, e := range entries {
		number, ok := strings.CutSuffix(e.Name(), ".blk")
		if n, err := strconv.ParseUint(number, 10, 64); ok && err == nil {
			newest = max(newest, n)
		}
	}
	return newest, nil
}

// sync returns after everything that was written to the stream before the call
// is on disk. The newest block is looked for before anything is synced: what is
// written to a block between its sync and the start of the next one is covered
// by the next call, which begins with that block again.
func (b *blockSync) sync() error {
	newest, err := b.newest()
	if err != nil {
		return err
	}
	renamed := newest > b.block || b.file == nil
	for block := b.block; block <= newest; block++ {
		changed, err := b.syncBlock(block)
		if errors.Is(err, fs.ErrNotExist) && block < newest {
			renamed = true // all its events were erased
			continue
		}
		if err != nil {
			return fmt.Errorf("syncing block %d of the log: %w", block, err)
		}
		renamed = renamed || changed
		b.block = block
	}
	if !renamed {
		return nil
	}
	if err := b.disk.syncDir(b.dir); err != nil {
		return fmt.Errorf("syncing the directory of the log: %w", err)
	}
	return nil
}

// newest finds the newest block, at least b.block.
func (b *blockSync) newest() (uint64, error) {
	newest, found := b.block, false
	for block := b.block; block <= newest+probe; block++ {
		_, err := os.Lstat(b.name(block))
		if err == nil {
			newest, found = block, true
		} else if !errors.Is(err, fs.ErrNotExist) {
			return 0, fmt.Errorf("looking for the next block of the log: %w", err)
		}
	}
	if found {
		return newest, nil
	}
	newest, err := newestBlock(b.dir)
	if err == nil && newest < b.block {
		err = fmt.Errorf("looking for the next block of the log: there is none from %d on", b.block)
	}
	return newest, err
}

func (b *blockSync) name(block uint64) string {
	return filepath.Join(b.dir, strconv.FormatUint(block, 10)+".blk")
}

// syncBlock syncs a block and holds it open; changed: it is another file than
// the one held open before.
func (b *blockSync) syncBlock(block uint64) (changed bool, err error) {
	if block == b.block && b.file != nil {
		// Also when it was replaced: it tells whether what the copy was made
		// from could be written.
		if err := b.disk.syncFile(b.file); err != nil {
			return false, err
		}
		if same, err := isFile(b.file, b.name(block)); same || err != nil {
			return false, err
		}
	}
	f, err := os.Open(b.name(block))
	if err != nil {
		return false, err
	}
	if err := b.disk.syncFile(f); err != nil {
		f.Close()
		return false, err
	}
	b.close()
	b.file = f
	return true, nil
}

// isFile reports whether name is the file f.
func isFile(f *os.File, name string) (bool, error) {
	named, err := os.Lstat(name)
	if err != nil {
		return false, err
	}
	open, err := f.Stat()
	return err == nil && os.SameFile(named, open), err
}

// close lets go of the newest block.
func (b *blockSync) close() {
	if b.file != nil {
		b.file.Close()
	}
}
