package hub

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"partyline/events/eventstest"
	"partyline/events/stream"
	"partyline/gateway/lifecycle"
	"partyline/gateway/ws"
)

// directFeed is a feed to which the test itself brings the events.
type directFeed struct {
	mu    sync.Mutex
	sinks map[string]stream.Sink
	seq   uint64
	prev  map[string]uint64
}

func (f *directFeed) Follow(_ context.Context, room string, sink stream.Sink) (uint64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sinks[room] = sink
	return f.prev[room], nil
}

func (f *directFeed) Unfollow(room string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.sinks, room)
}

func (f *directFeed) Expect(string, uint64, bool) {}

// say delivers an event to a room and returns its seq.
func (f *directFeed) say(room string) uint64 {
	f.mu.Lock()
	f.seq++
	ev := &stream.Stored{Room: room, Seq: f.seq, Prev: f.prev[room], Time: time.Now(), Data: []byte(`{"kind":"message"}`)}
	f.prev[room] = f.seq
	sink := f.sinks[room]
	f.mu.Unlock()
	sink.Deliver(ev)
	return ev.Seq
}

// counter is the far end of a connection that checks the order of the events of
// each room and counts them.
type counter struct {
	joined *sync.WaitGroup
	mu     sync.Mutex
	events int
	last   map[string]uint64
	faults int
	closed bool
}

func (c *counter) Send(f *ws.Frame) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range payloads(f) {
		switch {
		case bytes.HasPrefix(p, []byte(`{"type":"joined"`)):
			c.joined.Done()
		case bytes.HasPrefix(p, []byte(`{"type":"event"`)):
			c.events++
			room, seq := member1(p, `"room":"`, '"'), member1(p, `"seq":`, ',')
			n, err := strconv.ParseUint(seq, 10, 64)
			if err != nil || n <= c.last[room] {
				c.faults++
			}
			c.last[room] = n
		}
	}
	return true
}

// member1 cuts a member's value out of a frame of ours.
func member1(p []byte, name string, end byte) string {
	_, rest, _ := bytes.Cut(p, []byte(name))
	return string(rest[:max(0, bytes.IndexByte(rest, end))])
}

func (c *counter) Close(int, string, *ws.Frame) {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
}
func (c *counter) Attempt() *lifecycle.Attempt { return nil }
func (c *counter) RTT() time.Duration          { return 0 }
func (c *counter) Queued() int                 { return 0 }

// count waits until the connection got n events, and no more.
func (c *counter) count(t *testing.T, n int) {
	t.Helper()
	got := -1
	eventstest.Eventually(t, patience, func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		got = c.events
		return got >= n
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.events != n || c.faults > 0 || c.closed {
		t.Fatalf("%d events where %d were due, %d out of order, closed: %t", c.events, n, c.faults, c.closed)
	}
}

// crowd opens n connections, of which each joins the rooms that it is told.
func crowd(t *testing.T, h *Hub, n int, rooms func(i int) []string) ([]ws.Session, []*counter) {
	t.Helper()
	var joined sync.WaitGroup
	sessions, conns := make([]ws.Session, n), make([]*counter, n)
	for i := range n {
		conns[i] = &counter{joined: &joined, last: make(map[string]uint64)}
		sessions[i] = h.NewSession(Identity{UID: fmt.Sprintf("%016x", i), User: "u"})
		sessions[i].Open(conns[i])
		for _, room := range rooms(i) {
			joined.Add(1)
			sessions[i].Message(true, fmt.Appendf(nil, `{"type":"join","room":%q}`, room))
		}
	}
	joined.Wait()
	return sessions, conns
}

// large is a size of TestLarge: a fiftieth, or all of it in "make soak".
func large(n int) int {
	if os.Getenv("PARTYLINE_SOAK") != "" {
		return n
	}
	return n / 50
}

// A room of 100,000 members, of which half leave, and 100,000 rooms of 3.
func TestLarge(t *testing.T) {
	t.Parallel()
	setup := func(t *testing.T) (*Hub, *directFeed) {
		feed := &directFeed{sinks: make(map[string]stream.Sink), prev: make(map[string]uint64)}
		log := newMemLog()
		h, err := New(Config{Logger: eventstest.Logger(t), Gateway: "g", RoomsPerConn: 100},
			Deps{Log: log, Publisher: log, Feed: feed, Query: log, NATS: eventstest.New(t).Connect(t)})
		if err != nil {
			t.Fatal(err)
		}
		eventstest.Go(t, h.Run)
		return h, feed
	}
	t.Run("room", func(t *testing.T) {
		t.Parallel()
		h, feed := setup(t)
		members := large(100_000)
		sessions, conns := crowd(t, h, members, func(int) []string { return []string{"r"} })
		for range 5 {
			feed.say("r")
		}
		for _, c := range conns {
			c.count(t, 5)
		}
		for _, s := range sessions[:members/2] {
			s.Closed(ws.CloseInfo{Code: ws.CloseNormal})
		}
		feed.say("r")
		for i, c := range conns {
			want := 6
			if i < members/2 {
				want = 5
			}
			c.count(t, want)
		}
		if s := h.Stats(); s.Connections != members-members/2 || s.Rooms != 1 || s.Joins != uint64(members) {
			t.Errorf("%+v", s)
		}
	})
	t.Run("rooms", func(t *testing.T) {
		t.Parallel()
		h, feed := setup(t)
		rooms, perConn := large(100_000), 100
		name := func(i int) string { return fmt.Sprintf("r%d", i) }
		_, conns := crowd(t, h, 3*rooms/perConn, func(i int) (joins []string) {
			for k := range perConn {
				joins = append(joins, name((i/3)*perConn+k))
			}
			return joins
		})
		for range 2 {
			for i := range rooms {
				feed.say(name(i))
			}
		}
		for _, c := range conns {
			c.count(t, 2*perConn)
		}
		if s := h.Stats(); s.Rooms != rooms || s.Joins != uint64(3*rooms) || s.Deliveries != uint64(6*rooms) {
			t.Errorf("%+v", s)
		}
	})
}
