package stream_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"partyline/events/eventstest"
	"partyline/events/stream"
)

func TestFill(t *testing.T) {
	t.Parallel()
	bus := eventstest.New(t)
	l := bus.Log(t)
	const n = 700 // several pages
	for i := range n {
		bus.Publish(t, "a", fmt.Sprint(i)) // odd
		bus.Publish(t, "b", fmt.Sprint(i)) // even
	}
	tests := []struct {
		name        string
		after, upTo uint64
		first, last uint64
	}{
		{"all", 0, 2*n - 1, 1, 2*n - 1},
		{"up to another room's event", 0, 2 * n, 1, 2*n - 1},
		{"one", 3, 5, 5, 5},
		{"between", 5, 605, 7, 605},
		{"nothing", 5, 6, 0, 0},
		{"empty range", 5, 5, 0, 0},
		{"backwards", 7, 5, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := l.Fill(eventstest.Context(t), "a", tt.after, tt.upTo)
			if err != nil {
				t.Fatal(err)
			}
			want, prev := tt.first, tt.after
			for _, ev := range got {
				if ev.Seq != want || ev.Prev != prev || ev.Room != "a" || len(ev.Data) == 0 {
					t.Fatalf("got %+v, want sequence %d after %d", ev, want, prev)
				}
				prev, want = ev.Seq, want+2
			}
			if tt.last != 0 && prev != tt.last || tt.last == 0 && len(got) > 0 {
				t.Errorf("ends at %d, want %d", prev, tt.last)
			}
		})
	}
}

func TestFillMissing(t *testing.T) {
	t.Parallel()
	bus := eventstest.New(t)
	l := bus.Log(t)
	publishN(t, bus, "a", 10)
	bus.Erase(t, 3, 6)
	bus.Lose(t, 9)
	seqs := func(upTo uint64) ([]uint64, error) {
		evs, err := l.Fill(eventstest.Context(t), "a", 1, upTo)
		var got []uint64
		for _, ev := range evs {
			got = append(got, ev.Seq)
		}
		return got, err
	}
	if got, err := seqs(6); err != nil || !slices.Equal(got, []uint64{2, 4, 5}) {
		t.Errorf("up to an erased one: %v, %v", got, err)
	}
	if got, err := seqs(9); !errors.Is(err, stream.ErrGone) || !slices.Equal(got, []uint64{2, 4, 5, 7, 8}) {
		t.Errorf("up to a lost one: %v, %v", got, err)
	}
	if got, err := seqs(11); !errors.Is(err, stream.ErrGone) || len(got) != 6 {
		t.Errorf("beyond the end: %v, %v", got, err)
	}
}

func TestLastSeqs(t *testing.T) {
	t.Parallel()
	bus := eventstest.New(t)
	l := bus.Log(t)
	ctx := eventstest.Context(t)
	check := func(name string, rooms []string, want map[string]uint64) {
		t.Helper()
		got, err := l.LastSeqs(ctx, rooms)
		if err != nil || !maps.Equal(got, want) {
			t.Errorf("%s: %v, %v; want %v", name, got, err, want)
		}
	}
	check("empty log", []string{"a", "b"}, map[string]uint64{})
	want := make(map[string]uint64)
	var rooms []string
	for i := range 1100 {
		room := fmt.Sprint("r", i)
		rooms = append(rooms, room, room+"-empty")
		want[room] = bus.Publish(t, room, "x")
	}
	check("no rooms", nil, map[string]uint64{})
	check("one", rooms[:1], map[string]uint64{"r0": 1})
	check("one empty", rooms[1:2], map[string]uint64{})
	check("several empty", []string{"x", "y", "z"}, map[string]uint64{})
	check("many", rooms, want)
	if last, err := l.LastSeq(ctx); err != nil || last != 1100 {
		t.Errorf("last sequence %d, %v", last, err)
	}
}
