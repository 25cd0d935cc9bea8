package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// group runs components in stages. Stopping ends the stages in the reverse
// order of their start, each completely before the one that it stood on.
type group struct {
	base   context.Context
	stages []*stage
	failed chan error // the first component that ended by itself
}

type stage struct {
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

func newGroup(base context.Context) *group {
	return &group{base: base, failed: make(chan error, 1)}
}

// stage starts a new stage, which stands on all earlier ones.
func (g *group) stage() *stage {
	s := &stage{}
	s.ctx, s.cancel = context.WithCancel(g.base)
	g.stages = append(g.stages, s)
	return s
}

// start runs a component in a stage. A component that ends before its stage is
// stopped fails the group.
func (g *group) start(s *stage, name string, run func(context.Context) error) {
	s.wg.Go(func() {
		err := run(s.ctx)
		if s.ctx.Err() != nil && (err == nil || errors.Is(err, context.Canceled)) {
			return
		}
		if err == nil {
			err = errors.New("ended by itself")
		}
		select {
		case g.failed <- fmt.Errorf("%s: %w", name, err):
		default:
		}
	})
}

// stop ends all stages, the latest first, and waits for each.
func (g *group) stop() {
	for _, s := range slices.Backward(g.stages) {
		s.cancel()
		s.wg.Wait()
	}
}
