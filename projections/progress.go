package projections

import (
	"context"
	"sync"
	"time"
)

// progress tells how far the read models are, and wakes those who wait.
type progress struct {
	mu       sync.Mutex
	applied  uint64
	last     uint64
	poison   uint64
	rebuilds uint64
	changed  chan struct{} // closed and replaced whenever applied grows
}

// restart sets applied, which may be smaller than before.
func (p *progress) restart(applied uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.applied = applied
	p.wake()
}

// commit records a transaction.
func (p *progress) commit(applied uint64, poison int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.applied = applied
	p.last = max(p.last, applied)
	p.poison += uint64(poison)
	p.wake()
}

// wake wakes every waiter. p.mu is held.
func (p *progress) wake() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// saw records the log's last sequence.
func (p *progress) saw(last uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = max(p.last, last)
}

// reset records the last sequence of a log that may be another one.
func (p *progress) reset(last uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = last
}

// rebuilt counts a computation from zero.
func (p *progress) rebuilt() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rebuilds++
}

func (p *progress) stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return Stats{Applied: p.applied, Last: max(p.last, p.applied), Poison: p.poison, Rebuilds: p.rebuilds}
}

// wait returns when seq was applied, maxWait has passed, or ctx has ended.
func (p *progress) wait(ctx context.Context, seq uint64) {
	if seq == 0 {
		return
	}
	var timeout <-chan time.Time
	for {
		p.mu.Lock()
		applied, changed := p.applied, p.changed
		p.mu.Unlock()
		if applied >= seq {
			return
		}
		if timeout == nil {
			t := time.NewTimer(maxWait)
			defer t.Stop()
			timeout = t.C
		}
		select {
		case <-changed:
		case <-timeout:
			return
		case <-ctx.Done():
			return
		}
	}
}
