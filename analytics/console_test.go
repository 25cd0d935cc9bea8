package analytics_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"

	"partyline/analytics"
	"partyline/analytics/embedded"
	"partyline/analytics/embedded/embeddedtest"
	"partyline/events/eventstest"
)

// consoleLab is a service on a child of its own, so that the grant of its console
// user is on the tables of the service.
func consoleLab(t *testing.T) *analytics.Service {
	t.Helper()
	if err := embeddedtest.Install(t.Context()); err != nil {
		t.Fatal(err)
	}
	svc, _ := start(t, analytics.Config{Dir: t.TempDir(), Console: true})
	recovers(t, svc)
	return svc
}

// forbidden is SQL of which nothing may come back: writing, reading what is not
// telemetry, and raising the own limits.
var forbidden = map[string]string{
	"scalar file":      "SELECT file('/etc/passwd')",
	"table file":       "SELECT * FROM file('/etc/passwd', 'LineAsString', 'line String')",
	"url":              "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString', 'line String')",
	"s3":               "SELECT * FROM s3('http://127.0.0.1:1/b/k', 'LineAsString', 'line String')",
	"remote":           "SELECT * FROM remote('127.0.0.1:1', system.one)",
	"mysql":            "SELECT * FROM mysql('127.0.0.1:1', 'd', 't', 'u', 'p')",
	"postgresql":       "SELECT * FROM postgresql('127.0.0.1:1', 'd', 't', 'u', 'p')",
	"executable":       "SELECT * FROM executable('id', 'TSV', 'x String')",
	"sqlite":           "SELECT * FROM sqlite('/etc/passwd', 't')",
	"outfile":          "SELECT 1 INTO OUTFILE '/tmp/partyline-console-test'",
	"insert":           "INSERT INTO connection_events (seq) VALUES (1)",
	"insert select":    "INSERT INTO connection_events SELECT * FROM connection_events",
	"insert function":  "INSERT INTO FUNCTION file('/tmp/x', 'TSV', 'x String') VALUES ('x')",
	"create table":     "CREATE TABLE t (x UInt8) ENGINE = Memory",
	"create temporary": "CREATE TEMPORARY TABLE t (x UInt8)",
	"drop":             "DROP TABLE connection_events",
	"truncate":         "TRUNCATE TABLE connection_events",
	"alter":            "ALTER TABLE connection_events DELETE WHERE 1",
	"delete":           "DELETE FROM connection_events WHERE 1",
	"optimize":         "OPTIMIZE TABLE connection_events FINAL",
	"kill":             "KILL QUERY WHERE 1",
	"system":           "SYSTEM SHUTDOWN",
	"listen":           "SYSTEM START LISTEN TCP",
	"users":            "SELECT * FROM system.users",
	"processes":        "SELECT query FROM system.processes",
	"query log":        "SELECT query FROM system.query_log",
	"grant":            "GRANT ALL ON *.* TO console",
	"create user":      "CREATE USER x",
	"other database":   "SELECT * FROM secret.t",
	"readonly":         "SELECT 1 SETTINGS readonly = 0",
	"ddl":              "SELECT 1 SETTINGS allow_ddl = 1",
	"more time":        "SELECT 1 SETTINGS max_execution_time = 86400",
	"no time limit":    "SELECT 1 SETTINGS max_execution_time = 0",
	"more memory":      "SELECT 1 SETTINGS max_memory_usage = 0",
	"more rows":        "SELECT 1 SETTINGS max_rows_to_read = 0",
	"spill to disk":    "SELECT 1 SETTINGS max_bytes_before_external_sort = 1",
	"introspection":    "SELECT addressToSymbol(1) SETTINGS allow_introspection_functions = 1",
	"set":              "SET max_memory_usage = 0",
	"two statements":   "SELECT 1; SELECT 2",
	"dictionary":       "SELECT dictGet('d', 'a', 1)",
	"server config":    "SELECT * FROM system.server_settings",
}

// TestConsoleIsReadOnly tries what an admin with bad intentions would.
func TestConsoleIsReadOnly(t *testing.T) {
	t.Parallel()
	svc := consoleLab(t)
	for _, q := range []string{"CREATE DATABASE secret", "CREATE TABLE secret.t (x String) ENGINE = MergeTree ORDER BY x", "INSERT INTO secret.t VALUES ('of somebody else')"} {
		if err := svc.Query().Exec(eventstest.Context(t), q); err != nil {
			t.Fatal(err)
		}
	}
	forbidden := maps.Clone(forbidden)
	for _, file := range []string{"cmdline", "environ", "status"} { // of the process with the admin token
		forbidden[file] = fmt.Sprintf("SELECT file('/proc/%d/%s')", os.Getpid(), file)
	}
	for name, query := range forbidden {
		var out bytes.Buffer
		err := svc.Console(eventstest.Context(t), &out, query, "JSONEachRow")
		var said *analytics.QueryError
		if !errors.As(err, &said) || said.Text == "" {
			t.Errorf("%s: %q is answered with %v: %s", name, query, err, &out)
		}
		if text := out.String(); strings.Contains(text, "root:") || strings.Contains(text, "of somebody else") {
			t.Errorf("%s: %q reads %s", name, query, text)
		}
	}
	if _, err := os.Stat("/tmp/partyline-console-test"); err == nil {
		t.Error("the console wrote a file")
	}
	var out bytes.Buffer
	if err := svc.Console(eventstest.Context(t), &out, "SELECT count() AS n FROM connections", "JSONEachRow"); err != nil || out.String() != "{\"n\":1}\n" {
		t.Errorf("an honest query: %v %s", err, &out)
	}
}

// TestConsoleLimits shows that a query cannot use up the machine, and that each
// limit has an error of its own.
func TestConsoleLimits(t *testing.T) {
	t.Parallel()
	svc := consoleLab(t)
	for query, kind := range map[string]analytics.QueryErrorKind{
		"SELECT number FROM numbers(200000)":                                     analytics.QueryTooBig,
		"SELECT groupArray(repeat('x', 1000000 + number)) FROM numbers(1000)":    analytics.QueryTooBig,
		"SELECT count() FROM numbers(600000000)":                                 analytics.QueryTooBig,
		"SELECT sleepEachRow(1) FROM numbers(3) SETTINGS max_execution_time = 1": analytics.QueryTimeout,
		strings.Repeat("x", 65<<10):                                              analytics.QueryTooBig,
		" ; ":                                                                    analytics.QueryWrong,
		"SELEC 1":                                                                analytics.QueryWrong,
	} {
		var out bytes.Buffer
		err := svc.Console(eventstest.Context(t), &out, query, "JSONEachRow")
		var said *analytics.QueryError
		if !errors.As(err, &said) || said.Kind != kind {
			t.Errorf("%.60q is answered with %v, want kind %d", query, err, kind)
		}
	}
	var busy sync.WaitGroup
	results := make(chan error, 6)
	for range cap(results) {
		busy.Go(func() {
			results <- svc.Console(eventstest.Context(t), &bytes.Buffer{}, "SELECT sleep(1)", "JSONEachRow")
		})
	}
	busy.Wait()
	close(results)
	refused := 0
	for err := range results {
		var said *analytics.QueryError
		if errors.As(err, &said) && said.Kind == analytics.QueryBusy {
			refused++
		} else if err != nil {
			t.Error(err)
		}
	}
	if refused != 4 {
		t.Errorf("%d of six queries at once were refused, want 4", refused)
	}
}

// TestWithoutSandboxThereIsNoConsole shows why: the scalar function file reads
// any file, whatever a user may do. With the sandbox nobody can.
func TestWithoutSandboxThereIsNoConsole(t *testing.T) {
	t.Parallel()
	if err := embeddedtest.Install(t.Context()); err != nil {
		t.Fatal(err)
	}
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("token of the admin"), 0o644); err != nil {
		t.Fatal(err)
	}
	bare, err := embedded.New(embedded.Config{Dir: t.TempDir(), NoSandbox: true, Logger: eventstest.Logger(t)})
	if err != nil {
		t.Fatal(err)
	}
	if bare.ConsoleOptions() != nil {
		t.Error("there is a console user without a sandbox")
	}
	t.Cleanup(eventstest.Go(t, bare.Run))
	if err := bare.Wait(eventstest.Context(t)); err != nil {
		t.Fatal(err)
	}
	read := func(options *clickhouse.Options) (string, error) {
		conn, err := clickhouse.Open(options)
		if err != nil {
			return "", err
		}
		defer conn.Close()
		var text string
		err = conn.QueryRow(eventstest.Context(t), "SELECT file('"+secret+"')").Scan(&text)
		return text, err
	}
	if text, err := read(bare.Options()); err != nil || text != "token of the admin" {
		t.Errorf("without the sandbox: %q, %v: is the sandbox still needed?", text, err)
	}
	if text, err := read(embeddedtest.Server(t).Options()); err == nil {
		t.Errorf("with the sandbox even full rights read %q", text)
	}
	svc, err := analytics.New(analytics.Config{Console: true, DSN: "http://u:p@127.0.0.1:1/db"}, eventstest.New(t).ConnectAs(t, "analytics"))
	if err != nil {
		t.Fatal(err)
	}
	if err := svc.Console(eventstest.Context(t), &bytes.Buffer{}, "SELECT 1", "JSONEachRow"); !errors.Is(err, analytics.ErrConsoleClosed) {
		t.Errorf("a foreign store without a read-only user: %v", err)
	}
}
