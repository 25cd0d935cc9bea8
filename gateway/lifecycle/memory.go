package lifecycle

import (
	"container/list"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	lc "partyline/events/lifecycle"
)

// Bounds of what is remembered.
const (
	keepTraces  = time.Hour // after the last stage
	maxTraces   = 8192
	maxMemory   = 16 << 20 // bytes, estimated
	maxAttempts = 16       // of one trace; the oldest is forgotten first
	maxSteps    = 48       // of one attempt, before its end

	traceBytes   = 256 // of a trace, besides its attempts
	attemptBytes = 800 // of an attempt, besides texts and steps
	stepBytes    = 256
)

// owner tells whether two attempts with one trace came from the same address. It
// is a keyed hash over both: it tells nothing else.
type owner [8]byte

// memory remembers the stages of the latest attempts that named a trace. The
// first address that uses a trace owns it: what comes under it from others is
// not remembered. Safe for concurrent use.
type memory struct {
	secret func() []byte // of the deployment; nil while it is not known
	own    []byte        // until then

	mu      sync.Mutex // guards what follows
	byTrace map[string]*remembered
	order   *list.List // of *remembered, the one that was quiet longest in front
	bytes   int
}

// remembered is what is known of one trace.
type remembered struct {
	trace    string
	owner    owner
	first    time.Time // when the trace was first used
	last     time.Time // time of the latest stage
	attempts []*story
	bytes    int
	el       *list.Element
}

// story is one attempt: what its rows have in common, and the steps.
type story struct {
	base  lc.Row // columns of the latest row
	texts int    // bytes of its texts
	steps []step
}

// step holds the columns that differ from row to row.
type step struct {
	time        time.Time
	stage       lc.Stage
	outcome     lc.Outcome
	duration    time.Duration
	sinceAccept time.Duration
	rtt         time.Duration
	status      int
	closeCode   int
	errorType   string
	errorDetail string
	closeBy     string
	closeReason string
	traffic     [5]uint64
}

func newMemory(secret func() []byte) *memory {
	return &memory{secret: secret, own: []byte(rand.Text()), byTrace: make(map[string]*remembered), order: list.New()}
}

// ownerOf names an address within a trace. It is the same in every gateway that
// knows the secret.
func (m *memory) ownerOf(trace string, from netip.Addr) owner {
	key := m.secret()
	if len(key) == 0 {
		key = m.own
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("partyline trace owner\x00" + trace + "\x00"))
	mac.Write(from.AsSlice())
	return owner(mac.Sum(nil)[:8])
}

// add remembers rows of one attempt, in order.
func (m *memory) add(trace string, by owner, rows ...lc.Row) {
	if len(rows) == 0 {
		return
	}
	now := rows[len(rows)-1].Time
	m.mu.Lock()
	defer m.mu.Unlock()
	m.expire(now)
	r := m.byTrace[trace]
	if r == nil {
		r = &remembered{trace: trace, owner: by, first: rows[0].Time, last: now, bytes: traceBytes + len(trace)}
		r.el = m.order.PushBack(r)
		m.byTrace[trace] = r
		m.bytes += r.bytes
	}
	if r.owner != by {
		return
	}
	before := r.bytes
	s := r.story(rows[0].Conn)
	for i := range rows {
		r.bytes += s.add(&rows[i])
		if rows[i].Stage != lc.StagePing {
			r.last = now
			m.order.MoveToBack(r.el)
		}
	}
	m.bytes += r.bytes - before
	for len(m.byTrace) > maxTraces || m.bytes > maxMemory {
		m.forget(m.order.Front().Value.(*remembered))
	}
}

// story returns the attempt of a connection, which it begins when it is new.
func (r *remembered) story(conn string) *story {
	for _, s := range r.attempts {
		if s.base.Conn == conn {
			return s
		}
	}
	if len(r.attempts) == maxAttempts {
		r.bytes -= r.attempts[0].size()
		r.attempts = slices.Delete(r.attempts, 0, 1)
	}
	s := &story{steps: make([]step, 0, 8)}
	r.attempts = append(r.attempts, s)
	r.bytes += s.size()
	return s
}

func (s *story) size() int { return attemptBytes + s.texts + stepBytes*len(s.steps) }

// add adds a row and returns by how much the story grew. Pings without anything
// between them are one.
func (s *story) add(row *lc.Row) (grown int) {
	before := s.size()
	n := len(s.steps)
	end := row.Stage == lc.StageClosing || row.Stage == lc.StageClosed
	switch {
	case row.Stage == lc.StagePing && n > 0 && s.steps[n-1].stage == lc.StagePing:
		s.steps[n-1] = stepOf(row)
	case n < maxSteps || end && n < maxSteps+2:
		s.steps = append(s.steps, stepOf(row))
	}
	s.base = *row
	s.texts = 0
	for _, t := range textsOf(&s.base) {
		s.texts += len(*t)
	}
	return s.size() - before
}

// expire forgets what was quiet for too long; under mu.
func (m *memory) expire(now time.Time) {
	for el := m.order.Front(); el != nil; el = m.order.Front() {
		r := el.Value.(*remembered)
		if now.Sub(r.last) < keepTraces {
			return
		}
		m.forget(r)
	}
}

func (m *memory) forget(r *remembered) {
	delete(m.byTrace, r.trace)
	m.order.Remove(r.el)
	m.bytes -= r.bytes
}

// tidy forgets what was quiet for too long.
func (m *memory) tidy(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.expire(now)
}

// size returns how many traces are remembered, and their bytes.
func (m *memory) size() (traces, bytes int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.byTrace), m.bytes
}

// recollection is what one gateway remembers of a trace.
type recollection struct {
	owner owner
	first time.Time
	rows  []lc.Row // nil: nothing
}

// find returns what is remembered of a trace.
func (m *memory) find(trace string, now time.Time) recollection {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.expire(now)
	r := m.byTrace[trace]
	if r == nil {
		return recollection{}
	}
	out := recollection{owner: r.owner, first: r.first}
	for _, s := range r.attempts {
		for i := range s.steps {
			out.rows = append(out.rows, s.steps[i].row(&s.base))
		}
	}
	return out
}

func stepOf(r *lc.Row) step {
	return step{
		time: r.Time, stage: r.Stage, outcome: r.Outcome, duration: r.Duration, sinceAccept: r.SinceAccept,
		rtt: r.RTT, status: r.Status, closeCode: r.CloseCode, errorType: r.ErrorType, errorDetail: r.ErrorDetail,
		closeBy: r.CloseBy, closeReason: strings.Clone(r.CloseReason), // the peer's text: not a part of its frame
		traffic: [5]uint64{r.FramesIn, r.FramesOut, r.BytesIn, r.BytesOut, r.QueuePeak},
	}
}

// row makes the row of a step again.
func (s *step) row(base *lc.Row) lc.Row {
	r := *base
	r.Time, r.Stage, r.Outcome, r.Duration, r.SinceAccept = s.time, s.stage, s.outcome, s.duration, s.sinceAccept
	r.RTT, r.Status, r.CloseCode, r.ErrorType, r.ErrorDetail = s.rtt, s.status, s.closeCode, s.errorType, s.errorDetail
	r.CloseBy, r.CloseReason = s.closeBy, s.closeReason
	r.FramesIn, r.FramesOut, r.BytesIn, r.BytesOut, r.QueuePeak = s.traffic[0], s.traffic[1], s.traffic[2], s.traffic[3], s.traffic[4]
	return r
}

// textsOf lists the texts of a row that come from the request.
func textsOf(r *lc.Row) []*string {
	texts := []*string{
		&r.Trace, &r.Host, &r.Path, &r.Method, &r.HTTPVersion, &r.Origin, &r.Subprotocol, &r.Extensions, &r.UserAgent,
	}
	for i := range r.Headers {
		texts = append(texts, &r.Headers[i].Value)
	}
	return texts
}

// own gives a row texts of its own. They are parts of the request head
// otherwise, and would keep all of it in memory, tokens included, for as long as
// the row lives.
func own(r *lc.Row) {
	texts := textsOf(r)
	var b strings.Builder
	for _, t := range texts {
		b.WriteString(*t)
	}
	all, at := b.String(), 0
	for _, t := range texts {
		*t = all[at : at+len(*t)]
		at += len(*t)
	}
}
