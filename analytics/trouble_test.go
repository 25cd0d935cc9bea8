package analytics_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/nats-io/nats.go/jetstream"

	"partyline/analytics"
	"partyline/analytics/embedded"
	"partyline/analytics/embedded/embeddedtest"
	"partyline/analytics/sink"
	"partyline/events/eventstest"
	lc "partyline/events/lifecycle"
	"partyline/events/stream"
)

// start runs a service on a log of its own that has one attempt.
func start(t *testing.T, cfg analytics.Config) (*analytics.Service, jetstream.JetStream) {
	t.Helper()
	bus := eventstest.New(t)
	js, err := jetstream.New(bus.Connect(t))
	if err != nil {
		t.Fatal(err)
	}
	cfg.Logger = eventstest.Logger(t)
	cfg.Sink = sink.Config{Wait: 50 * time.Millisecond, RollUpEvery: 100 * time.Millisecond}
	svc, err := analytics.New(cfg.Patient(), bus.ConnectAs(t, stream.RoleAnalytics))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(eventstest.Go(t, svc.Run))
	publishOne(t, js)
	return svc, js
}

// publishOne stores the rows of one attempt.
func publishOne(t *testing.T, js jetstream.JetStream) {
	t.Helper()
	s := mix(3, time.Now().UTC())[0]
	var batch []byte
	for _, row := range s.rows() {
		var err error
		if batch, err = lc.Append(batch, &row); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := js.Publish(eventstest.Context(t), "conn."+s.gateway, batch); err != nil {
		t.Fatal(err)
	}
}

// degraded waits until the status tells the trouble, and checks that questions
// are refused and the stream has kept its telemetry.
func degraded(t *testing.T, svc *analytics.Service, js jetstream.JetStream, says string) {
	t.Helper()
	eventstest.Eventually(t, time.Minute, func() bool {
		st := svc.Status()
		return !st.OK && strings.Contains(st.Error, says)
	})
	conn, err := js.Stream(eventstest.Context(t), stream.ConnStream)
	if err != nil {
		t.Fatal(err)
	}
	if state := conn.CachedInfo().State; state.FirstSeq > 1 || state.Msgs == 0 {
		t.Errorf("the stream has lost telemetry: %+v", state)
	}
	_, err = svc.Summary(eventstest.Context(t), analytics.Range{Since: time.Now().Add(-time.Hour), Until: time.Now()})
	if err == nil || strings.Contains(err.Error(), "secret-password") {
		t.Errorf("a question is answered with %v", err)
	}
}

// TestBadDSN shows that an external store that cannot be used is named in the
// status, without its password.
func TestBadDSN(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ dsn, says string }{
		"nobody listens": {"clickhouse://u:secret-password@127.0.0.1:1/db", "cannot be reached"},
		"http, nobody":   {"http://u:secret-password@127.0.0.1:1/db", "cannot be reached"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			svc, js := start(t, analytics.Config{DSN: test.dsn, Console: true})
			degraded(t, svc, js, test.says)
			if st := svc.Status(); strings.Contains(st.Error, "secret-password") || st.Console == "" {
				t.Errorf("status %+v", st)
			}
		})
	}
	for _, dsn := range []string{"postgres://x", "clickhouse://u:secret-password@h:port/db", "::", "http://u:p@h/bad-name"} {
		_, err := analytics.New(analytics.Config{DSN: dsn}, eventstest.New(t).ConnectAs(t, stream.RoleAnalytics))
		if err == nil || strings.Contains(err.Error(), "secret-password") {
			t.Errorf("%s: %v", dsn, err)
		}
	}
}

// TestWrongPassword is told apart from a store that is away.
func TestWrongPassword(t *testing.T) {
	t.Parallel()
	options := embeddedtest.Options(t)
	options.Auth.Password = "secret-password"
	svc, js := start(t, analytics.Config{}.WithOptions(options, nil))
	degraded(t, svc, js, "refuses the user")
}

// TestNoLibrary starts without the library and without a way to get it: that is
// told, and as soon as the library is there telemetry flows.
func TestNoLibrary(t *testing.T) {
	t.Parallel()
	if err := embeddedtest.Install(t.Context()); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	missing := filepath.Join(dir, "libchdb.so")
	svc, js := start(t, analytics.Config{Dir: filepath.Join(dir, "store"), Library: missing, Console: true})
	degraded(t, svc, js, "not installed")
	if err := os.Symlink(filepath.Join(embedded.LibraryDir(), "libchdb.so"), missing); err != nil {
		t.Fatal(err)
	}
	recovers(t, svc)
}

// recovers waits until the one attempt is in the store.
func recovers(t *testing.T, svc *analytics.Service) {
	t.Helper()
	eventstest.Eventually(t, 2*time.Minute, func() bool {
		return svc.Status().OK && svc.Status().Sink.Minutes > 0
	})
	sum, err := svc.Summary(eventstest.Context(t), analytics.Range{Since: time.Now().Add(-4 * time.Hour), Until: time.Now().Add(time.Hour)})
	if err != nil || sum.Total != 1 {
		t.Fatalf("%d attempts are counted, want 1: %v", sum.Total, err)
	}
}

// TestUnwritableDirectory names what is wrong with the directory.
func TestUnwritableDirectory(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	svc, js := start(t, analytics.Config{Dir: filepath.Join(file, "store")})
	degraded(t, svc, js, "not a directory")
}

// TestSecondInstance is refused, and the first is unharmed.
func TestSecondInstance(t *testing.T) {
	t.Parallel()
	if err := embeddedtest.Install(t.Context()); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	first, _ := start(t, analytics.Config{Dir: dir})
	recovers(t, first)
	second, js := start(t, analytics.Config{Dir: dir})
	degraded(t, second, js, "in use by another process")
	recovers(t, first)
}

// TestNewerSchema refuses to write into the tables of a newer program.
func TestNewerSchema(t *testing.T) {
	t.Parallel()
	options := embeddedtest.Options(t)
	conn, err := clickhouse.Open(embeddedtest.Server(t).Options())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	first, _ := start(t, analytics.Config{}.WithOptions(options, nil))
	recovers(t, first)
	if err := conn.Exec(eventstest.Context(t), "INSERT INTO "+options.Auth.Database+".schema_migrations VALUES (999, '0999_later.sql', 'x', now())"); err != nil {
		t.Fatal(err)
	}
	svc, js := start(t, analytics.Config{}.WithOptions(options, nil))
	eventstest.Eventually(t, time.Minute, func() bool {
		st := svc.Status()
		return !st.OK && strings.Contains(st.Error, "newer than this program")
	})
	conns, err := js.Stream(eventstest.Context(t), stream.ConnStream)
	if err != nil || conns.CachedInfo().State.Msgs == 0 {
		t.Error("the stream has lost telemetry", err)
	}
}
