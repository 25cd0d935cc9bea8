package query

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
)

// subjectPrefix and the name of an operation make its subject.
const subjectPrefix = "partyline.query.v1."

// The operations.
const (
	opMessages = "messages"
	opEvents   = "events"
	opFind     = "find"
	opTarget   = "target"
	opRooms    = "rooms"
	opStatus   = "status"
)

// DefaultTimeout is the time-out of a [Client] made with zero: longer than a
// server works on a request.
const DefaultTimeout = 3 * time.Second

// Client asks projectors over NATS. It is a [Backend], safe for concurrent use.
type Client struct {
	nc      *nats.Conn
	timeout time.Duration
}

var _ Backend = (*Client)(nil)

// NewClient makes a client on nc, which stays the caller's. timeout bounds each
// request; 0: [DefaultTimeout].
func NewClient(nc *nats.Conn, timeout time.Duration) *Client {
	if timeout <= 0 {
		timeout = DefaultTimeout
	}
	return &Client{nc: nc, timeout: timeout}
}

// Messages implements [Backend].
func (c *Client) Messages(ctx context.Context, r MessagesRequest) (Page, error) {
	return ask(ctx, c, opMessages, r, (*decoder).page)
}

// Events implements [Backend].
func (c *Client) Events(ctx context.Context, r EventsRequest) (EventsPage, error) {
	return ask(ctx, c, opEvents, r, (*decoder).eventsPage)
}

// Find implements [Backend].
func (c *Client) Find(ctx context.Context, r FindRequest) (Found, error) {
	return ask(ctx, c, opFind, r, (*decoder).found)
}

// Target implements [Backend].
func (c *Client) Target(ctx context.Context, r TargetRequest) (Target, error) {
	return ask(ctx, c, opTarget, r, (*decoder).target)
}

// Rooms implements [Backend].
func (c *Client) Rooms(ctx context.Context, r RoomsRequest) (RoomsPage, error) {
	return ask(ctx, c, opRooms, r, (*decoder).roomsPage)
}

// Status implements [Backend].
func (c *Client) Status(ctx context.Context) (Status, error) {
	return ask(ctx, c, opStatus, statusRequest{}, (*decoder).status)
}

// statusRequest is the empty request of the operation status.
type statusRequest struct{}

// Validate accepts every status request.
func (statusRequest) Validate() error { return nil }

// request is what every operation asks with.
type request interface{ Validate() error }

// ask sends one request and decodes its answer. Requests that break their
// bounds are refused here already: they need not travel.
func ask[A any](ctx context.Context, c *Client, op string, r request, decode func(*decoder) A) (A, error) {
	var none A
	if err := r.Validate(); err != nil {
		return none, fmt.Errorf("query %s: %w", op, err)
	}
	data, err := json.Marshal(r)
	if err != nil {
		return none, fmt.Errorf("query %s: %w", op, err)
	}
	reply, err := c.request(ctx, subjectPrefix+op, data)
	if err != nil {
		return none, fmt.Errorf("query %s: %w", op, err)
	}
	d, err := openAnswer(reply)
	if err != nil {
		return none, fmt.Errorf("query %s: %w", op, err)
	}
	a := decode(d)
	if d.err != nil || len(d.b) != 0 {
		return none, fmt.Errorf("query %s: %w", op, errMalformed)
	}
	return a, nil
}

// request returns the reply's payload. Whatever keeps NATS from answering is
// ErrUnavailable, unless the caller's own context ended.
func (c *Client) request(ctx context.Context, subject string, data []byte) ([]byte, error) {
	bounded, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	m, err := c.nc.RequestWithContext(bounded, subject, data)
	if err == nil {
		return m.Data, nil
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return nil, ctx.Err()
	}
	return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
}
