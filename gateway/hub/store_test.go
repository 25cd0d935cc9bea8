package hub

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"partyline/events/stream"
	"partyline/gateway/ws"
)

func TestSendIsAcknowledgedAndDelivered(t *testing.T) {
	t.Parallel()
	fx := setup(t)
	a, b := fx.connect(), fx.connect()
	a.join("r")
	b.join("r")
	a.say(`{"type":"send","room":"r","id":"m1","text":"hello"}`)
	ack := a.answer("m1")
	if ack.Type != "ack" || ack.Seq != 1 || ack.Dup {
		t.Errorf("ack: %+v", ack)
	}
	ev := b.expect("event")
	if ev.Seq != 1 || ev.Event.ID != "m1" || ev.Event.Text != "hello" || ev.TS != ack.TS {
		t.Errorf("event %+v, ack %+v", ev, ack)
	}
	fx.checkComplete(a, "r")
}

func TestSendNeedsJoin(t *testing.T) {
	t.Parallel()
	fx := setup(t)
	c := fx.connect()
	for _, f := range []string{
		`{"type":"send","room":"r","id":"x","text":"x"}`,
		`{"type":"edit","room":"r","id":"x","target":1,"text":"x"}`,
		`{"type":"delete","room":"r","id":"x","target":1}`,
		`{"type":"react","room":"r","id":"x","target":1,"emoji":"👍","on":true}`,
	} {
		c.say("%s", f)
		if e := c.answer("x"); e.Code != "not_joined" || e.Room != "r" {
			t.Errorf("%s: %+v", f, e)
		}
	}
	// Behind a join that is under way it waits for it.
	c.say(`{"type":"join","room":"r","id":"j"}`)
	c.say(`{"type":"send","room":"r","id":"y","text":"x"}`)
	c.answer("j")
	if a := c.answer("y"); a.Type != "ack" {
		t.Errorf("send behind a join: %+v", a)
	}
}

func TestSameIDIsStoredOnce(t *testing.T) {
	t.Parallel()
	fx := setup(t)
	id := Identity{UID: "00000000000000aa", User: "a"}
	a, b := fx.connectAs(fx.hubs[0], id), fx.connectAs(fx.hubs[0], id)
	other := fx.connect()
	a.join("r")
	b.join("r")
	b.join("q")
	other.join("r")
	fx.log.set(func() { fx.log.heldAck = true })
	a.say(`{"type":"send","room":"r","id":"m","text":"1"}`)
	eventually(t, "the first is stored", func() bool { return len(fx.log.expected("r", 0)) == 1 })
	b.say(`{"type":"send","room":"r","id":"m","text":"2"}`)
	a.say(`{"type":"send","room":"r","id":"m","text":"3"}`)
	other.say(`{"type":"send","room":"r","id":"m","text":"another's"}`)
	fx.log.set(func() { fx.log.heldAck = false })
	first, second, third := a.answer("m"), b.answer("m"), a.answer("m")
	if first.Seq != 1 || first.Dup || second.Seq != 1 || !second.Dup || third.Seq != 1 || !third.Dup {
		t.Errorf("answers: %+v, %+v, %+v", first, second, third)
	}
	if o := other.answer("m"); o.Seq != 2 || o.Dup {
		t.Errorf("another's: %+v", o)
	}
	// Later, in another room even, it is answered from memory.
	b.say(`{"type":"send","room":"q","id":"m","text":"4"}`)
	if again := b.answer("m"); again.Seq != 1 || !again.Dup || again.TS != first.TS {
		t.Errorf("from memory: %+v", again)
	}
}

// Another gateway does not remember: the bus does, and the time comes from the
// log, or from the read model when the room is another one.
func TestSameIDOnAnotherGateway(t *testing.T) {
	t.Parallel()
	fx := setup(t)
	fx.addHub()
	id := Identity{UID: "00000000000000aa", User: "a"}
	a, b := fx.connectAs(fx.hubs[0], id), fx.connectAs(fx.hubs[1], id)
	a.join("r")
	b.join("r")
	b.join("q")
	a.say(`{"type":"send","room":"r","id":"m","text":"1"}`)
	first := a.answer("m")
	b.say(`{"type":"send","room":"q","id":"m","text":"1"}`)
	if again := b.answer("m"); again.Seq != first.Seq || !again.Dup || again.TS != first.TS {
		t.Errorf("first %+v, again %+v", first, again)
	}
}

// Beyond the bus's memory, ids are looked up: with retry, and at the start of a
// connection whose identity may have stored before.
func TestLookup(t *testing.T) {
	t.Parallel()
	fx := setup(t)
	id := Identity{UID: "00000000000000aa", User: "a", Known: true}
	a := fx.connectAs(fx.hubs[0], id)
	a.join("r")
	a.say(`{"type":"send","room":"r","id":"m","text":"1"}`)
	first := a.answer("m")
	a.say(`{"type":"send","room":"r","id":"n","text":"1"}`)
	a.answer("n")
	fx.log.set(func() { clear(fx.log.ids) })
	if fx.log.finds != 1 {
		t.Errorf("%d lookups for an identity that had stored nothing", fx.log.finds)
	}

	h := fx.addHub()
	b := fx.connectAs(h, id)
	b.join("r")
	b.say(`{"type":"send","room":"r","id":"m","text":"1"}`)
	if again := b.answer("m"); again.Seq != first.Seq || !again.Dup || again.TS != first.TS {
		t.Errorf("in the first minute: %+v", again)
	}
	h = fx.addHub()
	id.Known = false
	c := fx.connectAs(h, id)
	c.join("r")
	c.say(`{"type":"send","room":"r","id":"m","text":"1","retry":true}`)
	if again := c.answer("m"); again.Seq != first.Seq || !again.Dup {
		t.Errorf("with retry: %+v", again)
	}
	// A read model that is behind cannot say no.
	fx.log.set(func() { fx.log.applied = 1 })
	c.say(`{"type":"send","room":"r","id":"n","text":"1","retry":true}`)
	if e := c.answer("n"); e.Code != "storage_unavailable" {
		t.Errorf("lagging: %+v", e)
	}
	fx.log.set(func() { fx.log.applied = ^uint64(0) })
	c.say(`{"type":"send","room":"r","id":"n","text":"1","retry":true}`)
	if again := c.answer("n"); !again.Dup {
		t.Errorf("not lagging any more: %+v", again)
	}
}

func TestTargets(t *testing.T) {
	t.Parallel()
	fx := setup(t)
	a, b := fx.connect(), fx.connect()
	a.join("r")
	b.join("r")
	a.say(`{"type":"send","room":"r","id":"m","text":"1"}`)
	a.answer("m")
	for i, tc := range []struct {
		c     *client
		frame string
		want  string
	}{
		{a, `"edit","target":1,"text":"2"`, ""},
		{b, `"edit","target":1,"text":"2"`, "not_yours"},
		{b, `"delete","target":1`, "not_yours"},
		{b, `"react","target":1,"emoji":"👍","on":true`, ""},
		{a, `"edit","target":99,"text":"2"`, "not_found"},
		{a, `"edit","target":2,"text":"no message"`, "not_found"},
		{a, `"delete","target":1`, ""},
		{a, `"edit","target":1,"text":"late"`, "not_found"},
		{b, `"react","target":1,"emoji":"👍","on":false`, "not_found"},
	} {
		tc.c.say(`{"room":"r","id":"t%d","type":%s}`, i, tc.frame)
		if g := tc.c.answer(fmt.Sprintf("t%d", i)); g.Code != tc.want {
			t.Errorf("%s: %+v", tc.frame, g)
		}
	}
	fx.log.set(func() { fx.log.noQuery = true })
	a.say(`{"type":"edit","room":"r","id":"u","target":1,"text":"2"}`)
	if g := a.answer("u"); g.Code != "storage_unavailable" {
		t.Errorf("without a read model: %+v", g)
	}
}

func TestStorageUnavailable(t *testing.T) {
	t.Parallel()
	fx := setup(t)
	c := fx.connect()
	c.join("r")
	fx.log.set(func() { fx.log.down = true })
	c.say(`{"type":"send","room":"r","id":"m","text":"1"}`)
	if e := c.answer("m"); e.Code != "storage_unavailable" || e.Retry == 0 {
		t.Errorf("answer: %+v", e)
	}
	fx.log.set(func() { fx.log.down = false })
	c.say(`{"type":"send","room":"r","id":"m","text":"1"}`)
	if g := c.answer("m"); g.Type != "ack" || g.Dup {
		t.Errorf("sent again: %+v", g)
	}
}

// Acknowledged events whose live copy does not come get their time from the log.
func TestAckWithoutLiveCopy(t *testing.T) {
	t.Parallel()
	fx := setup(t)
	c := fx.connect()
	c.join("r")
	fx.log.set(func() { fx.feeds[0].held = true })
	c.say(`{"type":"send","room":"r","id":"m","text":"1"}`)
	ack := c.answer("m")
	fx.log.mu.Lock()
	want := fx.log.rooms["r"][0].Time
	fx.log.mu.Unlock()
	if at, err := time.Parse(time.RFC3339Nano, ack.TS); err != nil || at.Truncate(time.Microsecond) != want.Truncate(time.Microsecond) {
		t.Errorf("ack: %+v, stored %v", ack, want)
	}
}

// A frame that has to be looked up is not overtaken by those behind it.
func TestOrderOfOneConnection(t *testing.T) {
	t.Parallel()
	fx := setup(t)
	c := fx.connect()
	c.join("r")
	var want []string
	for i := range 200 {
		id := fmt.Sprintf("m%d", i)
		want = append(want, id)
		c.say(`{"type":"send","room":"r","id":%q,"text":"x","retry":%t}`, id, i%3 == 0)
	}
	for _, id := range want {
		c.wait("ack "+id, func(g got) bool { return g.Type == "ack" && g.ID == id })
	}
	fx.checkComplete(c, "r")
	var order []string
	for _, ev := range c.all("event") {
		order = append(order, ev.Event.ID)
	}
	if !slices.Equal(order, want) {
		t.Errorf("order %v", order)
	}
}

func TestQueueIsBounded(t *testing.T) {
	t.Parallel()
	fx := setup(t)
	c := fx.connect()
	c.join("r")
	fx.log.set(func() { fx.log.applied = 0 })
	fx.log.say("r", "x")
	c.expect("event")
	for i := range maxQueuedFrames + 100 {
		c.say(`{"type":"send","room":"r","id":"m%d","text":"x","retry":true}`, i)
	}
	c.wait("overloaded", func(g got) bool { return g.Code == "overloaded" && g.ID != "" && g.Retry > 0 })
	fx.log.set(func() { fx.log.applied = ^uint64(0) })
}

func TestRateLimit(t *testing.T) {
	t.Parallel()
	fx := setup(t, func(c *Config) { c.SendsPerSecond, c.SendBurst = 0.01, 5 })
	c := fx.connect()
	c.join("r")
	for i := range 5 {
		c.say(`{"type":"send","room":"r","id":"m%d","text":"x"}`, i)
		if g := c.answer(fmt.Sprintf("m%d", i)); g.Type != "ack" {
			t.Fatalf("within the burst: %+v", g)
		}
	}
	for i := range maxRefusals {
		c.say(`{"type":"send","room":"r","id":"n%d","text":"x"}`, i)
		if g := c.answer(fmt.Sprintf("n%d", i)); g.Code != "rate_limited" || g.Retry <= 0 {
			t.Fatalf("above the burst: %+v", g)
		}
	}
	c.say(`{"type":"ping","t":1}`)
	c.expect("pong")
	c.say(`{"type":"send","room":"r","id":"last","text":"x"}`)
	if code := c.waitClosed(); code != ws.CloseRateLimited {
		t.Errorf("closed with %d", code)
	}
}

func TestHistory(t *testing.T) {
	t.Parallel()
	fx := setup(t)
	c := fx.connect()
	c.join("r")
	c.say(`{"type":"send","room":"r","id":"m","text":"x"}`)
	c.answer("m")
	c.say(`{"type":"history","room":"r","id":"h","limit":10}`)
	if h := c.answer("h"); h.Type != "history" || len(h.Messages) != 1 || h.More {
		t.Errorf("own write: %+v", h)
	}
	fx.log.say("r", "y")
	c.wait("the second event", func(g got) bool { return g.Type == "event" && g.Seq == 2 })
	for i, tc := range []struct {
		cursor string
		want   uint64
	}{{`"after":0`, 1}, {`"after":1`, 2}, {`"before":2`, 1}, {`"tail":1`, 2}} {
		c.say(`{"type":"history","room":"r","id":"p%d","limit":1,%s}`, i, tc.cursor)
		if h := c.answer(fmt.Sprintf("p%d", i)); len(h.Messages) != 1 || h.Messages[0].Seq != tc.want {
			t.Errorf("%s: %+v", tc.cursor, h)
		}
	}
	fx.log.set(func() { fx.log.noQuery = true })
	c.say(`{"type":"history","room":"r","id":"i","limit":10}`)
	if h := c.answer("i"); h.Code != "storage_unavailable" || h.Retry == 0 {
		t.Errorf("without a read model: %+v", h)
	}
}

// Many connections send, vanish and come back with what was not acknowledged:
// everything is stored once.
func TestOutboxesThroughCuts(t *testing.T) {
	t.Parallel()
	fx := setup(t)
	fx.addHub()
	watcher := fx.connect()
	watcher.join("r")
	const people, messages = 8, 40
	var wg sync.WaitGroup
	for p := range people {
		wg.Go(func() {
			id := Identity{UID: fmt.Sprintf("00000000000000%02x", 0xa0+p), User: "p", Known: true}
			for i := 0; i < messages; {
				c := fx.connectAs(fx.hubs[i%2], id)
				c.join("r")
				// The last one of before is sent again, and only some are awaited.
				for j := max(0, i-1); j < min(i+3, messages); j++ {
					c.say(`{"type":"send","room":"r","id":"m%d","text":"x"}`, j)
				}
				if g := c.answer(fmt.Sprintf("m%d", i)); g.Type != "ack" {
					t.Errorf("answer %+v", g)
				}
				i++
				c.hangUp()
			}
		})
	}
	wg.Wait()
	fx.checkComplete(watcher, "r")
	seen := map[string]int{}
	for _, ev := range watcher.all("event") {
		seen[ev.Event.ID]++
	}
	for i := range messages {
		if n := seen[fmt.Sprintf("m%d", i)]; n != people {
			t.Errorf("m%d was stored %d times for %d people", i, n, people)
		}
	}
}

func TestAckedForgetsTheOldest(t *testing.T) {
	t.Parallel()
	a := newAcked(2)
	for i, id := range []string{"1", "2", "1", "3"} {
		p := &pending{key: ackKey{"u", id}}
		if _, found, _ := a.begin(p.key, p, waiter{}); found != (i == 2) {
			t.Errorf("%s found: %t", id, found)
		} else if !found {
			a.finish(p, uint64(i+1), time.Now())
		}
	}
	for id, want := range map[string]bool{"1": true, "2": false, "3": true} {
		p := &pending{key: ackKey{"u", id}}
		if _, found, _ := a.begin(p.key, p, waiter{}); found != want {
			t.Errorf("%s found: %t", id, found)
		}
	}
}

// Delivering an event costs nothing per member.
func TestBroadcastDoesNotAllocate(t *testing.T) {
	fx := setup(t)
	r := &room{h: fx.hubs[0], name: "r"}
	sink := &countingConn{}
	for range 1000 {
		s := &session{h: fx.hubs[0], conn: sink}
		s.sawEvent.Store(true)
		r.addLive(&member{s: s, r: r, fresh: -1})
	}
	ev := &stream.Stored{Room: "r", Seq: 1, Time: time.Now(), Data: []byte(`{"kind":"message"}`)}
	r.Deliver(ev)
	allocs := testing.AllocsPerRun(200, func() {
		ev.Seq++
		r.Deliver(ev)
	})
	t.Logf("%v allocations for an event", allocs)
	if allocs > 30 { // per event, for 1,000 members
		t.Errorf("%v allocations for an event with 1,000 members", allocs)
	}
	if sink.n < 1000 {
		t.Errorf("%d deliveries", sink.n)
	}
}

type countingConn struct {
	ws.Conn
	n int
}

func (c *countingConn) Send(*ws.Frame) bool { c.n++; return true }
