package hub

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"partyline/events"
	"partyline/gateway/frame"
	"partyline/gateway/token"
	"partyline/gateway/ws"
)

// session is one connection. The engine's calls are serial; a worker goroutine
// exists only while frames wait in the queue.
type session struct {
	h      *Hub
	id     Identity
	conn   ws.Conn
	connID string
	opened time.Time

	claims atomic.Pointer[token.Claims] // nil: everything is allowed, for ever

	malformed int // in a row; only used by Message

	known    atomic.Bool // this identity may have stored something before
	familiar atomic.Bool // it has
	sawJoin  atomic.Bool
	sawEvent atomic.Bool
	hasLeft  atomic.Bool // a room; something of that may wait in its outbox

	mu          sync.Mutex // guards what follows
	closed      bool
	rooms       []*member
	queue       []task
	queuedBytes int
	working     bool // a worker runs
	inFlight    int  // storing frames without an answer
	sends       bucket
	signals     bucket // read, typing and auth
	refusals    window
}

// task is something that waits for its turn: a frame as it came, or a member to
// synchronise.
type task struct {
	payload []byte
	resync  *member
}

// Open implements [ws.Session].
func (s *session) Open(c ws.Conn) {
	s.conn = c
	s.opened = time.Now()
	s.connID = c.Attempt().ConnID()
	if s.connID == "" {
		s.connID = rand.Text()
	}
	s.h.stats.connections.Add(1)
	s.h.addSession(s)
	s.send(func(dst []byte) []byte { return frame.AppendWelcome(dst, s.welcome()) })
	if s.h.draining.Load() {
		s.h.sayBye(s)
	}
}

func (s *session) welcome() *frame.WelcomeFrame {
	cfg := &s.h.cfg
	return &frame.WelcomeFrame{
		Conn: s.connID, User: s.id.User, UID: s.id.UID, Sub: s.claims.Load().Sub(),
		Epoch: s.h.log.Epoch(), ReportKey: events.ReportKey(s.h.log.Secret(), s.connID),
		Version: cfg.Version, Gateway: cfg.Gateway,
		Time: time.Now(), Heartbeat: cfg.Heartbeat,
		MaxFrameBytes: cfg.MaxFrameBytes, MaxText: maxText,
		SendsPerS: cfg.SendsPerSecond, Rooms: cfg.RoomsPerConn,
	}
}

// Closed implements [ws.Session].
func (s *session) Closed(ws.CloseInfo) {
	s.mu.Lock()
	s.closed = true
	rooms := s.rooms
	s.rooms = nil
	s.queue, s.queuedBytes = nil, 0
	s.mu.Unlock()
	s.h.removeSession(s)
	if s.h.stats.connections.Add(-1) == 0 {
		select {
		case s.h.lastLeft <- struct{}{}:
		default: // told, and not yet heard
		}
	}
	for _, m := range rooms {
		m.r.leave(m)
	}
}

// Message implements [ws.Session]. It never waits: what has to ask somebody
// goes to the worker, and so does everything that comes behind it, so that the
// client's order holds. When the queue is full the frame is refused with
// "overloaded"; the reader goes on.
func (s *session) Message(text bool, payload []byte) {
	if !text {
		s.conn.Close(ws.CloseUnsupported, "binary message", nil)
		return
	}
	f := s.h.clients.Get().(*frame.Client)
	defer s.h.clients.Put(f)
	err, malformed := frame.Decode(payload, f)
	if err != nil {
		s.invalid(err, f, malformed)
		return
	}
	s.malformed = 0
	if !s.admit(f) {
		return
	}
	if s.needsWorker(f) {
		if !s.enqueue(task{payload: slices.Clone(payload)}) {
			s.refuseLater(events.CodeOverloaded, "too many frames of this connection are waiting", f, retryAfter)
		}
		return
	}
	s.handle(f)
}

// invalid answers a frame that breaks the contract (details 11 and 12).
func (s *session) invalid(err *events.Error, f *frame.Client, malformed bool) {
	if malformed {
		s.malformed++
		if s.malformed > maxMalformed {
			s.conn.Close(ws.ClosePolicy, "too many malformed frames", nil)
			return
		}
	}
	s.refuse(err, f.ID, f.Room)
}

// admit applies the rate limits. Read markers and typing have no answer, so
// what is too much of them is dropped.
func (s *session) admit(f *frame.Client) bool {
	now := time.Now()
	switch f.Type {
	case frame.Send, frame.Edit, frame.Delete, frame.React:
		s.mu.Lock()
		ok, wait := s.sends.take(now, s.h.cfg.SendsPerSecond, s.h.cfg.SendBurst)
		tooMany := !ok && s.refusals.add(now, refusalWindow) > maxRefusals
		full := s.inFlight >= maxInFlight
		s.mu.Unlock()
		switch {
		case tooMany:
			s.conn.Close(ws.CloseRateLimited, "rate limits ignored", nil)
			return false
		case !ok:
			s.refuseLater(events.CodeRateLimited, "too many messages", f, wait)
			return false
		case full:
			s.refuseLater(events.CodeOverloaded, "too many messages without an answer", f, retryAfter)
			return false
		}
	case frame.Read, frame.Typing, frame.Auth:
		s.mu.Lock()
		ok, wait := s.signals.take(now, signalRate, signalBurst)
		s.mu.Unlock()
		if !ok && f.Type == frame.Auth {
			s.refuseLater(events.CodeRateLimited, "too many tokens", f, wait)
		}
		return ok
	}
	return true
}

const (
	signalRate  = 10 // read, typing and auth frames of one connection, per second
	signalBurst = 40
)

// needsWorker reports whether the frame has to ask somebody, or has to wait
// behind one that does.
func (s *session) needsWorker(f *frame.Client) bool {
	switch f.Type {
	case frame.Ping:
		return false
	case frame.Send:
		if s.mustLookUp(f) {
			return true
		}
	case frame.Join, frame.History, frame.Edit, frame.Delete, frame.React:
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.working
}

// handle does what a valid frame asks for.
func (s *session) handle(f *frame.Client) {
	switch f.Type {
	case frame.Ping:
		s.send(func(dst []byte) []byte { return frame.AppendPong(dst, f.T, time.Now()) })
	case frame.Auth:
		s.refresh(f)
	case frame.Join:
		s.join(f)
	case frame.Leave:
		s.leaveRoom(f)
	case frame.Send, frame.Edit, frame.Delete, frame.React:
		s.store(f)
	case frame.History:
		s.history(f)
	case frame.Read:
		s.read(f)
	case frame.Typing:
		s.typing(f)
	}
}

func (s *session) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// enqueue hands t to the worker and starts it when there is none; false: the
// queue is full. A resync is never refused.
func (s *session) enqueue(t task) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return true
	}
	if t.resync == nil && (len(s.queue) >= maxQueuedFrames || s.queuedBytes+len(t.payload) > maxQueuedBytes) {
		return false
	}
	s.queue = append(s.queue, t)
	s.queuedBytes += len(t.payload)
	if !s.working {
		s.working = s.h.spawn(s.work)
	}
	return true
}

// work handles queued tasks in order until none is left.
func (s *session) work() {
	f := new(frame.Client)
	for {
		s.mu.Lock()
		if len(s.queue) == 0 {
			s.working = false
			s.queue = nil
			s.mu.Unlock()
			return
		}
		t := s.queue[0]
		s.queue[0] = task{}
		s.queue = s.queue[1:]
		s.queuedBytes -= len(t.payload)
		s.mu.Unlock()
		if t.resync != nil {
			s.resync(t.resync)
			continue
		}
		// It was valid when it came.
		if err, _ := frame.Decode(t.payload, f); err == nil {
			s.handle(f)
		}
	}
}

// member returns the connection's membership of a room, nil without one.
func (s *session) member(name string) *member {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.rooms {
		if m.r.name == name {
			return m
		}
	}
	return nil
}

// joinedRoom returns the membership of a joined room, or answers not_joined.
func (s *session) joinedRoom(f *frame.Client) *member {
	m := s.member(f.Room)
	if m == nil {
		s.refuse(events.Errorf(events.CodeNotJoined, "join room %q first", f.Room), f.ID, f.Room)
	}
	return m
}

// dropMember takes m off the list; under s.mu.
func (s *session) dropMember(m *member) {
	if i := slices.Index(s.rooms, m); i >= 0 {
		s.rooms = slices.Delete(s.rooms, i, i+1)
	}
}

func (s *session) leaveRoom(f *frame.Client) {
	if m := s.joinedRoom(f); m != nil {
		s.leave(m, f.ID)
	}
}

// leave ends a membership and says so.
func (s *session) leave(m *member, id string) {
	s.mu.Lock()
	s.dropMember(m)
	s.mu.Unlock()
	s.hasLeft.Store(true)
	m.r.leave(m)
	left := s.h.encode(func(dst []byte) []byte { return frame.AppendLeft(dst, m.r.name, id) })
	m.r.mu.Lock()
	m.r.sendTo(m, left) // behind the last event
	m.r.mu.Unlock()
	left.Release()
}

// send encodes a frame for this connection alone.
func (s *session) send(encode func(dst []byte) []byte) bool {
	f := s.h.encode(encode)
	ok := s.conn.Send(f)
	f.Release()
	return ok
}

// encode makes a frame; the caller holds one reference.
func (h *Hub) encode(fill func(dst []byte) []byte) *ws.Frame {
	buf := h.getBuffer()
	buf.b = fill(buf.b)
	f := ws.NewText(buf.b)
	h.putBuffer(buf)
	return f
}

// refuse answers with an error frame.
func (s *session) refuse(err *events.Error, id, room string) {
	var wait time.Duration
	if err.Code == events.CodeStorageUnavailable || err.Code == events.CodeOverloaded {
		wait = retryAfter
	}
	s.h.stats.refusals.Add(1)
	s.send(func(dst []byte) []byte { return frame.AppendError(dst, err, id, room, wait) })
}

func (s *session) refuseLater(code events.Code, message string, f *frame.Client, wait time.Duration) {
	wait = max(wait, time.Millisecond)
	s.h.stats.refusals.Add(1)
	s.send(func(dst []byte) []byte {
		return frame.AppendError(dst, events.Errorf(code, "%s", message), f.ID, f.Room, wait)
	})
}

// refuseErr answers an error of a step; of errors that are not meant for
// clients it tells nothing.
func (s *session) refuseErr(err error, id, room string) {
	if errors.Is(err, errClosed) {
		return
	}
	e, ok := errors.AsType[*events.Error](err)
	if !ok {
		e = events.Errorf(events.CodeInternal, "internal error")
		s.h.cfg.Logger.Error("frame could not be handled", "error", err)
	}
	s.refuse(e, id, room)
}

// awaitRoom waits until the outbound queue is short enough for a page of a
// replay. A reader that takes nothing for catchUpTimeout is closed as slow.
func (s *session) awaitRoom(ctx context.Context) error {
	if s.conn.Queued() < drainHigh {
		return nil
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.NewTimer(catchUpTimeout)
	defer deadline.Stop()
	for s.conn.Queued() > drainHigh/2 {
		select {
		case <-tick.C:
		case <-deadline.C:
			bye := s.h.SlowFrame()
			s.conn.Close(ws.CloseSlowConsumer, "slow consumer", bye)
			bye.Release()
			return errClosed
		case <-ctx.Done():
			return errClosed
		}
		if s.isClosed() {
			return errClosed
		}
	}
	return nil
}
