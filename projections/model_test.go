package projections

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"partyline/events"
	"partyline/events/query"
)

// message appends a message.
func message(l *fakeLog, room, uid, id, text string) uint64 {
	return l.add(events.Event{Kind: events.KindMessage, Room: room, UID: uid, ID: id, User: "somebody", Text: text})
}

// folded is what tests read of a folded message.
type folded struct {
	Seq     uint64 `json:"seq"`
	Text    string `json:"text"`
	Deleted bool   `json:"deleted"`
}

func parse(t testing.TB, page query.Page) []folded {
	t.Helper()
	var list []folded
	if err := json.Unmarshal(page.Messages, &list); err != nil {
		t.Fatalf("page is not JSON: %v: %s", err, page.Messages)
	}
	if len(list) != page.Count {
		t.Fatalf("page has %d messages, Count is %d", len(list), page.Count)
	}
	return list
}

func seqs(list []folded) []uint64 {
	var out []uint64
	for _, m := range list {
		out = append(out, m.Seq)
	}
	return out
}

func TestMessagesPaging(t *testing.T) {
	t.Parallel()
	l := newFakeLog()
	for i := range 10 { // odd sequences in a, even ones in b
		message(l, "a", testUIDs[0], fmt.Sprint("a", i), "in a")
		l.add(events.Event{Kind: events.KindReact, Room: "b", UID: testUIDs[0], ID: fmt.Sprint("b", i), Target: 1, Emoji: "👍", On: true})
	}
	m := newModel(t, t.TempDir(), l)
	start(t, m)
	applied(t, m, l.last)
	cases := []struct {
		name string
		r    query.MessagesRequest
		want []uint64
		more bool
		head uint64
	}{
		{"tail", query.MessagesRequest{Room: "a", Limit: 3}, []uint64{15, 17, 19}, true, 19},
		{"whole tail", query.MessagesRequest{Room: "a", Limit: 10}, []uint64{1, 3, 5, 7, 9, 11, 13, 15, 17, 19}, false, 19},
		{"no messages wanted", query.MessagesRequest{Room: "a"}, nil, true, 19},
		{"before", query.MessagesRequest{Room: "a", Before: 7, Limit: 2}, []uint64{3, 5}, true, 19},
		{"before, to the start", query.MessagesRequest{Room: "a", Before: 6, Limit: 3}, []uint64{1, 3, 5}, false, 19},
		{"before the first", query.MessagesRequest{Room: "a", Before: 1, Limit: 3}, nil, false, 19},
		{"before anything", query.MessagesRequest{Room: "a", Before: 1 << 63, Limit: 1}, []uint64{19}, true, 19},
		{"after", query.MessagesRequest{Room: "a", After: 3, Limit: 2}, []uint64{5, 7}, true, 19},
		{"after, to the end", query.MessagesRequest{Room: "a", After: 16, Limit: 2}, []uint64{17, 19}, false, 19},
		{"after the end", query.MessagesRequest{Room: "a", After: 19, Limit: 2}, nil, false, 19},
		{"after anything", query.MessagesRequest{Room: "a", After: 1<<64 - 1, Limit: 2}, nil, false, 19},
		{"only reactions", query.MessagesRequest{Room: "b", Limit: 2}, nil, false, 20},
		{"unknown room", query.MessagesRequest{Room: "nowhere", Limit: 2}, nil, false, 0},
	}
	for _, c := range cases {
		p, err := m.Messages(t.Context(), c.r)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		got := seqs(parse(t, p))
		if !slices.Equal(got, c.want) || p.More != c.more || p.Head != c.head || p.Applied != 20 {
			t.Errorf("%s: %v more=%v head=%d applied=%d, want %v %v %d 20", c.name, got, p.More, p.Head, p.Applied, c.want, c.more, c.head)
		}
	}
}

func TestMessagesPageSize(t *testing.T) {
	t.Parallel()
	l := newFakeLog()
	for i := range 100 {
		message(l, "a", testUIDs[0], fmt.Sprint(i), strings.Repeat("𝒳", 4000)) // 16 KB
	}
	m := newModel(t, t.TempDir(), l)
	start(t, m)
	applied(t, m, l.last)
	tail, err := m.Messages(t.Context(), query.MessagesRequest{Room: "a", Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	got := seqs(parse(t, tail))
	if len(tail.Messages) > query.MaxPageBytes || len(got) < 10 || !tail.More || got[len(got)-1] != 100 {
		t.Errorf("tail: %d bytes, %v, more=%v: want the newest ones", len(tail.Messages), got, tail.More)
	}
	page, err := m.Messages(t.Context(), query.MessagesRequest{Room: "a", After: 5, Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	got = seqs(parse(t, page))
	if len(page.Messages) > query.MaxPageBytes || len(got) < 10 || !page.More || got[0] != 6 {
		t.Errorf("after: %d bytes, %v, more=%v: want the oldest ones", len(page.Messages), got, page.More)
	}
	raw, err := m.Events(t.Context(), query.EventsRequest{Room: "a", Limit: 100})
	if err != nil || !raw.More || raw.Remain != 100 || len(raw.Events) < 10 {
		t.Errorf("events: %d of %d, more=%v, %v", len(raw.Events), raw.Remain, raw.More, err)
	}
}

func TestEventsPaging(t *testing.T) {
	t.Parallel()
	l := newFakeLog()
	for i := range 5 {
		message(l, "a", testUIDs[0], fmt.Sprint("a", i), testTexts[i])
		l.addRaw("b", []byte("not json"))
	}
	m := newModel(t, t.TempDir(), l)
	start(t, m)
	applied(t, m, l.last)
	cases := []struct {
		name   string
		r      query.EventsRequest
		want   []uint64
		prev   uint64 // of the first
		more   bool
		remain int
	}{
		{"all", query.EventsRequest{Room: "a", Limit: 10}, []uint64{1, 3, 5, 7, 9}, 0, false, 5},
		{"after", query.EventsRequest{Room: "a", After: 3, Limit: 2}, []uint64{5, 7}, 3, true, 3},
		{"between", query.EventsRequest{Room: "a", After: 2, UpTo: 7, Limit: 5}, []uint64{3, 5, 7}, 1, false, 3},
		{"nothing", query.EventsRequest{Room: "a", After: 9, Limit: 5}, nil, 0, false, 0},
		{"poison", query.EventsRequest{Room: "b", After: 8, Limit: 5}, []uint64{10}, 8, false, 1},
		{"unknown room", query.EventsRequest{Room: "nowhere", Limit: 5}, nil, 0, false, 0},
	}
	list := l.snapshot()
	for _, c := range cases {
		p, err := m.Events(t.Context(), c.r)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		var got []uint64
		prev := c.prev
		for _, ev := range p.Events {
			got = append(got, ev.Seq)
			want := list[ev.Seq-1]
			if string(ev.Data) != string(want.Data) || !ev.Time.Equal(want.Time) || ev.Prev != prev {
				t.Errorf("%s: event %d is %+v, want prev %d and %s", c.name, ev.Seq, ev, prev, want.Data)
			}
			prev = ev.Seq
		}
		if !slices.Equal(got, c.want) || p.More != c.more || p.Remain != c.remain || p.Applied != 10 {
			t.Errorf("%s: %v more=%v remain=%d applied=%d", c.name, got, p.More, p.Remain, p.Applied)
		}
	}
	if got := m.Stats().Poison; got != 5 {
		t.Errorf("%d poison events counted", got)
	}
}

func TestFindAndTarget(t *testing.T) {
	t.Parallel()
	l := newFakeLog()
	a, b := testUIDs[0], testUIDs[1]
	first := message(l, "a", a, "x", "first")
	message(l, "b", a, "x", "the same id again, much later")
	l.add(events.Event{Kind: events.KindEdit, Room: "a", UID: a, ID: "y", Target: first, Text: "edited"})
	deleted := message(l, "a", a, "z", "to be deleted")
	l.add(events.Event{Kind: events.KindDelete, Room: "a", UID: a, ID: "zz", Target: deleted})
	m := newModel(t, t.TempDir(), l)
	start(t, m)
	applied(t, m, l.last)

	finds := []struct {
		uid, id string
		seq     uint64
		room    string
		known   bool
	}{
		{a, "x", first, "a", true}, {a, "y", 3, "a", true}, {a, "none", 0, "", true},
		{b, "x", 0, "", false}, {"00000000000000ab", "x", 0, "", false},
	}
	for _, c := range finds {
		f, err := m.Find(t.Context(), query.FindRequest{UID: c.uid, ID: c.id})
		if err != nil || f.Seq != c.seq || f.Room != c.room || f.Known != c.known || f.Applied != l.last {
			t.Errorf("find %s %s: %+v, %v", c.uid, c.id, f, err)
		}
		if f, err = m.Find(t.Context(), query.FindRequest{UID: c.uid, ID: c.id, Familiar: true}); err != nil || f.Seq != c.seq || !f.Known {
			t.Errorf("find %s %s of a familiar one: %+v, %v", c.uid, c.id, f, err)
		}
		if c.seq != 0 && !f.Time.Equal(at(c.seq)) {
			t.Errorf("find %s %s: stored at %v", c.uid, c.id, f.Time)
		}
	}
	targets := []struct {
		room string
		seq  uint64
		want query.Target
	}{
		{"a", first, query.Target{Exists: true, UID: a}},
		{"a", deleted, query.Target{Exists: true, Deleted: true, UID: a}},
		{"b", first, query.Target{}}, // another room's
		{"a", 3, query.Target{}},     // no message
		{"a", 99, query.Target{}},
		{"a", 1<<64 - 1, query.Target{}},
		{"nowhere", 1, query.Target{}},
	}
	for _, c := range targets {
		c.want.Applied = l.last
		got, err := m.Target(t.Context(), query.TargetRequest{Room: c.room, Seq: c.seq})
		if err != nil || got != c.want {
			t.Errorf("target %s %d: %+v, %v, want %+v", c.room, c.seq, got, err, c.want)
		}
	}
}

func TestRooms(t *testing.T) {
	t.Parallel()
	l := newFakeLog()
	for _, name := range []string{"c", "a", "b"} {
		message(l, name, testUIDs[0], name+"1", "first in "+name)
	}
	last := message(l, "a", testUIDs[0], "a2", "second in a")
	l.add(events.Event{Kind: events.KindDelete, Room: "a", UID: testUIDs[0], ID: "d", Target: last})
	l.add(events.Event{Kind: events.KindRoom, Room: "b", UID: testUIDs[0], ID: "t", Topic: "שלום 👩‍👩‍👧"})
	m := newModel(t, t.TempDir(), l)
	start(t, m)
	applied(t, m, l.last)
	page, err := m.Rooms(t.Context(), query.RoomsRequest{Limit: 2})
	if err != nil || len(page.Rooms) != 2 || !page.More {
		t.Fatalf("first page: %+v, %v", page, err)
	}
	a, b := page.Rooms[0], page.Rooms[1]
	if a.Name != "a" || a.Messages != 1 || a.Events != 3 || a.LastSeq != 5 || !a.LastTime.Equal(at(5)) {
		t.Errorf("room a: %+v", a)
	}
	var tombstone folded
	if err := json.Unmarshal(a.LastMessage, &tombstone); err != nil || tombstone.Seq != last || !tombstone.Deleted {
		t.Errorf("last message of a: %s", a.LastMessage)
	}
	if b.Name != "b" || b.Topic != "שלום 👩‍👩‍👧" || b.Messages != 1 || b.Events != 2 {
		t.Errorf("room b: %+v", b)
	}
	page, err = m.Rooms(t.Context(), query.RoomsRequest{After: "b", Limit: 2})
	if err != nil || len(page.Rooms) != 1 || page.Rooms[0].Name != "c" || page.More {
		t.Errorf("second page: %+v, %v", page, err)
	}
	page, err = m.Rooms(t.Context(), query.RoomsRequest{Name: "c"})
	if err != nil || len(page.Rooms) != 1 || page.Rooms[0].Name != "c" || page.More || page.Applied != l.last {
		t.Errorf("one room: %+v, %v", page, err)
	}
	page, err = m.Rooms(t.Context(), query.RoomsRequest{Name: "nowhere"})
	if err != nil || len(page.Rooms) != 0 || page.More {
		t.Errorf("unknown room: %+v, %v", page, err)
	}
}

func TestInvalidQueries(t *testing.T) {
	t.Parallel()
	m := newModel(t, t.TempDir(), newFakeLog())
	start(t, m)
	applied(t, m, 0)
	long := strings.Repeat("x", 65)
	errs := map[string]error{}
	_, errs["no room"] = m.Messages(t.Context(), query.MessagesRequest{})
	_, errs["limit"] = m.Messages(t.Context(), query.MessagesRequest{Room: "a", Limit: 201})
	_, errs["negative"] = m.Messages(t.Context(), query.MessagesRequest{Room: "a", Limit: -1})
	_, errs["both"] = m.Messages(t.Context(), query.MessagesRequest{Room: "a", Before: 1, After: 1})
	_, errs["events"] = m.Events(t.Context(), query.EventsRequest{Room: "a"})
	_, errs["find"] = m.Find(t.Context(), query.FindRequest{UID: "a", ID: long})
	_, errs["target"] = m.Target(t.Context(), query.TargetRequest{Room: long})
	_, errs["rooms"] = m.Rooms(t.Context(), query.RoomsRequest{Limit: 201})
	for name, err := range errs {
		if !errors.Is(err, query.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAtLeast(t *testing.T) {
	t.Parallel()
	l := newFakeLog()
	m := newModel(t, t.TempDir(), l)
	if _, err := m.Messages(t.Context(), query.MessagesRequest{Room: "a", Limit: 1}); !errors.Is(err, query.ErrUnavailable) {
		t.Errorf("before Run: %v", err)
	}
	start(t, m)
	applied(t, m, 0)

	// Read your writes: each answer contains what was stored before it.
	for i := range 20 {
		seq := message(l, "a", testUIDs[0], fmt.Sprint(i), "text")
		p, err := m.Messages(t.Context(), query.MessagesRequest{Room: "a", Limit: 1, AtLeast: seq})
		if err != nil || p.Applied < seq || p.Head != seq || parse(t, p)[0].Seq != seq {
			t.Fatalf("at least %d: %+v, %v", seq, p, err)
		}
	}
	// What never comes is waited for, then answered with what there is.
	before := time.Now()
	p, err := m.Messages(t.Context(), query.MessagesRequest{Room: "a", Limit: 1, AtLeast: l.last + 1})
	if err != nil || p.Applied != l.last || p.Count != 1 {
		t.Errorf("at least the future: %+v, %v", p, err)
	}
	if waited := time.Since(before); waited < maxWait {
		t.Errorf("waited only %v", waited)
	}
	status, err := m.Status(t.Context())
	if err != nil || status.Applied != l.last || status.Last != l.last {
		t.Errorf("status: %+v, %v", status, err)
	}
}

// TestReadsDuringWrites: every answer is of one moment, whatever is written
// meanwhile, and also while the file is exchanged.
func TestReadsDuringWrites(t *testing.T) {
	t.Parallel()
	l := newFakeLog()
	m := newModel(t, t.TempDir(), l)
	start(t, m)
	applied(t, m, 0)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for ctx.Err() == nil {
				p, err := m.Messages(t.Context(), query.MessagesRequest{Room: "a", Limit: 5})
				if err != nil {
					t.Error(err)
					return
				}
				list := parse(t, p)
				if p.Head != p.Applied || len(list) > 0 && list[len(list)-1].Seq != p.Head {
					t.Errorf("head %d, applied %d, messages %v", p.Head, p.Applied, seqs(list))
					return
				}
			}
		})
	}
	for i := range 1000 {
		message(l, "a", testUIDs[0], fmt.Sprint(i), "text")
		if i%400 == 399 {
			if err := m.Rebuild(t.Context()); err != nil {
				t.Error(err)
			}
		}
	}
	applied(t, m, l.last)
	stop()
	readers.Wait()
}

func TestTextsComeBack(t *testing.T) {
	t.Parallel()
	l := newFakeLog()
	for i, text := range testTexts {
		message(l, "a", testUIDs[0], fmt.Sprint(i), text)
	}
	m := newModel(t, t.TempDir(), l)
	start(t, m)
	applied(t, m, l.last)
	p, err := m.Messages(t.Context(), query.MessagesRequest{Room: "a", Limit: 200})
	if err != nil {
		t.Fatal(err)
	}
	list := parse(t, p)
	for i, text := range testTexts {
		if list[i].Text != text {
			t.Errorf("got %q, want %q", list[i].Text, text)
		}
	}
}
