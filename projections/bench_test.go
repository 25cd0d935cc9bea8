package projections

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"testing"

	"zombiezen.com/go/sqlite"

	"partyline/events"
	"partyline/events/stream"
)

// benchEvents is the number of events of BenchmarkRebuild; PARTYLINE_BENCH_EVENTS
// overrides it.
func benchEvents(b *testing.B) int {
	b.Helper()
	n := 1_000_000
	if s := os.Getenv("PARTYLINE_BENCH_EVENTS"); s != "" {
		v, err := strconv.Atoi(s)
		if err != nil {
			b.Fatal(err)
		}
		n = v
	}
	return n
}

// benchLog has n events of about 200 bytes over 1,000 rooms: nine messages in
// ten, the rest reactions, edits and deletions.
func benchLog(n int) *fakeLog {
	l := newFakeLog()
	l.events = make([]*stream.Stored, 0, n)
	for i := range n {
		seq := uint64(i + 1)
		e := events.Event{
			V: events.Version, Kind: events.KindMessage, ID: fmt.Sprintf("m-%016d", i), Room: fmt.Sprintf("room-%d", i*7919%1000),
			UID: fmt.Sprintf("%016x", i*31%5000), User: "somebody",
			Text: "a message of an ordinary length, as people write them in chats every day, more or less",
		}
		if i >= 5000 && i%10 == 0 {
			e.Target, e.Room, e.Text = seq-5000, fmt.Sprintf("room-%d", (i-5000)*7919%1000), ""
			switch i / 10 % 10 {
			case 0:
				e.Kind = events.KindDelete
			case 1, 2:
				e.Kind, e.Text = events.KindEdit, "edited"
			default:
				e.Kind, e.Emoji, e.On = events.KindReact, "👍", true
			}
		}
		l.events = append(l.events, &stream.Stored{Room: e.Room, Seq: seq, Time: at(seq), Data: encode(e)})
	}
	l.last = uint64(n)
	return l
}

// BenchmarkRebuild computes history and rooms from zero, beside the figure of
// SQLite alone: the same payloads inserted into one table without indexes.
func BenchmarkRebuild(b *testing.B) {
	n := benchEvents(b)
	l := benchLog(n)
	b.Run("rebuild", func(b *testing.B) {
		for b.Loop() {
			m, err := New(Config{Dir: b.TempDir()}, l)
			if err != nil {
				b.Fatal(err)
			}
			if err := m.Rebuild(context.Background()); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
	})
	b.Run("sqlite", func(b *testing.B) {
		for b.Loop() {
			insertRaw(b, l.events)
		}
		b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
	})
}

// insertRaw inserts payloads and nothing else.
func insertRaw(b *testing.B, list []*stream.Stored) {
	b.Helper()
	conn, err := openBuild(b.TempDir() + "/raw.db")
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	if err := run(conn, `CREATE TABLE raw (seq INTEGER PRIMARY KEY, ts INTEGER, data BLOB)`); err != nil {
		b.Fatal(err)
	}
	var insert *sqlite.Stmt
	for i, ev := range list {
		if i%bulkTransaction == 0 {
			if i > 0 {
				err = run(conn, `COMMIT`)
			}
			if err == nil {
				err = run(conn, `BEGIN`)
			}
			if err == nil {
				insert, err = conn.Prepare(`INSERT INTO raw (seq, ts, data) VALUES (?, ?, ?)`)
			}
			if err != nil {
				b.Fatal(err)
			}
		}
		if err := insert.Reset(); err != nil {
			b.Fatal(err)
		}
		insert.BindInt64(1, int64(ev.Seq))
		insert.BindInt64(2, ev.Time.UnixNano())
		insert.BindBytes(3, ev.Data)
		if _, err := insert.Step(); err != nil {
			b.Fatal(err)
		}
	}
	if err := run(conn, `COMMIT`); err != nil {
		b.Fatal(err)
	}
}
