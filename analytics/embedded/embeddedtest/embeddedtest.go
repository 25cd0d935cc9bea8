// Package embeddedtest gives tests a real ClickHouse: one child for all tests of
// a package, with a database for each.
//
//	func TestMain(m *testing.M) { embeddedtest.Main(m) }
//
//	func TestX(t *testing.T) { options := embeddedtest.Options(t) … }
//
// The library is installed into the user's cache directory by the product's own
// installer, once for all.
package embeddedtest

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/uuid"

	"partyline/analytics/embedded"
)

// Patience bounds waiting for a child, and for the first installation.
const Patience = 5 * time.Minute

// shared is the child of a test binary.
type shared struct {
	once   sync.Once
	server *embedded.Server
	dir    string
	cancel context.CancelFunc
	ended  chan error
	err    error
}

var child shared //nolint:gochecknoglobals // one for the test binary

// Main runs the tests of a package. It makes the test binary know the hidden
// subcommand, and stops the shared child at the end.
func Main(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == embedded.ChildCommand {
		os.Exit(embedded.Child(os.Args[2:])) //nolint:forbidigo // the child's exit code
	}
	code := m.Run()
	if err := child.stop(); err != nil {
		_, _ = os.Stderr.WriteString("stopping the shared ClickHouse: " + err.Error() + "\n")
		code = max(code, 1)
	}
	os.Exit(code) //nolint:forbidigo // as testing itself would
}

func (s *shared) start() {
	if s.err = Install(context.Background()); s.err != nil {
		return
	}
	if s.dir, s.err = os.MkdirTemp("", "partyline-clickhouse-*"); s.err != nil {
		return
	}
	s.server, s.err = embedded.New(embedded.Config{Dir: s.dir, Logger: slog.New(slog.DiscardHandler)})
	if s.err != nil {
		return
	}
	var ctx context.Context
	ctx, s.cancel = context.WithCancel(context.Background())
	s.ended = make(chan error, 1)
	go func() { s.ended <- s.server.Run(ctx) }()
	waiting, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	s.err = s.server.Wait(waiting)
}

func (s *shared) stop() error {
	var err error
	if s.cancel != nil {
		s.cancel()
		err = <-s.ended
	}
	if s.dir != "" {
		err = errors.Join(err, os.RemoveAll(s.dir))
	}
	return err
}

// Install installs the library where the tests of all packages find it.
func Install(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	for {
		_, err := embedded.Install(ctx, embedded.InstallConfig{})
		if !errors.Is(err, embedded.ErrInUse) { // another package's tests are at it
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(time.Second):
		}
	}
}

// Server is the shared child.
func Server(t testing.TB) *embedded.Server {
	t.Helper()
	child.once.Do(child.start)
	if child.err != nil {
		t.Fatalf("starting ClickHouse: %v", child.err)
	}
	return child.server
}

// Options connect to the shared child with a database of the test's own.
func Options(t testing.TB) *clickhouse.Options {
	t.Helper()
	o := Server(t).Options()
	o.Auth.Database = "t_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	return o
}
