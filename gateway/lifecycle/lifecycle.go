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
	"sync"
	"time"

	"github.com/google/uuid"

	"partyline/events"
	lc "partyline/events/lifecycle"
)

// Attempt is the record of one connection attempt. Methods are safe for
// concurrent use, never block, and are no-ops on a nil *Attempt.
type Attempt struct {
	rec    *Recorder
	connID string

	mu       sync.Mutex // guards what follows
	base     lc.Row     // what later stages copy
	accepted time.Time
	last     time.Time // time of the latest stage
	lastRTT  time.Time
	held     []lc.Row // stages before upgraded: written together
	owner    owner    // of the trace
	traced   bool     // the trace is known, and everything so far remembered
	closed   bool
}

// Describe sets what is known about the request (allow-listed only), before
// the stage "request" is recorded. fn is called with the row that later stages
// copy.
func (a *Attempt) Describe(fn func(r *lc.Row)) {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	fn(&a.base)
	own(&a.base)
	a.base.Conn, a.base.Gateway = a.connID, a.rec.cfg.Gateway
}

// Stage records that a stage was passed now.
func (a *Attempt) Stage(s lc.Stage) { a.record(s, lc.OK, nil) }

// Refuse records that stage s ended the attempt with an HTTP status.
func (a *Attempt) Refuse(s lc.Stage, status int, code events.Code, detail string) {
	a.record(s, lc.Refused, func(r *lc.Row) {
		r.Status, r.ErrorType, r.ErrorDetail = status, string(code), detail
	})
}

// Fail records that stage s ended the attempt with an error; detail is one of
// our fixed texts.
func (a *Attempt) Fail(s lc.Stage, code events.Code, detail string) {
	a.record(s, lc.Failed, func(r *lc.Row) { r.ErrorType, r.ErrorDetail = string(code), detail })
}

// RTT records a ping sample (at most one a minute is kept).
func (a *Attempt) RTT(d time.Duration) {
	if a == nil {
		return
	}
	now := time.Now()
	a.mu.Lock()
	keep := a.lastRTT.IsZero() || now.Sub(a.lastRTT) >= time.Minute
	if keep {
		a.lastRTT = now
	}
	a.mu.Unlock()
	if keep {
		a.record(lc.StagePing, lc.OK, func(r *lc.Row) { r.RTT = d })
	}
}

// Traffic adds to the counters reported when the connection closes.
func (a *Attempt) Traffic(framesIn, framesOut, bytesIn, bytesOut uint64, queuePeak int) {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.base.FramesIn += framesIn
	a.base.FramesOut += framesOut
	a.base.BytesIn += bytesIn
	a.base.BytesOut += bytesOut
	a.base.QueuePeak = max(a.base.QueuePeak, uint64(max(queuePeak, 0)))
}

// Close records the end of the attempt. Only the first call counts.
func (a *Attempt) Close(code int, initiator, reason string) {
	a.record(lc.StageClosed, lc.OK, func(r *lc.Row) {
		r.CloseCode, r.CloseBy, r.CloseReason = code, initiator, reason
	})
}

// Trace is the trace id of the attempt, "" when the client named none.
func (a *Attempt) Trace() string {
	if a == nil {
		return ""
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.base.Trace
}

// ConnID is the unique id (UUIDv7 text) of the attempt, shown as welcome.conn;
// "" on a nil *Attempt.
func (a *Attempt) ConnID() string {
	if a == nil {
		return ""
	}
	return a.connID
}

// record makes the row of a stage. Rows up to upgraded are held back and
// queued together; nothing is recorded after closed.
func (a *Attempt) record(s lc.Stage, o lc.Outcome, fill func(*lc.Row)) {
	if a == nil {
		return
	}
	now := time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return
	}
	r := a.base
	r.Time, r.Stage, r.Outcome = now, s, o
	r.Duration, r.SinceAccept = now.Sub(a.last), now.Sub(a.accepted)
	r.ClientIP, r.PeerIP = a.rec.mask(r.ClientIP), a.rec.mask(r.PeerIP)
	if fill != nil {
		fill(&r)
	}
	if s != lc.StageClosed {
		// Counters are told once, when the connection ends.
		r.FramesIn, r.FramesOut, r.BytesIn, r.BytesOut, r.QueuePeak = 0, 0, 0, 0, 0
	}
	a.last, a.closed = now, s == lc.StageClosed
	a.held = append(a.held, r)
	a.remember()
	if o == lc.OK && lc.Coarse(s) != "connected" && s != lc.StageUpgraded && s != lc.StageClosed {
		return
	}
	a.rec.enqueue(a.held)
	a.held = nil
}

// remember keeps the latest row in memory for those who ask for the trace, and
// all that are held when the trace has just become known; under mu.
func (a *Attempt) remember() {
	switch {
	case a.base.Trace == "":
	case a.traced:
		a.rec.mem.add(a.base.Trace, a.owner, a.held[len(a.held)-1])
	default:
		a.traced = true
		a.owner = a.rec.mem.ownerOf(a.base.Trace, a.base.ClientIP)
		a.rec.mem.add(a.base.Trace, a.owner, a.held...)
	}
}

// Begin starts the record of an attempt with stage accept. On a nil *Recorder
// it returns nil, which records nothing.
func (r *Recorder) Begin(remote, local netip.AddrPort, _ string) *Attempt {
	if r == nil {
		return nil
	}
	id, err := uuid.NewV7()
	if err != nil {
		id = uuid.New()
	}
	now := time.Now()
	a := &Attempt{rec: r, connID: id.String(), accepted: now, last: now}
	a.base = lc.Row{
		Conn: a.connID, Gateway: r.cfg.Gateway,
		ClientIP: remote.Addr().Unmap(), ClientPort: remote.Port(),
		PeerIP: remote.Addr().Unmap(), LocalPort: local.Port(),
	}
	a.record(lc.StageAccept, lc.OK, nil)
	return a
}
