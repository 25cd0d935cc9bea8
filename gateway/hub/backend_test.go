package hub

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"partyline/events"
	"partyline/events/eventstest"
)

func sendAs(t *testing.T, h *Hub, room, user, id string) (SendResult, error) {
	t.Helper()
	return h.Send(eventstest.Context(t), SendRequest{Room: room, User: user, ID: id, Text: "from a backend"})
}

func isCode(err error, code events.Code) bool {
	e, ok := errors.AsType[*events.Error](err)
	return ok && e.Code == code
}

func TestBackendSends(t *testing.T) {
	t.Parallel()
	fx := setup(t)
	c := fx.connect()
	c.join("r")
	res, err := fx.hubs[0].Send(t.Context(), SendRequest{
		Room: "r", User: "robot", Text: "hi", ReplyTo: 7, Meta: []byte(`{"a":1}`),
	})
	if err != nil || res.Seq != 1 || res.Duplicate || res.Time.IsZero() {
		t.Fatalf("%+v, %v", res, err)
	}
	ev := c.expect("event")
	if ev.Seq != 1 || ev.Event.Text != "hi" || ev.Event.ID == "" {
		t.Errorf("event %+v", ev)
	}
	var stored events.Event
	if err := events.Decode(fx.log.data("r", 0), &stored); err != nil {
		t.Fatal(err)
	}
	if stored.User != "robot" || stored.ReplyTo != 7 || string(stored.Meta) != `{"a":1}` || len(stored.UID) != 16 {
		t.Errorf("stored %+v", stored)
	}
	// Without a key every call is a message of its own; nobody needs to be in
	// the room.
	for range 2 {
		if res, err = sendAs(t, fx.hubs[0], "empty", "robot", ""); err != nil || res.Duplicate {
			t.Errorf("%+v, %v", res, err)
		}
	}
	if s := fx.hubs[0].Stats(); s.Stored != 3 || s.Duplicates != 0 {
		t.Errorf("stats %+v", s)
	}
	fx.checkComplete(c, "r")
}

func TestBackendKeyIsStoredOnce(t *testing.T) {
	t.Parallel()
	fx := setup(t)
	first, err := sendAs(t, fx.hubs[0], "r", "robot", "key")
	if err != nil || first.Duplicate {
		t.Fatalf("%+v, %v", first, err)
	}
	check := func(where string, h *Hub) {
		t.Helper()
		again, err := sendAs(t, h, "r", "robot", "key")
		if err != nil || again.Seq != first.Seq || !again.Duplicate || !again.Time.Truncate(time.Microsecond).Equal(first.Time.Truncate(time.Microsecond)) {
			t.Errorf("%s: %+v, %v; first %+v", where, again, err, first)
		}
	}
	check("from memory", fx.hubs[0])
	fx.log.set(func() { clear(fx.log.ids) }) // the bus forgot
	other := fx.addHub()
	check("from the read model", other)
	if res, err := sendAs(t, fx.hubs[0], "r", "another", "key"); err != nil || res.Duplicate {
		t.Errorf("another identity: %+v, %v", res, err)
	}
	// A connection that shows the same name is not the backend.
	c := fx.connectAs(fx.hubs[0], Identity{UID: events.UID(fx.log.Secret(), "robot", "key-of-a-client-0"), User: "robot"})
	c.join("r")
	c.say(`{"type":"send","room":"r","id":"key","text":"x"}`)
	if a := c.answer("key"); a.Type != "ack" || a.Dup {
		t.Errorf("a connection with the same name: %+v", a)
	}
}

func TestBackendSendsAtOnce(t *testing.T) {
	t.Parallel()
	fx := setup(t)
	fx.log.set(func() { fx.log.heldAck = true })
	results := make([]SendResult, 8)
	var wg sync.WaitGroup
	for i := range results {
		wg.Go(func() {
			var err error
			if results[i], err = sendAs(t, fx.hubs[0], "r", "robot", "key"); err != nil {
				t.Error(err)
			}
		})
	}
	eventually(t, "it is stored", func() bool { return len(fx.log.expected("r", 0)) == 1 })
	fx.log.set(func() { fx.log.heldAck = false })
	wg.Wait()
	fresh := 0
	for _, r := range results {
		if r.Seq != 1 {
			t.Errorf("%+v", r)
		}
		if !r.Duplicate {
			fresh++
		}
	}
	if n := len(fx.log.expected("r", 0)); n != 1 || fresh != 1 {
		t.Errorf("%d stored, %d not told to be duplicates", n, fresh)
	}
}

func TestBackendSendFails(t *testing.T) {
	t.Parallel()
	fx := setup(t)
	h := fx.hubs[0]
	fx.log.set(func() { fx.log.down = true })
	if _, err := sendAs(t, h, "r", "robot", "a"); !isCode(err, events.CodeStorageUnavailable) {
		t.Errorf("log away: %v", err)
	}
	fx.log.set(func() { fx.log.down, fx.log.noQuery = false, true })
	if _, err := sendAs(t, h, "r", "robot", "a"); !isCode(err, events.CodeStorageUnavailable) {
		t.Errorf("read model away: %v", err)
	}
	if res, err := sendAs(t, h, "r", "robot", ""); err != nil {
		t.Errorf("without a key there is nothing to look up: %+v, %v", res, err)
	}
	fx.log.set(func() { fx.log.noQuery, fx.log.applied = false, 0 })
	if _, err := sendAs(t, h, "r", "robot", "a"); !isCode(err, events.CodeStorageUnavailable) {
		t.Errorf("read model behind: %v", err)
	}
	fx.log.set(func() { fx.log.applied, fx.log.heldAck = ^uint64(0), true })
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, err := h.Send(ctx, SendRequest{Room: "r", User: "robot", ID: "a", Text: "x"}); !isCode(err, events.CodeStorageUnavailable) {
		t.Errorf("the caller left: %v", err)
	}
	// It was stored all the same, and the key says so.
	fx.log.set(func() { fx.log.heldAck = false })
	eventually(t, "the acknowledgement is known", func() bool {
		res, err := sendAs(t, h, "r", "robot", "a")
		return err == nil && res.Duplicate
	})
	if n := len(fx.log.expected("r", 0)); n != 2 {
		t.Errorf("%d events stored", n)
	}
}

// On a real log, through two gateways with the permissions of production.
func TestBackendOnTheLog(t *testing.T) {
	t.Parallel()
	s := newStack(t, 2, nil)
	c := s.connect(1, 1)
	c.join("r")
	seen := map[uint64]bool{}
	for i := range 20 {
		id := fmt.Sprintf("k%d", i)
		first, err := sendAs(t, s.hubs[i%2], "r", "robot", id)
		if err != nil || first.Duplicate {
			t.Fatalf("%+v, %v", first, err)
		}
		again, err := sendAs(t, s.hubs[(i+1)%2], "r", "robot", id)
		if err != nil || again.Seq != first.Seq || !again.Duplicate || !again.Time.Equal(first.Time) {
			t.Errorf("first %+v, again %+v, %v", first, again, err)
		}
		seen[first.Seq] = true
	}
	if stored := s.stored("r", 0); len(stored) != 20 || len(seen) != 20 {
		t.Errorf("%d stored, %d acknowledged", len(stored), len(seen))
	}
	c.wait("the last event", func(g got) bool { return g.Type == "event" && g.Event.ID == "k19" })
}

// data is the payload of a room's event number i.
func (l *memLog) data(room string, i int) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rooms[room][i].Data
}
