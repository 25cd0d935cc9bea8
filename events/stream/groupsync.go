package stream

import (
	"context"
	"fmt"
	"sync"
)

// groupSync lets any number of callers share syncs: all that ask while one runs
// are answered by the next. A failed sync is final, since the kernel may have
// dropped the pages that it could not write: nothing is acknowledged any more.
type groupSync struct {
	do     func() error
	failed chan error // gets the first failure
	wake   chan struct{}

	mu      sync.Mutex
	waiting []func(error)
	err     error // sticky
}

func newGroupSync(do func() error) *groupSync {
	return &groupSync{do: do, failed: make(chan error, 1), wake: make(chan struct{}, 1)}
}

// request asks for a sync; done is called when it is over, from Run. It must not
// block.
func (g *groupSync) request(done func(error)) {
	g.mu.Lock()
	err := g.err
	if err == nil {
		g.waiting = append(g.waiting, done)
	}
	g.mu.Unlock()
	if err != nil {
		done(err)
		return
	}
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

// run syncs whenever somebody asks, until ctx ends.
func (g *groupSync) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-g.wake:
			g.round()
		}
	}
}

func (g *groupSync) round() {
	g.mu.Lock()
	group := g.waiting
	g.waiting = nil
	err := g.err
	g.mu.Unlock()
	if err == nil && len(group) > 0 {
		if err = g.do(); err != nil {
			err = fmt.Errorf("%w: %w", ErrSyncFailed, err)
			g.mu.Lock()
			g.err = err
			g.mu.Unlock()
			g.failed <- err
		}
	}
	for _, done := range group {
		done(err)
	}
}
