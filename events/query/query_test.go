package query

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"partyline/events/eventstest"
	"partyline/events/stream"
)

// fakeBackend answers from its fields.
type fakeBackend struct {
	err    error
	block  chan struct{} // when not nil, Messages waits for it or for ctx
	page   Page
	events EventsPage
	found  Found
	target Target
	rooms  RoomsPage
	status Status

	mu    sync.Mutex
	asked []any
}

func (b *fakeBackend) note(r any) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked = append(b.asked, r)
	return b.err
}

func (b *fakeBackend) requests() []any {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]any(nil), b.asked...)
}

func (b *fakeBackend) Messages(ctx context.Context, r MessagesRequest) (Page, error) {
	if b.block != nil {
		select {
		case <-b.block:
		case <-ctx.Done():
			return Page{}, ctx.Err()
		}
	}
	return b.page, b.note(r)
}
func (b *fakeBackend) Events(_ context.Context, r EventsRequest) (EventsPage, error) {
	return b.events, b.note(r)
}
func (b *fakeBackend) Find(_ context.Context, r FindRequest) (Found, error) {
	return b.found, b.note(r)
}
func (b *fakeBackend) Target(_ context.Context, r TargetRequest) (Target, error) {
	return b.target, b.note(r)
}
func (b *fakeBackend) Rooms(_ context.Context, r RoomsRequest) (RoomsPage, error) {
	return b.rooms, b.note(r)
}
func (b *fakeBackend) Status(context.Context) (Status, error) { return b.status, b.note(nil) }

// filled is a backend whose answers use every field.
func filled() *fakeBackend {
	t1, t2 := time.Unix(1_700_000_000, 123_456_789).UTC(), time.Unix(0, 0).UTC()
	return &fakeBackend{
		page: Page{Messages: []byte(`[{"text":"👩‍👩‍👧 שלום"}]`), Count: 1, More: true, Head: 1 << 60, Applied: math.MaxUint64},
		events: EventsPage{Events: []RawEvent{
			{Seq: 1, Time: t1, Data: []byte("not json \x00\xff")}, {Seq: 3, Prev: 1, Time: t2, Data: []byte(`{}`)},
		}, More: true, Remain: RemainMax, Head: 9, Applied: 10},
		found:  Found{Seq: 5, Time: t1, Room: "lobby", Known: true, Applied: 11},
		target: Target{Exists: true, Deleted: true, UID: "00000000000000aa", Applied: 12},
		rooms: RoomsPage{Rooms: []Room{
			{Name: "a", Topic: "日本語", Messages: 1, Events: 2, LastSeq: 3, LastTime: t1, LastMessage: []byte(`{}`)}, {Name: "b"},
		}, More: true, Applied: 13},
		status: Status{Applied: 14, Last: 15},
	}
}

// serve serves b until the test or stop ends it, and waits until it answers.
func serve(t *testing.T, nc *nats.Conn, b Backend) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, nc, b, eventstest.Logger(t)) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("Serve: %v", err)
			}
		})
	}
	t.Cleanup(stop)
	return stop
}

// ready waits until somebody answers c.
func ready(t *testing.T, c *Client) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := c.Status(t.Context()); !errors.Is(err, ErrUnavailable) {
			return
		}
		select {
		case <-deadline:
			t.Fatal("nobody serves queries")
		case <-tick.C:
		}
	}
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	bus := eventstest.New(t)
	b := filled()
	serve(t, bus.ConnectAs(t, stream.RoleProjector), b)
	c := NewClient(bus.Connect(t), 30*time.Second)
	ready(t, c)
	b.mu.Lock()
	b.asked = nil
	b.mu.Unlock()

	requests := []any{
		MessagesRequest{Room: "lobby", Before: 7, Limit: 50, AtLeast: math.MaxUint64},
		EventsRequest{Room: "lobby", After: 1, UpTo: 2, Limit: 1000, AtLeast: 3},
		FindRequest{UID: "u", ID: "i", AtLeast: 4},
		TargetRequest{Room: "lobby", Seq: math.MaxUint64, AtLeast: 5},
		RoomsRequest{After: "a", Limit: 200, AtLeast: 6},
		nil,
	}
	page, err1 := c.Messages(t.Context(), requests[0].(MessagesRequest))
	list, err2 := c.Events(t.Context(), requests[1].(EventsRequest))
	found, err3 := c.Find(t.Context(), requests[2].(FindRequest))
	target, err4 := c.Target(t.Context(), requests[3].(TargetRequest))
	rooms, err5 := c.Rooms(t.Context(), requests[4].(RoomsRequest))
	status, err6 := c.Status(t.Context())
	if err := errors.Join(err1, err2, err3, err4, err5, err6); err != nil {
		t.Fatal(err)
	}
	got := []any{page, list, found, target, rooms, status}
	want := []any{b.page, b.events, b.found, b.target, b.rooms, b.status}
	for i := range got {
		if !reflect.DeepEqual(got[i], want[i]) {
			t.Errorf("got %+v, want %+v", got[i], want[i])
		}
	}
	if !reflect.DeepEqual(b.requests(), requests) {
		t.Errorf("asked %+v, want %+v", b.requests(), requests)
	}
}

func TestErrorsTravel(t *testing.T) {
	t.Parallel()
	bus := eventstest.New(t)
	b := filled()
	c := NewClient(bus.Connect(t), 30*time.Second)
	if _, err := c.Status(t.Context()); !errors.Is(err, ErrUnavailable) {
		t.Errorf("nobody serves: %v", err)
	}
	stop := serve(t, bus.ConnectAs(t, stream.RoleProjector), b)
	ready(t, c)
	if _, err := c.Messages(t.Context(), MessagesRequest{Room: "a", Limit: 201}); !errors.Is(err, ErrInvalid) {
		t.Errorf("refused by the client: %v", err)
	}
	secret := "secret path"
	for _, test := range []struct{ give, want error }{
		{fmt.Errorf("wrapped: %w", ErrUnavailable), ErrUnavailable},
		{fmt.Errorf("wrapped: %w", ErrInvalid), ErrInvalid},
		{context.DeadlineExceeded, ErrUnavailable},
		{errors.New(secret), nil},
	} {
		b.mu.Lock()
		b.err = test.give
		b.mu.Unlock()
		_, err := c.Find(t.Context(), FindRequest{UID: "u", ID: "i"})
		if err == nil || test.want != nil && !errors.Is(err, test.want) || strings.Contains(err.Error(), secret) {
			t.Errorf("backend returned %v, client %v", test.give, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Status(ctx); !errors.Is(err, context.Canceled) || errors.Is(err, ErrUnavailable) {
		t.Errorf("canceled by the caller: %v", err)
	}
	stop()
	if _, err := c.Status(t.Context()); !errors.Is(err, ErrUnavailable) {
		t.Errorf("nobody serves any more: %v", err)
	}
}

// TestHostileRequests: what is not a request is refused, and the server goes on.
func TestHostileRequests(t *testing.T) {
	t.Parallel()
	bus := eventstest.New(t)
	b := filled()
	serve(t, bus.ConnectAs(t, stream.RoleProjector), b)
	nc := bus.Connect(t)
	c := NewClient(nc, 30*time.Second)
	ready(t, c)
	for name, data := range map[string][]byte{
		"empty": nil, "not json": []byte("{"), "wrong type": []byte(`{"room":1}`), "limit": []byte(`{"room":"a","limit":100000}`),
		"negative": []byte(`{"room":"a","limit":-1}`), "no room": []byte(`{"limit":1}`),
		"huge": append([]byte(`{"room":"a","limit":1,"x":"`), bytes.Repeat([]byte("x"), 100_000)...),
	} {
		m, err := nc.Request(subjectPrefix+opMessages, data, 30*time.Second)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err := openAnswer(m.Data); !errors.Is(err, ErrInvalid) || len(m.Data) > maxErrorText+1 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := nc.Publish(subjectPrefix+opStatus, nil); err != nil { // nobody to answer
		t.Fatal(err)
	}
	if _, err := c.Messages(t.Context(), MessagesRequest{Room: "a", Limit: 1}); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// TestOverload: requests above the bound are refused at once, and Serve waits
// for those it took.
func TestOverload(t *testing.T) {
	t.Parallel()
	bus := eventstest.New(t)
	b := filled()
	b.block = make(chan struct{})
	stop := serve(t, bus.ConnectAs(t, stream.RoleProjector), b)
	c := NewClient(bus.Connect(t), 30*time.Second)
	ready(t, c)
	results := make(chan error, maxConcurrent+1)
	for range maxConcurrent + 1 {
		go func() {
			_, err := c.Messages(context.Background(), MessagesRequest{Room: "a", Limit: 1})
			results <- err
		}()
	}
	if err := <-results; !errors.Is(err, ErrUnavailable) {
		t.Errorf("the first answer: %v", err)
	}
	close(b.block)
	for range maxConcurrent {
		<-results
	}
	if _, err := c.Messages(t.Context(), MessagesRequest{Room: "a", Limit: 1}); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	stop()
}

// TestProjectorsShare: every request is answered once, by any of them, and by
// the others when one ends.
func TestProjectorsShare(t *testing.T) {
	t.Parallel()
	bus := eventstest.New(t)
	one, two := filled(), filled()
	stop := serve(t, bus.ConnectAs(t, stream.RoleProjector), one)
	serve(t, bus.ConnectAs(t, stream.RoleProjector), two)
	c := NewClient(bus.Connect(t), 30*time.Second)
	deadline := time.Now().Add(30 * time.Second)
	for (len(one.requests()) == 0 || len(two.requests()) == 0) && time.Now().Before(deadline) {
		_, _ = c.Status(t.Context())
	}
	if len(one.requests()) == 0 || len(two.requests()) == 0 {
		t.Error("one projector was never asked")
	}
	stop()
	for range 50 {
		if _, err := c.Status(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// FuzzDecode: no answer makes the decoder panic or allocate out of proportion.
func FuzzDecode(f *testing.F) {
	b := filled()
	for _, a := range []answer{b.page, b.events, b.found, b.target, b.rooms, b.status} {
		f.Add(encodeAnswer(a, nil))
	}
	f.Add(encodeError(ErrInvalid))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := openAnswer(data)
		if err != nil {
			return
		}
		for _, decode := range []func(*decoder){
			func(d *decoder) { d.page() }, func(d *decoder) { d.eventsPage() }, func(d *decoder) { d.found() },
			func(d *decoder) { d.target() }, func(d *decoder) { d.roomsPage() }, func(d *decoder) { d.status() },
		} {
			decode(&decoder{b: d.b})
		}
	})
}
