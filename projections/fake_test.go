package projections

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"partyline/events"
	"partyline/events/query"
	"partyline/events/stream"
)

// fakeLog is a log in memory.
type fakeLog struct {
	mu      sync.Mutex
	epoch   string
	events  []*stream.Stored
	last    uint64
	changed chan struct{}
	fail    error // returned by Replay
	onRead  func(seq uint64)
}

func newFakeLog() *fakeLog { return &fakeLog{epoch: "first", changed: make(chan struct{})} }

// at is the time of storage of a sequence.
func at(seq uint64) time.Time {
	return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).Add(time.Duration(seq) * 1_234_567)
}

func (l *fakeLog) Epoch() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.epoch
}

func (l *fakeLog) LastSeq(context.Context) (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last, nil
}

// add appends an event and returns its sequence.
func (l *fakeLog) add(e events.Event) uint64 {
	return l.addRaw(e.Room, encode(e))
}

func encode(e events.Event) []byte { return e.Append(nil) }

func (l *fakeLog) addRaw(room string, data []byte) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last++
	l.events = append(l.events, &stream.Stored{Room: room, Seq: l.last, Time: at(l.last), Data: data})
	close(l.changed)
	l.changed = make(chan struct{})
	return l.last
}

// erase removes events as the log does; their sequences stay missing.
func (l *fakeLog) erase(seqs ...uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	kept := make([]*stream.Stored, 0, len(l.events))
	for _, ev := range l.events {
		gone := false
		for _, s := range seqs {
			gone = gone || s == ev.Seq
		}
		if !gone {
			kept = append(kept, ev)
		}
	}
	l.events = kept
}

// clone returns a log with the same events.
func (l *fakeLog) clone() *fakeLog {
	return &fakeLog{events: l.snapshot(), last: l.last}
}

// become makes the log another one, as after a restore.
func (l *fakeLog) become(other *fakeLog, epoch string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events, l.last, l.epoch = other.events, other.last, epoch
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *fakeLog) snapshot() []*stream.Stored {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]*stream.Stored(nil), l.events...)
}

func (l *fakeLog) Replay(ctx context.Context, o stream.ReplayOptions, fn func(*stream.Stored) error) error {
	next, end := o.From, uint64(0)
	for first := true; ; first = false {
		l.mu.Lock()
		list, last, changed, fail, onRead := l.events, l.last, l.changed, l.fail, l.onRead
		l.mu.Unlock()
		if fail != nil {
			return fail
		}
		if first {
			end = last
		}
		from, _ := slices.BinarySearchFunc(list, next, func(ev *stream.Stored, seq uint64) int {
			return cmp.Compare(ev.Seq, seq)
		})
		for _, ev := range list[from:] {
			if !o.Follow && ev.Seq > end {
				break
			}
			if onRead != nil {
				onRead(ev.Seq)
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := fn(ev); err != nil {
				return err
			}
			next = ev.Seq + 1
		}
		if !o.Follow {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// testLogger logs through t.
func testLogger(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), nil))
}

// newModel makes a model in dir with small limits.
func newModel(t testing.TB, dir string, src Source, change ...func(*Config)) *Model {
	t.Helper()
	cfg := Config{Dir: dir, Logger: testLogger(t), CommitDelay: time.Millisecond}
	for _, c := range change {
		c(&cfg)
	}
	m, err := New(cfg, src)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// start runs a model until the test or stop ends it.
func start(t testing.TB, m *Model) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("Run: %v", err)
			}
		})
	}
	t.Cleanup(stop)
	return stop
}

// until polls a condition; a deadline ends the test.
func until(t testing.TB, what string, cond func() bool) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-deadline:
			t.Fatalf("timed out: %s", what)
		case <-tick.C:
		}
	}
}

// applied waits until the model answers queries and has applied seq.
func applied(t testing.TB, m *Model, seq uint64) {
	t.Helper()
	until(t, fmt.Sprintf("applied %d", seq), func() bool {
		p, err := m.Rooms(context.Background(), query.RoomsRequest{Limit: 1})
		return err == nil && p.Applied >= seq
	})
}

// fold computes the tables of events in memory-like isolation and returns the
// comparison of two files' hashes as one string.
func hashes(t testing.TB, dir string) string {
	t.Helper()
	conn, err := openConn(dir + "/" + fileName)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	sum := ""
	for _, table := range tables() {
		r, err := newRows(conn, table.Rows)
		if err != nil {
			t.Fatal(err)
		}
		for !r.done {
			if err := r.next(); err != nil {
				t.Fatal(err)
			}
		}
		sum += fmt.Sprintf("%s %d %x\n", table.Name, r.count, r.sum.Sum(nil))
	}
	return sum
}

var (
	testRooms  = []string{"lobby", "a", "b-2", "z"}
	testUIDs   = []string{"00000000000000aa", "00000000000000bb", "00000000000000cc"}
	testEmojis = []string{"👍", "❤️", "👩‍👩‍👧", "🇨🇭"}
	testTexts  = []string{
		"hello", "שלום עולם", "مرحبا بالعالم", "नमस्ते", "e\u0301 é", "👩‍👩‍👧‍👦🏳️‍🌈", "日本語テキスト",
		"line\nbreak\ttab \"quoted\" \\ back <tag> & \u2028", "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢", "ﷺ", "𝒳𐍈",
	}
)

// randomEvents appends n events that touch each other a lot. Some sequences are
// erased later, by events that come after; they are returned.
func randomEvents(l *fakeLog, n int, seed uint64) (erased []uint64) {
	r := rand.New(rand.NewPCG(seed, 1))
	pick := func(list []string) string { return list[r.IntN(len(list))] }
	for i := range n {
		e := events.Event{Room: pick(testRooms), UID: pick(testUIDs), ID: fmt.Sprintf("id-%d", r.IntN(n)+i/2), User: "somebody"}
		back := uint64(1)
		if l.last > 0 {
			back = l.last - min(l.last-1, uint64(r.IntN(12)))
		}
		switch k := r.IntN(20); {
		case k < 8 || l.last == 0:
			e.Kind, e.Text = events.KindMessage, pick(testTexts)
			if r.IntN(3) == 0 {
				e.ReplyTo = back
			}
		case k < 11:
			e.Kind, e.Target, e.Text = events.KindEdit, back, "edited "+pick(testTexts)
		case k < 12:
			e.Kind, e.Target = events.KindDelete, back
		case k < 17:
			e.Kind, e.Target, e.Emoji, e.On = events.KindReact, back, pick(testEmojis), r.IntN(3) > 0
		case k < 18:
			e.Kind, e.Topic = events.KindRoom, pick(testTexts)
		case k < 19:
			l.addRaw(e.Room, []byte(`{"kind":`))
			continue
		default:
			e = events.Event{Kind: events.KindErase, Room: e.Room, Seqs: []uint64{back, 1 + uint64(r.IntN(int(l.last)))}}
			erased = append(erased, e.Seqs...)
		}
		l.add(e)
	}
	return erased
}
