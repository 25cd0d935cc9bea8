package hub

import (
	"context"
	"errors"
	"time"

	"partyline/events"
	"partyline/events/lifecycle"
	"partyline/events/query"
	"partyline/events/stream"
	"partyline/gateway/frame"
	"partyline/gateway/ws"
)

// errReset says that the log's epoch changed while a member entered: the join
// starts again.
var errReset = errors.New("epoch changed during a join")

// errClosed says that the connection ended meanwhile.
var errClosed = errors.New("connection closed")

// join is one join (or synchronisation) of a member.
type join struct {
	h     *Hub
	m     *member
	id    string // of the client's frame
	tail  int
	since uint64
	// resume: the client wants to go on after since.
	resume bool
	// reset: the client's view does not hold any more.
	reset bool
}

// join handles a join frame. It runs in the connection's worker.
func (s *session) join(f *frame.Client) {
	if !s.claims.Load().MayEnter(f.Room) {
		s.refuse(events.Errorf(events.CodeNotFound, "there is no room %q", f.Room), f.ID, f.Room)
		return
	}
	m, err := s.enroll(f.Room)
	if err != nil {
		s.refuseErr(err, f.ID, f.Room)
		return
	}
	j := &join{h: s.h, m: m, id: f.ID, tail: f.Tail, since: f.Since, resume: f.HasSince}
	if j.tail < 0 {
		j.tail = defaultTail
	}
	if j.resume && f.Epoch != s.h.log.Epoch() {
		j.resume, j.reset = false, true
	}
	if err := j.run(s.h.ctx); err != nil {
		s.refuseErr(err, f.ID, f.Room)
		s.unenroll(m)
	}
}

// resync gives a member a fresh joined after the epoch changed.
func (s *session) resync(m *member) {
	j := &join{h: s.h, m: m, tail: defaultTail, reset: true}
	for try := 0; ; try++ {
		err := j.run(s.h.ctx)
		if err == nil || errors.Is(err, errClosed) {
			return
		}
		if try == 5 || !sleep(s.h.ctx, time.Duration(try+1)*200*time.Millisecond) {
			s.conn.Close(ws.CloseTryLater, "room cannot be read", nil)
			return
		}
	}
}

// enroll makes the connection a member of a room that is followed, or returns
// the membership that it has.
func (s *session) enroll(name string) (*member, error) {
	if m := s.member(name); m != nil {
		return m, nil
	}
	r, err := s.h.acquire(s.h.ctx, name)
	if err != nil {
		return nil, err
	}
	m := &member{s: s, r: r, live: -1, fresh: -1}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		err = errClosed
	case len(s.rooms) >= s.h.cfg.RoomsPerConn:
		err = events.Errorf(events.CodeForbidden, "a connection may join %d rooms", s.h.cfg.RoomsPerConn)
	default:
		s.rooms = append(s.rooms, m)
		return m, nil
	}
	s.h.release(r)
	return nil, err
}

// unenroll undoes enroll when the join failed. A member that was joined before
// stays: it still gets every event.
func (s *session) unenroll(m *member) {
	s.mu.Lock()
	if m.joined {
		s.mu.Unlock()
		return
	}
	s.dropMember(m)
	s.mu.Unlock()
	m.r.leave(m)
}

// run synchronises the member. An error means that no joined was sent; what
// fails after it closes the connection, since only a reconnect can go on.
func (j *join) run(ctx context.Context) error {
	for {
		err := j.once(ctx)
		switch {
		case errors.Is(err, errReset):
			j.resume, j.reset = false, true
		case !errors.Is(err, errRingMoved):
			return err
		}
	}
}

func (j *join) once(ctx context.Context) error {
	fence, resets := j.m.r.position()
	if j.resume {
		plan, err := j.planResume(ctx, fence, resets)
		if err != nil {
			return err
		}
		if plan != nil {
			return j.enter(ctx, plan)
		}
		j.resume, j.reset = false, true
	}
	page, err := j.h.tail(ctx, j.m.r, j.tail, fence)
	if err != nil {
		return err
	}
	if err := j.h.checkLag(page.Applied, fence); err != nil {
		return err
	}
	return j.enter(ctx, &entry{
		resets: resets, cursor: page.Head, lastSeq: page.Head,
		messages: page.Messages, more: page.More, reset: j.reset,
	})
}

// entry is what joined says, and where the events after it begin.
type entry struct {
	resets   int    // of the room when it was read
	cursor   uint64 // events above it follow
	lastSeq  uint64
	messages []byte // tail; nil: a replay
	more     bool
	reset    bool
	replayed int
	fromRing bool // lastSeq and replayed are to be taken from the ring
	first    []query.RawEvent
}

// planResume says how to go on after j.since; nil: it cannot be continued.
func (j *join) planResume(ctx context.Context, fence uint64, resets int) (*entry, error) {
	r := j.m.r
	if j.since > fence {
		// Another gateway may have been faster than our live copies.
		heads, err := j.h.log.LastSeqs(ctx, []string{r.name})
		if err != nil {
			return nil, unavailable(err)
		}
		if j.since > heads[r.name] {
			return nil, nil
		}
		j.h.feed.Expect(r.name, heads[r.name], false)
		fence = heads[r.name]
	}
	r.mu.Lock()
	covered := r.ring.covers(j.since) && fence <= r.head
	r.mu.Unlock()
	if covered {
		return &entry{resets: resets, cursor: j.since, fromRing: true}, nil
	}
	page, err := j.h.events(ctx, query.EventsRequest{
		Room: r.name, After: j.since, Limit: j.h.cfg.ReplayPage, AtLeast: fence,
	})
	if err != nil {
		return nil, err
	}
	if page.Remain > j.h.cfg.MaxReplay {
		return nil, nil
	}
	if err := j.h.checkLag(page.Applied, fence); err != nil {
		return nil, err
	}
	return &entry{
		resets: resets, cursor: j.since, lastSeq: max(page.Head, j.since),
		replayed: page.Remain, first: page.Events,
	}, nil
}

// checkLag refuses joins while the read model is so far behind that a member
// might have to be sent more than a replay may have.
func (h *Hub) checkLag(applied, fence uint64) error {
	if fence > applied && fence-applied > uint64(h.cfg.MaxReplay) {
		return errUnavailable
	}
	return nil
}

// enter sends joined and what follows it, until the member is live.
func (j *join) enter(ctx context.Context, e *entry) error {
	m, s := j.m, j.m.s
	if s.isClosed() {
		return errClosed
	}
	live, err := j.sendJoined(e)
	if err != nil {
		return err
	}
	s.mu.Lock()
	m.joined = true
	s.mu.Unlock()
	s.recordJoined()
	j.h.stats.joins.Add(1)
	if live {
		return nil
	}
	err = j.catchUp(ctx, e)
	switch {
	case err == nil, errors.Is(err, errClosed):
	case errors.Is(err, errReset):
		return err
	default:
		j.h.cfg.Logger.Warn("room cannot be caught up", "room", m.r.name, "error", err)
		s.conn.Close(ws.CloseTryLater, "room cannot be read", nil)
	}
	return nil
}

// sendJoined sends joined, and in the same step, when the ring reaches that far
// back, the events above the cursor: from then on the member is live. Without
// that the member is in no list, and catchUp has to bring it there.
func (j *join) sendJoined(e *entry) (live bool, err error) {
	m, r := j.m, j.m.r
	r.mu.Lock()
	defer r.mu.Unlock()
	r.awaitOthers()
	if m.left {
		return false, errClosed
	}
	if r.resets != e.resets {
		return false, errReset
	}
	if e.fromRing {
		if !r.ring.covers(e.cursor) {
			return false, errRingMoved
		}
		e.lastSeq = max(r.head, e.cursor)
		e.replayed = r.ring.n - r.ring.after(e.cursor)
	}
	if !m.counted {
		m.counted = true
		r.addPerson(m)
	}
	r.detach(m)
	f := m.s.h.encode(func(dst []byte) []byte { return j.appendJoined(dst, e) })
	r.sendTo(m, f)
	f.Release()
	return r.goLive(m, e.cursor), nil
}

// errRingMoved says that the ring dropped what a resume wanted to take from it.
var errRingMoved = errors.New("ring moved on")

// goLive sends what the ring holds above cursor and makes m live; false: the
// ring does not reach that far back. Under r.mu.
func (r *room) goLive(m *member, cursor uint64) bool {
	if !r.ring.covers(cursor) {
		return false
	}
	if i := r.ring.after(cursor); i < r.ring.n {
		frames := make([]*ws.Frame, 0, r.ring.n-i)
		for ; i < r.ring.n; i++ {
			frames = append(frames, r.ring.at(i).frame)
		}
		r.sendTo(m, frames...)
		m.s.recordFirstEvent()
		r.h.stats.deliveries.Add(uint64(len(frames)))
	}
	r.people.newcomers = append(r.people.newcomers, m)
	r.h.wake(r)
	if cursor > r.head {
		m.after = cursor
		r.waiting = append(r.waiting, m)
		r.h.feed.Expect(r.name, cursor, false)
		return true
	}
	r.addLive(m)
	return true
}

// catchUp sends the events above the cursor page by page, never faster than the
// connection takes them, until the ring covers the rest.
func (j *join) catchUp(ctx context.Context, e *entry) error {
	m, r := j.m, j.m.r
	r.settle() // joined may wait in the outbox
	cursor, page := e.cursor, e.first
	for {
		for i := range page {
			cursor = page[i].Seq
			if err := j.sendRaw(ctx, &page[i]); err != nil {
				return err
			}
		}
		r.mu.Lock()
		switch {
		case m.left:
			r.mu.Unlock()
			return errClosed
		case r.resets != e.resets:
			r.mu.Unlock()
			return errReset
		case r.goLive(m, cursor):
			r.mu.Unlock()
			return nil
		}
		floor := r.ring.floor
		r.mu.Unlock()
		var err error
		if page, err = j.missing(ctx, cursor, floor); err != nil {
			return err
		}
		if len(page) == 0 {
			// Nothing is stored there (any more): the ring covers the rest.
			cursor = floor
		}
	}
}

// missing reads the next page of events with cursor < seq <= upTo: from the
// read model, or from the log where the read model is behind.
func (j *join) missing(ctx context.Context, cursor, upTo uint64) ([]query.RawEvent, error) {
	room := j.m.r.name
	page, err := j.h.events(ctx, query.EventsRequest{
		Room: room, After: cursor, UpTo: upTo, Limit: j.h.cfg.ReplayPage, AtLeast: upTo,
	})
	if err == nil && (len(page.Events) > 0 || page.Applied >= upTo) {
		return page.Events, nil
	}
	if err := j.h.enterExpensive(ctx); err != nil {
		return nil, err
	}
	defer j.h.leaveExpensive()
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	stored, err := j.h.log.Fill(ctx, room, cursor, upTo)
	if err != nil {
		return nil, unavailable(err)
	}
	out := make([]query.RawEvent, len(stored))
	for i, ev := range stored {
		out[i] = query.RawEvent{Seq: ev.Seq, Prev: ev.Prev, Time: ev.Time, Data: ev.Data}
	}
	return out, nil
}

// sendRaw sends one replayed event when the connection has room for it.
func (j *join) sendRaw(ctx context.Context, ev *query.RawEvent) error {
	s := j.m.s
	if err := s.awaitRoom(ctx); err != nil {
		return err
	}
	stored := stream.Stored{Room: j.m.r.name, Seq: ev.Seq, Prev: ev.Prev, Time: ev.Time, Data: ev.Data}
	if !s.send(func(dst []byte) []byte { return frame.AppendEvent(dst, &stored) }) {
		return errClosed
	}
	s.recordFirstEvent()
	j.h.stats.deliveries.Add(1)
	j.h.stats.replayed.Add(1)
	return nil
}

func (s *session) recordJoined() {
	if s.sawJoin.CompareAndSwap(false, true) {
		s.conn.Attempt().Stage(lifecycle.StageJoined)
	}
}

// events asks the read model for raw events.
func (h *Hub) events(ctx context.Context, q query.EventsRequest) (query.EventsPage, error) {
	if err := h.enterExpensive(ctx); err != nil {
		return query.EventsPage{}, err
	}
	defer h.leaveExpensive()
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	page, err := h.query.Events(ctx, q)
	if err != nil {
		return page, unavailable(err)
	}
	return page, nil
}

func (j *join) appendJoined(dst []byte, e *entry) []byte {
	return frame.AppendJoined(dst, &frame.JoinedFrame{
		Room: j.m.r.name, ID: j.id, Epoch: j.h.log.Epoch(), LastSeq: e.lastSeq,
		Members: j.m.r.people.present, Messages: e.messages, More: e.more,
		Replayed: e.replayed, Reset: e.reset,
	})
}
