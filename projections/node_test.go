package projections_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"partyline/events/eventstest"
	"partyline/events/query"
	"partyline/events/stream"
	"partyline/projections"
)

// TestOverTheLog runs everything on a real node: the log, two projectors, and a
// client that reads what it wrote, also after a restart of the node.
func TestOverTheLog(t *testing.T) {
	t.Parallel()
	bus := eventstest.NewTCP(t)
	var models []*projections.Model
	for range 2 {
		models = append(models, project(t, bus, t.TempDir()))
	}
	client := query.NewClient(bus.Connect(t), 30*time.Second)
	text := "שלום 👩‍👩‍👧 e\u0301"
	readBack := func(seq uint64) {
		t.Helper()
		page := ask(t, client, query.MessagesRequest{Room: "lobby", Limit: 2, AtLeast: seq}, seq)
		var list []struct {
			Seq  uint64
			Text string
		}
		if err := json.Unmarshal(page.Messages, &list); err != nil {
			t.Fatal(err)
		}
		if last := list[len(list)-1]; page.Head != seq || last.Seq != seq || last.Text != text {
			t.Fatalf("at %d: %s", seq, page.Messages)
		}
	}
	for range 20 {
		readBack(bus.Publish(t, "lobby", text))
	}
	bus.Publish(t, "other", "one", "two")
	bus.Restart(t, nil)
	readBack(bus.Publish(t, "lobby", text))

	raw, err := client.Events(t.Context(), query.EventsRequest{Room: "other", Limit: 10})
	if err != nil || len(raw.Events) != 2 || raw.Events[1].Prev != raw.Events[0].Seq {
		t.Errorf("raw events: %+v, %v", raw, err)
	}
	for _, m := range models {
		if report, err := m.Verify(t.Context()); err != nil || !report.OK() {
			t.Errorf("%+v, %v", report, err)
		}
	}
}

// TestErasedEvents: erasures in the log leave what a computation after them
// gives, and a rebuild gives the same.
func TestErasedEvents(t *testing.T) {
	t.Parallel()
	bus := eventstest.New(t)
	m := project(t, bus, t.TempDir())
	client := query.NewClient(bus.Connect(t), 30*time.Second)
	last := bus.Publish(t, "lobby", "one", "two", "three")
	ask(t, client, query.MessagesRequest{Room: "lobby", Limit: 1, AtLeast: last}, last)
	bus.Erase(t, 2)
	last = publish(t, bus.Connect(t), `{"v":1,"kind":"erase","id":"e","room":"lobby","uid":"00000000000000aa","user":"admin","seqs":[2]}`)
	page := ask(t, client, query.MessagesRequest{Room: "lobby", Limit: 10, AtLeast: last}, last)
	if page.Count != 2 {
		t.Errorf("after the erasure: %s", page.Messages)
	}
	for range 2 {
		if report, err := m.Verify(t.Context()); err != nil || !report.OK() {
			t.Errorf("%+v, %v", report, err)
		}
		if err := m.Rebuild(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// source is the log of a bus, which names no epoch of its own.
type source struct{ *stream.Log }

func (source) Epoch() string { return "test" }

// project runs a projector on the bus until the test ends.
func project(t *testing.T, bus *eventstest.Bus, dir string) *projections.Model {
	t.Helper()
	m, err := projections.New(projections.Config{Dir: dir, Logger: eventstest.Logger(t)}, source{bus.Log(t)})
	if err != nil {
		t.Fatal(err)
	}
	nc := bus.ConnectAs(t, stream.RoleProjector)
	eventstest.Go(t, m.Run)
	eventstest.Go(t, func(ctx context.Context) error { return query.Serve(ctx, nc, m, eventstest.Logger(t)) })
	return m
}

// ask asks until the answer has applied seq.
func ask(t *testing.T, b query.Backend, r query.MessagesRequest, seq uint64) (page query.Page) {
	t.Helper()
	eventstest.Eventually(t, eventstest.Patience, func() bool {
		var err error
		page, err = b.Messages(t.Context(), r)
		if err != nil && !errors.Is(err, query.ErrUnavailable) {
			t.Fatal(err)
		}
		return err == nil && page.Applied >= seq
	})
	return page
}

// publish stores a payload in room lobby as it is.
func publish(t *testing.T, nc *nats.Conn, payload string) (seq uint64) {
	t.Helper()
	reply, err := nc.Request("chat.lobby", []byte(payload), eventstest.Patience)
	if err != nil {
		t.Fatal(err)
	}
	var ack struct{ Seq uint64 }
	if err := json.Unmarshal(reply.Data, &ack); err != nil || ack.Seq == 0 {
		t.Fatalf("not stored: %s", reply.Data)
	}
	return ack.Seq
}
