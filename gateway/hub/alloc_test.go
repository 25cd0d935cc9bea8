package hub

import (
	"bytes"
	"fmt"
	"testing"

	"partyline/events/eventstest"
	"partyline/events/stream"
	"partyline/gateway/lifecycle"
	"partyline/gateway/ws"
)

// takingPublisher takes everything and says at once that it was stored, as the
// event that the room saw last.
type takingPublisher struct {
	r *room
	n int
}

func (p *takingPublisher) Submit(_, _ string, _ []byte, to stream.Receiver) error {
	p.n++
	to.Published(stream.Ack{Seq: p.r.head}, nil)
	return nil
}

func (c *countingConn) Attempt() *lifecycle.Attempt  { return nil }
func (c *countingConn) Close(int, string, *ws.Frame) {}

// sender is a session that has joined a room, whose messages are taken.
func sender(tb testing.TB) (ws.Session, *takingPublisher) {
	tb.Helper()
	p := &takingPublisher{}
	log := newMemLog()
	h, err := New(Config{Gateway: "g", AckedIDs: 100}, Deps{Log: fixedLog{log}, Publisher: p, Feed: newFeed(log), Query: log, NATS: eventstest.New(tb).Connect(tb)})
	if err != nil {
		tb.Fatal(err)
	}
	r := newRoom(h, "room")
	f := ws.NewText([]byte("event"))
	r.ring.push(ringEntry{seq: 1, frame: f})
	r.head, p.r = 1, r
	s := h.NewSession(Identity{UID: "0123456789abcdef", User: "user"}).(*session)
	s.Open(&countingConn{})
	s.rooms = []*member{{s: s, r: r}}
	return s, p
}

// fixedLog has constants.
type fixedLog struct{ *memLog }

var secret = bytes.Repeat([]byte("s"), 32)

func (fixedLog) Secret() []byte { return secret }
func (fixedLog) Epoch() string  { return "e" }

func sendFrames(n int) [][]byte {
	frames := make([][]byte, n)
	for i := range frames {
		frames[i] = fmt.Appendf(nil, `{"type":"send","id":"client-message-%06d","room":"room","text":"%0150d"}`, i, i)
	}
	return frames
}

// BenchmarkSend is a message from the engine to the publisher, and its ack back.
func BenchmarkSend(b *testing.B) {
	s, _ := sender(b)
	frames := sendFrames(5000)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		s.Message(true, frames[n%len(frames)])
		n++
	}
}

// TestSendAllocatesLittle bounds what a stored message costs the gateway, from
// the engine to the publisher and from there to the ack. What remains is kept:
// the id of the message (for its ack), its place among the pending ones, its
// encoded event and the id for the log (for the publisher).
func TestSendAllocatesLittle(t *testing.T) { // not parallel: it counts allocations
	s, p := sender(t)
	frames := sendFrames(3000)
	next := 0
	say := func() {
		s.Message(true, frames[next])
		next++
	}
	for range 200 { // until answers are forgotten again
		say()
	}
	if n := testing.AllocsPerRun(1000, say); n > 4+forgetfulPools {
		t.Errorf("%v allocations", n)
	}
	if p.n != next {
		t.Errorf("%d of %d reached the publisher", p.n, next)
	}
}

// TestFramesAllocateNothing: what is not stored costs nothing.
func TestFramesAllocateNothing(t *testing.T) { // not parallel: it counts allocations
	s, _ := sender(t)
	for name, frame := range map[string]string{
		"ping":   `{"type":"ping","t":1234567}`,
		"typing": `{"type":"typing","room":"room","on":true}`,
	} {
		b := []byte(frame)
		if n := testing.AllocsPerRun(1000, func() { s.Message(true, b) }); n > forgetfulPools {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
