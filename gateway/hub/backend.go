package hub

import (
	"context"
	"crypto/rand"
	"time"

	"partyline/events"
)

// backendKey stands for the client key in the identities of Send. It is shorter
// than any key that a client may have, so no connection can be one of them.
const backendKey = "backend"

// sendTimeout bounds how long Send waits for an acknowledgement.
const sendTimeout = 10 * time.Second

// SendRequest is a message of a backend. The caller has checked everything by
// the rules of package events.
type SendRequest struct {
	Room    string
	User    string // the name shown
	Sub     string // subject of a token, whose identity it is; "": that of User alone
	ID      string // Idempotency-Key; "": every call stores a message of its own
	Text    string
	ReplyTo uint64 // stream sequence, 0 for none
	Meta    []byte // compact JSON object, nil for none
}

// SendResult says where the message was stored.
type SendResult struct {
	Seq       uint64
	Time      time.Time
	Duplicate bool // the same ID had been stored before, at Seq
}

// Send stores a message and returns when it is acknowledged, as durable as that
// of a connection. Without Sub the identity is User alone: two backends that show
// the same name share it, and no connection does. The same ID of the same identity is stored
// once: it is looked up in memory, in the read model, and by the log. Errors are
// *events.Error where the contract has a code, or that of ctx; the message may
// have been stored all the same, and sending the ID again tells.
func (h *Hub) Send(ctx context.Context, r SendRequest) (SendResult, error) {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	room, err := h.acquire(ctx, r.Room)
	if err != nil {
		return SendResult{}, err
	}
	defer h.release(room)
	given := r.ID != ""
	if !given {
		r.ID = rand.Text()
	}
	answer := make(chan sendAnswer, 1)
	uid := events.UID(h.log.Secret(), r.User, backendKey)
	if r.Sub != "" {
		uid = events.SubjectUID(h.log.Secret(), r.Sub)
	}
	p := &pending{h: h, r: room, key: ackKey{uid, r.ID}}
	e, found, joined := h.acked.begin(p.key, p, waiter{backend: answer})
	switch {
	case found:
		h.stats.duplicates.Add(1)
		return SendResult{e.seq, e.at, true}, nil
	case !joined:
		if err := h.sendNew(p, r, given); err != nil {
			p.fail(err)
		}
	}
	select {
	case a := <-answer:
		return a.SendResult, a.err
	case <-ctx.Done():
		return SendResult{}, unavailable(ctx.Err())
	}
}

// sendNew looks up an id that was given, and publishes.
func (h *Hub) sendNew(p *pending, r SendRequest, given bool) error {
	if given {
		if _, done, err := p.lookUp(true); done || err != nil {
			return err
		}
	}
	return p.submit(&events.Event{
		V: events.Version, Kind: events.KindMessage, ID: p.key.id, Room: p.r.name, UID: p.key.uid, User: r.User,
		Text: r.Text, ReplyTo: r.ReplyTo, Meta: r.Meta,
	})
}

// sendAnswer is what a waiting Send is told.
type sendAnswer struct {
	SendResult
	err error
}

// acknowledged tells w that the event is stored.
func (w waiter) acknowledged(p *pending, seq uint64, at time.Time, duplicate bool) {
	if w.s != nil {
		w.s.ack(p.key.id, seq, at, duplicate)
		return
	}
	p.h.countAck(duplicate)
	w.backend <- sendAnswer{SendResult: SendResult{seq, at, duplicate}} // has room for one
}

// failed tells w that nothing was acknowledged.
func (w waiter) failed(p *pending, err error) {
	if w.s != nil {
		w.s.addInFlight(-1)
		w.s.refuseErr(err, p.key.id, p.r.name)
		return
	}
	w.backend <- sendAnswer{err: err}
}
