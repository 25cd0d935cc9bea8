package stream

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

// PublisherConfig bounds a Publisher. Zero values take the defaults.
type PublisherConfig struct {
	Logger     *slog.Logger  // nil: discard
	MaxQueued  int           // events waiting or in flight; 0: 16,384
	MaxBytes   int           // their bytes; 0: 64 MiB
	AckTimeout time.Duration // then the same id is sent again; 0: 2s
	GiveUp     time.Duration // then the outcome is unknown, ErrUnavailable; 0: 10s
}

// Receiver is told what became of a submission.
type Receiver interface {
	// Published is called exactly once, from a goroutine of the publisher; it
	// must not block. With an error nothing was acknowledged, and the event
	// may be stored all the same: submit the same id again to know.
	Published(ack Ack, err error)
}

// ErrRefused is what a Receiver gets for an event that the log will never store,
// such as one that is too large.
var ErrRefused = errors.New("the log refused the event")

// lanes is the number of lanes: as many events are being stored at once, each
// of another room.
const lanes = 256

// Publisher stores events: those of one room in the order of their submission,
// each once, acknowledged when they are as durable as the log promises. Safe for
// concurrent use.
//
// Rooms are hashed to lanes. A lane sends an event only after the one before it
// was stored, so that no retry, lost connection or full queue can reorder a
// room; many lanes run side by side, and their events share syncs (ADR 0007).
type Publisher struct {
	log   *Log
	cfg   PublisherConfig
	seed  maphash.Seed
	inbox string // prefix of reply subjects: inbox + lane + "." + attempt
	acks  *ackQueue

	lanes [lanes]lane

	mu     sync.Mutex // guards what follows
	state  publisherState
	queued int
	bytes  int
	work   sync.WaitGroup // running lanes
}

type publisherState int

const (
	publisherNew publisherState = iota
	publisherRunning
	publisherStopped
)

// submission is one event on its way into the log.
type submission struct {
	room, msgID string
	data        []byte
	receiver    Receiver
	deadline    time.Time
	ack         Ack
}

// NewPublisher makes a publisher on l; it does nothing until Run is called.
func NewPublisher(l *Log, cfg PublisherConfig) (*Publisher, error) {
	if l == nil {
		return nil, errors.New("publisher without log")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.MaxQueued <= 0 {
		cfg.MaxQueued = 16384
	}
	if cfg.MaxBytes <= 0 {
		cfg.MaxBytes = 64 << 20
	}
	if cfg.AckTimeout <= 0 {
		cfg.AckTimeout = 2 * time.Second
	}
	if cfg.GiveUp <= 0 {
		cfg.GiveUp = 10 * time.Second
	}
	p := &Publisher{log: l, cfg: cfg, seed: maphash.MakeSeed(), inbox: nats.NewInbox() + "."}
	p.acks = newAckQueue(p)
	for i := range p.lanes {
		p.lanes[i].number = i
		p.lanes[i].replies = make(chan reply, 1)
	}
	return p, nil
}

// Run publishes until ctx ends; then it refuses new submissions and resolves
// what is in flight, at most for GiveUp.
func (p *Publisher) Run(ctx context.Context) error {
	sub, err := p.log.nc.Subscribe(p.inbox+"*.*", p.onReply)
	if err != nil {
		return fmt.Errorf("subscribing to acknowledgements: %w", err)
	}
	reconnected := p.log.nc.StatusChanged(nats.CONNECTED)
	defer p.log.nc.RemoveStatusListener(reconnected)
	p.setState(publisherRunning)

	ackCtx, stopAcks := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { p.acks.run(ackCtx) })
	for running := true; running; {
		select {
		case <-ctx.Done():
			running = false
		case <-reconnected:
			p.retryAll()
		}
	}
	p.setState(publisherStopped)
	p.work.Wait()
	p.acks.drain()
	stopAcks()
	wg.Wait()
	if err := sub.Unsubscribe(); err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
		return fmt.Errorf("unsubscribing from acknowledgements: %w", err)
	}
	return nil
}

func (p *Publisher) setState(s publisherState) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state = s
}

// Submit queues an event. msgID makes it idempotent within the log's
// deduplication window. data stays untouched until r was told. A full queue or
// an unavailable log is an immediate ErrUnavailable, and r is not called.
func (p *Publisher) Submit(room, msgID string, data []byte, r Receiver) error {
	if err := checkToken(room); err != nil {
		return err
	}
	if !p.log.Available() {
		return fmt.Errorf("%w: no connection to the log", ErrUnavailable)
	}
	p.mu.Lock()
	switch {
	case p.state != publisherRunning:
		p.mu.Unlock()
		return fmt.Errorf("%w: the publisher is not running", ErrUnavailable)
	case p.queued >= p.cfg.MaxQueued || p.bytes+len(data) > p.cfg.MaxBytes:
		p.mu.Unlock()
		return fmt.Errorf("%w: too many events are waiting", ErrUnavailable)
	}
	p.queued++
	p.bytes += len(data)
	l := &p.lanes[maphash.String(p.seed, room)%lanes]
	if l.put(&submission{room: room, msgID: msgID, data: data, receiver: r, deadline: time.Now().Add(p.cfg.GiveUp)}) {
		p.work.Add(1)
		go p.runLane(l)
	}
	p.mu.Unlock()
	return nil
}

// finish tells the receiver and makes room for another submission.
func (p *Publisher) finish(s *submission, err error) {
	p.mu.Lock()
	p.queued--
	p.bytes -= len(s.data)
	p.mu.Unlock()
	s.receiver.Published(s.ack, err)
}

// Queued is the number of events that wait or are in flight.
func (p *Publisher) Queued() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.queued
}

// Publish is Submit and waiting for its result.
func (p *Publisher) Publish(ctx context.Context, room, msgID string, data []byte) (Ack, error) {
	r := make(resultReceiver, 1)
	if err := p.Submit(room, msgID, data, r); err != nil {
		return Ack{}, err
	}
	select {
	case got := <-r:
		return got.ack, got.err
	case <-ctx.Done():
		return Ack{}, fmt.Errorf("waiting for the acknowledgement: %w", ctx.Err())
	}
}

type result struct {
	ack Ack
	err error
}

// resultReceiver is a Receiver for one result.
type resultReceiver chan result

// Published implements Receiver.
func (r resultReceiver) Published(ack Ack, err error) { r <- result{ack, err} }

// lane stores the events of its rooms, one after another.
type lane struct {
	number  int
	replies chan reply // of the attempt in flight

	mu      sync.Mutex // guards what follows
	waiting []*submission
	running bool

	attempt atomic.Uint64 // number of the attempt in flight
}

// put queues s; true: nobody works on the lane yet, the caller has to see to it.
func (l *lane) put(s *submission) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting = append(l.waiting, s)
	start := !l.running
	l.running = true
	return start
}

// take removes all that waits; nil: nothing, and the lane is not worked on any
// more.
func (l *lane) take() []*submission {
	l.mu.Lock()
	defer l.mu.Unlock()
	group := l.waiting
	l.waiting = nil
	l.running = group != nil
	return group
}

// runLane stores what waits in a lane until it is empty.
func (p *Publisher) runLane(l *lane) {
	defer p.work.Done()
	for group := l.take(); group != nil; group = l.take() {
		for i, s := range group {
			err := p.store(l, s)
			switch {
			case err == nil:
				p.acks.put(s)
				continue
			case errors.Is(err, ErrRefused):
				p.finish(s, err)
				continue
			}
			// What follows in this lane was sent later: it must not be stored
			// before this one, which its client will send again.
			for _, later := range append(group[i:], l.takeWaiting()...) {
				p.finish(later, err)
			}
			break
		}
	}
}

// takeWaiting removes all that waits, while the lane stays worked on.
func (l *lane) takeWaiting() []*submission {
	l.mu.Lock()
	defer l.mu.Unlock()
	group := l.waiting
	l.waiting = nil
	return group
}
