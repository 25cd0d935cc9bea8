package projections

import (
	"context"
	"fmt"
	"testing"

	"partyline/events/stream"
)

// foldFile folds events into a new file in groups, and returns the hashes.
func foldFile(t *testing.T, list []*stream.Stored, group func(i int) bool, reopen func(i int) bool, repeat int) string {
	t.Helper()
	dir := t.TempDir()
	open := func() *store {
		s, err := openStore(dir+"/"+fileName, 1)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := open()
	add := func(ev *stream.Stored) {
		rec := decode(ev)
		if err := s.writer.add(&rec); err != nil {
			t.Fatal(err)
		}
	}
	for i, ev := range list {
		add(ev)
		if group(i) {
			if err := s.writer.commit("e"); err != nil {
				t.Fatal(err)
			}
			for j := max(0, i-repeat); repeat > 0 && j <= i; j++ {
				add(list[j]) // erased ones are skipped as well
			}
		}
		if reopen(i) {
			if err := s.writer.commit("e"); err != nil {
				t.Fatal(err)
			}
			if err := s.close(); err != nil {
				t.Fatal(err)
			}
			s = open()
		}
	}
	if err := s.writer.commit("e"); err != nil {
		t.Fatal(err)
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	return hashes(t, dir)
}

func never(int) bool { return false }

func every(n int) func(int) bool { return func(i int) bool { return i%n == n-1 } }

// TestLaw: from zero, from checkpoints, with duplicates, in any grouping, and
// whether erased events are still in the log or not, the tables are the same.
func TestLaw(t *testing.T) {
	t.Parallel()
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			l := newFakeLog()
			erased := randomEvents(l, 600, seed)
			list := l.snapshot()
			want := foldFile(t, list, never, never, 0)
			l.erase(erased...)
			cases := map[string]string{
				"single events":  foldFile(t, list, every(1), never, 0),
				"groups of 7":    foldFile(t, list, every(7), never, 0),
				"duplicates":     foldFile(t, list, every(5), never, 9),
				"checkpoints":    foldFile(t, list, every(50), every(61), 0),
				"already erased": foldFile(t, l.snapshot(), every(13), never, 0),
			}
			for name, got := range cases {
				if got != want {
					t.Errorf("%s:\n%s\nwant\n%s", name, got, want)
				}
			}
		})
	}
}

// TestLawOfFiles: following live, loading in bulk, rebuilding while running and
// without, all give the same tables.
func TestLawOfFiles(t *testing.T) {
	t.Parallel()
	l := newFakeLog()
	randomEvents(l, 1500, 7)
	want := foldFile(t, l.snapshot(), never, never, 0)
	ctx := context.Background()

	run := func(dir string, m *Model, during func()) string {
		stop := start(t, m)
		applied(t, m, l.last)
		during()
		stop()
		return hashes(t, dir)
	}
	live, bulk, offline := t.TempDir(), t.TempDir(), t.TempDir()
	m := newModel(t, live, l)
	if got := run(live, m, func() {}); got != want {
		t.Errorf("followed:\n%s\nwant\n%s", got, want)
	}
	m = newModel(t, bulk, l, func(c *Config) { c.BulkEvents = 100 })
	if got := run(bulk, m, func() {}); got != want {
		t.Errorf("loaded:\n%s\nwant\n%s", got, want)
	}
	if m.Stats().Rebuilds != 1 {
		t.Errorf("loaded %d times in bulk", m.Stats().Rebuilds)
	}
	rebuild := func() {
		if err := m.Rebuild(ctx); err != nil {
			t.Error(err)
		}
	}
	if got := run(bulk, newModel(t, bulk, l), func() { rebuild2(t, bulk, l) }); got != want {
		t.Errorf("after a refused rebuild:\n%s\nwant\n%s", got, want)
	}
	m = newModel(t, bulk, l)
	if got := run(bulk, m, rebuild); got != want {
		t.Errorf("rebuilt while running:\n%s\nwant\n%s", got, want)
	}
	m = newModel(t, offline, l)
	rebuild()
	if got := hashes(t, offline); got != want {
		t.Errorf("rebuilt without Run:\n%s\nwant\n%s", got, want)
	}
}

// rebuild2 tries to rebuild a directory that another model uses.
func rebuild2(t *testing.T, dir string, l *fakeLog) {
	t.Helper()
	if err := newModel(t, dir, l).Rebuild(context.Background()); err == nil {
		t.Error("a second user of the directory was not refused")
	}
}
