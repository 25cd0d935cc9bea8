package hub

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"partyline/events/eventstest"
	"partyline/gateway/lifecycle"
	"partyline/gateway/token"
	"partyline/gateway/ws"
)

const patience = 20 * time.Second

// fixture is a log with one or more hubs on it.
type fixture struct {
	t     *testing.T
	log   *memLog
	bus   *eventstest.Bus
	feeds []*memFeed
	hubs  []*Hub
	users int

	decoded sync.Map // payload to got: what is sent to many is decoded once
}

// setup makes a running hub; change may alter its configuration.
func setup(t *testing.T, change ...func(*Config)) *fixture {
	t.Helper()
	fx := &fixture{t: t, log: newMemLog(), bus: eventstest.New(t)}
	eventstest.Go(t, fx.log.run)
	fx.addHub(change...)
	return fx
}

func (fx *fixture) addHub(change ...func(*Config)) *Hub {
	fx.t.Helper()
	return fx.addHubWith(nil, change...)
}

// addHubWith adds a hub in jwt mode, unless tokens is nil.
func (fx *fixture) addHubWith(tokens *token.Verifier, change ...func(*Config)) *Hub {
	fx.t.Helper()
	cfg := Config{
		Logger: eventstest.Logger(fx.t), Gateway: fmt.Sprintf("gw%d", len(fx.hubs)),
		PresenceEvery: 20 * time.Millisecond, GossipEvery: 50 * time.Millisecond,
		ReadEvery: 20 * time.Millisecond, DrainFor: 50 * time.Millisecond,
	}
	for _, fn := range change {
		fn(&cfg)
	}
	feed := newFeed(fx.log)
	h, err := New(cfg, Deps{Log: fx.log, Publisher: fx.log, Feed: feed, Query: fx.log, NATS: fx.bus.Connect(fx.t), Tokens: tokens})
	if err != nil {
		fx.t.Fatal(err)
	}
	h.inline = 2 // so that small rooms of tests use the outbox
	eventstest.Go(fx.t, h.Run)
	fx.feeds = append(fx.feeds, feed)
	fx.hubs = append(fx.hubs, h)
	return h
}

// connect opens a connection of a new identity to the first hub.
func (fx *fixture) connect() *client {
	fx.users++
	return fx.connectAs(fx.hubs[0], Identity{UID: fmt.Sprintf("%016x", fx.users), User: fmt.Sprintf("user%d", fx.users)})
}

func (fx *fixture) connectAs(h *Hub, id Identity) *client {
	c := &client{t: fx.t, decoded: &fx.decoded, id: id, sess: h.NewSession(id), limit: 1 << 20}
	c.cond = sync.NewCond(&c.mu)
	c.sess.Open(c)
	fx.t.Cleanup(c.hangUp)
	return c
}

// got is a received frame.
type got struct {
	Type     string
	ID       string
	Room     string
	Code     string
	Seq      uint64
	Prev     uint64
	TS       string
	Epoch    string
	LastSeq  uint64 `json:"last_seq"`
	Members  int
	Messages []struct{ Seq uint64 }
	Replayed *int
	More     bool
	Reset    bool
	Dup      bool `json:"duplicate"`
	Retry    int  `json:"retry_after_ms"`
	User     string
	UID      string
	On       bool
	Join     []struct{ UID, User string }
	Leave    []struct{ UID, User string }
	Event    struct {
		ID   string
		Text string
		Kind string
	}
	Reason  string
	Sub     string
	Expires string
}

// client is the far end of a connection: a ws.Conn that keeps what it is sent.
type client struct {
	t       *testing.T
	decoded *sync.Map // of the fixture
	id      Identity
	sess    ws.Session

	msgMu sync.Mutex // calls of the session are serial

	mu     sync.Mutex
	cond   *sync.Cond
	frames []got
	next   int // first frame that take has not looked at
	queued int
	limit  int
	stuck  bool // reads nothing
	peak   int
	closed int // close code
	ended  bool
	since  uint64 // of the last join, where a test resumed
}

func (c *client) Send(f *ws.Frame) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed != 0 {
		return false
	}
	if c.stuck {
		if c.queued+len(f.Payload()) > c.limit {
			c.closed = ws.CloseSlowConsumer
			c.cond.Broadcast()
			return false
		}
		c.queued += len(f.Payload())
		c.peak = max(c.peak, c.queued)
	}
	c.keep(f)
	return true
}

func (c *client) keep(f *ws.Frame) {
	for _, payload := range payloads(f) {
		g, ok := c.decoded.Load(string(payload))
		if !ok {
			var fresh got
			if err := json.Unmarshal(payload, &fresh); err != nil {
				c.t.Errorf("frame %s: %v", payload, err)
			}
			g, _ = c.decoded.LoadOrStore(string(payload), fresh)
		}
		c.frames = append(c.frames, g.(got))
	}
	c.cond.Broadcast()
}

// payloads takes joined frames apart, see [ws.Join].
func payloads(f *ws.Frame) [][]byte {
	b := f.Payload()
	if b[0] == '{' {
		return [][]byte{b}
	}
	var all [][]byte
	for len(b) > 0 {
		n, head := int(b[1]), 2
		if n == 126 {
			n, head = int(b[2])<<8|int(b[3]), 4
		}
		all = append(all, b[head:head+n])
		b = b[head+n:]
	}
	return all
}

func (c *client) Close(code int, _ string, last *ws.Frame) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed != 0 {
		return
	}
	if last != nil {
		c.keep(last)
	}
	c.closed = code
	c.cond.Broadcast()
}

func (c *client) Attempt() *lifecycle.Attempt { return nil }
func (c *client) RTT() time.Duration          { return 0 }

func (c *client) Queued() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.queued
}

// drain reads what is queued.
func (c *client) drain(stuck bool) {
	c.mu.Lock()
	c.queued, c.stuck = 0, stuck
	c.mu.Unlock()
}

// hangUp ends the connection.
func (c *client) hangUp() {
	c.mu.Lock()
	was := c.ended
	c.ended = true
	if c.closed == 0 {
		c.closed = 1006
	}
	c.mu.Unlock()
	if !was {
		c.msgMu.Lock()
		c.sess.Closed(ws.CloseInfo{Code: c.closed})
		c.msgMu.Unlock()
	}
}

// say sends a frame to the hub.
func (c *client) say(format string, args ...any) {
	c.msgMu.Lock()
	defer c.msgMu.Unlock()
	c.sess.Message(true, fmt.Appendf(nil, format, args...))
}

// wait waits for the first frame, not looked at before, that ok accepts, and
// skips those before it.
func (c *client) wait(what string, ok func(g got) bool) got {
	c.t.Helper()
	timer := time.AfterFunc(patience, c.cond.Broadcast)
	defer timer.Stop()
	deadline := time.Now().Add(patience)
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := c.next; ; i++ {
		for i >= len(c.frames) {
			if time.Now().After(deadline) {
				c.t.Fatalf("no %s; got %+v, close %d", what, c.frames, c.closed)
			}
			c.cond.Wait()
		}
		if ok(c.frames[i]) {
			c.next = i + 1
			return c.frames[i]
		}
	}
}

func (c *client) expect(kind string) got {
	c.t.Helper()
	return c.wait(kind, func(g got) bool { return g.Type == kind })
}

// answer waits for the frame that answers id.
func (c *client) answer(id string) got {
	c.t.Helper()
	return c.wait("answer to "+id, func(g got) bool { return g.ID == id && g.Type != "event" })
}

// answerInAnyOrder is answer that looks at all frames.
func (c *client) answerInAnyOrder(id string) got {
	c.t.Helper()
	c.mu.Lock()
	c.next = 0
	c.mu.Unlock()
	return c.answer(id)
}

func (c *client) waitClosed() int {
	c.t.Helper()
	timer := time.AfterFunc(patience, c.cond.Broadcast)
	defer timer.Stop()
	deadline := time.Now().Add(patience)
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.closed == 0 {
		if time.Now().After(deadline) {
			c.t.Fatal("connection not closed")
		}
		c.cond.Wait()
	}
	return c.closed
}

func (c *client) join(room string) got {
	c.t.Helper()
	c.say(`{"type":"join","room":%q,"id":"j"}`, room)
	return c.answer("j")
}

// all returns the frames of one type in order.
func (c *client) all(kind string) []got {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []got
	for _, g := range c.frames {
		if g.Type == kind {
			out = append(out, g)
		}
	}
	return out
}

// seqs returns the seqs of the room's events that came after the last joined.
func (c *client) seqs(room string) (joined got, seqs []uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, g := range c.frames {
		switch {
		case g.Room != room:
		case g.Type == "joined":
			joined, seqs = g, nil
		case g.Type == "event":
			seqs = append(seqs, g.Seq)
		}
	}
	return joined, seqs
}

func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	t.Log("wait until", what)
	eventstest.Eventually(t, patience, cond)
}
