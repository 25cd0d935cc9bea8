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
	maxQueued  = 16384 // rows waiting to be published
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

	mu      sync.Mutex // guards what follows
	normal  []lc.Row
	closing []lc.Row
	dropped uint64 // rows dropped and not yet reported
	lost    uint64 // rows dropped since the start
}

// New returns a Recorder that publishes through publish. Run must be called
// for anything to be published.
func New(cfg Config, publish Publish, log *slog.Logger) *Recorder {
	if cfg.HashKey == nil {
		cfg.HashKey = func() []byte { return nil }
	}
	return &Recorder{cfg: cfg, publish: publish, log: log, wake: make(chan struct{}, 1), mem: newMemory(cfg.HashKey)}
}

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
	s.Queued, s.Dropped = len(r.normal)+len(r.closing), r.lost
	return s
}

// enqueue takes rows over. When the queue is full the oldest rows go first,
// closing rows last.
func (r *Recorder) enqueue(rows []lc.Row) {
	r.mu.Lock()
	for _, row := range rows {
		if row.Stage == lc.StageClosed {
			r.closing = append(r.closing, row)
		} else {
			r.normal = append(r.normal, row)
		}
	}
	for len(r.normal)+len(r.closing) > maxQueued {
		if len(r.normal) > 0 {
			r.normal = r.normal[1:]
		} else {
			r.closing = r.closing[1:]
		}
		r.dropped++
		r.lost++
	}
	full := len(r.normal)+len(r.closing) > flushBytes/512
	r.mu.Unlock()
	if full {
		select {
		case r.wake <- struct{}{}:
		default:
		}
	}
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
	rows := slices.Concat(r.closing, r.normal)
	dropped := r.dropped
	r.closing, r.normal, r.dropped = nil, nil, 0
	r.mu.Unlock()
	var b batch
	if dropped > 0 {
		b.add(r, &lc.Row{
			Time: time.Now(), Gateway: r.cfg.Gateway, Stage: lc.StageClosed, Outcome: lc.Failed,
			ErrorType: lc.TypeDropped, ErrorDetail: strconv.FormatUint(dropped, 10),
		})
		b.rows, b.reported = 0, dropped // the report itself is no loss
	}
	for i := range rows {
		b.add(r, &rows[i])
		if len(b.data) >= flushBytes {
			r.send(ctx, batches, &b)
			b = batch{}
		}
	}
	if len(b.data) > 0 {
		r.send(ctx, batches, &b)
	}
}

// batch is one message of stream CONN in the making.
type batch struct {
	data     []byte
	rows     int    // of attempts
	reported uint64 // earlier drops that it tells
}

func (b *batch) add(r *Recorder, row *lc.Row) {
	next, err := lc.Append(b.data, row)
	if err != nil {
		r.log.Warn("connection row left out", "error", err)
		return
	}
	b.data = next
	b.rows++
}

// send publishes one batch, under the same id at every try.
func (r *Recorder) send(ctx context.Context, batches *uint64, b *batch) {
	*batches++
	id := r.cfg.Gateway + "-" + strconv.FormatUint(*batches, 10)
	var err error
	for range maxTries {
		try, cancel := context.WithTimeout(ctx, time.Second)
		err = r.publish(try, "conn."+r.cfg.Gateway, id, b.data)
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
