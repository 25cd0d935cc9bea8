package stream_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"partyline/events/eventstest"
	"partyline/events/stream"
)

// runPublisher runs a publisher until the test ends.
func runPublisher(t testing.TB, log *stream.Log, cfg stream.PublisherConfig) *stream.Publisher {
	t.Helper()
	p, err := stream.NewPublisher(log, cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the publisher ended with %v", err)
		}
	})
	eventstest.Eventually(t, eventstest.Patience, func() bool { return stream.Running(p) })
	return p
}

// results is a Receiver that remembers the order of its results.
type results struct {
	mu     sync.Mutex
	acks   map[string][]stream.Ack
	failed []error
	left   sync.WaitGroup
}

type oneResult struct {
	r  *results
	id string
}

func (r *results) expect(id string) stream.Receiver {
	r.left.Add(1)
	return oneResult{r, id}
}

func (r oneResult) Published(ack stream.Ack, err error) {
	r.r.mu.Lock()
	defer r.r.mu.Unlock()
	if err != nil {
		r.r.failed = append(r.r.failed, fmt.Errorf("%s: %w", r.id, err))
	} else {
		r.r.acks[r.id] = append(r.r.acks[r.id], ack)
	}
	r.r.left.Done()
}

func newResults() *results { return &results{acks: map[string][]stream.Ack{}} }

// TestPublisherKeepsOrder submits to many rooms at once, far ahead of the
// acknowledgements, while the connection is cut again and again: each event is
// stored once, and those of a room in the order of their submission.
func TestPublisherKeepsOrder(t *testing.T) {
	t.Parallel()
	const rooms, each, cuts = 20, 200, 5
	users := []stream.User{{User: "gw", Password: "sesame-open", Role: stream.RoleGateway}}
	n, _ := runNode(t, stream.NodeConfig{Dir: t.TempDir(), Listen: "127.0.0.1:0", Users: users})
	nc, err := nats.Connect(fmt.Sprintf("nats://gw:sesame-open@%s", n.Addr()), stream.ConnectOptions("gw")...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	log := openOn(t, nc)
	p := runPublisher(t, log, stream.PublisherConfig{GiveUp: time.Minute, AckTimeout: 500 * time.Millisecond})

	rec := newResults()
	var submitted atomic.Int64
	var wg sync.WaitGroup
	for room := range rooms {
		wg.Go(func() {
			name := fmt.Sprintf("room-%02d", room)
			for i := range each {
				id := fmt.Sprintf("%s.%03d", name, i)
				r := rec.expect(id)
				eventstest.Eventually(t, eventstest.Patience, func() bool {
					return p.Submit(name, id, fmt.Appendf(nil, `{"id":%q}`, id), r) == nil
				})
				submitted.Add(1)
			}
		})
	}
	for cut := range cuts {
		eventstest.Eventually(t, eventstest.Patience, func() bool { return submitted.Load() > int64((cut+1)*rooms*each/(cuts+1)) })
		if err := nc.ForceReconnect(); err != nil {
			t.Fatal(err)
		}
	}
	wg.Wait()
	rec.left.Wait()
	if len(rec.failed) > 0 {
		t.Fatalf("%d failed, first %v", len(rec.failed), rec.failed[0])
	}
	checkStored(t, log, rec, rooms, each)
	for id, acks := range rec.acks {
		if len(acks) != 1 {
			t.Errorf("%s was acknowledged as %v, not once", id, acks)
		}
	}
}

func TestPublisherStoresAnIDOnce(t *testing.T) {
	t.Parallel()
	n, _ := runNode(t, stream.NodeConfig{Dir: t.TempDir()})
	log, _ := openLog(t, n)
	p := runPublisher(t, log, stream.PublisherConfig{})
	rec := newResults()
	for range 10 {
		if err := p.Submit("lobby", "same", []byte(`{}`), rec.expect("same")); err != nil {
			t.Fatal(err)
		}
	}
	rec.left.Wait()
	duplicates := 0
	for _, ack := range rec.acks["same"] {
		if ack.Seq != 1 {
			t.Errorf("stored at %d", ack.Seq)
		}
		if ack.Duplicate {
			duplicates++
		}
	}
	if last, err := log.LastSeq(t.Context()); duplicates != 9 || last != 1 || err != nil {
		t.Errorf("%d duplicates, last sequence %d, %v", duplicates, last, err)
	}
}

func TestPublisherIsBounded(t *testing.T) {
	t.Parallel()
	n, _ := runNode(t, stream.NodeConfig{Dir: t.TempDir()})
	log, _ := openLog(t, n)
	hold := make(chan struct{})
	p := runPublisher(t, log, stream.PublisherConfig{MaxQueued: 3, MaxBytes: 100})
	if err := p.Submit("lobby", "large", make([]byte, 101), nil); !errors.Is(err, stream.ErrUnavailable) {
		t.Errorf("too many bytes: %v", err)
	}
	block := blockingReceiver{hold}
	for i := range 3 {
		if err := p.Submit("lobby", fmt.Sprint(i), []byte("{}"), block); err != nil {
			t.Fatal(err)
		}
	}
	eventstest.Eventually(t, eventstest.Patience, func() bool { return p.Queued() <= 2 })
	rec := newResults()
	var refused error
	for i := range 10 {
		r := rec.expect(fmt.Sprint("more ", i))
		if err := p.Submit("lobby", fmt.Sprint("more ", i), []byte("{}"), r); err != nil {
			refused = err
			rec.left.Done()
		}
	}
	if !errors.Is(refused, stream.ErrUnavailable) {
		t.Errorf("a full queue: %v", refused)
	}
	close(hold)
	rec.left.Wait()
}

// blockingReceiver holds the publisher up, as a receiver must not.
type blockingReceiver struct{ hold chan struct{} }

func (b blockingReceiver) Published(stream.Ack, error) { <-b.hold }

func TestPublisherWithoutNode(t *testing.T) {
	t.Parallel()
	n, stop := runNode(t, stream.NodeConfig{Dir: t.TempDir()})
	log, _ := openLog(t, n)
	p := runPublisher(t, log, stream.PublisherConfig{})
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	eventstest.Eventually(t, eventstest.Patience, func() bool { return !log.Available() })
	if err := p.Submit("lobby", "one", []byte("{}"), nil); !errors.Is(err, stream.ErrUnavailable) {
		t.Errorf("error %v, want ErrUnavailable", err)
	}
	if err := p.Submit("Not A Room", "one", []byte("{}"), nil); err == nil {
		t.Error("a room that is no subject token is accepted")
	}
}

// TestRefusedEventHoldsNobodyUp: what the log can never store fails alone.
func TestRefusedEventHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	n, _ := runNode(t, stream.NodeConfig{Dir: t.TempDir()})
	log, _ := openLog(t, n)
	p := runPublisher(t, log, stream.PublisherConfig{GiveUp: time.Second})
	if _, err := p.Publish(t.Context(), "lobby", "large", make([]byte, 2<<20)); err == nil {
		t.Error("an event above the payload limit is stored")
	}
	if _, err := p.Publish(t.Context(), "lobby", "small", []byte("{}")); err != nil {
		t.Error(err)
	}
}

// TestPublisherAgainstAFullQueue: a real server whose inbound queue holds next
// to nothing drops most of what it gets; every event is stored once all the
// same, and those of a room in the order of their submission, duplicates among
// them answered with the sequence of the first.
func TestPublisherAgainstAFullQueue(t *testing.T) {
	t.Parallel()
	const rooms, each = 60, 15
	s, err := server.NewServer(&server.Options{
		ServerName: "narrow", DontListen: true, NoSigs: true, JetStream: true, StoreDir: t.TempDir(),
		StreamMaxBufferedMsgs: 3,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(eventstest.Patience) {
		t.Fatal("the server does not start")
	}
	nc, err := nats.Connect("", nats.InProcessServer(s))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	if err := stream.Provision(t.Context(), nc); err != nil {
		t.Fatal(err)
	}
	var full atomic.Int64
	if _, err := nc.Subscribe("_INBOX.>", func(m *nats.Msg) {
		if strings.Contains(string(m.Data), `"err_code":10167`) {
			full.Add(1)
		}
	}); err != nil {
		t.Fatal(err)
	}
	log := openOn(t, nc)
	p := runPublisher(t, log, stream.PublisherConfig{GiveUp: eventstest.Patience})
	rec := newResults()
	for i := range each {
		for room := range rooms {
			for _, n := range []int{i, max(i-1, 0)} { // the one before once more
				id := fmt.Sprintf("room-%02d.%03d", room, n)
				if err := p.Submit(id[:7], id, fmt.Appendf(nil, `{"id":%q}`, id), rec.expect(id)); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	rec.left.Wait()
	if len(rec.failed) > 0 {
		t.Fatalf("%d failed, first %v", len(rec.failed), rec.failed[0])
	}
	if full.Load() == 0 {
		t.Error("the queue was never full")
	}
	checkStored(t, log, rec, rooms, each)
}

// checkStored reads rooms of events "<room>.<number>": each is there once, in
// order, where all its acknowledgements say.
func checkStored(t *testing.T, log *stream.Log, rec *results, rooms, each int) {
	t.Helper()
	seen := map[string]int{}
	err := log.Replay(t.Context(), stream.ReplayOptions{}, func(ev *stream.Stored) error {
		id := fmt.Sprintf("%s.%03d", ev.Room, seen[ev.Room])
		if want := fmt.Sprintf(`{"id":%q}`, id); string(ev.Data) != want {
			return fmt.Errorf("seq %d is %s, want %s", ev.Seq, ev.Data, want)
		}
		if len(rec.acks[id]) == 0 {
			return fmt.Errorf("%s was not acknowledged", id)
		}
		for _, ack := range rec.acks[id] {
			if ack.Seq != ev.Seq {
				return fmt.Errorf("%s is at %d and was acknowledged at %d", id, ev.Seq, ack.Seq)
			}
		}
		seen[ev.Room]++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(seen) != rooms {
		t.Errorf("%d rooms, want %d", len(seen), rooms)
	}
	for room, n := range seen {
		if n != each {
			t.Errorf("%s has %d events, want %d", room, n, each)
		}
	}
}
