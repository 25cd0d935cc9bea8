package embedded_test

import (
	"context"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"partyline/analytics/embedded"
	"partyline/events/eventstest"
)

// TestMain makes the test binary know the hidden subcommand, as the real one
// does.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == embedded.ChildCommand {
		os.Exit(embedded.Child(os.Args[2:])) //nolint:forbidigo // the child's exit code
	}
	m.Run()
}

func logger(t *testing.T) *slog.Logger { return eventstest.Logger(t) }

func TestChildServes(t *testing.T) {
	t.Parallel()
	s, err := embedded.New(embedded.Config{Dir: t.TempDir(), Install: true, Logger: logger(t)})
	if err != nil {
		t.Fatal(err)
	}
	stop := eventstest.Go(t, s.Run)
	defer stop()
	conn, err := clickhouse.Open(s.Options())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	if err := s.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	var v string
	if err := conn.QueryRow(ctx, "SELECT version()").Scan(&v); err != nil {
		t.Fatal(err, s.Status())
	}
	t.Log(v, s.Status())
}
