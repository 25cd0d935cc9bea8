package hub

import (
	"context"
	"errors"
	"strings"
	"time"

	"partyline/events"
	"partyline/events/query"
	"partyline/events/stream"
	"partyline/gateway/frame"
)

// How long an acknowledged event may take to come over the feed before it is
// read from the log instead. A duplicate is fetched by the feed at once, and if
// it does not come it was stored in another room.
const (
	eventPatience     = 2 * time.Second
	duplicatePatience = 250 * time.Millisecond
)

// pending is one event on its way into the log. It is the publisher's receiver.
type pending struct {
	h         *Hub
	r         *room
	key       ackKey
	seq       uint64 // set when published
	duplicate bool

	// Guarded by acked.mu.
	first waiter   // who began
	more  []waiter // who sent the same meanwhile
}

// waiter wants an answer for the id: a connection, or a Send.
type waiter struct {
	s       *session
	backend chan<- sendAnswer // when s is nil; has room for one
}

// store handles send, edit, delete and react. It may wait only in the worker;
// a plain send has nothing to wait for.
func (s *session) store(f *frame.Client) {
	m := s.joinedRoom(f)
	if m == nil {
		return
	}
	p := &pending{h: s.h, r: m.r, key: ackKey{s.id.UID, strings.Clone(f.ID)}}
	s.addInFlight(1)
	e, found, joined := s.h.acked.begin(p.key, p, waiter{s: s})
	if found {
		s.ack(f.ID, e.seq, e.at, true)
		return
	}
	if joined {
		return
	}
	done, err := s.storedBefore(f, p)
	if done {
		return
	}
	if err == nil {
		err = s.checkTarget(f, m.r)
	}
	if err == nil {
		err = s.publish(f, p)
	}
	if err != nil {
		p.fail(err)
	}
}

// publish hands the event to the publisher, which tells p.
func (s *session) publish(f *frame.Client, p *pending) error {
	ev := events.Event{
		V: events.Version, ID: p.key.id, Room: p.r.name, UID: s.id.UID, User: s.id.User,
		Text: f.Text, ReplyTo: f.ReplyTo, Meta: f.Meta, Target: f.Target, Emoji: f.Emoji, On: f.On,
	}
	switch f.Type {
	case frame.Send:
		ev.Kind = events.KindMessage
	case frame.Edit:
		ev.Kind = events.KindEdit
	case frame.Delete:
		ev.Kind = events.KindDelete
	case frame.React:
		ev.Kind = events.KindReact
	}
	return p.submit(&ev)
}

// submit hands p's event to the publisher.
func (p *pending) submit(ev *events.Event) error {
	data := ev.Append(make([]byte, 0, 192+len(ev.Text)+len(ev.Meta)))
	msgID := events.MsgID(p.h.log.Secret(), p.key.uid, p.key.id)
	if err := p.h.publisher.Submit(p.r.name, msgID, data, p); err != nil {
		return unavailable(err)
	}
	return nil
}

// checkTarget checks what an edit, delete or reaction names (detail 14).
func (s *session) checkTarget(f *frame.Client, r *room) error {
	if f.Type == frame.Send {
		return nil
	}
	// Up to the head: a deletion that this gateway has shown or acknowledged
	// counts, and it is later than the message.
	fence, _ := r.position()
	ctx, cancel := context.WithTimeout(s.h.ctx, queryTimeout)
	defer cancel()
	t, err := s.h.query.Target(ctx, query.TargetRequest{Room: r.name, Seq: f.Target, AtLeast: fence})
	switch {
	case err != nil:
		return unavailable(err)
	case !t.Exists && t.Applied < fence:
		return errUnavailable
	case !t.Exists || t.Deleted:
		return events.Errorf(events.CodeNotFound, "room %q has no message %d", r.name, f.Target)
	case f.Type != frame.React && t.UID != s.id.UID:
		return events.Errorf(events.CodeNotYours, "message %d is somebody else's", f.Target)
	}
	return nil
}

// Published implements [stream.Receiver].
func (p *pending) Published(ack stream.Ack, err error) {
	if err != nil {
		if !errors.Is(err, stream.ErrUnavailable) {
			p.h.cfg.Logger.Error("event was not stored", "room", p.r.name, "error", err)
		}
		p.fail(errUnavailable)
		return
	}
	p.seq, p.duplicate = ack.Seq, ack.Duplicate
	at, done, wait := p.r.awaitEvent(p, ack.Seq)
	switch {
	case done:
		p.resolve(ack.Seq, at)
	case !wait:
		if !p.h.spawn(p.readTime) {
			p.fail(errUnavailable)
		}
	default:
		p.h.feed.Expect(p.r.name, ack.Seq, ack.Duplicate)
		patience := eventPatience
		if ack.Duplicate {
			patience = duplicatePatience
		}
		time.AfterFunc(patience, p.overdue)
	}
}

// overdue reads the event from the log when the feed did not bring it.
func (p *pending) overdue() {
	if p.r.forgetAck(p, p.seq) && !p.h.spawn(p.readTime) {
		p.fail(errUnavailable)
	}
}

// readTime finds out when the event was stored, from the log; a duplicate may
// have been stored in another room, which the read model knows.
func (p *pending) readTime() {
	ctx, cancel := context.WithTimeout(p.h.ctx, queryTimeout)
	defer cancel()
	evs, err := p.h.log.Fill(ctx, p.r.name, p.seq-1, p.seq)
	if err == nil && len(evs) == 1 {
		p.resolve(p.seq, evs[0].Time)
		return
	}
	found, err := p.h.find(query.FindRequest{UID: p.key.uid, ID: p.key.id, AtLeast: p.seq})
	if err == nil && found.Seq > 0 {
		p.resolve(found.Seq, found.Time)
		return
	}
	// It is stored; the client sends it again and gets its ack then.
	p.fail(errUnavailable)
}

// resolve acknowledges to everybody who waits.
func (p *pending) resolve(seq uint64, at time.Time) {
	first, more := p.h.acked.finish(p, seq, at)
	first.acknowledged(p, seq, at, p.duplicate)
	for _, w := range more {
		w.acknowledged(p, seq, at, true)
	}
}

// fail tells everybody who waits that nothing was acknowledged.
func (p *pending) fail(err error) {
	first, more := p.h.acked.finish(p, 0, time.Time{})
	first.failed(p, err)
	for _, w := range more {
		w.failed(p, err)
	}
}

func (s *session) ack(id string, seq uint64, at time.Time, duplicate bool) {
	s.addInFlight(-1)
	s.h.countAck(duplicate)
	s.send(func(dst []byte) []byte { return frame.AppendAck(dst, id, seq, at, duplicate) })
}

func (h *Hub) countAck(duplicate bool) {
	if duplicate {
		h.stats.duplicates.Add(1)
	} else {
		h.stats.stored.Add(1)
	}
}

func (s *session) addInFlight(n int) {
	s.mu.Lock()
	s.inFlight += n
	s.mu.Unlock()
}

// history answers a history frame.
func (s *session) history(f *frame.Client) {
	if !s.claims.Load().MayEnter(f.Room) {
		s.refuse(events.Errorf(events.CodeNotFound, "there is no room %q", f.Room), f.ID, f.Room)
		return
	}
	q := query.MessagesRequest{Room: strings.Clone(f.Room), Before: f.Before, After: f.After, Limit: f.Limit}
	q.FromStart = f.HasAfter && f.After == 0
	if r := s.h.lookup(f.Room); r != nil {
		q.AtLeast, _ = r.position()
	}
	page, err := s.h.messages(s.h.ctx, q)
	if err != nil {
		s.refuseErr(err, f.ID, f.Room)
		return
	}
	s.send(func(dst []byte) []byte { return frame.AppendHistory(dst, f.ID, f.Room, page.Messages, page.More) })
}
