package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
)

func TestGroupStopsStagesInReverse(t *testing.T) {
	t.Parallel()
	g := newGroup(t.Context())
	var mu sync.Mutex
	var order []string
	for _, name := range []string{"storage", "log", "front"} {
		g.start(g.stage(), name, func(ctx context.Context) error {
			<-ctx.Done()
			mu.Lock()
			defer mu.Unlock()
			order = append(order, name)
			return nil
		})
	}
	g.stop()
	if want := []string{"front", "log", "storage"}; !slices.Equal(order, want) {
		t.Errorf("stopped %v, want %v", order, want)
	}
	select {
	case err := <-g.failed:
		t.Errorf("a clean stop failed: %v", err)
	default:
	}
}

func TestGroupReportsWhatEndsByItself(t *testing.T) {
	t.Parallel()
	g := newGroup(t.Context())
	s := g.stage()
	g.start(s, "fine", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
	g.start(s, "broken", func(context.Context) error { return errors.New("disk on fire") })
	if err := <-g.failed; err == nil || !strings.Contains(err.Error(), "broken: disk on fire") {
		t.Errorf("got %v", err)
	}
	g.stop()
}
