package sink_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"partyline/analytics/embedded"
	"partyline/analytics/embedded/embeddedtest"
	"partyline/analytics/sink"
	"partyline/analytics/store"
	"partyline/events/eventstest"
	lc "partyline/events/lifecycle"
	"partyline/events/stream"
)

// helperVariable makes the test binary a process with a sink and an embedded
// ClickHouse, to be killed.
const helperVariable = "PARTYLINE_TEST_SINK"

// helperSetup is what the helper is told.
type helperSetup struct{ URL, User, Password, Dir string }

// helperLine is what it tells.
type helperLine struct {
	Child  int
	Status sink.Status
}

// runHelper runs a sink until it is killed, telling how it is.
func runHelper() error {
	var setup helperSetup
	if err := json.Unmarshal([]byte(os.Getenv(helperVariable)), &setup); err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	nc, err := nats.Connect(setup.URL, append(stream.ConnectOptions("sink"), nats.UserInfo(setup.User, setup.Password), nats.RetryOnFailedConnect(true))...)
	if err != nil {
		return err
	}
	child, err := embedded.New(embedded.Config{Dir: setup.Dir, Logger: log})
	if err != nil {
		return err
	}
	st, err := store.New(store.Config{Options: child.Options(), Logger: log})
	if err != nil {
		return err
	}
	s, err := sink.New(sink.Config{Wait: 20 * time.Millisecond, RollUpEvery: 50 * time.Millisecond, PinnedFor: 4 * time.Second, Logger: log}, nc, st)
	if err != nil {
		return err
	}
	ended := make(chan error, 2)
	go func() { ended <- child.Run(context.Background()) }()
	go func() { ended <- s.Run(context.Background()) }()
	out := json.NewEncoder(os.Stdout)
	for {
		select {
		case err := <-ended:
			return errors.Join(errors.New("ended by itself"), err)
		case <-time.After(20 * time.Millisecond):
		}
		if err := out.Encode(helperLine{child.Status().PID, s.Status()}); err != nil {
			return err
		}
	}
}

// helper is a running helper process.
type helper struct {
	cmd  *exec.Cmd
	done chan struct{}

	mu   sync.Mutex
	last helperLine
}

func startHelper(t *testing.T, setup helperSetup) *helper {
	t.Helper()
	text, err := json.Marshal(setup)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	h := &helper{cmd: exec.Command(self), done: make(chan struct{})}
	h.cmd.Env = append(os.Environ(), helperVariable+"="+string(text))
	h.cmd.Stderr = os.Stderr
	out, err := h.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := h.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(h.done)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			var line helperLine
			if json.Unmarshal(lines.Bytes(), &line) == nil {
				h.mu.Lock()
				h.last = line
				h.mu.Unlock()
			}
		}
		h.cmd.Wait()
	}()
	t.Cleanup(h.kill)
	return h
}

func (h *helper) status() helperLine {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.last
}

func (h *helper) kill() {
	h.cmd.Process.Signal(syscall.SIGKILL)
	<-h.done
}

// producer publishes attempts, each split over two messages, until told to
// stop, and counts them.
type producer struct {
	attempts, closes, rows uint64
}

func (p *producer) run(ctx context.Context, js jetstream.JetStream) error {
	for ctx.Err() == nil {
		var early, late []byte
		for range 20 {
			code := rand.IntN(2) * 1000
			rows := attempt("g1", time.Now().UTC(), code)
			for i := range rows {
				to := &early
				if i > 4 {
					to = &late
				}
				var err error
				if *to, err = lc.Append(*to, &rows[i]); err != nil {
					return err
				}
			}
			p.attempts++
			p.rows += uint64(len(rows))
			if code > 0 {
				p.closes++
			}
		}
		for _, batch := range [][]byte{early, late} {
			if _, err := js.Publish(context.WithoutCancel(ctx), "conn.g1", batch); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(250 * time.Millisecond): // less than a slow machine stores
		}
	}
	return nil
}

// TestKill kills, at random moments of the flow, the process with the sink or
// ClickHouse itself, and finds every row exactly once in tables and roll-ups.
func TestKill(t *testing.T) {
	t.Parallel()
	rounds := 12
	if os.Getenv("PARTYLINE_SOAK") != "" {
		rounds = 50
	}
	if err := embeddedtest.Install(t.Context()); err != nil {
		t.Fatal(err)
	}
	bus := eventstest.NewTCP(t)
	js, err := jetstream.New(bus.Connect(t))
	if err != nil {
		t.Fatal(err)
	}
	setup := helperSetup{bus.URL(), string(stream.RoleAnalytics), eventstest.Password, t.TempDir()}
	ctx, stop := context.WithCancel(t.Context())
	p := &producer{}
	produced := make(chan error, 1)
	go func() { produced <- p.run(ctx, js) }()
	h := startHelper(t, setup)
	for round := range rounds {
		seen := h.status().Status.Rows
		wait := time.Duration(rand.IntN(150)) * time.Millisecond
		eventstest.Eventually(t, time.Minute, func() bool { l := h.status(); return l.Child != 0 && l.Status.Rows > seen })
		<-time.After(wait) // a random moment of the flow; nothing is expected of it
		if round%2 == 0 {
			if pid := h.status().Child; pid != 0 {
				syscall.Kill(pid, syscall.SIGKILL)
			}
			continue
		}
		h.kill()
		h = startHelper(t, setup)
	}
	stop()
	if err := <-produced; err != nil {
		t.Fatal(err)
	}
	conn, err := js.Stream(eventstest.Context(t), stream.ConnStream)
	if err != nil {
		t.Fatal(err)
	}
	last := conn.CachedInfo().State.LastSeq
	eventstest.Eventually(t, 2*time.Minute, func() bool { return h.status().Status.Position >= last })
	h.kill()
	checkKilled(t, setup.Dir, p)
	t.Logf("%d kills, %d attempts, %d rows", rounds, p.attempts, p.rows)
}

// checkKilled opens the directory and compares; what the last kill kept from
// being rolled up is rolled up first.
func checkKilled(t *testing.T, dir string, p *producer) {
	t.Helper()
	child, err := embedded.New(embedded.Config{Dir: dir, Logger: eventstest.Logger(t)})
	if err != nil {
		t.Fatal(err)
	}
	eventstest.Go(t, child.Run)
	if err := child.Wait(eventstest.Context(t)); err != nil {
		t.Fatal(err)
	}
	s, err := store.New(store.Config{Options: child.Options()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var id string
	if err := s.Conn().QueryRow(eventstest.Context(t), "SELECT any(stream) FROM partyline.connection_events").Scan(&id); err != nil {
		t.Fatal(err)
	}
	created, err := time.Parse(time.RFC3339Nano, id)
	if err != nil {
		t.Fatal(err)
	}
	last, err := s.Checkpoint(eventstest.Context(t), id)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.RollUp(eventstest.Context(t), id, store.Version(created), last); err != nil {
		t.Fatal(err)
	}
	r := &rig{store: s}
	want := counts{p.rows, p.rows, p.attempts, p.attempts, p.attempts, p.closes, p.closes}
	if got := r.counts(t); got != want {
		t.Errorf("the store has\n%+v, want\n%+v", got, want)
	}
	var parts string
	if err := s.Conn().QueryRow(eventstest.Context(t), "SELECT toString(count()) FROM system.parts WHERE active AND database = 'partyline'").Scan(&parts); err != nil {
		t.Fatal(err)
	}
	t.Log(fmt.Sprint("parts: ", parts))
}

// TestTwoSinks lets two writers run at once, one of which is cut off from the
// stream again and again, and finds every row once.
func TestTwoSinks(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ctx, stop := context.WithCancel(t.Context())
	p := &producer{}
	produced := make(chan error, 1)
	go func() { produced <- p.run(ctx, r.js) }()
	_, stopFirst := r.sink(t, sink.Config{Rows: 1500})
	second, _ := r.sink(t, sink.Config{Rows: 2000})
	for range 3 {
		seen := p0(r, t)
		eventstest.Eventually(t, time.Minute, func() bool { return p0(r, t) > seen })
		stopFirst()
		eventstest.Eventually(t, time.Minute, func() bool { return second.Status().Active })
		_, stopFirst = r.sink(t, sink.Config{Rows: 1500})
	}
	stop()
	if err := <-produced; err != nil {
		t.Fatal(err)
	}
	r.await(t, counts{p.rows, p.rows, p.attempts, p.attempts, p.attempts, p.closes, p.closes})
}

// p0 is the number of stage rows in the store.
func p0(r *rig, t *testing.T) uint64 { return r.counts(t).Events }

// TestStoreWrittenByTwo gives two writers the same checkpoint: one is dropped,
// and both go on from where the other ended.
func TestStoreWrittenByTwo(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	batch := func(after uint64, n int) store.Batch {
		b := store.Batch{Stream: "s", After: after}
		for i := range n {
			rows := attempt("g1", time.Now().UTC(), 1000)
			for j := range rows {
				b.Events = append(b.Events, store.Event{Row: rows[j], Seq: after + 1 + uint64(i), Idx: uint16(j), Stored: time.Now().UTC()})
			}
		}
		return b
	}
	first, err := r.store.Write(eventstest.Context(t), batch(10, 5))
	if err != nil || first != 15 {
		t.Fatal(first, err)
	}
	second, err := r.store.Write(eventstest.Context(t), batch(10, 9))
	if err != nil || second != 15 {
		t.Errorf("the loser is told checkpoint %d, %v", second, err)
	}
	third, err := r.store.Write(eventstest.Context(t), batch(15, 2))
	if err != nil || third != 17 {
		t.Errorf("checkpoint %d, %v", third, err)
	}
	if got := r.counts(t).Events; got != 7*8 {
		t.Errorf("%d rows", got)
	}
}

// TestDeadGatewayIsBuried finds the end of connections whose gateway fell
// silent, once, and prefers what a gateway says after all.
func TestDeadGatewayIsBuried(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s, _ := r.sink(t, sink.Config{LostAfter: 4 * time.Second})
	open, alive := attempt("dead", time.Now().UTC(), 0), attempt("alive", time.Now().UTC(), 0)
	r.publish(t, "dead", open...)
	r.publish(t, "alive", alive...)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { // heartbeats
		for ctx.Err() == nil {
			r.js.Publish(ctx, "conn.alive", nil)
			select {
			case <-ctx.Done():
			case <-time.After(50 * time.Millisecond):
			}
		}
	}()
	eventstest.Eventually(t, time.Minute, func() bool { return r.counts(t).Closes == 1 })
	if st := s.Status(); st.Lost != 1 {
		t.Errorf("%d connections were found lost", st.Lost)
	}
	var code uint16
	var kind string
	query := "SELECT close_code, error_type FROM " + r.store.Database() + ".connections WHERE gateway = 'dead'"
	if err := r.store.Conn().QueryRow(eventstest.Context(t), query).Scan(&code, &kind); err != nil || code != 1006 || kind != lc.TypeLost {
		t.Errorf("code %d, %q, %v", code, kind, err)
	}
	late := open[0]
	late.Stage, late.Time, late.SinceAccept, late.CloseCode, late.CloseBy = lc.StageClosed, late.Time.Add(3*time.Minute), 3*time.Minute, 1000, "client"
	r.publish(t, "dead", late)
	// Of the dead gateway alone: where the heartbeats of the other get no time to
	// run, it is taken for dead as well.
	rolled := strings.ReplaceAll(`SELECT (SELECT sum(closes) FROM {DB}.close_minutes FINAL WHERE gateway = 'dead'),
		(SELECT sum(connections) FROM {DB}.duration_minutes FINAL WHERE gateway = 'dead' AND kind = 'age')`, "{DB}", r.store.Database())
	eventstest.Eventually(t, time.Minute, func() bool {
		var closes, ages uint64
		err := errors.Join(r.store.Conn().QueryRow(eventstest.Context(t), query).Scan(&code, &kind),
			r.store.Conn().QueryRow(eventstest.Context(t), rolled).Scan(&closes, &ages))
		return err == nil && code == 1000 && kind == "" && closes == 1 && ages == 1
	})
}

// TestPoisonIsLeftOut shows that what cannot be stored stops nothing.
func TestPoisonIsLeftOut(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s, _ := r.sink(t, sink.Config{})
	bad := attempt("g1", time.Now().UTC(), 1000)
	bad[1].Stage, bad[2].Outcome, bad[3].Time = "nonsense", "perhaps", time.UnixMicro(1<<62)
	r.publish(t, "g1", bad...)
	for _, junk := range []string{"not json", "{}", "[1]\n", `{"t":1,"s":"accept","o":"ok"}`} {
		if _, err := r.js.Publish(eventstest.Context(t), "conn.g1", []byte(junk)); err != nil {
			t.Fatal(err)
		}
		if _, err := r.js.Publish(eventstest.Context(t), lc.ReportSubject("g1"), []byte(junk)); err != nil {
			t.Fatal(err)
		}
	}
	r.publish(t, "g1", attempt("g1", time.Now().UTC(), 1000)...)
	r.await(t, counts{8 - 3 + 8, 8 - 3 + 8, 2, 2, 2, 2, 2})
	if st := s.Status(); st.Skipped != 3+4+4 {
		t.Errorf("%d were skipped", st.Skipped)
	}
}
