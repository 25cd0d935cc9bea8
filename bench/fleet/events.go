//go:build linux

package fleet

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"partyline/bench/check"
	"partyline/bench/loop"
	"partyline/bench/proto"
)

// intactEvery is how many deliveries there are to one that is compared byte for
// byte with what was sent.
const intactEvery = 64

// Opened joins the room of the connection's member.
func (f *Fleet) Opened(c *loop.Conn, negotiated string) {
	m := c.User.(*member)
	if f.cfg.Compress && negotiated == "" {
		f.problems.note(&f.problems.Refused, "compression was not agreed")
	}
	f.join(m)
}

func (f *Fleet) join(m *member) {
	var resume *proto.Resume
	if m.epoch != "" && f.cfg.Proto.CanResume() {
		resume = &proto.Resume{Since: m.state.Seq, Epoch: m.epoch}
	}
	f.out = f.cfg.Proto.AppendJoin(f.out[:0], m.room.name, resume)
	m.conn.Send(f.out)
}

// Text takes a message of the server.
func (f *Fleet) Text(c *loop.Conn, payload []byte, compressed bool) {
	var err error
	if compressed {
		if payload, err = f.unpack.inflate(payload); err != nil {
			f.problems.note(&f.problems.Messages, "inflating: %v", err)
			return
		}
	}
	m := c.User.(*member)
	f.events, err = f.cfg.Proto.Parse(payload, f.events[:0])
	if err != nil {
		f.problems.note(&f.problems.Messages, "%v", err)
	}
	for i := range f.events {
		if m.conn == c { // an answer may have failed
			f.event(m, &f.events[i])
		}
	}
}

func (f *Fleet) event(m *member, e *proto.Event) {
	switch e.Kind {
	case proto.Message:
		f.message(m, e)
	case proto.Joined:
		f.joinedRoom(m, e)
	case proto.Ack:
		f.acked(m, e)
	case proto.Answer:
		m.conn.Send(e.Text)
	case proto.Refused:
		f.refused(m, e)
	case proto.Failed:
		f.problems.note(&f.problems.Messages, "server says: %.300s", e.Text)
	case proto.Bye, proto.Ignored: // the close that follows is counted
	}
}

// message checks and times one delivery.
func (f *Fleet) message(m *member, e *proto.Event) {
	stamp, err := check.ParseText(e.Text)
	if err != nil {
		f.check.Unread(e.Text)
		return
	}
	f.deliveries++
	if f.deliveries%intactEvery == 0 {
		var intact bool
		if f.text, intact = check.Intact(f.text, e.Text, stamp); !intact || len(e.Text) != f.cfg.TextSize {
			f.check.Unread(e.Text)
		}
	}
	if !f.check.Deliver(m.state, &check.Delivery{Stamp: stamp, Seq: e.Seq, Prev: e.Prev}) || m.slow {
		return
	}
	if stamp.At >= f.from {
		f.hist.Record(f.now() - stamp.At)
	}
	if f.loopMode && stamp.N == m.room.sent[stamp.Sender] {
		f.arrived(m.room, int(stamp.Sender))
	}
}

// arrived counts one member off for the last message of a sender.
func (f *Fleet) arrived(r *room, sender int) {
	if r.pending[sender]--; r.pending[sender] == 0 {
		f.ready = append(f.ready, r.members[sender])
	}
}

func (f *Fleet) joinedRoom(m *member, e *proto.Event) {
	if m.joined {
		return
	}
	m.joined = true
	f.connecting--
	f.joins.Record(f.now() - m.dialled)
	if e.Reset || m.epoch != "" && m.epoch != e.Epoch {
		f.problems.note(&f.problems.Resets, "member %d of %s could not resume after %d", m.slot, m.room.name, m.state.Seq)
	}
	if m.epoch == "" {
		m.state.Join(e.Seq)
	}
	m.epoch = e.Epoch
	if m.slow {
		m.conn.Pause()
		return
	}
	m.room.live++
	for i, u := range m.unacked { // of the connection before
		if i == 0 || !f.cfg.Careful {
			f.transmit(m, u, true)
		}
	}
}

// retryAfter is when something is tried again for which the server names no time.
const retryAfter = 500 * time.Millisecond

// refused tries a text or a join again, where the fleet is careful.
func (f *Fleet) refused(m *member, e *proto.Event) {
	if !f.cfg.Careful {
		f.problems.note(&f.problems.Messages, "server says: %.300s", e.Text)
		return
	}
	what := joinAgain
	if len(e.ID) > 0 {
		what = sendAgain
	}
	f.tryLater(m, what, e.After)
}

func (f *Fleet) tryLater(m *member, what again, after time.Duration) {
	if after <= 0 {
		after = retryAfter
	}
	switch what {
	case dialAgain:
		f.retries.Connections++
	case joinAgain:
		f.retries.Joins++
	case sendAgain:
		f.retries.Texts++
	}
	f.later = append(f.later, retry{at: f.now() + int64(after), m: m, what: what})
}

// again tries what is due, if it still has to be.
func (f *Fleet) again(r retry) error {
	m := r.m
	switch {
	case r.what == dialAgain && m.conn == nil:
		return f.dial(m)
	case r.what == joinAgain && m.conn != nil && !m.joined:
		f.join(m)
	case r.what == sendAgain && m.joined && len(m.unacked) > 0:
		f.transmit(m, m.unacked[0], true)
	}
	return nil
}

func (f *Fleet) acked(m *member, e *proto.Event) {
	f.acks++
	i := 0 // without an id the acks are in order
	if len(e.ID) > 0 {
		n, err := strconv.ParseUint(string(e.ID[1:]), 16, 32)
		i = slices.IndexFunc(m.unacked, func(u unacked) bool { return err == nil && uint64(u.n) == n })
	}
	if i < 0 || i >= len(m.unacked) {
		f.problems.note(&f.problems.Messages, "ack for %q, which was not awaited", e.ID)
		return
	}
	m.unacked = slices.Delete(m.unacked, i, i+1)
	if f.cfg.Careful && i == 0 && len(m.unacked) > 0 {
		f.transmit(m, m.unacked[0], false)
	}
}

// Closed takes a member out.
func (f *Fleet) Closed(c *loop.Conn, code int, err error) {
	m := c.User.(*member)
	if m.conn != c {
		return
	}
	retry := f.cfg.Careful && f.resuming
	if !m.joined {
		f.connecting--
	}
	if !m.joined && !retry {
		f.problems.note(&f.problems.Refused, "connection was not joined: code %d, %v", code, err)
	}
	joined := m.joined
	f.leave(m)
	switch {
	case m.slow:
		m.ended, m.code = true, code
	case retry:
		f.tryLater(m, dialAgain, 0)
	case m.leaving:
		f.away = append(f.away, m)
	case joined:
		f.problems.note(&f.problems.Dropped, "member %d of %s was cut off: code %d, %v", m.slot, m.room.name, code, err)
	}
}

// leave is what follows the end of a member's connection.
func (f *Fleet) leave(m *member) {
	if m.joined && !m.slow {
		m.room.live--
		if f.loopMode {
			for s, n := range m.room.pending {
				if n > 0 && m.state.Last(s) < m.room.sent[s] {
					f.arrived(m.room, s)
				}
			}
		}
	}
	m.conn, m.joined = nil, false
}

// send sends the next text of a sender; at is when it was to be sent.
func (f *Fleet) send(m *member, at int64) {
	r := m.room
	r.sent[m.slot]++
	r.pending[m.slot] = r.live
	f.sent++
	u := unacked{n: r.sent[m.slot], at: at}
	if f.cfg.Proto.Acks() {
		m.unacked = append(m.unacked, u)
		if f.cfg.Careful && len(m.unacked) > 1 {
			return
		}
	}
	f.transmit(m, u, false)
}

func (f *Fleet) transmit(m *member, u unacked, again bool) {
	if m.conn == nil {
		return // it is sent again after the next join
	}
	stamp := check.Stamp{Room: m.room.index, Sender: uint16(m.slot), N: u.n, At: u.at}
	f.text = check.AppendText(f.text[:0], stamp, f.cfg.TextSize)
	f.out = f.cfg.Proto.AppendSend(f.out[:0], m.room.name, fmt.Sprintf("n%08x", u.n), f.text, again)
	m.conn.Send(f.out)
}
