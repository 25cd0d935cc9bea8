package main_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
)

// sender sends numbered messages to a room, many in flight, through any number
// of broken connections: after each it sends what is unacknowledged again, with
// the same ids.
type sender struct {
	name  string
	room  string
	addrs []string // gateways, used in turn
	limit int      // messages to send; 0: until the context ends

	acks *atomic.Int64 // counts all senders' acknowledgements

	mu    sync.Mutex
	uid   string
	acked map[string]uint64 // id to seq
	next  int
	open  []string // sent and unacknowledged, in order
}

const senderWindow = 16

func newSender(name, room string, acks *atomic.Int64, addrs ...string) *sender {
	return &sender{name: name, room: room, addrs: addrs, acks: acks, acked: map[string]uint64{}}
}

// key is the sender's client key.
func (s *sender) key() string { return "key-of-sender-" + s.name }

// run sends until ctx ends, or limit messages are acknowledged. It returns an
// error only for what can never be right.
func (s *sender) run(ctx context.Context) error {
	for attempt := 0; ctx.Err() == nil && !s.finished(); attempt++ {
		c, err := dialChat(s.addrs[attempt%len(s.addrs)], s.name, s.key())
		if err != nil {
			continue // the server is down or coming up
		}
		stop := context.AfterFunc(ctx, c.close)
		err = s.session(c)
		stop()
		c.close()
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("sender %s: %w", s.name, err)
		}
	}
	return nil
}

func (s *sender) finished() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.limit > 0 && len(s.acked) >= s.limit
}

// session sends over one connection until that breaks.
func (s *sender) session(c *chatClient) error {
	if c.send(map[string]any{"type": "join", "room": s.room, "tail": 0}) != nil {
		return nil
	}
	if _, err := c.await("joined", func(f wireFrame) { s.noteUID(f) }); err != nil {
		return nil
	}
	for _, id := range s.unacknowledged() {
		if s.write(c, id, true) != nil {
			return nil
		}
	}
	for !s.finished() {
		for s.mayOpen() {
			if s.write(c, s.openNext(), false) != nil {
				return nil
			}
		}
		f, err := c.read()
		if err != nil {
			return nil // broken connections are the point of the test
		}
		if err := s.note(f); err != nil {
			return err
		}
		if f.Type == "error" {
			return nil // unavailable: come back with the same ids, in order
		}
	}
	return nil
}

func (s *sender) write(c *chatClient, id string, retry bool) error {
	frame := map[string]any{"type": "send", "id": id, "room": s.room, "text": "text of " + id}
	if retry {
		frame["retry"] = true
	}
	return c.send(frame)
}

func (s *sender) noteUID(f wireFrame) {
	if f.Type == "welcome" {
		s.mu.Lock()
		s.uid = f.UID
		s.mu.Unlock()
	}
}

// note takes an acknowledgement into account.
func (s *sender) note(f wireFrame) error {
	if f.Type != "ack" {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if seq, ok := s.acked[f.ID]; ok && seq != f.Seq {
		return fmt.Errorf("%s was acknowledged with seq %d and %d", f.ID, seq, f.Seq)
	}
	if _, ok := s.acked[f.ID]; !ok {
		s.acked[f.ID] = f.Seq
		s.acks.Add(1)
	}
	for i, id := range s.open {
		if id == f.ID {
			s.open = append(s.open[:i:i], s.open[i+1:]...)
			break
		}
	}
	return nil
}

func (s *sender) unacknowledged() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.open...)
}

func (s *sender) mayOpen() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open) < senderWindow && (s.limit == 0 || s.next < s.limit)
}

func (s *sender) openNext() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := fmt.Sprintf("%s-%07d", s.name, s.next)
	s.next++
	s.open = append(s.open, id)
	return id
}
