package lifecycle

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"log/slog"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	lc "partyline/events/lifecycle"
)

const (
	flushEvery = 100 * time.Millisecond
	flushBytes = 64 << 10
	maxQueued  = 16384 // rows waiting to be published: some MiB
	maxTries   = 3     // publish attempts a batch
	lastFlush  = 2 * time.Second
)

// Publish stores one batch under a subject with a Nats-Msg-Id.
type Publish func(ctx context.Context, subject, msgID string, batch []byte) error

// Config of a Recorder.
type Config struct {
	Gateway   string // incarnation: unique for each start of a gateway; one subject token
	IPPrivacy string // "off", "hash"; anything else truncates to /24 and /48
	// HashKey is the deployment's secret, from which the daily key of "hash" and
	// that of the owners of traces are derived; it may return nil at first.
	// Without one, gateways cannot tell that an address used a trace at two of
	// them.
	HashKey func() []byte
}

// Recorder makes attempts and publishes their stages. Safe for concurrent use.
type Recorder struct {
	cfg     Config
	publish Publish
	log     *slog.Logger
	wake    chan struct{}
	mem     *memory
	start   time.Time

	mu      sync.Mutex // guards what follows
	normal  []*batch   // to be published; rows are added to the last one
	closing []*batch   // the same, of closing rows
	rows    int        // in them
	number  uint64     // of the latest batch
	dropped uint64     // rows dropped and not yet reported
	lost    uint64     // rows dropped since the start
}

// New returns a Recorder that publishes through publish. Run must be called
// for anything to be published.
func New(cfg Config, publish Publish, log *slog.Logger) *Recorder {
	if cfg.HashKey == nil {
		cfg.HashKey = func() []byte { return nil }
	}
	return &Recorder{cfg: cfg, publish: publish, log: log, wake: make(chan struct{}, 1), mem: newMemory(cfg.HashKey), start: time.Now()}
}

// since is a time on the recorder's monotonic clock, in nanoseconds.
func (r *Recorder) since(t time.Time) int64 { return int64(t.Sub(r.start)) }

// Stats are figures of a Recorder.
type Stats struct {
	Queued     int    // rows that wait to be published
	Dropped    uint64 // rows dropped since the start
	Traces     int    // traces in memory
	TraceBytes int    // their bytes, estimated
}

// Stats returns the figures of the moment.
func (r *Recorder) Stats() Stats {
	var s Stats
	s.Traces, s.TraceBytes = r.mem.size()
	r.mu.Lock()
	defer r.mu.Unlock()
	s.Queued, s.Dropped = r.rows, r.lost
	return s
}

// enqueue takes steps of an attempt over, whose mu is held. When the queue is
// full the oldest batch goes first, those of closing rows last.
func (r *Recorder) enqueue(a *Attempt, steps ...lc.Step) {
	r.mu.Lock()
	defer r.mu.Unlock()
	full := false
	for i := range steps {
		q := &r.normal
		if steps[i].Stage == lc.StageClosed {
			q = &r.closing
		}
		b := r.open(q)
		b.data = a.appendRow(b.data, &steps[i], a.batch == b.number, b.latest == a)
		a.batch, b.latest = b.number, a
		b.rows++
		r.rows++
		full = full || len(b.data) >= flushBytes
	}
	for r.rows > maxQueued {
		q := &r.normal
		if len(*q) == 0 {
			q = &r.closing
		}
		rows := (*q)[0].rows
		(*q)[0].release()
		*q = (*q)[1:]
		r.rows -= rows
		r.dropped += uint64(rows)
		r.lost += uint64(rows)
	}
	if full {
		select {
		case r.wake <- struct{}{}:
		default:
		}
	}
}

// open returns the batch at the end of a queue that has room for a row. mu is
// held.
func (r *Recorder) open(q *[]*batch) *batch {
	if n := len(*q); n > 0 && len((*q)[n-1].data) < flushBytes {
		return (*q)[n-1]
	}
	r.number++
	b := batches.Get().(*batch)
	b.number = r.number
	*q = append(*q, b)
	return b
}

// Run publishes batches until ctx ends, then what is left within lastFlush: a
// batch that is on its way when ctx ends is no loss. When there is nothing to tell
// it says from time to time that the gateway lives.
func (r *Recorder) Run(ctx context.Context) error {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	var batches, told uint64
	heartbeat := time.NewTicker(lc.HeartbeatEvery)
	defer heartbeat.Stop()
	late, cancel := outlive(ctx, lastFlush)
	defer cancel()
	for {
		select {
		case <-ctx.Done():
			r.flush(late, &batches)
			return nil
		case now := <-tick.C:
			r.mem.tidy(now)
		case <-r.wake:
		case <-heartbeat.C:
			if told == batches {
				r.send(late, &batches, &batch{})
			}
			told = batches
		}
		r.flush(late, &batches)
	}
}

// outlive returns a context that ends d after ctx, or with cancel.
func outlive(ctx context.Context, d time.Duration) (late context.Context, cancel func()) {
	late, end := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
			end()
		case <-late.Done():
		}
	})
	return late, func() { stop(); end() }
}

// flush publishes everything that waits, in batches of at most flushBytes. The
// number of rows that were dropped goes first; when it cannot be told, it is told
// with the next flush.
func (r *Recorder) flush(ctx context.Context, batches *uint64) {
	r.mu.Lock()
	waiting := slices.Concat(r.closing, r.normal)
	dropped := r.dropped
	r.closing, r.normal, r.rows, r.dropped = nil, nil, 0, 0
	r.mu.Unlock()
	if dropped > 0 {
		waiting = slices.Insert(waiting, 0, r.report(dropped))
	}
	for _, b := range waiting {
		r.send(ctx, batches, b)
		b.release()
	}
}

// report tells of dropped rows.
func (r *Recorder) report(dropped uint64) *batch {
	b := batches.Get().(*batch)
	b.reported = dropped // and no row of its own: losing it is no loss of a row
	var err error
	b.data, err = lc.Append(b.data, &lc.Row{
		Time: time.Now(), Gateway: r.cfg.Gateway, Stage: lc.StageClosed, Outcome: lc.Failed,
		ErrorType: lc.TypeDropped, ErrorDetail: strconv.FormatUint(dropped, 10),
	})
	if err != nil {
		r.log.Error("dropped rows cannot be told", "error", err)
	}
	return b
}

// batch is one message of stream CONN in the making.
type batch struct {
	data     []byte
	number   uint64   // unique among those of the recorder, from 1
	latest   *Attempt // of the last row
	rows     int      // of attempts
	reported uint64   // earlier drops that it tells
}

//nolint:gochecknoglobals // shared by all recorders of the process
var batches = sync.Pool{New: func() any { return &batch{data: make([]byte, 0, flushBytes+4<<10)} }}

//nolint:gochecknoglobals // the same
var packs = sync.Pool{New: func() any { return new([]byte) }}

func (b *batch) release() {
	*b = batch{data: b.data[:0]}
	batches.Put(b)
}

// send publishes one batch, under the same id at every try.
func (r *Recorder) send(ctx context.Context, batches *uint64, b *batch) {
	*batches++
	p := packs.Get().(*[]byte)
	defer packs.Put(p)
	*p = lc.Pack((*p)[:0], b.data)
	id := r.cfg.Gateway + "-" + strconv.FormatUint(*batches, 10)
	var err error
	for range maxTries {
		try, cancel := context.WithTimeout(ctx, time.Second)
		err = r.publish(try, "conn."+r.cfg.Gateway, id, *p)
		cancel()
		if err == nil {
			return
		}
	}
	r.log.Warn("connection rows dropped", "rows", b.rows, "error", err)
	r.mu.Lock()
	r.dropped += uint64(b.rows) + b.reported
	r.lost += uint64(b.rows)
	r.mu.Unlock()
}

// mask applies the privacy of addresses, before anything leaves the gateway.
func (r *Recorder) mask(ip netip.Addr) netip.Addr {
	if !ip.IsValid() || r.cfg.IPPrivacy == "off" {
		return ip
	}
	if r.cfg.IPPrivacy == "hash" {
		day := hmac.New(sha256.New, r.cfg.HashKey())
		day.Write([]byte(time.Now().UTC().Format(time.DateOnly)))
		sum := hmac.New(sha256.New, day.Sum(nil))
		sum.Write(ip.AsSlice())
		return netip.AddrFrom16([16]byte(sum.Sum(nil)))
	}
	bits := 48
	if ip.Is4() {
		bits = 24
	}
	p, err := ip.Prefix(bits)
	if err != nil {
		return netip.Addr{}
	}
	return p.Addr()
}
