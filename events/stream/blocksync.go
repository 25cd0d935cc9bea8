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

// blockSync makes what the node has stored in CHAT durable. The node's file
// store appends to the block file with the highest number, with a write before
// each acknowledgement, and never writes messages to an earlier one. So a sync
// covers the last block of the previous sync and all that came after it. Blocks
// are opened by name each time, since a finished one is replaced by its
// compressed copy, which the store syncs before it renames it (ADR 0007).
//
// Not safe for concurrent use.
type blockSync struct {
	dir   string
	block uint64      // the last block that was synced, 0 before the first
	info  os.FileInfo // what it was then
}

// newBlockSync starts at the newest block of a stream's message directory, which
// has to be durable up to now.
func newBlockSync(dir string) (*blockSync, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("listing the blocks of the log: %w", err)
	}
	b := &blockSync{dir: dir}
	for _, e := range entries {
		number, ok := strings.CutSuffix(e.Name(), ".blk")
		if n, err := strconv.ParseUint(number, 10, 64); ok && err == nil {
			b.block = max(b.block, n)
		}
	}
	b.block = max(b.block, 1)
	return b, nil
}

// sync returns after everything that was written to the stream before the call
// is on disk. The newest block is looked for before anything is synced: what is
// written to a block between its sync and the start of the next one is covered
// by the next call, which begins with that block again.
func (b *blockSync) sync() error {
	last := b.block
	for {
		_, err := os.Lstat(b.name(last + 1))
		if errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err != nil {
			return fmt.Errorf("looking for the next block of the log: %w", err)
		}
		last++
	}
	renamed := last > b.block || b.info == nil
	for block := b.block; block <= last; block++ {
		info, err := b.syncBlock(block)
		if errors.Is(err, fs.ErrNotExist) && block < last {
			continue // all its events were erased
		}
		if err != nil {
			return err
		}
		renamed = renamed || !os.SameFile(b.info, info)
		b.info = info
	}
	b.block = last
	if !renamed {
		return nil
	}
	if err := syncPath(b.dir); err != nil {
		return fmt.Errorf("syncing the directory of the log: %w", err)
	}
	return nil
}

func (b *blockSync) name(block uint64) string {
	return filepath.Join(b.dir, strconv.FormatUint(block, 10)+".blk")
}

func (b *blockSync) syncBlock(block uint64) (os.FileInfo, error) {
	f, err := os.Open(b.name(block))
	if err != nil {
		return nil, fmt.Errorf("opening block %d of the log: %w", block, err)
	}
	defer f.Close()
	if err := dataSync(f); err != nil {
		return nil, fmt.Errorf("syncing block %d of the log: %w", block, err)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("looking at block %d of the log: %w", block, err)
	}
	return info, nil
}
