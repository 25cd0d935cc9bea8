package stream_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"partyline/events/eventstest"
	"partyline/events/stream"
)

// event is what the tests compare of an event.
type event struct {
	room      string
	seq, prev uint64
}

// replay collects what a replay that ends by itself gives.
func replay(t testing.TB, l *stream.Log, o stream.ReplayOptions) []event {
	t.Helper()
	var got []event
	err := l.Replay(eventstest.Context(t), o, func(ev *stream.Stored) error {
		if ev.Time.IsZero() || len(ev.Data) == 0 {
			t.Errorf("event %d without time or data", ev.Seq)
		}
		got = append(got, event{ev.Room, ev.Seq, ev.Prev})
		return nil
	})
	if err != nil {
		t.Errorf("replay %+v: %v", o, err)
	}
	return got
}

func TestReplay(t *testing.T) {
	t.Parallel()
	bus := eventstest.New(t)
	l := bus.Log(t)
	if got := replay(t, l, stream.ReplayOptions{}); got != nil {
		t.Errorf("empty log: %v", got)
	}
	for i := range 5 {
		bus.Publish(t, "a", fmt.Sprint(i)) // 1, 3, 5, 7, 9
		bus.Publish(t, "b", fmt.Sprint(i)) // 2, 4, 6, 8, 10
	}
	bus.Publish(t, "c", "last") // 11
	tests := []struct {
		name string
		o    stream.ReplayOptions
		want []event
	}{
		{"whole", stream.ReplayOptions{}, []event{
			{"a", 1, 0}, {"b", 2, 0}, {"a", 3, 1}, {"b", 4, 2}, {"a", 5, 3}, {"b", 6, 4},
			{"a", 7, 5}, {"b", 8, 6}, {"a", 9, 7}, {"b", 10, 8}, {"c", 11, 0},
		}},
		{"whole from the middle", stream.ReplayOptions{From: 8}, []event{{"b", 8, 0}, {"a", 9, 0}, {"b", 10, 8}, {"c", 11, 0}}},
		{"whole from the next", stream.ReplayOptions{From: 12}, nil},
		{"room", stream.ReplayOptions{Room: "a"}, []event{{"a", 1, 0}, {"a", 3, 1}, {"a", 5, 3}, {"a", 7, 5}, {"a", 9, 7}}},
		{"room from its event", stream.ReplayOptions{Room: "a", From: 7}, []event{{"a", 7, 5}, {"a", 9, 7}}},
		{"room from another's event", stream.ReplayOptions{Room: "b", From: 7}, []event{{"b", 8, 6}, {"b", 10, 8}}},
		{"room from behind its last", stream.ReplayOptions{Room: "a", From: 10}, nil},
		{"room from its first", stream.ReplayOptions{Room: "c", From: 11}, []event{{"c", 11, 0}}},
		{"room without events", stream.ReplayOptions{Room: "nobody"}, nil},
		{"since long ago", stream.ReplayOptions{Room: "c", Since: time.Now().Add(-time.Hour)}, []event{{"c", 11, 0}}},
		{"since the future", stream.ReplayOptions{Since: time.Now().Add(time.Hour)}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := replay(t, l, tt.o); !slices.Equal(got, tt.want) {
				t.Errorf("got %v\nwant %v", got, tt.want)
			}
		})
	}
	t.Run("beyond the end", func(t *testing.T) {
		t.Parallel()
		err := l.Replay(eventstest.Context(t), stream.ReplayOptions{From: 13}, nil)
		if !errors.Is(err, stream.ErrGone) {
			t.Errorf("got %v, want ErrGone", err)
		}
	})
	t.Run("error of fn", func(t *testing.T) {
		t.Parallel()
		stop := errors.New("stop")
		calls := 0
		err := l.Replay(eventstest.Context(t), stream.ReplayOptions{}, func(*stream.Stored) error { calls++; return stop })
		if !errors.Is(err, stop) || calls != 1 {
			t.Errorf("got %v after %d calls", err, calls)
		}
	})
}

func TestReplaySince(t *testing.T) {
	t.Parallel()
	bus := eventstest.New(t)
	l := bus.Log(t)
	publishN(t, bus, "a", 3)
	var at time.Time
	if err := l.Replay(eventstest.Context(t), stream.ReplayOptions{From: 2}, func(ev *stream.Stored) error {
		if ev.Seq == 2 {
			at = ev.Time
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if got, want := replay(t, l, stream.ReplayOptions{Since: at, Room: "a"}), []event{{"a", 2, 1}, {"a", 3, 2}}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// A replay that follows goes on over restarts of the node until its context
// ends.
func TestReplayFollow(t *testing.T) {
	t.Parallel()
	bus := eventstest.NewTCP(t)
	l := bus.Log(t)
	want := publishN(t, bus, "a", 3)
	ctx, cancel := context.WithCancel(eventstest.Context(t))
	defer cancel()
	r := &recorder{t: t}
	done := make(chan error, 1)
	go func() {
		done <- l.Replay(ctx, stream.ReplayOptions{Follow: true}, func(ev *stream.Stored) error {
			r.Deliver(ev)
			return nil
		})
	}()
	wantSeqs(t, r, want)
	for range 2 {
		bus.Restart(t, nil)
		want = append(want, publishN(t, bus, "a", 20)...)
		wantSeqs(t, r, want)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the error of the context", err)
	}
	r.end()
	bus.Publish(t, "a", "late")
}

func TestReplayFollowEmpty(t *testing.T) {
	t.Parallel()
	bus := eventstest.New(t)
	l := bus.Log(t)
	found := errors.New("found")
	done := make(chan error, 1)
	var once sync.Once
	started := make(chan struct{})
	go func() {
		once.Do(func() { close(started) })
		done <- l.Replay(eventstest.Context(t), stream.ReplayOptions{Follow: true, Room: "a"}, func(*stream.Stored) error { return found })
	}()
	<-started
	bus.Publish(t, "b", "other")
	bus.Publish(t, "a", "one")
	if err := <-done; !errors.Is(err, found) {
		t.Error(err)
	}
}

// A missing sequence raises the alarm unless it was erased, wherever it is.
func TestReplayContiguity(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		gone []uint64
		want [][2]uint64
	}{
		{"first", []uint64{1}, [][2]uint64{{0, 2}}},
		{"middle", []uint64{4, 5}, [][2]uint64{{3, 6}}},
		{"two holes", []uint64{3, 5}, [][2]uint64{{2, 4}, {4, 6}}},
		{"last", []uint64{9, 10}, [][2]uint64{{8, 11}}},
		{"all", []uint64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, [][2]uint64{{0, 11}}},
	}
	for _, tt := range tests {
		t.Run(tt.name+" erased", func(t *testing.T) {
			t.Parallel()
			bus := eventstest.New(t)
			l := bus.Log(t)
			publishN(t, bus, "a", 10)
			bus.Erase(t, tt.gone...)
			if got := replay(t, l, stream.ReplayOptions{}); len(got) != 10-len(tt.gone) {
				t.Errorf("%d events", len(got))
			}
			if got := stream.Alarms(l); got != nil {
				t.Errorf("alarms %v, want none", got)
			}
		})
		t.Run(tt.name+" lost", func(t *testing.T) {
			t.Parallel()
			bus := eventstest.New(t)
			l := bus.Log(t)
			publishN(t, bus, "a", 10)
			bus.Lose(t, tt.gone...)
			if got := replay(t, l, stream.ReplayOptions{}); len(got) != 10-len(tt.gone) {
				t.Errorf("%d events", len(got))
			}
			if got := stream.Alarms(l); !slices.Equal(got, tt.want) {
				t.Errorf("alarms %v, want %v", got, tt.want)
			}
		})
	}
}
