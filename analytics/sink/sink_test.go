package sink_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"

	"partyline/analytics/embedded/embeddedtest"
	"partyline/analytics/sink"
	"partyline/analytics/store"
	"partyline/events/eventstest"
	lc "partyline/events/lifecycle"
	"partyline/events/stream"
)

func TestMain(m *testing.M) {
	if os.Getenv(helperVariable) != "" && len(os.Args) == 1 {
		if err := runHelper(); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		return
	}
	embeddedtest.Main(m)
}

// rig is a bus, a store and what is needed between them.
type rig struct {
	bus   *eventstest.Bus
	js    jetstream.JetStream // of a gateway
	store *store.Store
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{bus: eventstest.New(t)}
	var err error
	if r.js, err = jetstream.New(r.bus.Connect(t)); err != nil {
		t.Fatal(err)
	}
	r.store, err = store.New(store.Config{Options: embeddedtest.Options(t), Logger: eventstest.Logger(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.store.Close() })
	if err := r.store.Migrate(eventstest.Context(t)); err != nil {
		t.Fatal(err)
	}
	return r
}

// sink starts a sink; the result stops it.
func (r *rig) sink(t *testing.T, cfg sink.Config) (*sink.Sink, func()) {
	t.Helper()
	cfg.Logger = eventstest.Logger(t)
	if cfg.Wait == 0 {
		cfg.Wait = 50 * time.Millisecond
	}
	cfg.PinnedFor = 4 * time.Second
	if cfg.RollUpEvery == 0 {
		cfg.RollUpEvery = 100 * time.Millisecond
	}
	s, err := sink.New(cfg, r.bus.ConnectAs(t, stream.RoleAnalytics), r.store)
	if err != nil {
		t.Fatal(err)
	}
	return s, eventstest.Go(t, s.Run)
}

// publish stores rows as one batch of a gateway.
func (r *rig) publish(t *testing.T, gateway string, rows ...lc.Row) {
	t.Helper()
	var batch []byte
	for i := range rows {
		var err error
		if batch, err = lc.Append(batch, &rows[i]); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.js.Publish(eventstest.Context(t), "conn."+gateway, batch); err != nil {
		t.Fatal(err)
	}
}

// attempt is the rows of an accepted connection, closed when code is above 0.
func attempt(gateway string, at time.Time, code int) []lc.Row {
	conn := uuid.Must(uuid.NewV7()).String()
	base := lc.Row{Conn: conn, Gateway: gateway, Path: "/ws/chat/", Outcome: lc.OK}
	var rows []lc.Row
	for i, s := range []lc.Stage{lc.StageAccept, lc.StageRequest, lc.StageOrigin, lc.StageAuth, lc.StageLimits, lc.StageUpgraded, lc.StageJoined} {
		row := base
		row.Stage, row.SinceAccept = s, time.Duration(i)*time.Millisecond
		row.Time = at.Add(row.SinceAccept)
		rows = append(rows, row)
	}
	if code > 0 {
		row := base
		row.Stage, row.SinceAccept, row.CloseCode, row.CloseBy = lc.StageClosed, time.Second, code, "client"
		row.Time = at.Add(time.Second)
		rows = append(rows, row)
	}
	return rows
}

// counts are what the store has, in tables and roll-ups.
type counts struct{ Events, Distinct, Connections, Attempts, Joined, Closes, Ages uint64 }

func (r *rig) counts(t *testing.T) counts {
	t.Helper()
	db := r.store.Database()
	var c counts
	err := r.store.Conn().QueryRow(eventstest.Context(t), fmt.Sprintf(`SELECT
		(SELECT count() FROM %[1]s.connection_events), (SELECT uniqExact(stream, seq, idx) FROM %[1]s.connection_events),
		(SELECT count() FROM %[1]s.connections), (SELECT sum(attempts) FROM %[1]s.attempt_minutes FINAL),
		(SELECT sum(joined) FROM %[1]s.attempt_minutes FINAL), (SELECT sum(closes) FROM %[1]s.close_minutes FINAL),
		(SELECT sum(connections) FROM %[1]s.duration_minutes FINAL WHERE kind = 'age')`, db)).
		Scan(&c.Events, &c.Distinct, &c.Connections, &c.Attempts, &c.Joined, &c.Closes, &c.Ages)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// await waits until the counts are the wanted ones and stay so for a roll-up.
func (r *rig) await(t *testing.T, want counts) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var got counts
	for ctx.Err() == nil {
		if got = r.counts(t); got == want {
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
	t.Fatalf("the store has\n%+v, want\n%+v", got, want)
}

func TestEveryRowArrivesOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s, stop := r.sink(t, sink.Config{})
	now := time.Now().UTC()
	for i := range 50 {
		r.publish(t, "g1", attempt("g1", now, 1000*(i%2))...)
	}
	want := counts{Events: 50*7 + 25, Distinct: 50*7 + 25, Connections: 50, Attempts: 50, Joined: 50, Closes: 25, Ages: 25}
	r.await(t, want)
	st := s.Status()
	if st.Rows != want.Events || !st.OK || !st.Active || st.Lag != 0 || st.Skipped != 0 {
		t.Errorf("status %+v", st)
	}
	stop()
	_, stop = r.sink(t, sink.Config{})
	defer stop()
	r.publish(t, "g1", attempt("g1", now, 1001)...)
	r.await(t, counts{want.Events + 8, want.Events + 8, 51, 51, 51, 26, 26})
}
