package stream

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// retryPause is the pause before an event is sent again that the log refused
// for the moment.
const retryPause = 20 * time.Millisecond

// Headers of a publish; see ADR-4 and ADR-15 of NATS.
const (
	headerMsgID          = "Nats-Msg-Id"
	headerExpectedStream = "Nats-Expected-Stream"
)

// JetStream's error codes that say "not now".
const (
	errCodeQueueFull        = 10167 // the stream's inbound queue is full
	errCodeDuplicateRunning = 10158 // the same id is being stored
	errCodeStorageResources = 10047
	errCodeClusterNotReady  = 10008
	errCodeNoLeader         = 10009
)

// errAckTimeout says nothing about the event: it may be stored.
var errAckTimeout = errors.New("no acknowledgement in time")

// attempt is what the sender needs to know of one.
type attempt struct {
	slot   int
	number uint64
	event  *submission // not to be touched after the attempt was sent
}

// failure is a list of events and what became of them.
type failure struct {
	list *submission
	err  error
}

// send sends what is ready until ctx ends. It is one goroutine, the only one
// that may wait for the connection.
func (p *Publisher) send(ctx context.Context) {
	m := nats.Msg{Header: nats.Header{headerMsgID: {""}, headerExpectedStream: {chatStream}}}
	timer := time.NewTimer(0)
	defer timer.Stop()
	var batch []attempt
	for ctx.Err() == nil {
		var failed []failure
		var due time.Time
		batch, failed, due = p.next(batch[:0])
		for _, a := range batch {
			p.sendOne(&m, a)
		}
		for _, f := range failed {
			p.finish(f.list, f.err)
		}
		if len(batch) > 0 || len(failed) > 0 {
			continue
		}
		var over <-chan time.Time
		if !due.IsZero() {
			timer.Reset(time.Until(due))
			over = timer.C
		}
		select {
		case <-ctx.Done():
		case <-p.wake:
		case <-over:
		}
	}
}

// next takes what has to be sent, and what nobody should wait for any longer;
// due is when to ask again at the latest.
func (p *Publisher) next(batch []attempt) (_ []attempt, failed []failure, due time.Time) {
	now := time.Now()
	closed := p.log.nc.IsClosed()
	p.mu.Lock()
	defer p.mu.Unlock()
	ls := &p.lanes
	ls.wakeUp(now)
	for i := 0; i < len(ls.ready); i++ { // grows when lanes are given up
		sl := ls.ready[i]
		s := sl.lane.events.first
		if closed || now.After(s.deadline) {
			// What follows in this lane was submitted later: it must not be
			// stored before this one, which its client will send again.
			err := fmt.Errorf("%w: gave up storing an event", ErrUnavailable)
			if sl.err != nil {
				err = fmt.Errorf("%w: %w", err, sl.err)
			}
			failed = append(failed, failure{ls.popAll(sl), err})
			continue
		}
		sl.attempt++
		sl.state = slotSent
		ls.setDue(sl, now.Add(p.cfg.AckTimeout))
		batch = append(batch, attempt{sl.number, sl.attempt, s})
	}
	ls.ready = ls.ready[:0]
	return batch, failed, ls.due
}

// sendOne sends an event with the sender's message.
func (p *Publisher) sendOne(m *nats.Msg, a attempt) {
	var room [256]byte
	names := append(append(room[:0], chatPrefix...), a.event.room...)
	n := len(names)
	names = append(names, p.inbox...)
	names = strconv.AppendInt(names, int64(a.slot), 10)
	names = append(names, '.')
	names = strconv.AppendUint(names, a.number, 10)
	both := string(names) // one allocation
	m.Subject, m.Reply, m.Data = both[:n], both[n:], a.event.data
	m.Header[headerMsgID][0] = a.event.msgID
	err := p.log.nc.PublishMsg(m)
	if err == nil {
		return
	}
	if errors.Is(err, nats.ErrMaxPayload) {
		err = fmt.Errorf("%w: %w", ErrRefused, err)
	}
	p.resolve(a.slot, a.number, Ack{}, err)
}

// resolve tells what became of an attempt.
func (p *Publisher) resolve(number int, attempt uint64, ack Ack, err error) {
	var stored, refused *submission
	p.mu.Lock()
	switch sl := p.lanes.awaited(number, attempt); {
	case sl == nil: // it was repeated meanwhile, and that attempt counts
	case err == nil:
		stored = p.lanes.pop(sl)
		stored.ack = ack
	case errors.Is(err, ErrRefused):
		refused = p.lanes.pop(sl)
	default:
		p.lanes.pause(sl, time.Now().Add(retryPause), err)
	}
	wake := len(p.lanes.ready) > 0 || err != nil
	p.mu.Unlock()
	if wake {
		p.wakeSender()
	}
	if stored != nil {
		p.acks.put(stored)
	}
	p.finish(refused, err)
}

// onReply takes an acknowledgement.
func (p *Publisher) onReply(m *nats.Msg) {
	number, attempt, ok := strings.Cut(strings.TrimPrefix(m.Subject, p.inbox), ".")
	i, err := strconv.Atoi(number)
	n, err2 := strconv.ParseUint(attempt, 10, 64)
	if !ok || err != nil || err2 != nil {
		return
	}
	ack, err := parseAck(m)
	if err != nil {
		err = finalError(err)
	}
	p.resolve(i, n, ack, err)
}

// finalError marks what will be answered to the same event for ever.
func finalError(err error) error {
	var refused *apiError
	if errors.As(err, &refused) && !refused.temporary() {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return err
}

// retryAll sends again whatever is under way: the connection was lost, and the
// answers with it.
func (p *Publisher) retryAll() {
	p.mu.Lock()
	p.lanes.retry()
	p.mu.Unlock()
	p.wakeSender()
}

// temporary reports whether the same event may be stored a little later.
func (e *apiError) temporary() bool {
	switch e.ErrCode {
	case errCodeQueueFull, errCodeDuplicateRunning, errCodeStorageResources, errCodeClusterNotReady, errCodeNoLeader:
		return true
	}
	return e.Code >= 500
}

// parseAck reads a PubAck of JetStream.
func parseAck(m *nats.Msg) (Ack, error) {
	if len(m.Data) == 0 {
		return Ack{}, fmt.Errorf("nobody keeps the log: status %q", m.Header.Get(headerStatus))
	}
	if ack, ok := scanAck(m.Data); ok {
		return ack, nil
	}
	return decodeAck(m.Data)
}

// decodeAck reads any PubAck.
func decodeAck(data []byte) (Ack, error) {
	var ack struct {
		Stream    string    `json:"stream"`
		Seq       uint64    `json:"seq"`
		Duplicate bool      `json:"duplicate"`
		Error     *apiError `json:"error"`
	}
	if err := json.Unmarshal(data, &ack); err != nil {
		return Ack{}, fmt.Errorf("reading an acknowledgement: %w", err)
	}
	if ack.Error != nil {
		return Ack{}, ack.Error
	}
	if ack.Seq == 0 || ack.Stream != chatStream {
		return Ack{}, fmt.Errorf("reading an acknowledgement: %q of stream %q", data, ack.Stream)
	}
	return Ack{Seq: ack.Seq, Duplicate: ack.Duplicate}, nil
}

// scanAck reads the PubAck of an event that was stored, as the server writes it,
// without allocating.
func scanAck(data []byte) (ack Ack, ok bool) {
	rest, ok := bytes.CutPrefix(data, []byte(`{"stream":"`+chatStream+`","seq":`))
	if !ok {
		return Ack{}, false
	}
	digits, ok := bytes.CutSuffix(rest, []byte("}"))
	if !ok || len(digits) == 0 || len(digits) > 19 || digits[0] == '0' {
		return Ack{}, false
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return Ack{}, false
		}
		ack.Seq = ack.Seq*10 + uint64(c-'0')
	}
	return ack, true
}
