package hub

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"partyline/gateway/ws"
)

// expected is what a member must see after a joined with lastSeq.
func (l *memLog) expected(room string, after uint64) []uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []uint64
	for _, ev := range l.rooms[room] {
		if ev.Seq > after {
			out = append(out, ev.Seq)
		}
	}
	return out
}

// checkComplete waits until c saw exactly what it must.
func (fx *fixture) checkComplete(c *client, room string) {
	fx.t.Helper()
	start := func() (uint64, []uint64) {
		joined, seqs := c.seqs(room)
		from := joined.LastSeq
		if joined.Replayed != nil {
			from = c.since
		}
		return from, seqs
	}
	eventually(fx.t, "every event came", func() bool {
		from, seqs := start()
		return len(seqs) >= len(fx.log.expected(room, from))
	})
	from, seqs := start()
	if want := fx.log.expected(room, from); !slices.Equal(seqs, want) {
		fx.t.Errorf("events after %d:\n got %v\nwant %v", from, seqs, want)
	}
}

func TestJoinTail(t *testing.T) {
	t.Parallel()
	fx := setup(t)
	c := fx.connect()
	if j := c.join("empty"); j.LastSeq != 0 || j.Members != 1 || len(j.Messages) != 0 || j.Replayed != nil || j.Epoch != "e1" {
		t.Errorf("joined an empty room: %+v", j)
	}
	for range 60 {
		fx.log.say("r", "hi")
	}
	j := c.join("r")
	if j.LastSeq != 60 || len(j.Messages) != 50 || !j.More || j.Messages[0].Seq != 11 {
		t.Errorf("joined: %+v", j)
	}
	fx.log.say("r", "live")
	if ev := c.expect("event"); ev.Seq != 61 || ev.Prev != 60 || ev.Event.Text != "live" {
		t.Errorf("event: %+v", ev)
	}
	c.say(`{"type":"join","room":"r","id":"again","tail":2}`)
	if j := c.answer("again"); j.LastSeq != 61 || len(j.Messages) != 2 || j.Members != 1 {
		t.Errorf("joined again: %+v", j)
	}
	fx.checkComplete(c, "r")
}

func TestJoinSince(t *testing.T) {
	t.Parallel()
	fx := setup(t, func(c *Config) { c.RingEvents, c.MaxReplay, c.ReplayPage = 8, 100, 7 })
	stays := fx.connect()
	stays.join("r")
	for range 50 {
		fx.log.say("r", "hi")
	}
	fx.checkComplete(stays, "r")
	for _, tc := range []struct {
		name     string
		since    uint64
		epoch    string
		replayed int
		reset    bool
	}{
		{"at the head", 50, "e1", 0, false},
		{"within the ring", 45, "e1", 5, false},
		{"edge of the ring", 42, "e1", 8, false},
		{"beyond the ring", 41, "e1", 9, false},
		{"from the start", 0, "e1", 50, false},
		{"above the head", 51, "e1", 0, true},
		{"other epoch", 45, "e0", 0, true},
	} {
		c := fx.connect()
		c.since = tc.since
		c.say(`{"type":"join","room":"r","id":"j","since":%d,"epoch":%q}`, tc.since, tc.epoch)
		j := c.answer("j")
		switch {
		case j.Reset != tc.reset || j.LastSeq != 50:
			t.Errorf("%s: %+v", tc.name, j)
		case tc.reset && (j.Replayed != nil || len(j.Messages) != 50):
			t.Errorf("%s: %+v", tc.name, j)
		case !tc.reset && (j.Replayed == nil || *j.Replayed != tc.replayed):
			t.Errorf("%s: %+v", tc.name, j)
		}
		fx.checkComplete(c, "r")
	}
}

func TestJoinSinceTooFarBehind(t *testing.T) {
	t.Parallel()
	fx := setup(t, func(c *Config) { c.RingEvents, c.MaxReplay = 4, 20 })
	for range 21 {
		fx.log.say("r", "hi")
	}
	c := fx.connect()
	c.say(`{"type":"join","room":"r","id":"j","since":0,"epoch":"e1"}`)
	if j := c.answer("j"); !j.Reset || len(j.Messages) != 21 {
		t.Errorf("21 behind: %+v", j)
	}
	c.say(`{"type":"join","room":"r","id":"k","since":1,"epoch":"e1"}`)
	if j := c.answer("k"); j.Reset || *j.Replayed != 20 {
		t.Errorf("20 behind: %+v", j)
	}
}

// A client that saw more than this gateway's live copies is not reset.
func TestJoinSinceAheadOfFeed(t *testing.T) {
	t.Parallel()
	fx := setup(t)
	fx.log.say("r", "1")
	first := fx.connect()
	first.join("r")
	fx.log.set(func() { fx.feeds[0].held = true })
	fx.log.say("r", "2")
	fx.log.say("r", "3")
	c := fx.connect()
	c.since = 2
	c.say(`{"type":"join","room":"r","id":"j","since":2,"epoch":"e1"}`)
	if j := c.answer("j"); j.Reset || j.LastSeq != 3 || *j.Replayed != 1 {
		t.Errorf("joined: %+v", j)
	}
	tail := fx.connect()
	if j := tail.join("r"); j.LastSeq < 1 {
		t.Errorf("joined: %+v", j)
	}
	fx.log.say("r", "4")
	fx.log.set(func() { fx.feeds[0].held = false })
	fx.checkComplete(first, "r")
	fx.checkComplete(c, "r")
	fx.checkComplete(tail, "r")
}

// A read model that lags answers with what it has; the rest follows as events.
func TestJoinWhileReadModelLags(t *testing.T) {
	t.Parallel()
	fx := setup(t, func(c *Config) { c.RingEvents = 4 })
	stays := fx.connect()
	stays.join("r")
	for range 20 {
		fx.log.say("r", "hi")
	}
	fx.checkComplete(stays, "r")
	fx.log.set(func() { fx.log.applied = 5 })
	c := fx.connect()
	if j := c.join("r"); j.LastSeq != 5 {
		t.Errorf("joined: %+v", j)
	}
	fx.log.say("r", "more")
	fx.checkComplete(c, "r")
}

// Joins of every kind, while messages come in, rings run over, the read model
// and the feed lag: nothing is lost, nothing comes twice.
func TestJoinWhilePublishing(t *testing.T) {
	t.Parallel()
	fx := setup(t, func(c *Config) { c.RingEvents, c.ReplayPage, c.RoomGrace = 6, 5, time.Millisecond })
	var wg sync.WaitGroup
	stop := make(chan struct{})
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			if fx.behind("r") < 100 { // a slow machine would never catch up
				for range rand.IntN(12) {
					fx.log.say("r", fmt.Sprint(i))
				}
			}
			fx.log.set(func() {
				fx.feeds[0].held = rand.IntN(3) == 0
				fx.log.applied = ^uint64(0)
				if rand.IntN(4) == 0 {
					fx.log.applied = fx.log.seq - min(fx.log.seq, rand.Uint64N(20))
				}
			})
			timer := time.NewTimer(time.Duration(rand.IntN(3)) * time.Millisecond)
			<-timer.C
		}
	})
	var clients []*client
	for i := range 150 {
		c := fx.connect()
		clients = append(clients, c)
		fx.log.mu.Lock()
		head := fx.log.seq
		fx.log.mu.Unlock()
		if i%2 == 0 {
			c.join("r")
			continue
		}
		c.since = head - min(head, rand.Uint64N(60))
		c.say(`{"type":"join","room":"r","id":"j","since":%d,"epoch":"e1"}`, c.since)
		if i%3 == 0 {
			clients[rand.IntN(len(clients)-1)].hangUp()
		}
	}
	close(stop)
	wg.Wait()
	fx.log.set(func() { fx.feeds[0].held = false; fx.log.applied = ^uint64(0) })
	fx.log.say("r", "last")
	for _, c := range clients {
		if !c.ended {
			fx.checkComplete(c, "r")
		}
	}
}

// behind is how many events of a room, the only one, the first hub has not got.
func (fx *fixture) behind(room string) uint64 {
	r := fx.hubs[0].lookup(room)
	if r == nil {
		return 0
	}
	head, _ := r.position()
	fx.log.mu.Lock()
	defer fx.log.mu.Unlock()
	return fx.log.seq - min(head, fx.log.seq)
}

func TestJoinStormAsksOnce(t *testing.T) {
	t.Parallel()
	fx := setup(t)
	fx.log.say("r", "1")
	var clients []*client
	for range 200 {
		c := fx.connect()
		c.say(`{"type":"join","room":"r","id":"j"}`)
		clients = append(clients, c)
	}
	for _, c := range clients {
		c.answer("j")
	}
	fx.log.mu.Lock()
	defer fx.log.mu.Unlock()
	if fx.log.tails != 1 {
		t.Errorf("%d questions for the same tail", fx.log.tails)
	}
}

func TestJoinLimitsAndFailures(t *testing.T) {
	t.Parallel()
	fx := setup(t, func(c *Config) { c.RoomsPerConn = 2 })
	c := fx.connect()
	c.join("a")
	fx.log.set(func() { fx.log.noQuery = true })
	c.say(`{"type":"join","room":"b","id":"j1"}`)
	if e := c.answer("j1"); e.Code != "storage_unavailable" || e.Retry == 0 || e.Room != "b" {
		t.Errorf("without a read model: %+v", e)
	}
	// A failed synchronisation changes nothing.
	c.say(`{"type":"join","room":"a","id":"j2"}`)
	if e := c.answer("j2"); e.Code != "" && e.Code != "storage_unavailable" {
		t.Errorf("without a read model: %+v", e)
	}
	fx.log.say("a", "still here")
	c.expect("event")
	fx.log.set(func() { fx.log.noQuery = false })
	c.join("b")
	c.say(`{"type":"join","room":"c","id":"j3"}`)
	if e := c.answer("j3"); e.Code != "forbidden" {
		t.Errorf("third of two rooms: %+v", e)
	}
	c.say(`{"type":"leave","room":"a","id":"l"}`)
	c.answer("l")
	c.say(`{"type":"leave","room":"a","id":"l2"}`)
	if e := c.answer("l2"); e.Code != "not_joined" {
		t.Errorf("left twice: %+v", e)
	}
	c.join("c")
	fx.log.say("a", "unseen")
	fx.log.say("c", "seen")
	if ev := c.expect("event"); ev.Room != "c" {
		t.Errorf("event of a room that was left: %+v", ev)
	}
}

// A replay pauses while the outbound queue is long, and never overflows it.
func TestReplayIsPaced(t *testing.T) {
	t.Parallel()
	fx := setup(t, func(c *Config) { c.RingEvents, c.RingBytes = 4, 1<<20 })
	text := fmt.Sprintf("%04000d", 1)
	for range 600 {
		fx.log.say("r", text) // 2.4 MB
	}
	c := fx.connect()
	c.drain(true)
	c.say(`{"type":"join","room":"r","id":"j","since":0,"epoch":"e1"}`)
	for {
		c.mu.Lock()
		n := 0
		for _, g := range c.frames {
			if g.Type == "event" {
				n++
			}
		}
		c.mu.Unlock()
		if n == 600 {
			break
		}
		eventually(t, "the queue is full enough", func() bool {
			return c.Queued() >= drainHigh || len(c.all("event")) == 600
		})
		c.drain(true)
	}
	c.mu.Lock()
	peak := c.peak
	c.mu.Unlock()
	if peak > drainHigh+64<<10 {
		t.Errorf("%d bytes were queued", peak)
	}
	fx.checkComplete(c, "r")
}

func TestSlowConsumerResumes(t *testing.T) {
	t.Parallel()
	fx := setup(t, func(c *Config) { c.RingEvents = 16 })
	slow, quick := fx.connect(), fx.connect()
	slow.join("r")
	quick.join("r")
	slow.drain(true)
	text := fmt.Sprintf("%04000d", 1)
	for range 400 {
		fx.log.say("r", text)
	}
	if code := slow.waitClosed(); code != ws.CloseSlowConsumer {
		t.Errorf("closed with %d", code)
	}
	fx.checkComplete(quick, "r")
	_, seen := slow.seqs("r")
	slow.hangUp()
	again := fx.connect()
	again.since = seen[len(seen)-1]
	again.say(`{"type":"join","room":"r","id":"j","since":%d,"epoch":"e1"}`, again.since)
	fx.checkComplete(again, "r")
}

func TestEpochChange(t *testing.T) {
	t.Parallel()
	fx := setup(t)
	fx.log.say("r", "1")
	a, b := fx.connect(), fx.connect()
	a.join("r")
	b.join("r")
	fx.log.say("r", "2")
	fx.checkComplete(a, "r")
	fx.feeds[0].reset("e2")
	for _, c := range []*client{a, b} {
		if j := c.wait("reset", func(g got) bool { return g.Type == "joined" && g.Reset }); j.Epoch != "e2" || j.LastSeq != 2 {
			t.Errorf("joined: %+v", j)
		}
	}
	fx.log.say("r", "3")
	fx.checkComplete(a, "r")
	fx.checkComplete(b, "r")
}

func TestRoomIsLetGo(t *testing.T) {
	t.Parallel()
	fx := setup(t, func(c *Config) { c.RoomGrace, c.PresenceGrace = 30*time.Millisecond, time.Millisecond })
	for round := range 20 {
		c := fx.connect()
		c.join("r")
		seq := fx.log.say("r", "x")
		c.wait("event", func(g got) bool { return g.Type == "event" && g.Seq == seq })
		c.hangUp()
		if round%2 == 0 {
			eventually(t, "the room is let go", func() bool { return fx.hubs[0].Stats().Rooms == 0 })
		}
	}
	eventually(t, "rings are empty", func() bool { return fx.hubs[0].Stats().RingBytes == 0 })
}

// A read model that is being rebuilt must not make joins replay the log.
func TestJoinWhileReadModelIsFarBehind(t *testing.T) {
	t.Parallel()
	fx := setup(t, func(c *Config) { c.RingEvents, c.MaxReplay = 4, 10 })
	for range 30 {
		fx.log.say("r", "hi")
	}
	fx.log.set(func() { fx.log.applied = 19 })
	c := fx.connect()
	if e := c.join("r"); e.Code != "storage_unavailable" {
		t.Errorf("11 behind: %+v", e)
	}
	fx.log.set(func() { fx.log.applied = 20 })
	if j := c.join("r"); j.LastSeq != 20 {
		t.Errorf("10 behind: %+v", j)
	}
	fx.checkComplete(c, "r")
	// Whoever has seen more than the read model goes on from there.
	d := fx.connect()
	d.since = 28
	d.say(`{"type":"join","room":"r","id":"j","since":28,"epoch":"e1"}`)
	if j := d.answer("j"); j.Reset || j.LastSeq != 28 || *j.Replayed != 0 {
		t.Errorf("resumed above the read model: %+v", j)
	}
	fx.checkComplete(d, "r")
}
