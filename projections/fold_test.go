package projections

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"partyline/events"
	"partyline/events/query"
	"partyline/events/stream"
)

// TestFoldIsTheNormativeOne: pages have the bytes that events.Message gives for
// the same events.
func TestFoldIsTheNormativeOne(t *testing.T) {
	t.Parallel()
	l := newFakeLog()
	erased := randomEvents(l, 1500, 21)
	m := newModel(t, t.TempDir(), l)
	start(t, m)
	applied(t, m, l.last)
	l.erase(erased...)
	for _, room := range testRooms {
		want := foldRoom(t, l, room)
		var got []byte
		after := uint64(0)
		for {
			page, err := m.Messages(t.Context(), query.MessagesRequest{Room: room, After: max(after, 1), Limit: 200})
			if after == 0 { // the first message may have sequence 1
				page, err = m.Messages(t.Context(), query.MessagesRequest{Room: room, Before: 200, Limit: 200})
			}
			if err != nil {
				t.Fatal(err)
			}
			if page.Count > 0 {
				got = append(append(got, page.Messages[1:len(page.Messages)-1]...), '\n')
				list := parse(t, page)
				after = list[len(list)-1].Seq
			} else {
				break
			}
		}
		if string(trimSeparators(got)) != string(trimSeparators(want)) {
			t.Errorf("room %s:\n%s\nwant\n%s", room, got, want)
		}
	}
}

// trimSeparators removes what separates messages and pages.
func trimSeparators(b []byte) []byte {
	var out []byte
	for i, c := range b {
		if c == '\n' || c == ',' && b[i-1] == '}' && b[i+1] == '{' {
			continue
		}
		out = append(out, c)
	}
	return out
}

// foldRoom folds a room's events in memory.
func foldRoom(t *testing.T, l *fakeLog, room string) []byte {
	t.Helper()
	var list []*events.Message
	for _, ev := range l.snapshot() {
		var e events.Event
		if ev.Room != room || events.Decode(ev.Data, &e) != nil {
			continue
		}
		for _, m := range list {
			m.Apply(ev.Seq, ev.Time, &e)
		}
		if e.Kind == events.KindMessage {
			list = append(list, events.NewMessage(ev.Seq, ev.Time, &e))
		}
	}
	var b []byte
	for _, m := range list {
		b = append(m.Append(b), '\n')
	}
	return b
}

// TestGoldenFolds folds the scenarios that bind every implementation.
func TestGoldenFolds(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../events/testdata/fold/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			l, want := goldenLog(t, file)
			m := newModel(t, t.TempDir(), l)
			start(t, m)
			applied(t, m, l.last)
			page, err := m.Messages(t.Context(), query.MessagesRequest{Room: "lobby", Limit: 200})
			if err != nil {
				t.Fatal(err)
			}
			if string(page.Messages) != string(want) {
				t.Errorf("got\n%s\nwant\n%s", page.Messages, want)
			}
		})
	}
}

// goldenLog reads a scenario: its events as a log, and the folded messages.
func goldenLog(t *testing.T, file string) (*fakeLog, []byte) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var scenario struct {
		Events []struct {
			Room  string
			Seq   uint64
			TS    time.Time
			Event json.RawMessage
		}
		Folded json.RawMessage
	}
	if err := json.Unmarshal(data, &scenario); err != nil {
		t.Fatal(err)
	}
	l := newFakeLog()
	for _, e := range scenario.Events {
		l.events = append(l.events, &stream.Stored{Room: e.Room, Seq: e.Seq, Time: e.TS, Data: compact(t, e.Event)})
		l.last = e.Seq
	}
	return l, compact(t, scenario.Folded)
}

func compact(t *testing.T, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := json.Compact(&b, data); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
