package stream

import (
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

// reply is the log's answer to one attempt; msg is nil when the connection was
// lost and found again, so that the attempt should be repeated at once.
type reply struct {
	attempt uint64
	msg     *nats.Msg
}

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

// store sends an event until the log answers for it: stored, stored before, or
// never. Time-outs and lost connections are answered by sending the same id
// again.
func (p *Publisher) store(l *lane, s *submission) error {
	msg := nats.Msg{
		Subject: chatPrefix + s.room,
		Data:    s.data,
		Header:  nats.Header{headerMsgID: {s.msgID}, headerExpectedStream: {chatStream}},
	}
	timeout := time.NewTimer(p.cfg.AckTimeout)
	defer timeout.Stop()
	for {
		attempt := l.attempt.Add(1)
		msg.Reply = p.inbox + strconv.Itoa(l.number) + "." + strconv.FormatUint(attempt, 10)
		err := p.log.nc.PublishMsg(&msg)
		if err == nil {
			timeout.Reset(p.cfg.AckTimeout)
			s.ack, err = l.await(attempt, timeout.C)
		}
		if err == nil {
			return nil
		}
		var refused *apiError
		if errors.As(err, &refused) && !refused.temporary() {
			return fmt.Errorf("%w: %w", ErrRefused, err)
		}
		if time.Now().After(s.deadline) || p.log.nc.IsClosed() {
			return fmt.Errorf("%w: gave up storing an event: %w", ErrUnavailable, err)
		}
		if !errors.Is(err, errAskAgain) {
			timeout.Reset(retryPause)
			<-timeout.C
		}
	}
}

// Outcomes of an attempt that say nothing about the event.
var (
	errAckTimeout = errors.New("no acknowledgement in time")
	errAskAgain   = errors.New("the connection was lost meanwhile")
)

// await waits for the answer to an attempt. Answers to earlier ones are dropped:
// the repeated attempt is answered too, as a duplicate at worst.
func (l *lane) await(attempt uint64, timeout <-chan time.Time) (Ack, error) {
	for {
		select {
		case r := <-l.replies:
			if r.attempt != attempt {
				continue
			}
			if r.msg == nil {
				return Ack{}, errAskAgain
			}
			return parseAck(r.msg)
		case <-timeout:
			return Ack{}, errAckTimeout
		}
	}
}

// onReply hands an acknowledgement to the lane that waits for it.
func (p *Publisher) onReply(m *nats.Msg) {
	number, attempt, ok := strings.Cut(strings.TrimPrefix(m.Subject, p.inbox), ".")
	i, err := strconv.Atoi(number)
	n, err2 := strconv.ParseUint(attempt, 10, 64)
	if !ok || err != nil || err2 != nil || i < 0 || i >= lanes {
		return
	}
	p.lanes[i].answer(reply{n, m})
}

// answer offers a reply; one for an attempt that is over is dropped.
func (l *lane) answer(r reply) {
	for r.attempt == l.attempt.Load() {
		select {
		case l.replies <- r:
			return
		default:
		}
		select {
		case <-l.replies: // a stale one is in the way
		default:
		}
	}
}

// retryAll makes every lane that waits ask again: its answer may be lost.
func (p *Publisher) retryAll() {
	for i := range p.lanes {
		l := &p.lanes[i]
		select {
		case l.replies <- reply{attempt: l.attempt.Load()}:
		default: // its answer is there
		}
	}
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
	var ack struct {
		Stream    string    `json:"stream"`
		Seq       uint64    `json:"seq"`
		Duplicate bool      `json:"duplicate"`
		Error     *apiError `json:"error"`
	}
	if err := json.Unmarshal(m.Data, &ack); err != nil {
		return Ack{}, fmt.Errorf("reading an acknowledgement: %w", err)
	}
	if ack.Error != nil {
		return Ack{}, ack.Error
	}
	if ack.Seq == 0 || ack.Stream != chatStream {
		return Ack{}, fmt.Errorf("reading an acknowledgement: %q of stream %q", m.Data, ack.Stream)
	}
	return Ack{Seq: ack.Seq, Duplicate: ack.Duplicate}, nil
}
