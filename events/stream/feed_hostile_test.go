package stream_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"partyline/events/eventstest"
	"partyline/events/stream"
)

// liveCopy makes a message as the node republishes it.
func liveCopy(room string, seq, prev string) *nats.Msg {
	return &nats.Msg{
		Subject: "live." + room,
		Header: nats.Header{
			"Nats-Stream":        {"CHAT"},
			"Nats-Subject":       {"chat." + room},
			"Nats-Sequence":      {seq},
			"Nats-Last-Sequence": {prev},
			"Nats-Time-Stamp":    {"2026-01-02T03:04:05.678901234Z"},
		},
		Data: []byte(`{"v":1}`),
	}
}

// Copies that come again, late or without sense change nothing, and the chain
// goes on behind them.
func TestFeedStrangeCopies(t *testing.T) {
	t.Parallel()
	bus := eventstest.New(t)
	f, _ := startFeed(t, bus, stream.FeedConfig{Compare: never})
	r, _ := follow(t, f, "a")
	want := publishN(t, bus, "a", 5)
	wantSeqs(t, r, want)
	nc := bus.ConnectAs(t, eventstest.Admin)
	noTime := liveCopy("a", "6", "5")
	noTime.Header.Del("Nats-Time-Stamp")
	for _, msg := range []*nats.Msg{
		liveCopy("a", "3", "2"),
		liveCopy("a", "5", "4"),
		liveCopy("a", "1", "0"),
		liveCopy("a", "", ""),
		liveCopy("a", "0", "0"),
		liveCopy("a", "6", "7"),
		liveCopy("a", "-1", "0"),
		liveCopy("a", "99999999999999999999", "0"),
		noTime,
		{Subject: "live.a", Data: []byte("no headers")},
		{Subject: "live.a"},
	} {
		if err := nc.PublishMsg(msg); err != nil {
			t.Fatal(err)
		}
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	eventstest.Eventually(t, eventstest.Patience, func() bool {
		s := f.Stats()
		return s.Duplicates == 3 && s.Malformed == 8
	})
	want = append(want, publishN(t, bus, "a", 3)...)
	wantSeqs(t, r, want)
}

// A nudge is a hint: a wrong one costs a request.
func TestFeedStrangeNudges(t *testing.T) {
	t.Parallel()
	bus := eventstest.New(t)
	f, l := startFeed(t, bus, stream.FeedConfig{Compare: never})
	r, _ := follow(t, f, "a")
	settled(t, f) // so Run listens
	nc := bus.ConnectAs(t, eventstest.Admin)
	for _, data := range []string{"", " ", "x", "-1 y", strconv.FormatUint(1<<63, 10) + " y", "7", "18446744073709551616 z"} {
		for _, room := range []string{"a", "b"} {
			if err := nc.Publish("nudge."+room, []byte(data)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	eventstest.Eventually(t, eventstest.Patience, func() bool { return f.Stats().Nudged == 4 })
	wantSeqs(t, r, publishN(t, bus, "a", 3))
	if s := f.Stats(); s.Lost != 0 || len(stream.Alarms(l)) != 0 {
		t.Errorf("stats %+v, alarms %v", s, stream.Alarms(l))
	}
}

// A chain that names a sequence which the log lost raises the alarm, and the
// room goes on.
func TestFeedLostEvent(t *testing.T) {
	t.Parallel()
	bus := eventstest.New(t)
	f, l := startFeed(t, bus, stream.FeedConfig{Compare: never, Drop: func(_ string, seq uint64) bool { return seq == 2 }})
	r, _ := follow(t, f, "a")
	publishN(t, bus, "a", 2)
	eventstest.Eventually(t, eventstest.Patience, func() bool { return r.count() > 0 })
	// The copy of 3 names 2, which is gone before the feed can read it.
	bus.Lose(t, 2)
	nc := bus.ConnectAs(t, eventstest.Admin)
	bus.Publish(t, "b", "so that the log ends at 3")
	if err := nc.PublishMsg(liveCopy("a", "3", "2")); err != nil {
		t.Fatal(err)
	}
	wantSeqs(t, r, []uint64{1, 3})
	if s := f.Stats(); s.Lost != 1 || len(stream.Alarms(l)) != 1 {
		t.Errorf("stats %+v, alarms %v", s, stream.Alarms(l))
	}
}

// A sequence above the end of the log does not hold up its room for ever.
func TestFeedVoidAnnouncement(t *testing.T) {
	t.Parallel()
	bus := eventstest.New(t)
	f, l := startFeed(t, bus, stream.FeedConfig{Compare: 50 * time.Millisecond})
	r, _ := follow(t, f, "a")
	f.Expect("a", 1000, true)
	wantSeqs(t, r, publishN(t, bus, "a", 3))
	if s := f.Stats(); s.Lost != 0 || len(stream.Alarms(l)) != 0 {
		t.Errorf("stats %+v, alarms %v", s, stream.Alarms(l))
	}
}

// One allocation, that of the event, for a live copy that is delivered.
func TestFeedLiveAllocs(t *testing.T) {
	bus := eventstest.New(t)
	f, _ := startFeed(t, bus, stream.FeedConfig{Compare: never})
	var c counter
	if _, err := f.Follow(eventstest.Context(t), "a", &c); err != nil {
		t.Fatal(err)
	}
	const runs = 1000
	copies := make([]*nats.Msg, runs+1) // AllocsPerRun runs once more
	for i := range copies {
		copies[i] = liveCopy("a", strconv.Itoa(i+1), strconv.Itoa(i))
	}
	next := 0
	allocs := testing.AllocsPerRun(runs, func() {
		stream.Live(f, copies[next])
		next++
	})
	if allocs > 1 {
		t.Errorf("%v allocations for each live copy, want 1", allocs)
	}
	if c.n.Load() != runs+1 {
		t.Errorf("%d delivered", c.n.Load())
	}
}
