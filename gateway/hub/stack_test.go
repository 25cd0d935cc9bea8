package hub

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"partyline/events/eventstest"
	"partyline/events/query"
	"partyline/events/stream"
)

// stack is a storage node with a read model, and gateways on it with the
// permissions that they have in production.
type stack struct {
	t     *testing.T
	node  *stream.Node
	model query.Backend
	hubs  []*Hub
	logs  []*stream.Log
}

func newStack(t *testing.T, gateways int, drop func(room string, seq uint64) bool) *stack {
	t.Helper()
	node, err := stream.NewNode(stream.NodeConfig{
		Dir: t.TempDir(), Durability: stream.DurabilityInterval, DedupWindow: time.Second, Logger: eventstest.Logger(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	eventstest.Go(t, node.Run)
	select {
	case <-node.Ready():
	case <-time.After(patience):
		t.Fatal("node not ready")
	}
	s := &stack{t: t, node: node}
	s.model = s.readModel()
	for range gateways {
		s.addGateway(drop)
	}
	return s
}

func (s *stack) open(role stream.Role) (*stream.Log, *nats.Conn) {
	s.t.Helper()
	nc, err := s.node.Connect(role, "test")
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(nc.Close)
	l, err := stream.NewLog(nc, stream.LogConfig{Logger: eventstest.Logger(s.t)})
	if err != nil {
		s.t.Fatal(err)
	}
	if err := l.Open(eventstest.Context(s.t)); err != nil {
		s.t.Fatal(err)
	}
	eventstest.Go(s.t, l.Run)
	return l, nc
}

func (s *stack) addGateway(drop func(room string, seq uint64) bool) {
	s.t.Helper()
	l, nc := s.open(stream.RoleGateway)
	pub, err := stream.NewPublisher(l, stream.PublisherConfig{Logger: eventstest.Logger(s.t)})
	if err != nil {
		s.t.Fatal(err)
	}
	feed, err := stream.NewFeed(l, stream.FeedConfig{Logger: eventstest.Logger(s.t), Compare: 200 * time.Millisecond, Drop: drop})
	if err != nil {
		s.t.Fatal(err)
	}
	h, err := New(Config{
		Logger: eventstest.Logger(s.t), Gateway: fmt.Sprintf("gw%d", len(s.hubs)), RingEvents: 16, ReplayPage: 20,
		PresenceEvery: 20 * time.Millisecond, GossipEvery: 50 * time.Millisecond, ReadEvery: 20 * time.Millisecond,
	}, Deps{Log: l, Publisher: pub, Feed: feed, Query: s.model, NATS: nc})
	if err != nil {
		s.t.Fatal(err)
	}
	eventstest.Go(s.t, pub.Run)
	eventstest.Go(s.t, feed.Run)
	eventstest.Go(s.t, h.Run)
	s.hubs = append(s.hubs, h)
	s.logs = append(s.logs, l)
}

func (s *stack) connect(gateway, user int) *client {
	id := Identity{UID: fmt.Sprintf("%016x", user+1), User: fmt.Sprintf("user%d", user), Known: true}
	return (&fixture{t: s.t}).connectAs(s.hubs[gateway%len(s.hubs)], id)
}

// stored returns the seqs of a room above after.
func (s *stack) stored(room string, after uint64) []uint64 {
	s.t.Helper()
	heads, err := s.logs[0].LastSeqs(eventstest.Context(s.t), []string{room})
	if err != nil {
		s.t.Fatal(err)
	}
	evs, err := s.logs[0].Fill(eventstest.Context(s.t), room, after, heads[room])
	if err != nil {
		s.t.Fatal(err)
	}
	out := make([]uint64, len(evs))
	for i, ev := range evs {
		out[i] = ev.Seq
	}
	return out
}

// receiver follows a room through cuts, by since, and keeps what it saw.
type receiver struct {
	c        *client
	user     int
	from     uint64 // last_seq of the first joined
	seen     []uint64
	gateways int
}

// resume connects anew, to some gateway, and goes on where it was.
func (r *receiver) resume(s *stack, room string) {
	if r.c != nil {
		r.c.hangUp()
		_, seqs := r.c.seqs(room)
		r.seen = append(r.seen, seqs...)
	}
	last := r.from
	if n := len(r.seen); n > 0 {
		last = r.seen[n-1]
	}
	r.gateways++
	r.c = s.connect(r.gateways, r.user)
	if r.gateways == 1 {
		r.from = r.c.join(room).LastSeq
		return
	}
	r.c.say(`{"type":"join","room":%q,"id":"j","since":%d,"epoch":%q}`, room, last, s.logs[0].Epoch())
	if j := r.c.answer("j"); j.Type != "joined" || j.Reset {
		s.t.Errorf("resumed after %d: %+v", last, j)
	}
}

// Two gateways lose live copies, receivers are cut and resume, senders vanish
// and send again: everybody sees everything once, in order, and nothing is
// stored twice.
func TestNothingLostOrDoubled(t *testing.T) {
	t.Parallel()
	s := newStack(t, 2, func(string, uint64) bool { return rand.IntN(10) == 0 })
	const senders, messages, receivers = 6, 60, 16
	var wg sync.WaitGroup
	for u := range senders {
		wg.Go(func() {
			for i := 0; i < messages; {
				c := s.connect(i, u)
				c.join("r")
				n := min(messages, i+1+rand.IntN(8))
				for j := max(0, i-1); j < n; j++ {
					c.say(`{"type":"send","room":"r","id":"u%d-%d","text":"x"}`, u, j)
				}
				for j := max(0, i-1); j < n-rand.IntN(2); j++ {
					id := fmt.Sprintf("u%d-%d", u, j)
					if g := c.answerInAnyOrder(id); g.Type != "ack" {
						t.Errorf("answer to %s: %+v", id, g)
					}
					i = max(i, j+1)
				}
				c.hangUp()
			}
		})
	}
	all := make([]*receiver, receivers)
	for i := range all {
		all[i] = &receiver{user: 100 + i}
		wg.Go(func() {
			for range 12 {
				all[i].resume(s, "r")
				_, before := all[i].c.seqs("r")
				eventuallyOr(func() bool { _, now := all[i].c.seqs("r"); return len(now) > len(before)+rand.IntN(30) }, 200*time.Millisecond)
			}
		})
	}
	wg.Wait()
	want := s.stored("r", 0)
	if len(want) != senders*messages {
		t.Errorf("%d events stored, %d were sent", len(want), senders*messages)
	}
	for i, r := range all {
		last := want[len(want)-1]
		eventually(t, fmt.Sprintf("receiver %d saw the last event", i), func() bool {
			_, seqs := r.c.seqs("r")
			return len(seqs) > 0 && seqs[len(seqs)-1] == last || len(seqs) == 0 && len(r.seen) > 0 && r.seen[len(r.seen)-1] == last
		})
		_, seqs := r.c.seqs("r")
		got := append(slices.Clone(r.seen), seqs...)
		from := slices.IndexFunc(want, func(seq uint64) bool { return seq > r.from })
		if !slices.Equal(got, want[max(from, 0):]) {
			t.Errorf("receiver %d, from %d:\n got %v\nwant %v", i, r.from, got, want)
		}
	}
}

// eventuallyOr waits for cond, but no longer than d: what is waited for need not
// come.
func eventuallyOr(cond func() bool, d time.Duration) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	end := time.NewTimer(d)
	defer end.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-end.C:
			return
		}
	}
}

// What gateways tell one another passes with the permissions of a gateway.
func TestGatewayPermissions(t *testing.T) {
	t.Parallel()
	s := newStack(t, 2, nil)
	a, b := s.connect(0, 1), s.connect(1, 2)
	b1 := s.connect(0, 2)
	a.join("r")
	b.join("r")
	b1.join("r")
	for _, c := range []*client{a, b} {
		c.waitRoster("r", 2)
	}
	(&fixture{t: t, hubs: s.hubs}).settle()
	a.say(`{"type":"typing","room":"r","on":true}`)
	b.expect("typing")
	a.say(`{"type":"send","room":"r","id":"m","text":"x"}`)
	ack := a.answer("m")
	b.expect("event")
	b.say(`{"type":"read","room":"r","seq":%d}`, ack.Seq)
	if g := b1.expect("receipt"); g.Seq != ack.Seq {
		t.Errorf("receipt: %+v", g)
	}
	_, nc := s.open(stream.RoleGateway)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	kv, err := js.KeyValue(eventstest.Context(t), readBucket)
	if err != nil {
		t.Fatal(err)
	}
	e, err := kv.Get(eventstest.Context(t), b.id.UID+".r")
	if err != nil || string(e.Value()) != fmt.Sprint(ack.Seq) {
		t.Errorf("read marker %v, %v", e, err)
	}
	a.say(`{"type":"edit","room":"r","id":"e","target":%d,"text":"y"}`, ack.Seq)
	if g := a.answer("e"); g.Type != "ack" {
		t.Errorf("edit: %+v", g)
	}
}

// Beyond the bus's memory of ids, retry looks them up.
func TestRetryBeyondTheBus(t *testing.T) {
	t.Parallel()
	s := newStack(t, 2, nil)
	a := s.connect(0, 1)
	a.join("r")
	a.say(`{"type":"send","room":"r","id":"m","text":"x"}`)
	first := a.answer("m")
	timer := time.NewTimer(1500 * time.Millisecond) // the bus forgets after 1 s
	<-timer.C
	b := s.connect(1, 1)
	b.join("r")
	b.say(`{"type":"send","room":"r","id":"m","text":"x","retry":true}`)
	if g := b.answer("m"); g.Seq != first.Seq || g.TS != first.TS || !g.Dup {
		t.Errorf("first %+v, again %+v", first, g)
	}
	if n := len(s.stored("r", 0)); n != 1 {
		t.Errorf("%d events stored", n)
	}
}

// readModel follows the log.
func (s *stack) readModel() query.Backend {
	l, _ := s.open(stream.RoleProjector)
	m := newMemLog()
	m.applied, m.patience = 0, time.Second
	eventstest.Go(s.t, func(ctx context.Context) error {
		err := l.Replay(ctx, stream.ReplayOptions{Follow: true}, func(ev *stream.Stored) error {
			m.set(func() {
				m.seq, m.applied = ev.Seq, ev.Seq
				m.rooms[ev.Room] = append(m.rooms[ev.Room], ev)
			})
			return nil
		})
		if ctx.Err() != nil {
			return nil
		}
		return err
	})
	return m
}

// What was deleted a moment ago cannot be reacted to, although the read model
// knew the message before it knew of the deletion.
func TestTargetDeletedJustNow(t *testing.T) {
	t.Parallel()
	s := newStack(t, 1, nil)
	c := s.connect(0, 0)
	c.join("fresh")
	eventually(t, "the publisher takes events", func() bool {
		c.say(`{"type":"send","room":"fresh","id":"first","text":"x"}`)
		return c.answer("first").Type == "ack"
	})
	for i := range 50 {
		c.say(`{"type":"send","room":"fresh","id":"m%d","text":"x"}`, i)
		seq := c.answer(fmt.Sprintf("m%d", i)).Seq
		c.say(`{"type":"delete","room":"fresh","id":"d%d","target":%d}`, i, seq)
		if f := c.answer(fmt.Sprintf("d%d", i)); f.Type != "ack" {
			t.Fatalf("round %d: the deletion gave %+v", i, f)
		}
		c.say(`{"type":"react","room":"fresh","id":"r%d","target":%d,"emoji":"👍","on":true}`, i, seq)
		if f := c.answer(fmt.Sprintf("r%d", i)); f.Code != "not_found" {
			t.Fatalf("round %d: a reaction to what was deleted gave %+v", i, f)
		}
	}
}
