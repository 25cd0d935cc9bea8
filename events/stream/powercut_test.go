package stream_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sys/unix"

	"partyline/events/eventstest"
	"partyline/events/stream"
)

// powerCut stands between a node and its disk, and can tell what a power cut
// would leave at the least: of each block file the bytes that it had when a sync
// that is over began, under the names that the directory had when its sync
// began. Everything else, such as index.db, is as it was when the node started.
//
// One thing it takes from reading the store: a copy that replaces a block is
// whole, since the store syncs it before it renames it.
type powerCut struct {
	dir  string // of the node
	base string // copy of everything but blocks, from the start
	// What the disk forgets to do.
	noFiles, noNames bool

	mu    sync.Mutex // guards what follows
	files map[uint64]*syncedFile
	names map[string]uint64 // block name to inode
	fail  error             // the model itself failed
}

// syncedFile is held open, so that its inode is not used again.
type syncedFile struct {
	f    *os.File
	size int64 // so much is on disk
}

// start takes the directory of a node that has just started, and therefore
// synced it.
func (c *powerCut) start(t *testing.T, dir string) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dir, c.base = dir, t.TempDir()
	if err := copyTree(c.base, dir, func(name string) bool { return !isBlock(name) }); err != nil {
		t.Fatal(err)
	}
	c.files = map[uint64]*syncedFile{}
	names, err := c.listed()
	if err != nil {
		t.Fatal(err)
	}
	for _, ino := range names {
		info, err := c.files[ino].f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		c.files[ino].size = info.Size()
	}
	c.names = names
	t.Cleanup(func() {
		for _, s := range c.files {
			s.f.Close()
		}
	})
}

func isBlock(name string) bool {
	return filepath.Ext(name) == ".blk" && strings.Contains(name, "/CHAT/msgs/")
}

func inode(f *os.File) (ino uint64, size int64, err error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return 0, 0, err
	}
	return st.Ino, st.Size, nil
}

// listed returns the blocks that are there, each of them held open.
func (c *powerCut) listed() (map[string]uint64, error) {
	entries, err := os.ReadDir(stream.MessageDir(c.dir))
	if err != nil {
		return nil, err
	}
	names := map[string]uint64{}
	for _, e := range entries {
		if filepath.Ext(e.Name()) != ".blk" {
			continue
		}
		f, err := os.Open(filepath.Join(stream.MessageDir(c.dir), e.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		ino, size, err := inode(f)
		if err != nil {
			return nil, err
		}
		names[e.Name()] = ino
		if c.files[ino] != nil {
			f.Close()
			continue
		}
		c.files[ino] = &syncedFile{f: f, size: c.copied(e.Name(), f, size)}
	}
	return names, nil
}

// copied is how much of a file that was not synced yet is on disk all the same:
// of a compressed copy everything, of an uncompressed copy what it replaces.
func (c *powerCut) copied(name string, f *os.File, size int64) int64 {
	var magic [3]byte
	if _, err := f.ReadAt(magic[:], 0); err == nil && string(magic[:]) == "cmp" {
		return size
	}
	if old := c.files[c.names[name]]; old != nil {
		return old.size
	}
	return 0
}

// syncFile takes the place of fdatasync.
func (c *powerCut) syncFile(f *os.File) error {
	ino, size, err := inode(f)
	if err != nil || c.noFiles {
		return err
	}
	if err := unix.Fdatasync(int(f.Fd())); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.files[ino]
	if s == nil {
		fd, err := unix.Dup(int(f.Fd()))
		if err != nil {
			return err
		}
		s = &syncedFile{f: os.NewFile(uintptr(fd), f.Name())}
		c.files[ino] = s
	}
	s.size = max(s.size, size)
	return nil
}

// syncDir takes the place of an fsync of the directory.
func (c *powerCut) syncDir(string) error {
	if c.noNames {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	names, err := c.listed()
	if err != nil {
		c.fail = err
		return err
	}
	c.names = names
	return nil
}

// leftovers says what is left beyond the least.
type leftovers int

const (
	leastLeft leftovers = iota
	tornLeft            // unsynced tails in part, then zeros; unsynced names of empty files; no index.db
)

// image makes a directory as a power cut would leave it now.
func (c *powerCut) image(t *testing.T, left leftovers) string {
	t.Helper()
	dir := t.TempDir()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fail != nil {
		t.Fatal(c.fail)
	}
	keep := func(name string) bool { return left == leastLeft || filepath.Base(name) != "index.db" }
	if err := copyTree(dir, c.base, keep); err != nil {
		t.Fatal(err)
	}
	if left == tornLeft {
		now, err := c.listed()
		if err != nil {
			t.Fatal(err)
		}
		for name := range now {
			if _, ok := c.names[name]; !ok {
				writeBlock(t, dir, name, nil)
			}
		}
	}
	for name, ino := range c.names {
		s := c.files[ino]
		data, err := io.ReadAll(io.NewSectionReader(s.f, 0, 1<<30))
		if err != nil {
			t.Fatal(err)
		}
		if int64(len(data)) < s.size {
			t.Fatalf("%s has %d bytes, and %d were synced", name, len(data), s.size)
		}
		if left == tornLeft {
			tail := data[s.size:]
			clear(tail[rand.IntN(len(tail)+1):])
		} else {
			data = data[:s.size]
		}
		writeBlock(t, dir, name, data)
	}
	return dir
}

func writeBlock(t *testing.T, dir, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(stream.MessageDir(dir), name), data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// copyTree copies what keep says; files may vanish meanwhile.
func copyTree(to, from string, keep func(name string) bool) error {
	return filepath.WalkDir(from, func(name string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		target := filepath.Join(to, strings.TrimPrefix(name, from))
		if d.IsDir() {
			return os.MkdirAll(target, 0o700)
		}
		if !keep(name) {
			return nil
		}
		data, err := os.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		return os.WriteFile(target, data, 0o600)
	})
}

// writers are clients of a node that goes through power cuts: each has a room
// and sends the next event when the one before was acknowledged.
type writers struct {
	p     *stream.Publisher
	noise []byte
	stop  atomic.Bool
	pause sync.RWMutex // write-locked while nothing may be sent
	group sync.WaitGroup

	erasable chan uint64 // some of the sequences that were acknowledged

	mu     sync.Mutex // guards what follows
	acked  map[string]uint64
	erased map[uint64]bool // or about to be
	last   []int           // events acknowledged, by room
	errs   []error
}

func (w *writers) id(room, i int) string { return fmt.Sprintf("%02d-%05d", room, i) }
func (w *writers) room(room int) string  { return fmt.Sprintf("room-%02d", room) }

// data is what an event holds: its id, and something of its own that does not
// compress well.
func (w *writers) data(id string) []byte {
	var sum uint64
	for _, c := range []byte(id) {
		sum = sum*31 + uint64(c)
	}
	from := sum % uint64(len(w.noise)/2)
	return append([]byte(id+" "), w.noise[from:from+uint64(len(w.noise)/2)]...)
}

// newWriters makes writers of events of a size.
func newWriters(p *stream.Publisher, size int) *writers {
	w := &writers{p: p, noise: make([]byte, 2*size)}
	for i := range w.noise {
		w.noise[i] = byte('A' + rand.IntN(50))
	}
	return w
}

// run lets writers loose until stop is set.
func (w *writers) run(ctx context.Context, rooms int) {
	w.erasable = make(chan uint64, 1)
	w.acked, w.erased, w.last = map[string]uint64{}, map[uint64]bool{}, make([]int, rooms)
	for room := range rooms {
		w.group.Go(func() {
			for i := 1; !w.stop.Load(); i++ {
				id := w.id(room, i)
				w.pause.RLock()
				ack, err := w.p.Publish(ctx, w.room(room), id, w.data(id))
				w.pause.RUnlock()
				w.mu.Lock()
				if err != nil {
					w.errs = append(w.errs, err)
					w.mu.Unlock()
					return
				}
				w.acked[id], w.last[room] = ack.Seq, i
				w.mu.Unlock()
				if ack.Seq%40 == 0 {
					select {
					case w.erasable <- ack.Seq:
					default:
					}
				}
			}
		})
	}
}

func (w *writers) isErased(seq uint64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.erased[seq]
}

// acknowledged is what has to survive from now on.
func (w *writers) acknowledged() (acked map[string]uint64, last []int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	acked = make(map[string]uint64, len(w.acked))
	for id, seq := range w.acked {
		acked[id] = seq
	}
	return acked, append(last, w.last...)
}

// survived starts a node on what a power cut left and looks for every
// acknowledged event; then the writers continue there.
func (w *writers) survived(t *testing.T, dir, epoch string, acked map[string]uint64, last []int) error {
	t.Helper()
	n, stop := runNode(t, stream.WithBootID(stream.NodeConfig{Dir: dir}, "after"))
	log, nc := openLog(t, n)
	defer func() { nc.Close(); _ = stop() }()
	w.record(t, n)
	if log.Epoch() == epoch {
		return errors.New("the epoch did not change")
	}
	if err := w.compare(t, log, acked); err != nil {
		return err
	}
	p, err := stream.NewPublisher(log, stream.PublisherConfig{})
	if err != nil {
		return err
	}
	defer eventstest.Go(t, p.Run)()
	eventstest.Eventually(t, eventstest.Patience, func() bool { return stream.Running(p) })
	for room, i := range last { // the last one was acknowledged, the next one perhaps stored
		for _, id := range []string{w.id(room, i), w.id(room, i+1)} {
			if w.isErased(acked[id]) {
				continue // and forgotten
			}
			ack, err := p.Publish(t.Context(), w.room(room), id, w.data(id))
			if err != nil {
				return err
			}
			if seq, ok := acked[id]; ok && (ack.Seq != seq || !ack.Duplicate) {
				return fmt.Errorf("%s, stored at %d, again: %+v", id, seq, ack)
			}
			acked[id] = ack.Seq
		}
	}
	return w.compare(t, log, acked)
}

// compare reads the log: every room counts up without a gap, but for erased
// events, and what was acknowledged is where it was.
func (w *writers) compare(t *testing.T, log *stream.Log, acked map[string]uint64) error {
	t.Helper()
	found := map[string]uint64{}
	next := map[string]string{}
	err := log.Replay(t.Context(), stream.ReplayOptions{}, func(ev *stream.Stored) error {
		if ev.Room == "quiet" {
			return nil
		}
		id, _, _ := strings.Cut(string(ev.Data), " ")
		if !bytes.Equal(ev.Data, w.data(id)) {
			return fmt.Errorf("%d holds other bytes than were sent", ev.Seq)
		}
		if id <= next[ev.Room] {
			return fmt.Errorf("room %s: %s after %s", ev.Room, id, next[ev.Room])
		}
		next[ev.Room], found[id] = id, ev.Seq
		return nil
	})
	if err != nil {
		return err
	}
	if alarm := log.Alarm(); alarm != "" {
		return errors.New(alarm)
	}
	for id, seq := range acked {
		if found[id] != seq && !w.isErased(seq) {
			return fmt.Errorf("%s was acknowledged at %d and is at %d now", id, seq, found[id])
		}
	}
	return nil
}

// TestPowerCut cuts the power of a node again and again while rooms are written
// to, blocks roll over, finished ones are compressed, and events are erased from
// any block: whatever was acknowledged before is there when a node starts on
// what is left, once, in order, and is still known as a duplicate.
func TestPowerCut(t *testing.T) {
	t.Parallel()
	const rooms, cuts, blocks = 8, 2, 4
	dir := t.TempDir()
	before := stream.NodeConfig{Dir: dir}
	n, stop := runNode(t, stream.WithBootID(before, "before"))
	log, _ := openLog(t, n)
	store(t, log, "quiet", "an event that index.db knows")
	if err := stop(); err != nil {
		t.Fatal(err)
	}

	var c powerCut
	n, _ = runNode(t, stream.WithBootID(stream.WithDisk(before, c.syncFile, c.syncDir), "before"))
	c.start(t, dir)
	log, _ = openLog(t, n)
	w := newWriters(runPublisher(t, log, stream.PublisherConfig{}), 24<<10)
	w.run(t.Context(), rooms)
	stopErasing := w.erase(t, n)
	for cut := range cuts {
		w.grow(t, dir, uint64(1+cut*blocks/cuts))
		type remains struct {
			dir   string
			acked map[string]uint64
			last  []int
		}
		var left []remains
		for _, how := range []leftovers{leastLeft, tornLeft} {
			acked, last := w.acknowledged()
			left = append(left, remains{c.image(t, how), acked, last})
		}
		w.pause.Lock()
		for how, r := range left {
			if err := w.survived(t, r.dir, log.Epoch(), r.acked, r.last); err != nil {
				t.Errorf("cut %d, leftovers %d: %v", cut, how, err)
			}
		}
		w.pause.Unlock()
	}
	stopErasing()
	w.end(t)
}

// TestPowerCutTakes shows that TestPowerCut would notice what it is there to
// notice: a disk that forgets to sync loses acknowledged events.
func TestPowerCutTakes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]*powerCut{
		"blocks that were not synced": {noFiles: true},
		"names that were not synced":  {noNames: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			n, _ := runNode(t, stream.WithBootID(stream.WithDisk(stream.NodeConfig{Dir: dir}, c.syncFile, c.syncDir), "before"))
			c.start(t, dir)
			log, _ := openLog(t, n)
			w := newWriters(runPublisher(t, log, stream.PublisherConfig{}), 64<<10)
			w.run(t.Context(), 4)
			w.grow(t, dir, 2)
			w.end(t)
			acked, last := w.acknowledged()
			err := w.survived(t, c.image(t, leastLeft), log.Epoch(), acked, last)
			if err == nil || !strings.Contains(err.Error(), "was acknowledged at") {
				t.Errorf("%v; want that an acknowledged event is missing", err)
			}
		})
	}
}

// grow waits until the newest block is number, and a little has been
// acknowledged that is in it.
func (w *writers) grow(t *testing.T, dir string, number uint64) {
	t.Helper()
	name := filepath.Join(stream.MessageDir(dir), fmt.Sprintf("%d.blk", number))
	eventstest.Eventually(t, eventstest.Patience, func() bool {
		_, err := os.Stat(name)
		return err == nil
	})
	acked, _ := w.acknowledged()
	eventstest.Eventually(t, eventstest.Patience, func() bool {
		now, _ := w.acknowledged()
		return len(now) > len(acked)+10+rand.IntN(50)
	})
}

func (w *writers) end(t *testing.T) {
	t.Helper()
	w.stop.Store(true)
	w.group.Wait()
	for _, err := range w.errs {
		t.Error(err)
	}
}

// record leaves a record of the erasures, as whoever erases does before.
func (w *writers) record(t *testing.T, n *stream.Node) {
	t.Helper()
	nc, err := n.Connect(eventstest.Admin, "eraser")
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	kv, err := js.KeyValue(t.Context(), "ERASED")
	if err != nil {
		t.Fatal(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for seq := range w.erased {
		if _, err := kv.Put(t.Context(), fmt.Sprint(seq), nil); err != nil {
			t.Fatal(err)
		}
	}
}

// erase erases now a recent event and now an old one, until stop is called.
func (w *writers) erase(t *testing.T, n *stream.Node) (stop func()) {
	t.Helper()
	nc, err := n.Connect(eventstest.Admin, "eraser")
	if err != nil {
		t.Fatal(err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	chat, err := js.Stream(t.Context(), "CHAT")
	if err != nil {
		t.Fatal(err)
	}
	return eventstest.Go(t, func(ctx context.Context) error {
		defer nc.Close()
		for old := false; ; old = !old {
			select {
			case <-ctx.Done():
				return nil
			case seq := <-w.erasable:
				if old {
					seq = seq/2 + 1
				}
				w.mu.Lock()
				w.erased[seq] = true
				w.mu.Unlock()
				err := chat.SecureDeleteMsg(ctx, seq)
				if err != nil && ctx.Err() == nil {
					return fmt.Errorf("erasing %d: %w", seq, err)
				}
			}
		}
	})
}
