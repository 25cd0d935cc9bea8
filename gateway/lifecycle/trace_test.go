package lifecycle

import (
	"encoding/json"
	"net/netip"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"partyline/events"
	"partyline/events/eventstest"
	lc "partyline/events/lifecycle"
)

// gateway is a recorder and its traces on a bus.
type gateway struct {
	rec    *Recorder
	traces *Traces
	nc     *nats.Conn
}

func newGateway(t *testing.T, bus *eventstest.Bus, name string, peers ...string) gateway {
	t.Helper()
	g := gateway{rec: newRecorder(name), nc: bus.Connect(t)}
	var err error
	g.traces, err = NewTraces(TracesConfig{
		Gateway: name, Peers: func() []string { return peers }, Logger: eventstest.Logger(t),
	}, g.rec, g.nc)
	if err != nil {
		t.Fatal(err)
	}
	eventstest.Go(t, g.traces.Run)
	return g
}

// answering waits until a gateway answers questions of another.
func answering(t *testing.T, from *nats.Conn, names ...string) {
	t.Helper()
	for _, name := range names {
		eventstest.Eventually(t, eventstest.Patience, func() bool {
			f := finding{peers: []string{name}, answered: map[string]bool{}}
			tr := &Traces{cfg: TracesConfig{Gateway: "asker"}, nc: from}
			return tr.ask(eventstest.Context(t), "trace-of-nobody-0", &f) == nil && f.done()
		})
	}
}

func TestFindAsksAllGateways(t *testing.T) {
	t.Parallel()
	bus := eventstest.New(t)
	a := newGateway(t, bus, "a", "a", "b")
	b := newGateway(t, bus, "b", "a")
	answering(t, a.nc, "a", "b")

	first := begin(b.rec, "192.0.2.77", testTrace)
	first.Refuse(lc.StageOrigin, 403, events.CodeOriginRefused, "fixed")
	second := begin(a.rec, "192.0.2.77", testTrace)
	second.Stage(lc.StageRequest)
	for _, g := range []gateway{a, b} {
		f := g.traces.Find(t.Context(), testTrace)
		if f.Asked != 2 || f.Answered != 2 || !f.Complete || stages(f.Rows) != "accept origin accept request" ||
			f.Rows[0].Conn != first.ConnID() || f.Rows[3].Conn != second.ConnID() || f.Rows[1].Status != 403 {
			t.Errorf("%s: %+v", g.traces.cfg.Gateway, f)
		}
	}
	unknown := a.traces.Find(t.Context(), "trace-of-nobody-0")
	if unknown.Asked != 2 || unknown.Answered != 2 || !unknown.Complete || unknown.Rows != nil {
		t.Errorf("unknown: %+v", unknown)
	}
	// Another address at another gateway: the first use counts everywhere.
	begin(a.rec, "192.0.2.1", "trace-of-the-first").Stage(lc.StageRequest)
	begin(b.rec, "192.0.2.2", "trace-of-the-first").Refuse(lc.StageOrigin, 403, events.CodeOriginRefused, "not yours")
	for _, g := range []gateway{a, b} {
		if f := g.traces.Find(t.Context(), "trace-of-the-first"); stages(f.Rows) != "accept request" {
			t.Errorf("%s: %s", g.traces.cfg.Gateway, stages(f.Rows))
		}
	}
}

func TestFindSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	bus := eventstest.New(t)
	g := newGateway(t, bus, "a", "dead")
	begin(g.rec, "192.0.2.77", testTrace).Stage(lc.StageRequest)
	if f := g.traces.Find(t.Context(), testTrace); f.Asked != 2 || f.Answered != 1 || f.Complete || len(f.Rows) != 2 {
		t.Errorf("with a dead gateway: %+v", f)
	}
	alone := newGateway(t, bus, "b")
	if f := alone.traces.Find(t.Context(), testTrace); f.Asked != 1 || !f.Complete || f.Rows != nil {
		t.Errorf("alone: %+v", f)
	}
	answering(t, g.nc, "b")
	alone.nc.Close()
	if f := alone.traces.Find(t.Context(), testTrace); f.Complete {
		t.Errorf("without a connection: %+v", f)
	}
}

func TestHostileQuestionsAndAnswers(t *testing.T) {
	t.Parallel()
	bus := eventstest.New(t)
	newGateway(t, bus, "a")
	other := bus.Connect(t)
	for _, q := range []string{"", "{", `{"trace":"short"}`, `[]`, `{"from":"x","trace":"` + string(make([]byte, 2000)) + `"}`} {
		if err := other.PublishRequest(traceSubject, "_INBOX.nobody", []byte(q)); err != nil {
			t.Fatal(err)
		}
	}
	answering(t, other, "a") // it still does

	row, err := lc.Append(nil, &lc.Row{Time: time.Now(), Conn: "c", Stage: lc.StageAccept, Outcome: lc.OK})
	if err != nil {
		t.Fatal(err)
	}
	line := func(h traceAnswer) string {
		b, err := json.Marshal(h)
		if err != nil {
			t.Fatal(err)
		}
		return string(b) + "\n" + string(row)
	}
	for _, data := range []string{
		"", "\n", "{}", "{", line(traceAnswer{Owner: "0011223344556677"}),
		line(traceAnswer{Gateway: "b"}), line(traceAnswer{Gateway: "b", Owner: "zz11223344556677"}),
		line(traceAnswer{Gateway: "b", Owner: "0011"}), `{"gateway":"b","owner":"0011223344556677"}` + "\nno row",
		line(traceAnswer{Gateway: "b", Owner: "0011223344556677"}) + string(make([]byte, 1<<20)),
	} {
		f := finding{peers: []string{"b"}, answered: map[string]bool{"a": true}}
		f.takeAnswer([]byte(data))
		if len(f.answered) != 1 || f.best.rows != nil {
			t.Errorf("took %.80q: %+v", data, f)
		}
	}
	f := finding{peers: []string{"b"}, answered: map[string]bool{"a": true}}
	f.takeAnswer([]byte(line(traceAnswer{Gateway: "b", Owner: "0011223344556677", Cut: true})))
	if got := f.found(false); len(got.Rows) != 1 || got.Answered != 2 || got.Complete {
		t.Errorf("cut: %+v", got)
	}
}

func TestLargeAnswersAreCut(t *testing.T) {
	t.Parallel()
	bus := eventstest.New(t)
	a, b := newGateway(t, bus, "a", "b"), newGateway(t, bus, "b")
	answering(t, a.nc, "b")
	agent := string(make([]byte, 8<<10)) // six bytes each in JSON
	for i := range maxAttempts {
		at := b.rec.Begin(addrPort(i), netip.AddrPort{})
		at.Describe(func(r *lc.Row) { r.Trace, r.UserAgent, r.ClientIP = testTrace, agent, addrPort(0).Addr() })
		at.Stage(lc.StageRequest)
	}
	var f Found
	eventstest.Eventually(t, eventstest.Patience, func() bool { // a busy machine may not answer within tracePatience
		f = a.traces.Find(t.Context(), testTrace)
		return f.Answered == 2
	})
	if f.Complete || len(f.Rows) == 0 || len(f.Rows) == 2*maxAttempts {
		t.Errorf("%d rows of %d, answered %d, complete %t", len(f.Rows), 2*maxAttempts, f.Answered, f.Complete)
	}
}

func TestNewTracesValidates(t *testing.T) {
	t.Parallel()
	if _, err := NewTraces(TracesConfig{Gateway: "a"}, newRecorder("a"), nil); err == nil {
		t.Error("without a connection")
	}
	if _, err := NewTraces(TracesConfig{}, newRecorder("a"), &nats.Conn{}); err == nil {
		t.Error("without a name")
	}
}

func addrPort(port int) netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr("192.0.2.77"), uint16(port))
}
