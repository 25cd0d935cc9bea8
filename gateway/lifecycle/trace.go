package lifecycle

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/nats-io/nats.go"

	"partyline/events"
	lc "partyline/events/lifecycle"
)

const (
	// traceSubject is where gateways ask one another, over core NATS.
	traceSubject  = "gateway.trace"
	tracePatience = 300 * time.Millisecond
	traceQueue    = 256       // questions or answers that wait
	maxAnswer     = 256 << 10 // bytes of rows in one answer
	maxQuestion   = 512       // bytes
)

// Found is what gateways remember of one trace.
type Found struct {
	Rows     []lc.Row // of all attempts, in order of time; addresses are masked
	Asked    int      // gateways that were asked, this one included
	Answered int      // of these
	Complete bool     // nobody and nothing is missing
}

// TracesConfig configures Traces.
type TracesConfig struct {
	// Gateway is the name by which other gateways know this one; required.
	Gateway string
	// Peers names the other gateways that are alive, as far as is known; nil:
	// there are none. Find waits for exactly these, and without any asks
	// nobody. The hub knows them within milliseconds of their start, by its
	// gossip, and forgets those that are silent for more than a minute.
	Peers  func() []string
	Logger *slog.Logger // nil: discard
}

// Traces finds what all gateways remember of connection attempts. Safe for
// concurrent use.
type Traces struct {
	cfg TracesConfig
	mem *memory
	nc  *nats.Conn
}

// NewTraces makes Traces over what rec remembers. nc stays the caller's. Run
// must run for other gateways to be answered.
func NewTraces(cfg TracesConfig, rec *Recorder, nc *nats.Conn) (*Traces, error) {
	if cfg.Gateway == "" || rec == nil || nc == nil {
		return nil, errors.New("lifecycle: traces need a name, a recorder and a connection")
	}
	if cfg.Peers == nil {
		cfg.Peers = func() []string { return nil }
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Traces{cfg: cfg, mem: rec.mem, nc: nc}, nil
}

// traceQuestion is what a gateway asks the others.
type traceQuestion struct {
	From  string `json:"from"`
	Trace string `json:"trace"`
}

// traceAnswer is the first line of an answer; the rows follow as a batch.
type traceAnswer struct {
	Gateway string `json:"gateway"`
	Owner   string `json:"owner,omitempty"` // hex; see owner
	First   int64  `json:"first,omitempty"` // Unix time, microseconds
	Cut     bool   `json:"cut,omitempty"`   // rows were left out
}

// Run answers other gateways until ctx ends.
func (t *Traces) Run(ctx context.Context) error {
	inbox := make(chan *nats.Msg, traceQueue)
	sub, err := t.nc.ChanSubscribe(traceSubject, inbox)
	if err != nil {
		return fmt.Errorf("subscribe to %s: %w", traceSubject, err)
	}
	defer sub.Unsubscribe() //nolint:errcheck // the connection may be gone
	for {
		select {
		case <-ctx.Done():
			return nil
		case m := <-inbox:
			t.answer(m)
		}
	}
}

// answer answers one question, also when nothing is known: the asker counts.
func (t *Traces) answer(m *nats.Msg) {
	var q traceQuestion
	if m.Reply == "" || len(m.Data) > maxQuestion || json.Unmarshal(m.Data, &q) != nil ||
		q.From == t.cfg.Gateway || events.CheckTrace(q.Trace) != nil {
		return
	}
	r := t.mem.find(q.Trace, time.Now())
	head := traceAnswer{Gateway: t.cfg.Gateway}
	var rows []byte
	if len(r.rows) > 0 {
		head.Owner, head.First = hex.EncodeToString(r.owner[:]), r.first.UnixMicro()
	}
	for i := range r.rows {
		next, err := lc.Append(rows, &r.rows[i])
		if err != nil || len(next) > maxAnswer {
			head.Cut = true
			break
		}
		rows = next
	}
	line, err := json.Marshal(head)
	if err != nil {
		t.cfg.Logger.Error("trace could not be answered", "error", err)
		return
	}
	// Without a connection it is lost, and the asker knows that it is.
	_ = t.nc.Publish(m.Reply, append(append(line, '\n'), rows...))
}

// Find returns what the gateways remember of a trace. It takes at most 300 ms,
// and no time when there are no other gateways. Where several addresses used the
// trace at different gateways, the first use counts.
func (t *Traces) Find(ctx context.Context, trace string) Found {
	f := finding{peers: t.cfg.Peers(), answered: map[string]bool{t.cfg.Gateway: true}}
	f.peers = slices.DeleteFunc(slices.Clone(f.peers), func(name string) bool { return name == t.cfg.Gateway })
	f.take(t.mem.find(trace, time.Now()))
	failed := !t.nc.IsConnected()
	if len(f.peers) > 0 && !failed {
		if err := t.ask(ctx, trace, &f); err != nil {
			failed = true
			t.cfg.Logger.WarnContext(ctx, "other gateways could not be asked for a trace", "error", err)
		}
	}
	return f.found(failed)
}

// ask asks the other gateways and takes their answers.
func (t *Traces) ask(ctx context.Context, trace string, f *finding) error {
	ctx, cancel := context.WithTimeout(ctx, tracePatience)
	defer cancel()
	question, err := json.Marshal(traceQuestion{From: t.cfg.Gateway, Trace: trace})
	if err != nil {
		return fmt.Errorf("encode the question: %w", err)
	}
	inbox := nats.NewInbox()
	answers := make(chan *nats.Msg, traceQueue)
	sub, err := t.nc.ChanSubscribe(inbox, answers)
	if err != nil {
		return fmt.Errorf("subscribe to answers: %w", err)
	}
	defer sub.Unsubscribe() //nolint:errcheck // the connection may be gone
	if err := t.nc.PublishRequest(traceSubject, inbox, question); err != nil {
		return fmt.Errorf("publish the question: %w", err)
	}
	for !f.done() {
		select {
		case <-ctx.Done():
			return nil // what is missing is counted
		case m := <-answers:
			f.takeAnswer(m.Data)
		}
	}
	return nil
}

// finding gathers what gateways remember of one trace.
type finding struct {
	peers    []string
	answered map[string]bool
	best     recollection
	cut      bool
}

func (f *finding) done() bool {
	return !slices.ContainsFunc(f.peers, func(name string) bool { return !f.answered[name] })
}

func (f *finding) takeAnswer(data []byte) {
	line, batch, _ := bytes.Cut(data, []byte("\n"))
	var head traceAnswer
	if len(data) > maxAnswer+maxQuestion || json.Unmarshal(line, &head) != nil || head.Gateway == "" || f.answered[head.Gateway] {
		return
	}
	r := recollection{first: time.UnixMicro(head.First)}
	if len(batch) > 0 {
		var err error
		if r.rows, err = lc.Decode(batch); err != nil {
			return
		}
		if n, err := hex.Decode(r.owner[:], []byte(head.Owner)[:min(len(head.Owner), 2*len(r.owner))]); err != nil || n != len(r.owner) {
			return
		}
	}
	f.answered[head.Gateway] = true
	f.cut = f.cut || head.Cut
	f.take(r)
}

// take adds what one gateway remembers. Of two owners the first counts.
func (f *finding) take(r recollection) {
	switch {
	case len(r.rows) == 0:
	case len(f.best.rows) == 0:
		f.best = r
	case f.best.owner == r.owner:
		f.best.rows = append(f.best.rows, r.rows...)
		if r.first.Before(f.best.first) {
			f.best.first = r.first
		}
	case r.first.Before(f.best.first):
		f.best = r
	}
}

func (f *finding) found(failed bool) Found {
	slices.SortStableFunc(f.best.rows, func(a, b lc.Row) int { return a.Time.Compare(b.Time) })
	asked := len(f.answered)
	for _, name := range f.peers {
		if !f.answered[name] {
			asked++
		}
	}
	return Found{
		Rows: f.best.rows, Asked: asked, Answered: len(f.answered),
		Complete: !failed && !f.cut && asked == len(f.answered),
	}
}
