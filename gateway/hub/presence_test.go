package hub

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"partyline/events/eventstest"
)

// roster folds the presence frames that c got for a room.
func (c *client) roster(room string) (people map[string]bool, members int) {
	people = map[string]bool{}
	for _, g := range c.all("presence") {
		if g.Room != room {
			continue
		}
		members = g.Members
		for _, p := range g.Join {
			people[p.UID] = true
		}
		for _, p := range g.Leave {
			delete(people, p.UID)
		}
	}
	return people, members
}

func (c *client) waitRoster(room string, members int) {
	c.t.Helper()
	eventually(c.t, fmt.Sprintf("%s sees %d people", c.id.User, members), func() bool {
		people, n := c.roster(room)
		return n == members && len(people) == members
	})
}

func TestPresence(t *testing.T) {
	t.Parallel()
	fx := setup(t, func(c *Config) { c.PresenceGrace = 100 * time.Millisecond })
	a := fx.connect()
	if j := a.join("r"); j.Members != 1 {
		t.Errorf("joined: %+v", j)
	}
	b := fx.connect()
	if j := b.join("r"); j.Members != 2 {
		t.Errorf("joined: %+v", j)
	}
	b2 := fx.connectAs(fx.hubs[0], b.id)
	if j := b2.join("r"); j.Members != 2 {
		t.Errorf("second connection of a user: %+v", j)
	}
	for _, c := range []*client{a, b, b2} {
		c.waitRoster("r", 2)
	}
	b.hangUp()
	b2.say(`{"type":"leave","room":"r","id":"l"}`)
	a.waitRoster("r", 1)
	if people, _ := a.roster("r"); !people[a.id.UID] {
		t.Errorf("roster %v", people)
	}
}

// Who comes back within the grace period never left.
func TestPresenceGrace(t *testing.T) {
	t.Parallel()
	fx := setup(t, func(c *Config) { c.PresenceGrace = time.Hour })
	a, b := fx.connect(), fx.connect()
	a.join("r")
	b.join("r")
	a.waitRoster("r", 2)
	b.hangUp()
	b = fx.connectAs(fx.hubs[0], b.id)
	if j := b.join("r"); j.Members != 2 {
		t.Errorf("joined: %+v", j)
	}
	c := fx.connect() // its presence comes after whatever b's reconnect would have caused
	c.join("r")
	a.waitRoster("r", 3)
	joins := 0
	for _, g := range a.all("presence") {
		for _, p := range g.Join {
			if p.UID == b.id.UID {
				joins++
			}
		}
		if len(g.Leave) > 0 {
			t.Errorf("somebody left: %+v", g)
		}
	}
	if joins > 2 { // once as a change, once in the roster for the newcomer
		t.Errorf("came %d times", joins)
	}
}

func TestPresenceOfLargeRooms(t *testing.T) {
	t.Parallel()
	fx := setup(t, func(c *Config) { c.PresenceNames, c.PresenceGrace = 3, time.Millisecond })
	var clients []*client
	for range 5 {
		c := fx.connect()
		c.join("r")
		clients = append(clients, c)
	}
	a := clients[0]
	eventually(t, "five", func() bool { _, n := a.roster("r"); return n == 5 })
	for _, g := range a.all("presence") {
		if g.Members > 3 && len(g.Join) > 0 {
			t.Errorf("names in a large room: %+v", g)
		}
	}
	clients[4].hangUp()
	clients[3].hangUp()
	a.waitRoster("r", 3)
}

func TestPresenceAcrossGateways(t *testing.T) {
	t.Parallel()
	short := func(c *Config) { c.PresenceGrace, c.RoomGrace = 100*time.Millisecond, time.Millisecond }
	fx := setup(t, short)
	h2 := fx.addHub(short)
	a := fx.connect()
	a.join("r")
	b := fx.connectAs(h2, Identity{UID: "00000000000000b0", User: "b"})
	b.join("r")
	both := fx.connectAs(h2, a.id)
	both.join("r")
	a.waitRoster("r", 2)
	b.waitRoster("r", 2)

	// A third gateway that comes later learns everything.
	h3 := fx.addHub(short)
	c := fx.connectAs(h3, Identity{UID: "00000000000000c0", User: "c"})
	c.join("r")
	for _, cl := range []*client{a, b, c} {
		cl.waitRoster("r", 3)
	}
	// One connection of a user remains: the user stays.
	a.hangUp()
	b.hangUp()
	c.waitRoster("r", 2)
	if people, _ := c.roster("r"); !people[a.id.UID] || !people[c.id.UID] {
		t.Errorf("roster %v", people)
	}
}

// The people of a gateway that vanishes leave after the grace period.
func TestPresenceOfDeadGateway(t *testing.T) {
	t.Parallel()
	short := func(c *Config) { c.PresenceGrace = 200 * time.Millisecond }
	fx := setup(t, short)
	h2 := fx.addHub(short)
	a := fx.connect()
	a.join("r")
	fx.connectAs(h2, Identity{UID: "00000000000000b0", User: "b"}).join("r")
	a.waitRoster("r", 2)
	h2.nc.Close()
	a.waitRoster("r", 1)
}

// Lost gossip heals: the digest tells.
func TestPresenceHeals(t *testing.T) {
	t.Parallel()
	fx := setup(t)
	h2 := fx.addHub()
	a := fx.connect()
	a.join("r")
	b := fx.connectAs(h2, Identity{UID: "00000000000000b0", User: "b"})
	b.join("r")
	a.waitRoster("r", 2)
	// As if the message about b had been lost.
	r := fx.hubs[0].lookup("r")
	r.mu.Lock()
	r.removeRemote(r.people.remotes["gw1"], b.id.UID)
	r.mu.Unlock()
	fx.hubs[0].wake(r)
	fx.connectAs(h2, Identity{UID: "00000000000000c0", User: "c"}).join("r")
	a.waitRoster("r", 3)
}

// settle waits until the gateways know each other and all subscriptions hold:
// what is sent before that may be lost, as typing and receipts may.
func (fx *fixture) settle() {
	fx.t.Helper()
	for _, h := range fx.hubs {
		eventually(fx.t, h.cfg.Gateway+" knows the others", func() bool {
			h.gossip.mu.Lock()
			defer h.gossip.mu.Unlock()
			return len(h.gossip.peers) == len(fx.hubs)-1
		})
		if err := h.nc.FlushTimeout(patience); err != nil {
			fx.t.Fatal(err)
		}
	}
}

func TestTyping(t *testing.T) {
	t.Parallel()
	fx := setup(t)
	h2 := fx.addHub()
	a, b := fx.connect(), fx.connect()
	a2 := fx.connectAs(fx.hubs[0], a.id)
	far := fx.connectAs(h2, Identity{UID: "00000000000000b0", User: "far"})
	farA := fx.connectAs(h2, a.id)
	for _, c := range []*client{a, b, a2, far, farA} {
		c.join("r")
	}
	fx.settle()
	a.say(`{"type":"typing","room":"r","on":true}`)
	for _, c := range []*client{b, far} {
		if g := c.expect("typing"); g.UID != a.id.UID || g.User != a.id.User || !g.On || g.Room != "r" {
			t.Errorf("typing: %+v", g)
		}
	}
	far.say(`{"type":"typing","room":"r","on":true}`)
	for _, c := range []*client{a, a2, b, farA} {
		if g := c.expect("typing"); g.UID != far.id.UID {
			t.Errorf("%s was told of itself: %+v", c.id.User, g)
		}
	}
	c := fx.connect()
	c.say(`{"type":"typing","room":"r","on":true}`)
	if e := c.expect("error"); e.Code != "not_joined" {
		t.Errorf("outside: %+v", e)
	}
	for range 500 {
		b.say(`{"type":"typing","room":"r","on":true}`)
	}
	b.say(`{"type":"ping","t":1}`)
	b.expect("pong")
	if n := len(a.all("typing")); n > 60 {
		t.Errorf("%d typing frames of 500 came through", n)
	}
}

func TestReceipts(t *testing.T) {
	t.Parallel()
	fx := setup(t)
	h2 := fx.addHub()
	id := Identity{UID: "00000000000000a0", User: "a"}
	a, near, far := fx.connectAs(fx.hubs[0], id), fx.connectAs(fx.hubs[0], id), fx.connectAs(h2, id)
	other := fx.connect()
	for _, c := range []*client{a, near, far, other} {
		c.join("r")
	}
	for range 5 {
		fx.log.say("r", "x")
	}
	for _, c := range []*client{a, near, far} {
		fx.checkComplete(c, "r")
	}
	fx.settle()
	read := func(c *client, seq int) { c.say(`{"type":"read","room":"r","seq":%d}`, seq) }
	read(a, 3)
	for _, c := range []*client{near, far} {
		if g := c.expect("receipt"); g.Seq != 3 || g.Room != "r" {
			t.Errorf("receipt: %+v", g)
		}
	}
	read(far, 2) // backwards: nothing
	read(far, 99)
	for _, c := range []*client{a, near} {
		if g := c.expect("receipt"); g.Seq != 5 {
			t.Errorf("receipt: %+v", g)
		}
	}
	if n := len(other.all("receipt")) + len(far.all("receipt")); n != 1 {
		t.Errorf("%d receipts for somebody else and for who read first", n)
	}
	js, err := jetstream.New(fx.bus.Connect(t))
	if err != nil {
		t.Fatal(err)
	}
	kv, err := js.KeyValue(eventstest.Context(t), readBucket)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the marker is stored", func() bool {
		e, err := kv.Get(eventstest.Context(t), id.UID+".r")
		return err == nil && string(e.Value()) == strconv.Itoa(5)
	})
	// A gateway that knows nothing does not go backwards.
	late := fx.connectAs(fx.addHub(), id)
	late.join("r")
	fx.settle()
	read(late, 4)
	fx.log.say("r", "x")
	fx.checkComplete(late, "r")
	read(late, 6)
	if g := a.expect("receipt"); g.Seq != 6 {
		t.Errorf("receipt: %+v", g)
	}
}
