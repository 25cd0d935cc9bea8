package eventstest_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"partyline/events/eventstest"
	"partyline/events/stream"
)

func TestBusKeepsEventsOverRestart(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(testing.TB) *eventstest.Bus{"in-process": eventstest.New, "tcp": eventstest.NewTCP} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bus := start(t)
			if seq := bus.Publish(t, "a", "one", "two"); seq != 2 {
				t.Errorf("sequence %d, want 2", seq)
			}
			down := false
			bus.Restart(t, func() { down = true })
			if seq := bus.Publish(t, "a", "three"); seq != 3 || !down {
				t.Errorf("sequence %d, want 3; down %v", seq, down)
			}
			bus.Erase(t, 1)
			bus.Lose(t, 2)
			got, err := bus.Log(t).Fill(eventstest.Context(t), "a", 0, 3)
			if err != nil || len(got) != 1 || got[0].Seq != 3 {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
}

func TestBusesAreApart(t *testing.T) {
	t.Parallel()
	a, b := eventstest.New(t), eventstest.New(t)
	a.Publish(t, "room", "one")
	if seq := b.Publish(t, "room", "one"); seq != 1 {
		t.Errorf("sequence %d, want 1", seq)
	}
	if a.URL() != "" {
		t.Errorf("URL %q of a node that does not listen", a.URL())
	}
	err := b.Log(t).Replay(eventstest.Context(t), stream.ReplayOptions{From: 3}, nil)
	if !errors.Is(err, stream.ErrGone) {
		t.Errorf("got %v, want ErrGone", err)
	}
}

func TestGoStops(t *testing.T) {
	t.Parallel()
	ended := false
	stop := eventstest.Go(t, func(ctx context.Context) error {
		<-ctx.Done()
		ended = true
		return nil
	})
	stop()
	if !ended {
		t.Error("stop did not wait")
	}
}

// A logger outlives its test without harm.
func TestLoggerAfterTest(t *testing.T) {
	t.Parallel()
	var logger *slog.Logger
	t.Run("logs", func(t *testing.T) {
		logger = eventstest.Logger(t)
		logger.Info("within the test")
	})
	logger.Info("after the test") // would panic through t.Log
}
