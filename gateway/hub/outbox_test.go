package hub

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

// A member that leaves and comes back while the room is being written to gets
// what was sent before, "left", "joined" and what came after it, in that order.
func TestOutboxKeepsTheOrder(t *testing.T) {
	t.Parallel()
	fx := setup(t, func(c *Config) { c.PresenceEvery = time.Hour }) // which writes to members, too
	h := fx.hubs[0]
	h.inline = 0
	a, b := fx.connect(), fx.connect()
	a.join("r")
	b.join("r")
	r := h.lookup("r")
	at := func(head uint64, conns int) func() bool {
		return func() bool {
			r.mu.Lock()
			defer r.mu.Unlock()
			return r.head == head && len(r.conns) == conns
		}
	}
	a.mu.Lock() // the first to be written to
	unlock := sync.OnceFunc(a.mu.Unlock)
	defer unlock()
	for i := range 3 {
		fx.log.say("r", fmt.Sprint(i))
	}
	eventually(t, "three events wait", at(3, 2))
	b.say(`{"type":"leave","room":"r","id":"l"}`)
	eventually(t, "one has left", at(3, 1))
	b.say(`{"type":"join","room":"r","id":"j2"}`)
	eventually(t, "it is back", at(3, 2))
	fx.log.say("r", "3")
	fx.log.say("r", "4")
	eventually(t, "two more events wait", at(5, 2))
	unlock()
	b.wait("last event", func(g got) bool { return g.Type == "event" && g.Seq == 5 })

	var order []string
	b.mu.Lock()
	for _, g := range b.frames {
		switch g.Type {
		case "event", "left", "joined":
			order = append(order, fmt.Sprint(g.Type, g.Seq, g.LastSeq))
		}
	}
	b.mu.Unlock()
	want := []string{"joined0 0", "event1 0", "event2 0", "event3 0", "left0 0", "joined0 3", "event4 0", "event5 0"}
	if !slices.Equal(order, want) {
		t.Errorf("got %q\nwant %q", order, want)
	}
	if _, seqs := a.seqs("r"); !slices.Equal(seqs, []uint64{1, 2, 3, 4, 5}) {
		t.Errorf("the other member got %v", seqs)
	}
}

// Events wait for a room that is being written to only up to a bound; then the
// feed waits, and goes on afterwards.
func TestOutboxIsBounded(t *testing.T) {
	t.Parallel()
	fx := setup(t, func(c *Config) { c.RingEvents, c.PresenceEvery = 4, time.Hour })
	h := fx.hubs[0]
	h.inline = 0
	a := fx.connect()
	a.join("r")
	r := h.lookup("r")
	a.mu.Lock()
	unlock := sync.OnceFunc(a.mu.Unlock)
	defer unlock()
	const events = 1000
	for range events {
		fx.log.say("r", fmt.Sprintf("%0200d", 1))
	}
	eventually(t, "the outbox is full", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.out.events > outboxEvents
	})
	r.mu.Lock()
	most := r.out.events
	r.mu.Unlock()
	if most > outboxEvents+1000 {
		t.Errorf("%d bytes wait", most)
	}
	unlock()
	fx.checkComplete(a, "r")
	if _, seqs := a.seqs("r"); len(seqs) != events {
		t.Errorf("%d events", len(seqs))
	}
}
