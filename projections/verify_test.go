package projections

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"partyline/events/query"
)

// followed makes a directory whose file has applied l, with Run ended.
func followed(t *testing.T, l *fakeLog) (dir string) {
	t.Helper()
	dir = t.TempDir()
	m := newModel(t, dir, l)
	stop := start(t, m)
	applied(t, m, l.last)
	stop()
	return dir
}

// tamper changes a file behind the model's back.
func tamper(t *testing.T, dir, statement string) {
	t.Helper()
	conn, err := openConn(filepath.Join(dir, fileName))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := run(conn, statement); err != nil {
		t.Fatal(err)
	}
}

func TestVerify(t *testing.T) {
	t.Parallel()
	l := newFakeLog()
	randomEvents(l, 400, 3)
	cases := []struct{ name, statement, table string }{
		{"untouched", "", ""},
		{"payload", `UPDATE event SET data = CAST('{}' AS BLOB) WHERE seq = 17`, "event"},
		{"time", `UPDATE event SET ts = ts + 1 WHERE seq = 18`, "event"},
		{"missing event", `DELETE FROM event WHERE seq = 20`, "event"},
		{"edit", `UPDATE changed SET text = 'forged' WHERE seq = (SELECT MIN(seq) FROM changed WHERE deleted = 0)`, "changed"},
		{"reaction", `INSERT INTO reaction VALUES (1, 'x', 'y', 1)`, "reaction"},
		{"room", `UPDATE room SET messages = messages + 1 WHERE name = 'lobby'`, "room"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := followed(t, l)
			if c.statement != "" {
				tamper(t, dir, c.statement)
			}
			report, err := newModel(t, dir, l).Verify(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if report.OK() != (c.table == "") || report.Applied == 0 || len(report.Tables) != len(tables()) {
				t.Errorf("report: %+v", report)
			}
			for _, table := range report.Tables {
				if table.OK() == (table.Name == c.table) || !table.OK() && table.First == "" {
					t.Errorf("table: %+v", table)
				}
			}
			if _, err := os.Stat(filepath.Join(dir, checkName)); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the temporary file is still there: %v", err)
			}
		})
	}
}

// TestVerifyWhileRunning: events that arrive meanwhile make no difference.
func TestVerifyWhileRunning(t *testing.T) {
	t.Parallel()
	l := newFakeLog()
	randomEvents(l, 300, 4)
	m := newModel(t, t.TempDir(), l)
	start(t, m)
	applied(t, m, l.last)
	written := make(chan struct{})
	go func() {
		defer close(written)
		for range 100 {
			applied(t, m, message(l, "a", testUIDs[0], "x", "text"))
		}
	}()
	for range 3 {
		report, err := m.Verify(t.Context())
		if err != nil || !report.OK() {
			t.Errorf("%+v, %v", report, err)
		}
	}
	<-written
}

// TestVerifyDamagedFile: damage is reported and the file stays where it is.
func TestVerifyDamagedFile(t *testing.T) {
	t.Parallel()
	l := newFakeLog()
	randomEvents(l, 50, 5)
	dir := followed(t, l)
	path := filepath.Join(dir, fileName)
	if err := os.WriteFile(path, []byte("this is no database, but long enough to be looked at as one"), 0o600); err != nil {
		t.Fatal(err)
	}
	report, err := newModel(t, dir, l).Verify(t.Context())
	if err != nil || report.OK() || report.Damage == "" {
		t.Errorf("%+v, %v", report, err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
	if _, err := newModel(t, dir, l).Messages(t.Context(), query.MessagesRequest{Room: "a"}); !errors.Is(err, query.ErrUnavailable) {
		t.Errorf("query without Run: %v", err)
	}
}
