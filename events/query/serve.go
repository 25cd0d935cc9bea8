package query

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	// queueGroup is shared by all projectors: each request reaches one.
	queueGroup = "projectors"
	// maxConcurrent bounds the requests of one server that are worked on. Most
	// of them are cheap or wait for the read model (at_least).
	maxConcurrent = 512
	// requestTimeout bounds one request: at_least waits for up to one second.
	requestTimeout = 2 * time.Second
)

// handler decodes a request and asks the backend.
type handler func(ctx context.Context, data []byte) (answer, error)

// handlers maps operations to what serves them.
func handlers(b Backend) map[string]handler {
	return map[string]handler{
		opMessages: handle(b.Messages),
		opEvents:   handle(b.Events),
		opFind:     handle(b.Find),
		opTarget:   handle(b.Target),
		opRooms:    handle(b.Rooms),
		opStatus: func(ctx context.Context, _ []byte) (answer, error) {
			return b.Status(ctx)
		},
	}
}

// handle makes a handler of a method of Backend. Any client of NATS that may
// publish on the subjects can send anything: so size and bounds are checked.
func handle[R request, A answer](op func(context.Context, R) (A, error)) handler {
	return func(ctx context.Context, data []byte) (answer, error) {
		var r R
		if len(data) > maxRequestSize {
			return nil, fmt.Errorf("%w: larger than %d bytes", ErrInvalid, maxRequestSize)
		}
		if err := json.Unmarshal(data, &r); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
		}
		if err := r.Validate(); err != nil {
			return nil, err
		}
		return op(ctx, r)
	}
}

// server answers requests from a backend.
type server struct {
	ctx    context.Context // ends with Serve; requests derive theirs from it
	logger *slog.Logger
	slots  chan struct{} // one per request that is worked on
	wg     sync.WaitGroup
}

// Serve answers requests on nc from b until ctx ends; it returns after every
// request that it took was answered. A lost connection is nc's to mend; Serve
// returns an error only when it cannot subscribe. nc stays the caller's.
func Serve(ctx context.Context, nc *nats.Conn, b Backend, logger *slog.Logger) error {
	s := &server{ctx: ctx, logger: logger, slots: make(chan struct{}, maxConcurrent)}
	var subs []*subscription
	defer func() {
		for _, sub := range subs {
			sub.end()
		}
		s.wg.Wait()
	}()
	for op, h := range handlers(b) {
		sub, err := s.subscribe(nc, op, h)
		if err != nil {
			return err
		}
		subs = append(subs, sub)
	}
	<-ctx.Done()
	return nil
}

// subscription is a NATS subscription and the end of its callback.
type subscription struct {
	sub    *nats.Subscription
	closed chan struct{} // closed after the last call of the callback
}

// subscribe serves one operation.
func (s *server) subscribe(nc *nats.Conn, op string, h handler) (*subscription, error) {
	sub, err := nc.QueueSubscribe(subjectPrefix+op, queueGroup, func(m *nats.Msg) { s.take(op, h, m) })
	if err != nil {
		return nil, fmt.Errorf("subscribe to queries %s: %w", op, err)
	}
	c := &subscription{sub: sub, closed: make(chan struct{})}
	sub.SetClosedHandler(func(string) { close(c.closed) })
	return c, nil
}

// end unsubscribes and waits until the callback runs no more, so that no
// request is taken after the last one was waited for. The wait is bounded: a
// connection that was closed right after subscribing may never tell.
func (c *subscription) end() {
	_ = c.sub.Unsubscribe() // fails when the connection is closed: ended as well
	t := time.NewTimer(requestTimeout)
	defer t.Stop()
	select {
	case <-c.closed:
	case <-t.C:
	}
}

// take starts the work on a request, or refuses it when too many are worked on.
func (s *server) take(op string, h handler, m *nats.Msg) {
	if m.Reply == "" {
		return
	}
	select {
	case s.slots <- struct{}{}:
	default:
		s.reply(m, encodeError(ErrUnavailable))
		return
	}
	s.wg.Go(func() {
		defer func() { <-s.slots }()
		s.answer(op, h, m)
	})
}

// answer asks the backend and replies.
func (s *server) answer(op string, h handler, m *nats.Msg) {
	ctx, cancel := context.WithTimeout(s.ctx, requestTimeout)
	defer cancel()
	a, err := h(ctx, m.Data)
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		err = ErrUnavailable
	}
	if err != nil && !errors.Is(err, ErrInvalid) && !errors.Is(err, ErrUnavailable) {
		s.logger.ErrorContext(ctx, "query failed", "op", op, "error", err)
	}
	s.reply(m, encodeAnswer(a, err))
}

// reply sends a payload. When it cannot be sent the asker times out.
func (s *server) reply(m *nats.Msg, data []byte) {
	if err := m.Respond(data); err != nil {
		s.logger.Debug("query not answered", "error", err)
	}
}
