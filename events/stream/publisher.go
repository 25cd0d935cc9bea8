package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// PublisherConfig bounds a Publisher. Zero values take the defaults.
type PublisherConfig struct {
	Logger     *slog.Logger  // nil: discard
	MaxQueued  int           // events waiting or in flight; 0: 16,384
	MaxBytes   int           // their bytes; 0: 64 MiB
	InFlight   int           // events on their way to the log, each of another room; 0: 1,024
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

// Publisher stores events: those of one room in the order of their submission,
// each once, acknowledged when they are as durable as the log promises. Safe for
// concurrent use.
//
// Every room with events to store has a lane, which sends an event only after
// the one before it was stored, so that no retry, lost connection or full queue
// can reorder a room. Many lanes are under way side by side, and their events
// share syncs (ADR 0007).
type Publisher struct {
	log   *Log
	cfg   PublisherConfig
	inbox string // prefix of reply subjects: inbox + slot + "." + attempt
	acks  *ackQueue
	wake  chan struct{} // the sender has something to do

	mu     sync.Mutex // guards what follows
	state  publisherState
	queued int
	bytes  int
	untold int        // submissions whose receiver was not told yet
	idle   *sync.Cond // untold is 0
	lanes  laneSet

	submissions sync.Pool // of *submission
}

type publisherState int

const (
	publisherNew publisherState = iota
	publisherRunning
	publisherStopped
)

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
	if cfg.InFlight <= 0 {
		cfg.InFlight = 1024
	}
	if cfg.AckTimeout <= 0 {
		cfg.AckTimeout = 2 * time.Second
	}
	if cfg.GiveUp <= 0 {
		cfg.GiveUp = 10 * time.Second
	}
	p := &Publisher{log: l, cfg: cfg, inbox: nats.NewInbox() + ".", wake: make(chan struct{}, 1)}
	p.idle = sync.NewCond(&p.mu)
	p.submissions.New = func() any { return new(submission) }
	p.acks = newAckQueue(p)
	p.lanes = newLaneSet(cfg.InFlight)
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

	working, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { p.acks.run(working) })
	wg.Go(func() { p.send(working) })
	p.setState(publisherRunning)
	for running := true; running; {
		select {
		case <-ctx.Done():
			running = false
		case <-reconnected:
			p.retryAll()
		}
	}
	p.setState(publisherStopped)
	p.drain()
	stop()
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

// drain returns when nothing waits any more.
func (p *Publisher) drain() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.untold > 0 {
		p.idle.Wait()
	}
}

// Submit queues an event. msgID makes it idempotent within the log's
// deduplication window. data stays untouched until r was told. A full queue or
// an unavailable log is an immediate ErrUnavailable, and r is not called. Submit
// does not block.
func (p *Publisher) Submit(room, msgID string, data []byte, r Receiver) error {
	if err := checkToken(room); err != nil {
		return err
	}
	if !p.log.Available() {
		return fmt.Errorf("%w: no connection to the log", ErrUnavailable)
	}
	s := p.submissions.Get().(*submission)
	*s = submission{room: room, msgID: msgID, data: data, receiver: r, deadline: time.Now().Add(p.cfg.GiveUp)}
	start, err := p.enqueue(s)
	if err != nil {
		p.submissions.Put(s)
		return err
	}
	if start {
		p.wakeSender()
	}
	return nil
}

// enqueue takes a submission; start: the sender has to be told.
func (p *Publisher) enqueue(s *submission) (start bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.state != publisherRunning:
		return false, fmt.Errorf("%w: the publisher is not running", ErrUnavailable)
	case p.queued >= p.cfg.MaxQueued || p.bytes+len(s.data) > p.cfg.MaxBytes:
		return false, fmt.Errorf("%w: too many events are waiting", ErrUnavailable)
	}
	p.queued++
	p.untold++
	p.bytes += len(s.data)
	return p.lanes.add(s), nil
}

func (p *Publisher) wakeSender() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// finish makes room for other submissions and tells the receivers of a list.
func (p *Publisher) finish(list *submission, err error) {
	n, bytes := 0, 0
	for s := list; s != nil; s = s.next {
		n++
		bytes += len(s.data)
	}
	if n == 0 {
		return
	}
	p.mu.Lock()
	p.queued -= n
	p.bytes -= bytes
	p.mu.Unlock()
	for s := list; s != nil; {
		next := s.next
		s.receiver.Published(s.ack, err)
		*s = submission{} // its data is the caller's again
		p.submissions.Put(s)
		s = next
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.untold -= n
	if p.untold == 0 {
		p.idle.Broadcast()
	}
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
