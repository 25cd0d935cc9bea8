package lifecycle

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"log/slog"
	"net/netip"
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
)

// Publish stores one batch under a subject with a Nats-Msg-Id.
type Publish func(ctx context.Context, subject, msgID string, batch []byte) error

// Config of a Recorder.
type Config struct {
	Gateway   string        // incarnation: unique for each start of a gateway; one subject token
	IPPrivacy string        // "off", "hash"; anything else truncates to /24 and /48
	HashKey   func() []byte // secret from which the daily key of "hash" is derived; may return nil at first
}

// Recorder makes attempts and publishes their stages. Safe for concurrent use.
type Recorder struct {
	cfg     Config
	publish Publish
	log     *slog.Logger
	wake    chan struct{}

	mu      sync.Mutex // guards what follows
	normal  []lc.Row
	closing []lc.Row
	dropped uint64 // rows dropped and not yet reported
}

// New returns a Recorder that publishes through publish. Run must be called
// for anything to be published.
func New(cfg Config, publish Publish, log *slog.Logger) *Recorder {
	return &Recorder{cfg: cfg, publish: publish, log: log, wake: make(chan struct{}, 1)}
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

// Run publishes batches until ctx ends, then what is left within a second. When
// there is nothing to tell it says from time to time that the gateway lives.
func (r *Recorder) Run(ctx context.Context) error {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	var batches, told uint64
	heartbeat := time.NewTicker(lc.HeartbeatEvery)
	defer heartbeat.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			r.flush(last, &batches)
			return nil
		case <-tick.C:
		case <-r.wake:
		case <-heartbeat.C:
			if told == batches {
				r.send(ctx, &batches, nil, 0)
			}
			told = batches
		}
		r.flush(ctx, &batches)
	}
}

// flush publishes everything that waits, in batches of at most flushBytes.
func (r *Recorder) flush(ctx context.Context, batches *uint64) {
	r.mu.Lock()
	rows := append(r.closing, r.normal...)
	dropped := r.dropped
	r.closing, r.normal, r.dropped = nil, nil, 0
	r.mu.Unlock()
	if dropped > 0 {
		rows = append(rows, lc.Row{
			Time: time.Now(), Gateway: r.cfg.Gateway, Stage: lc.StageClosed, Outcome: lc.Failed,
			ErrorType: lc.TypeDropped, ErrorDetail: strconv.FormatUint(dropped, 10),
		})
	}
	var batch []byte
	count := 0
	for i := range rows {
		next, err := lc.Append(batch, &rows[i])
		if err != nil {
			r.log.Warn("connection row left out", "error", err)
			continue
		}
		batch = next
		count++
		if len(batch) >= flushBytes {
			r.send(ctx, batches, batch, count)
			batch, count = nil, 0
		}
	}
	if count > 0 {
		r.send(ctx, batches, batch, count)
	}
}

// send publishes one batch, under the same id at every try.
func (r *Recorder) send(ctx context.Context, batches *uint64, batch []byte, rows int) {
	*batches++
	id := r.cfg.Gateway + "-" + strconv.FormatUint(*batches, 10)
	var err error
	for range maxTries {
		try, cancel := context.WithTimeout(ctx, time.Second)
		err = r.publish(try, "conn."+r.cfg.Gateway, id, batch)
		cancel()
		if err == nil {
			return
		}
	}
	r.log.Warn("connection rows dropped", "rows", rows, "error", err)
	r.mu.Lock()
	r.dropped += uint64(rows)
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
