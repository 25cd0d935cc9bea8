package hub

import (
	"slices"
	"testing"
	"time"
	"unsafe"

	"partyline/gateway/ws"
)

func TestWelcome(t *testing.T) {
	t.Parallel()
	fx := setup(t)
	c := fx.connect()
	w := c.expect("welcome")
	if w.UID != c.id.UID || w.User != c.id.User || w.Epoch != "e1" {
		t.Errorf("welcome: %+v", w)
	}
	c.say(`{"type":"ping","t":1.5}`)
	c.expect("pong")
	c.say(`{"type":"auth","token":"x"}`)
	if e := c.expect("error"); e.Code != "bad_request" {
		t.Errorf("auth: %+v", e)
	}
}

func TestMalformedInARow(t *testing.T) {
	t.Parallel()
	fx := setup(t)
	c := fx.connect()
	for range maxMalformed {
		c.say(`not JSON`)
		if e := c.expect("error"); e.Code != "bad_frame" {
			t.Fatalf("answer: %+v", e)
		}
		c.say(`{"type":"unheard-of"}`)
		if e := c.expect("error"); e.Code != "unknown_type" {
			t.Fatalf("answer: %+v", e)
		}
	}
	c.say(`{"type":"ping","t":1}`)
	c.expect("pong")
	for range maxMalformed {
		c.say(`[]`)
		c.expect("error")
	}
	c.say(`{`)
	if code := c.waitClosed(); code != ws.ClosePolicy {
		t.Errorf("closed with %d", code)
	}
}

func TestDrain(t *testing.T) {
	t.Parallel()
	fx := setup(t)
	var clients []*client
	for range 20 {
		clients = append(clients, fx.connect())
	}
	if err := fx.hubs[0].Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	clients = append(clients, fx.connect())
	for _, c := range clients {
		if code := c.waitClosed(); code != ws.CloseGoingAway {
			t.Errorf("closed with %d", code)
		}
		if b := c.expect("bye"); b.Reason != "drain" {
			t.Errorf("bye: %+v", b)
		}
	}
}

// TestDrainOfNobody lets everybody be cut off while they are being told: there is
// nothing to wait for then.
func TestDrainOfNobody(t *testing.T) {
	t.Parallel()
	fx := setup(t, func(c *Config) { c.DrainFor = time.Hour })
	var clients []*client
	for range 20 {
		clients = append(clients, fx.connect())
	}
	drained := make(chan error, 1)
	go func() { drained <- fx.hubs[0].Drain(t.Context()) }()
	eventually(t, "one is told", func() bool {
		return slices.ContainsFunc(clients, func(c *client) bool { return len(c.all("bye")) > 0 })
	})
	for _, c := range clients {
		c.hangUp()
	}
	select {
	case err := <-drained:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Error("the drain goes on without connections")
	}
}

func TestRings(t *testing.T) {
	t.Parallel()
	fx := setup(t, func(c *Config) { c.RingEvents, c.RingBytes, c.RingTotal = 10, 4<<10, 20<<10 })
	c := fx.connect()
	rooms := []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"}
	for _, r := range rooms {
		c.join(r)
		for range 30 {
			fx.log.say(r, "some text that takes a little room in the ring")
		}
		fx.checkComplete(c, r)
		if n := fx.hubs[0].Stats().RingBytes; n > 20<<10 {
			t.Errorf("%d bytes in all rings", n)
		}
	}
	h := fx.hubs[0]
	eventually(t, "quiet rooms gave way", func() bool { return h.Stats().RingBytes <= 18<<10 })
	for _, name := range rooms {
		r := h.lookup(name)
		r.mu.Lock()
		if r.ring.n > 10 || r.ring.bytes > 4<<10 {
			t.Errorf("ring of %s: %d events, %d bytes", name, r.ring.n, r.ring.bytes)
		}
		r.mu.Unlock()
		again := fx.connect()
		again.say(`{"type":"join","room":%q,"id":"j","since":0,"epoch":"e1"}`, name)
		if j := again.answer("j"); *j.Replayed != 30 {
			t.Errorf("joined %s: %+v", name, j)
		}
		fx.checkComplete(again, name)
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	fx := setup(t)
	deps := Deps{Log: fx.log, Publisher: fx.log, Feed: fx.feeds[0], Query: fx.log, NATS: fx.hubs[0].nc}
	for name, try := range map[string]struct {
		cfg  Config
		deps Deps
	}{
		"no name":        {Config{}, deps},
		"negative limit": {Config{Gateway: "g", MaxReplay: -1}, deps},
		"no log":         {Config{Gateway: "g"}, Deps{}},
	} {
		if _, err := New(try.cfg, try.deps); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestBucket(t *testing.T) {
	t.Parallel()
	var b bucket
	now := time.Unix(0, 0)
	for i := range 4 {
		if ok, _ := b.take(now, 2, 4); !ok {
			t.Fatalf("token %d refused", i)
		}
	}
	ok, wait := b.take(now, 2, 4)
	if ok || wait != 500*time.Millisecond {
		t.Errorf("fifth: %t, %v", ok, wait)
	}
	if ok, _ := b.take(now.Add(wait), 2, 4); !ok {
		t.Error("refused after the wait")
	}
	if ok, _ := b.take(now, 0, 4); !ok {
		t.Error("refused without a limit")
	}
}

func TestWindow(t *testing.T) {
	t.Parallel()
	var w window
	now := time.Unix(1000, 0)
	n := 0
	for range 100 { // 20 a second for 5 s
		n = w.add(now, 10*time.Second)
		now = now.Add(50 * time.Millisecond)
	}
	if n != 100 {
		t.Errorf("counted %d of 100", n)
	}
	if n = w.add(now.Add(11*time.Second), 10*time.Second); n != 1 {
		t.Errorf("counted %d after a pause", n)
	}
}

// Every connection has one.
func TestSessionIsSmall(t *testing.T) {
	t.Parallel()
	if size := unsafe.Sizeof(session{}); size > 320 { // a size class of Go's allocator
		t.Errorf("%d bytes", size)
	}
}
