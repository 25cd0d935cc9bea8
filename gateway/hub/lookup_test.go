package hub

import (
	"fmt"
	"testing"
	"time"
)

// fixtureWithWindow is a log that remembers ids for two minutes, as it does
// unless told otherwise.
func fixtureWithWindow(t *testing.T) *fixture {
	t.Helper()
	fx := setup(t)
	fx.log.set(func() { fx.log.window = 2 * time.Minute })
	return fx
}

// What the log itself still remembers need not be in the read model: it may be
// busy when everybody comes back at once.
func TestLookupWithReadModelBehind(t *testing.T) {
	t.Parallel()
	fx := fixtureWithWindow(t)
	id := Identity{UID: "00000000000000aa", User: "a", Known: true}
	a := fx.connectAs(fx.hubs[0], id)
	a.join("r")
	fx.log.say("r", "another's")
	a.expect("event")
	fx.log.set(func() { fx.log.applied = 0 })
	for _, m := range []string{"m1", "m2"} {
		a.say(`{"type":"send","room":"r","id":%q,"text":"1"}`, m)
		if g := a.answer(m); g.Type != "ack" || g.Dup {
			t.Fatalf("new id: %+v", g)
		}
	}
	if fx.log.finds != 2 {
		t.Errorf("%d look-ups: nobody may be taken for new by a read model that is behind", fx.log.finds)
	}
	b := fx.connectAs(fx.hubs[0], id)
	b.join("q") // the room was empty when it was followed
	b.say(`{"type":"send","room":"q","id":"m3","text":"1","retry":true}`)
	if g := b.answer("m3"); g.Type != "ack" || g.Dup {
		t.Errorf("new id with retry: %+v", g)
	}
}

// What is older has to be there before an id counts as new.
func TestLookupWaitsForWhatTheLogForgot(t *testing.T) {
	t.Parallel()
	fx := fixtureWithWindow(t)
	id := Identity{UID: "00000000000000aa", User: "a", Known: true}
	a := fx.connectAs(fx.hubs[0], id)
	a.join("r")
	fx.log.set(func() { fx.log.age = 3 * time.Minute })
	fx.log.say("r", "old")
	fx.log.set(func() { fx.log.age = 0 })
	fx.log.say("r", "young")
	a.wait("the young one", func(g got) bool { return g.Type == "event" && g.Seq == 2 })
	fx.log.set(func() { fx.log.applied = 0 })
	a.say(`{"type":"send","room":"r","id":"m","text":"1"}`)
	if g := a.answer("m"); g.Code != "storage_unavailable" {
		t.Errorf("without the old one: %+v", g)
	}
	fx.log.set(func() { fx.log.applied = 1 })
	a.say(`{"type":"send","room":"r","id":"m","text":"1"}`)
	if g := a.answer("m"); g.Type != "ack" || g.Dup {
		t.Errorf("with the old one: %+v", g)
	}
}

func TestLookupFence(t *testing.T) {
	t.Parallel()
	now := time.Now()
	r := &room{head: 30}
	r.ring.floor = 5
	const s = time.Second
	for i, age := range []time.Duration{90 * s, 70 * s, 50 * s, 10 * s} {
		r.ring.push(ringEntry{seq: uint64(10 + i), at: now.Add(-age), frame: bye("x")})
	}
	for age, want := range map[time.Duration]uint64{0: 30, 5 * s: 13, 30 * s: 12, 60 * s: 11, 80 * s: 10, 100 * s: 5} {
		if fence, head := r.lookupFence(age); fence != want || head != 30 {
			t.Errorf("older than %v: up to %d of %d, want %d", age, fence, head, want)
		}
	}
	for window, want := range map[time.Duration]time.Duration{0: 0, time.Second: 0, 59 * time.Second: 0, time.Minute: 15 * time.Second, 2 * time.Minute: 45 * time.Second} {
		if got := lookupAge(window); got != want {
			t.Errorf("window %v: %v, want %v", window, got, want)
		}
	}
}

// A crowd that comes back at once waits its turn; nobody is refused, and the
// read model is not asked by all of them at once.
func TestLookupsTakeTurns(t *testing.T) {
	t.Parallel()
	fx := fixtureWithWindow(t)
	const crowd = maxLookups + 16
	fx.log.set(func() { fx.log.heldFind = true })
	clients := make([]*client, crowd)
	for i := range clients {
		clients[i] = fx.connectAs(fx.hubs[0], Identity{UID: fmt.Sprintf("%016x", i), User: "a", Known: true})
		clients[i].join("r")
		clients[i].say(`{"type":"send","room":"r","id":"m","text":"1"}`)
	}
	eventually(t, "all turns are taken", func() bool {
		fx.log.mu.Lock()
		defer fx.log.mu.Unlock()
		return fx.log.finding == maxLookups
	})
	fx.log.set(func() { fx.log.heldFind = false })
	for i, c := range clients {
		if g := c.answer("m"); g.Type != "ack" {
			t.Errorf("client %d: %+v", i, g)
		}
	}
	fx.log.mu.Lock()
	defer fx.log.mu.Unlock()
	if fx.log.findPeak != maxLookups {
		t.Errorf("%d look-ups at once, want %d", fx.log.findPeak, maxLookups)
	}
}
