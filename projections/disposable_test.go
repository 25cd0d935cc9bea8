package projections

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"partyline/events"
	"partyline/events/query"
)

// TestUnusableFiles: whatever is wrong with the file, the read models are
// computed anew, and what was there is kept aside.
func TestUnusableFiles(t *testing.T) {
	t.Parallel()
	l := newFakeLog()
	randomEvents(l, 2000, 6)
	want := hashes(t, followed(t, l))
	overwrite := func(content string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, fileName), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	statement := func(s string) func(*testing.T, string) {
		return func(t *testing.T, dir string) { tamper(t, dir, s) }
	}
	cases := map[string]func(*testing.T, string){
		"garbage":       overwrite(strings.Repeat("garbage ", 4000)),
		"newer schema":  statement(fmt.Sprintf(`PRAGMA user_version = %d`, schemaVersion+1)),
		"foreign":       statement(`PRAGMA application_id = 7`),
		"table missing": statement(`DROP TABLE checkpoint`),
		"damaged pages": func(t *testing.T, dir string) {
			f, err := os.OpenFile(filepath.Join(dir, fileName), os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if _, err := f.WriteAt([]byte(strings.Repeat("\xee", 200)), 3); err != nil {
				t.Fatal(err)
			}
		},
	}
	for name, damage := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := followed(t, l)
			damage(t, dir)
			m := newModel(t, dir, l)
			stop := start(t, m)
			applied(t, m, l.last)
			stop()
			if got := hashes(t, dir); got != want {
				t.Errorf("computed anew:\n%s\nwant\n%s", got, want)
			}
			if _, err := os.Stat(filepath.Join(dir, asideName)); err != nil {
				t.Errorf("the old file was not kept: %v", err)
			}
		})
	}
}

// TestDamageWhileRunning: a query that finds damage makes the follower compute
// the file anew.
func TestDamageWhileRunning(t *testing.T) {
	t.Parallel()
	l := newFakeLog()
	randomEvents(l, 500, 8)
	m := newModel(t, t.TempDir(), l)
	start(t, m)
	applied(t, m, l.last)
	m.broken <- fmt.Errorf("found by a query: %w", errUnusable)
	until(t, "file kept aside", func() bool {
		_, err := os.Stat(m.path(asideName))
		return err == nil
	})
	applied(t, m, l.last)
}

// TestOtherLog: a log that was recreated, restored or truncated is noticed, and
// nothing of the old one stays.
func TestOtherLog(t *testing.T) {
	t.Parallel()
	longer, shorter, same := newFakeLog(), newFakeLog(), newFakeLog()
	randomEvents(longer, 900, 10)
	randomEvents(shorter, 100, 11)
	randomEvents(same, 400, 12)
	cases := map[string]struct {
		other *fakeLog
		epoch string
	}{
		"longer": {longer, "second"}, "shorter": {shorter, "second"}, "as long": {same, "second"},
		"shorter, same epoch": {shorter, "first"}, "as long, same epoch": {same, "first"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := hashes(t, followed(t, c.other))
			l := newFakeLog()
			randomEvents(l, 400, 9)
			dir := followed(t, l)
			l.become(c.other, c.epoch)
			m := newModel(t, dir, l)
			stop := start(t, m)
			until(t, "read models of the other log", func() bool {
				report, err := m.Verify(t.Context())
				return err == nil && report.OK() && report.Applied == c.other.last
			})
			stop()
			if got := hashes(t, dir); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
	t.Run("while running", func(t *testing.T) {
		t.Parallel()
		l := newFakeLog()
		randomEvents(l, 400, 9)
		m := newModel(t, t.TempDir(), l)
		start(t, m)
		applied(t, m, l.last)
		l.become(shorter, "second")
		until(t, "read models of the other log", func() bool {
			report, err := m.Verify(t.Context())
			return err == nil && report.OK() && report.Applied == shorter.last
		})
	})
}

// TestSameLogOtherEpoch: a new epoch alone (an unclean stop) costs nothing.
func TestSameLogOtherEpoch(t *testing.T) {
	t.Parallel()
	l := newFakeLog()
	randomEvents(l, 100, 13)
	dir := followed(t, l)
	l.become(l.clone(), "second")
	m := newModel(t, dir, l)
	start(t, m)
	applied(t, m, message(l, "a", testUIDs[0], "new", "text"))
	if _, err := os.Stat(m.path(asideName)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file was given up: %v", err)
	}
	if epoch := m.checkpoint().epoch; epoch != "second" {
		t.Errorf("checkpoint has epoch %q", epoch)
	}
}

// TestCheckpointErased: the event at the checkpoint was erased meanwhile.
func TestCheckpointErased(t *testing.T) {
	t.Parallel()
	l := newFakeLog()
	randomEvents(l, 100, 14)
	dir := followed(t, l)
	last := l.last
	l.erase(last)
	l.add(events.Event{Kind: events.KindErase, Room: "a", UID: testUIDs[0], ID: "e", Seqs: []uint64{last}})
	m := newModel(t, dir, l)
	start(t, m)
	applied(t, m, l.last)
	if _, err := os.Stat(m.path(asideName)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file was given up: %v", err)
	}
	if report, err := m.Verify(t.Context()); err != nil || !report.OK() {
		t.Errorf("%+v, %v", report, err)
	}
}

// TestInterruptedRebuild: what ends a rebuild leaves the file that was there,
// and what a killed one left behind is in nobody's way.
func TestInterruptedRebuild(t *testing.T) {
	t.Parallel()
	l := newFakeLog()
	randomEvents(l, 500, 15)
	dir := followed(t, l)
	want := hashes(t, dir)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	l.onRead = func(seq uint64) {
		if seq == 250 {
			cancel()
		}
	}
	if err := newModel(t, dir, l).Rebuild(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled rebuild: %v", err)
	}
	l.onRead, l.fail = nil, errors.New("log away")
	if err := newModel(t, dir, l).Rebuild(t.Context()); err == nil {
		t.Error("rebuild without a log succeeded")
	}
	l.fail = nil
	if got := hashes(t, dir); got != want {
		t.Errorf("after interrupted rebuilds:\n%s\nwant\n%s", got, want)
	}
	for _, name := range []string{buildName, buildName + "-journal"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("left by a killed process"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := newModel(t, dir, l).Rebuild(t.Context()); err != nil {
		t.Error(err)
	}
	if got := hashes(t, dir); got != want {
		t.Errorf("after a killed rebuild:\n%s\nwant\n%s", got, want)
	}
}

// TestRebuildOverUncleanFile: the write-ahead log of a killed process belongs to
// the old file and must not reach the new one.
func TestRebuildOverUncleanFile(t *testing.T) {
	t.Parallel()
	l := newFakeLog()
	randomEvents(l, 500, 16)
	m := newModel(t, t.TempDir(), l)
	start(t, m)
	applied(t, m, l.last)
	killed := t.TempDir() // a copy of the files in use is what a kill leaves
	for _, suffix := range []string{"", "-wal"} {
		data, err := os.ReadFile(m.path(fileName + suffix))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(killed, fileName+suffix), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	message(l, "lobby", testUIDs[0], "after", "after the kill")
	if err := newModel(t, killed, l).Rebuild(t.Context()); err != nil {
		t.Fatal(err)
	}
	report, err := newModel(t, killed, l).Verify(t.Context())
	if err != nil || !report.OK() || report.Applied != l.last {
		t.Errorf("%+v, %v", report, err)
	}
}

func TestLogAway(t *testing.T) {
	t.Parallel()
	l := newFakeLog()
	seq := message(l, "a", testUIDs[0], "x", "text")
	l.fail = errors.New("log away")
	m := newModel(t, t.TempDir(), l)
	start(t, m)
	if p, err := m.Messages(t.Context(), query.MessagesRequest{Room: "a", Limit: 1}); err != nil && !errors.Is(err, query.ErrUnavailable) {
		t.Errorf("%+v, %v", p, err)
	}
	l.mu.Lock()
	l.fail = nil
	l.mu.Unlock()
	applied(t, m, seq)
}

func TestDirectory(t *testing.T) {
	t.Parallel()
	l := newFakeLog()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := newModel(t, filepath.Join(file, "below"), l).Run(t.Context()); !errors.Is(err, ErrNotWritable) {
		t.Errorf("below a file: %v", err)
	}
	dir := t.TempDir()
	m := newModel(t, dir, l)
	start(t, m)
	applied(t, m, 0)
	if err := newModel(t, dir, l).Run(t.Context()); !errors.Is(err, ErrInUse) {
		t.Errorf("in use: %v", err)
	}
	if _, err := New(Config{}, l); err == nil {
		t.Error("no directory was accepted")
	}
	if _, err := New(Config{Dir: dir}, nil); err == nil {
		t.Error("no source was accepted")
	}
}
