// Package lifecycle records every connection attempt from accept to close:
// stages go to stream CONN in batches. Recording never blocks a connection:
// the queue is bounded, the oldest rows are dropped first, and drops are
// counted.
//
// The stages of the latest attempts that named a trace are also kept in memory,
// until an hour after the last one, so that [Traces] can tell within
// milliseconds what happened, wherever the attempt arrived.
package lifecycle

import (
	"net/netip"
	"strings"
	"sync"
	"time"
	"unique"

	"github.com/google/uuid"

	"partyline/events"
	lc "partyline/events/lifecycle"
)

// Attempt is the record of one connection attempt. Methods are safe for
// concurrent use, never block, and are no-ops on a nil *Attempt.
//
// It lives as long as its connection, so it is small: what is known of the
// request is kept encoded, in one copy for all attempts that look alike.
type Attempt struct {
	rec *Recorder
	id  uuid.UUID

	mu       sync.Mutex // guards what follows
	opening  *opening   // nil once the first rows were handed over
	client   netip.Addr // masked
	how      unique.Handle[string]
	trace    string
	userHash string
	batch    uint64 // the latest batch that has all columns of this attempt
	accepted int64  // nanoseconds on the clock of the recorder
	last     int64  // time of the latest stage
	lastRTT  int64  // 0: none
	traffic  *traffic
	owner    owner // of the trace
	port     uint16
	traced   bool // the trace is known, and everything so far remembered
	closed   bool
}

// opening is what an attempt needs until it is upgraded or refused.
type opening struct {
	base lc.Row    // what all rows have in common
	held []lc.Step // written together at the end
}

// traffic is what a connection has carried in all.
type traffic struct {
	framesIn, framesOut, bytesIn, bytesOut, queuePeak uint64
}

//nolint:gochecknoglobals // shared by all recorders of the process
var openings = sync.Pool{New: func() any { return &opening{held: make([]lc.Step, 0, 8)} }}

func (o *opening) release() {
	clear(o.held)
	o.base, o.held = lc.Row{}, o.held[:0]
	openings.Put(o)
}

// Describe sets what is known about the request (allow-listed only), until the
// attempt is upgraded or refused. fn is called with the row whose columns all
// rows of the attempt get.
func (a *Attempt) Describe(fn func(r *lc.Row)) {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.opening == nil {
		return
	}
	base := &a.opening.base
	fn(base)
	base.Conn, base.Gateway = a.id.String(), a.rec.cfg.Gateway
}

// Stage records that a stage was passed now.
func (a *Attempt) Stage(s lc.Stage) { a.record(lc.Step{Stage: s, Outcome: lc.OK}) }

// Refuse records that stage s ended the attempt with an HTTP status.
func (a *Attempt) Refuse(s lc.Stage, status int, code events.Code, detail string) {
	a.record(lc.Step{Stage: s, Outcome: lc.Refused, Status: status, ErrorType: string(code), ErrorDetail: detail})
}

// Fail records that stage s ended the attempt with an error; detail is one of
// our fixed texts.
func (a *Attempt) Fail(s lc.Stage, code events.Code, detail string) {
	a.record(lc.Step{Stage: s, Outcome: lc.Failed, ErrorType: string(code), ErrorDetail: detail})
}

// RTT records a ping sample (at most one a minute is kept).
func (a *Attempt) RTT(d time.Duration) {
	if a == nil {
		return
	}
	now := a.rec.since(time.Now())
	a.mu.Lock()
	keep := a.lastRTT == 0 || now-a.lastRTT >= int64(time.Minute)
	if keep {
		a.lastRTT = now
	}
	a.mu.Unlock()
	if keep {
		a.record(lc.Step{Stage: lc.StagePing, Outcome: lc.OK, RTT: d})
	}
}

// Traffic adds to the counters reported when the connection closes.
func (a *Attempt) Traffic(framesIn, framesOut, bytesIn, bytesOut uint64, queuePeak int) {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.traffic == nil {
		a.traffic = new(traffic)
	}
	t := a.traffic
	t.framesIn += framesIn
	t.framesOut += framesOut
	t.bytesIn += bytesIn
	t.bytesOut += bytesOut
	t.queuePeak = max(t.queuePeak, uint64(max(queuePeak, 0)))
}

// Close records the end of the attempt. Only the first call counts.
func (a *Attempt) Close(code int, initiator, reason string) {
	a.record(lc.Step{Stage: lc.StageClosed, Outcome: lc.OK, CloseCode: code, CloseBy: initiator, CloseReason: reason})
}

// Trace is the trace id of the attempt, "" when the client named none.
func (a *Attempt) Trace() string {
	if a == nil {
		return ""
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.opening != nil {
		return a.opening.base.Trace
	}
	return a.trace
}

// ConnID is the unique id (UUIDv7 text) of the attempt, shown as welcome.conn;
// "" on a nil *Attempt.
func (a *Attempt) ConnID() string {
	if a == nil {
		return ""
	}
	return a.id.String()
}

// record records a stage; it adds the times, and at the end the traffic. Stages
// up to upgraded are held back and queued together; nothing is recorded after
// closed.
func (a *Attempt) record(step lc.Step) {
	if a == nil {
		return
	}
	step.Time = time.Now()
	now := a.rec.since(step.Time)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return
	}
	step.Duration, step.SinceAccept = time.Duration(now-a.last), time.Duration(now-a.accepted)
	a.last, a.closed = now, step.Stage == lc.StageClosed
	if t := a.traffic; t != nil && a.closed {
		step.FramesIn, step.FramesOut, step.BytesIn, step.BytesOut, step.QueuePeak = t.framesIn, t.framesOut, t.bytesIn, t.bytesOut, t.queuePeak
	}
	if a.opening == nil {
		a.rememberStep(step)
		a.rec.enqueue(a, step)
		return
	}
	a.opening.held = append(a.opening.held, step)
	a.rememberOpening()
	if s := step.Stage; step.Outcome == lc.OK && lc.Coarse(s) != "connected" && s != lc.StageUpgraded && s != lc.StageClosed {
		return
	}
	open := a.opening
	a.seal()
	a.rec.enqueue(a, open.held...)
	open.release()
}

// seal keeps what is known of the request in its final form. mu is held.
func (a *Attempt) seal() {
	b := &a.opening.base
	b.ClientIP, b.PeerIP = a.rec.mask(b.ClientIP), a.rec.mask(b.PeerIP)
	a.client, a.port, a.userHash = b.ClientIP, b.ClientPort, b.UserHash
	a.trace = strings.Clone(b.Trace) // not a part of the request head
	var buf [1024]byte
	a.how = unique.Make(string(lc.AppendHow(buf[:0], b)))
	a.opening = nil
}

// appendRow appends the line of a step: with all columns, or, when same says that
// the batch has them already, only with its own; next: in the line before.
func (a *Attempt) appendRow(dst []byte, s *lc.Step, same, next bool) []byte {
	dst = lc.AppendStep(dst, s)
	switch {
	case same && next:
		dst = lc.AppendSame(dst, "")
	case same:
		dst = lc.AppendSame(dst, a.id.String())
	default:
		dst = lc.AppendWho(dst, &lc.Row{Conn: a.id.String(), Trace: a.trace, ClientIP: a.client, ClientPort: a.port, UserHash: a.userHash})
		dst = append(dst, a.how.Value()...)
	}
	return lc.AppendEnd(dst)
}

// rememberOpening keeps the latest step in memory for those who ask for the
// trace, and all that are held when the trace has just become known; under mu.
func (a *Attempt) rememberOpening() {
	o := a.opening
	steps := o.held[len(o.held)-1:]
	if o.base.Trace == "" {
		return
	}
	if !a.traced {
		a.traced = true
		a.owner = a.rec.mem.ownerOf(o.base.Trace, o.base.ClientIP)
		steps = o.held
	}
	base := o.base
	base.ClientIP, base.PeerIP = a.rec.mask(base.ClientIP), a.rec.mask(base.PeerIP)
	own(&base)
	a.rec.mem.add(base.Trace, a.owner, base.Conn, &base, steps...)
}

// rememberStep does the same for a step after the opening; under mu.
func (a *Attempt) rememberStep(step lc.Step) {
	if !a.traced || a.rec.mem.add(a.trace, a.owner, a.id.String(), nil, step) {
		return
	}
	// What came before is forgotten: the request has to be told again.
	rows, err := lc.Decode(a.appendRow(nil, &step, false, false))
	if err != nil {
		a.rec.log.Error("own row cannot be read", "error", err)
		return
	}
	a.rec.mem.add(a.trace, a.owner, rows[0].Conn, &rows[0], step)
}

// Begin starts the record of an attempt with stage accept. On a nil *Recorder
// it returns nil, which records nothing.
func (r *Recorder) Begin(remote, local netip.AddrPort) *Attempt {
	if r == nil {
		return nil
	}
	id, err := uuid.NewV7()
	if err != nil {
		id = uuid.New()
	}
	now := r.since(time.Now())
	a := &Attempt{rec: r, id: id, accepted: now, last: now, opening: openings.Get().(*opening)}
	a.opening.base = lc.Row{
		Conn: id.String(), Gateway: r.cfg.Gateway,
		ClientIP: remote.Addr().Unmap(), ClientPort: remote.Port(),
		PeerIP: remote.Addr().Unmap(), LocalPort: local.Port(),
	}
	a.record(lc.Step{Stage: lc.StageAccept, Outcome: lc.OK})
	return a
}
