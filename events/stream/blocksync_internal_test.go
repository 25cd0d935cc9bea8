package stream

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// diskLog records what was synced: the contents of files, and "dir".
type diskLog struct {
	synced []string
	err    error // of the next file
}

func (d *diskLog) syncFile(f *os.File) error {
	data := make([]byte, 100)
	n, _ := f.ReadAt(data, 0)
	d.synced = append(d.synced, string(data[:n]))
	return d.err
}

func (d *diskLog) syncDir(string) error {
	d.synced = append(d.synced, "dir")
	return nil
}

// blockDir is a message directory.
type blockDir struct {
	t    *testing.T
	dir  string
	disk diskLog
	sync *blockSync
}

func newBlockDir(t *testing.T) *blockDir {
	t.Helper()
	d := &blockDir{t: t, dir: t.TempDir()}
	d.append("1.blk", "a")
	var err error
	if d.sync, err = newBlockSync(d.dir, &d.disk); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.sync.close)
	d.want("a", "dir")
	return d
}

func (d *blockDir) append(name, data string) {
	d.t.Helper()
	f, err := os.OpenFile(filepath.Join(d.dir, name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = f.WriteString(data)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		d.t.Fatal(err)
	}
}

func (d *blockDir) replace(name, data string) {
	d.t.Helper()
	d.append(name+".tmp", data)
	if err := os.Rename(filepath.Join(d.dir, name+".tmp"), filepath.Join(d.dir, name)); err != nil {
		d.t.Fatal(err)
	}
}

func (d *blockDir) remove(name string) {
	d.t.Helper()
	if err := os.Remove(filepath.Join(d.dir, name)); err != nil {
		d.t.Fatal(err)
	}
}

// want syncs and compares what was synced.
func (d *blockDir) want(synced ...string) {
	d.t.Helper()
	d.disk.synced = nil
	if err := d.sync.sync(); err != nil {
		d.t.Fatal(err)
	}
	if !slices.Equal(d.disk.synced, synced) {
		d.t.Errorf("synced %q, want %q", d.disk.synced, synced)
	}
}

func TestBlockSync(t *testing.T) {
	t.Parallel()
	for name, check := range map[string]func(*blockDir){
		"the same block again": func(d *blockDir) {
			d.append("1.blk", "b")
			d.want("ab")
			d.want("ab")
		},
		"a new block: what the one before got last, the new one, its name": func(d *blockDir) {
			d.append("1.blk", "b")
			d.append("2.blk", "c")
			d.want("ab", "c", "dir")
			d.want("c")
		},
		"a finished block that was compressed": func(d *blockDir) {
			d.append("1.blk", "b")
			d.append("2.blk", "c")
			d.replace("1.blk", "AB")
			d.want("ab", "AB", "c", "dir")
		},
		"the newest block, rewritten by an erasure": func(d *blockDir) {
			d.replace("1.blk", "x")
			d.append("1.blk", "b")
			d.want("a", "xb", "dir")
			d.want("xb")
		},
		"rewritten twice: the inode could be the one of before": func(d *blockDir) {
			d.replace("1.blk", "x")
			d.replace("1.blk", "y")
			d.want("a", "y", "dir")
		},
		"an older block is not of interest": func(d *blockDir) {
			d.append("2.blk", "c")
			d.want("a", "c", "dir")
			d.replace("1.blk", "A")
			d.want("c")
		},
		"all events of the newest block were erased": func(d *blockDir) {
			d.append("2.blk", "tombstone")
			d.remove("1.blk")
			d.want("a", "tombstone", "dir")
			d.want("tombstone")
		},
		"blocks between were emptied": func(d *blockDir) {
			d.append("4.blk", "d")
			d.want("a", "d", "dir")
		},
		"many of them, and the newest as well": func(d *blockDir) {
			d.append("40.blk", "e")
			d.remove("1.blk")
			d.want("a", "e", "dir")
		},
		"other files": func(d *blockDir) {
			d.append("index.db", "i")
			d.append("2.blk.tmp", "t")
			d.append("3.new", "n")
			d.want("a")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check(newBlockDir(t))
		})
	}
}

func TestBlockSyncFails(t *testing.T) {
	t.Parallel()
	d := newBlockDir(t)
	d.remove("1.blk")
	if err := d.sync.sync(); err == nil || !strings.Contains(err.Error(), "there is none") {
		t.Errorf("no block left: %v", err)
	}
	d = newBlockDir(t)
	d.disk.err = errors.New("input/output error")
	if err := d.sync.sync(); !errors.Is(err, d.disk.err) {
		t.Errorf("error %v", err)
	}
	if d.disk.synced[len(d.disk.synced)-1] == "dir" {
		t.Error("it goes on after an error")
	}
	if _, err := newBlockSync(filepath.Join(d.dir, "missing"), &d.disk); err == nil {
		t.Error("a directory that is missing is taken")
	}
}
