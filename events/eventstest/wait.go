package eventstest

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"
)

// Patience is how long tests wait for what must happen: far longer than it
// takes, because a loaded machine is no failure.
const Patience = 30 * time.Second

// pollEvery is the period of Eventually.
const pollEvery = 5 * time.Millisecond

// Eventually polls cond until it is true, and fails the test when it is not
// within d.
func Eventually(t testing.TB, d time.Duration, cond func() bool) {
	t.Helper()
	if cond() {
		return
	}
	deadline := time.NewTimer(d)
	defer deadline.Stop()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		select {
		case <-deadline.C:
			t.Fatalf("condition not met within %v", d)
		case <-tick.C:
			if cond() {
				return
			}
		}
	}
}

// Context is a context that ends with the test, or after Patience twice over,
// so that a call that hangs fails the test instead of the whole run.
func Context(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*Patience)
	t.Cleanup(cancel)
	return ctx
}

// Go runs a Run method in the background. It is stopped, waited for, and must
// have returned nil, when the test ends or stop is called. Call it after what
// run depends on was made: clean-ups run last in, first out.
func Go(t testing.TB, run func(context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("run: %v", err)
			}
		case <-time.After(Patience):
			t.Errorf("run did not return within %v of the end of its context", Patience)
		}
	})
	t.Cleanup(stop)
	return stop
}

// Logger logs through t.Log until the test ends, and nothing afterwards.
func Logger(t testing.TB) *slog.Logger {
	w := &testWriter{t: t}
	t.Cleanup(w.close)
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// testWriter writes to a test's log. Safe for concurrent use.
type testWriter struct {
	mu sync.Mutex // guards t
	t  testing.TB // nil after the end of the test
}

// Write implements io.Writer.
func (w *testWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.t != nil {
		w.t.Logf("%s", p)
	}
	return len(p), nil
}

func (w *testWriter) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.t = nil
}
