package analytics

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/nats-io/nats.go"

	"partyline/analytics/embedded"
	"partyline/analytics/sink"
	"partyline/analytics/store"
)

// Config of a Service.
type Config struct {
	Dir        string        // of the embedded ClickHouse; required without DSN
	DSN        string        // of an external store; "": embedded
	ConsoleDSN string        // of a read-only user of the external store, http(s); "": no SQL console there
	Cluster    string        // of the external store, for replicated tables; "": none
	Console    bool          // allow the SQL console
	Library    string        // path of libchdb; "": searched
	Install    bool          // install a missing library in the background
	Executable string        // binary that knows embedded.ChildCommand; "": this one
	Retention  time.Duration // of stage rows and connections; 0: 30 days
	Sink       sink.Config   // its Logger is the service's
	Logger     *slog.Logger  // nil: discard

	options, consoleOptions *clickhouse.Options // tests: instead of a DSN
	queryLimit              time.Duration       // of one question of the page; 0: defaultQueryLimit
}

// Errors of a Service.
var (
	// ErrUnavailable is wrapped while the store cannot be asked.
	ErrUnavailable = errors.New("statistics are not available at the moment")
	// ErrConsoleClosed is wrapped when the SQL console is switched off or would
	// not be safe.
	ErrConsoleClosed = errors.New("the SQL console is closed")
)

// Status describes a Service.
type Status struct {
	Mode     string // embedded, server
	OK       bool   // telemetry reaches the store
	Error    string // why not
	Console  string // "" when the SQL console is open, else why not
	Embedded embedded.Status
	Sink     sink.Status
}

// Service is the role. Its methods are safe for concurrent use.
type Service struct {
	cfg     Config
	log     *slog.Logger
	child   *embedded.Server // nil with a DSN
	store   *store.Store
	sink    *sink.Sink
	console driver.Conn // nil: closed
	closed  string      // why the console is closed
	slots   chan struct{}
	// questions bounds those of pages; slots those of the console.
	questions chan struct{}

	mu  sync.Mutex // guards err
	err error      // of the child's supervision, for good
}

// New makes a service on a connection with the permissions of
// stream.RoleAnalytics, which stays the caller's. It starts nothing and does
// not connect. Errors wrap store.ErrConfig for settings that can never work.
func New(cfg Config, nc *nats.Conn) (*Service, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.queryLimit == 0 {
		cfg.queryLimit = defaultQueryLimit
	}
	s := &Service{cfg: cfg, log: cfg.Logger, slots: make(chan struct{}, consoleQueries), questions: make(chan struct{}, pageQueries)}
	options, err := s.source()
	if err != nil {
		return nil, err
	}
	s.store, err = store.New(store.Config{Options: options, Cluster: cfg.Cluster, Retention: cfg.Retention, Logger: cfg.Logger})
	if err != nil {
		return nil, err
	}
	cfg.Sink.Logger = cfg.Logger
	if s.sink, err = sink.New(cfg.Sink, nc, s.store); err != nil {
		return nil, err
	}
	return s, s.openConsole()
}

// source is where the store is.
func (s *Service) source() (*clickhouse.Options, error) {
	if s.cfg.options != nil {
		return s.cfg.options, nil
	}
	if s.cfg.DSN != "" {
		return store.ParseDSN(s.cfg.DSN)
	}
	child, err := embedded.New(embedded.Config{
		Dir: s.cfg.Dir, Library: s.cfg.Library, Install: s.cfg.Install, Executable: s.cfg.Executable, Logger: s.cfg.Logger,
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", store.ErrConfig, err)
	}
	s.child = child
	return child.Options(), nil
}

// openConsole prepares the pool of the SQL console, or notes why there is none.
func (s *Service) openConsole() error {
	var options *clickhouse.Options
	switch {
	case !s.cfg.Console:
		s.closed = "it is switched off by analytics.console"
		return nil
	case s.child != nil:
		if options = s.child.ConsoleOptions(); options == nil {
			s.closed = "this system offers no sandbox (Landlock, Linux 5.19), without which SQL could read files of this machine"
			return nil
		}
		options.Auth.Database = s.store.Database()
	case s.cfg.consoleOptions != nil:
		options = s.cfg.consoleOptions
	case s.cfg.ConsoleDSN == "":
		s.closed = "an external ClickHouse needs clickhouse.console-dsn, of a user who may only read"
		return nil
	default:
		var err error
		if options, err = store.ParseDSN(s.cfg.ConsoleDSN); err != nil {
			return err
		}
		if options.Protocol != clickhouse.HTTP {
			return fmt.Errorf("%w: clickhouse.console-dsn has to be http:// or https://", store.ErrConfig)
		}
		if options.Auth.Database == "" {
			options.Auth.Database = s.store.Database()
		}
	}
	conn, err := clickhouse.Open(options)
	if err != nil {
		return fmt.Errorf("%w: %w", store.ErrConfig, err)
	}
	s.console = conn
	return nil
}

// Run runs the store and the sink until ctx ends. Trouble with the store is no
// reason to return.
func (s *Service) Run(ctx context.Context) error {
	defer func() {
		s.store.Close()
		if s.console != nil {
			s.console.Close()
		}
	}()
	// The child has to outlive the sink's last batch.
	base, stopChild := context.WithCancel(context.WithoutCancel(ctx))
	var child sync.WaitGroup
	defer child.Wait()
	defer stopChild()
	if s.child != nil {
		child.Go(func() {
			if err := s.child.Run(base); err != nil {
				s.mu.Lock()
				s.err = err
				s.mu.Unlock()
				s.log.Error("embedded clickhouse cannot run; telemetry waits in the log", "error", err)
			}
		})
		if s.child.Wait(ctx) != nil {
			return nil // stopped before there was a store
		}
	}
	return s.sink.Run(ctx)
}

// Status returns the present status.
func (s *Service) Status() Status {
	st := Status{Mode: "server", Sink: s.sink.Status(), Console: s.closed}
	st.OK, st.Error = st.Sink.OK, st.Sink.Error
	if s.child == nil {
		return st
	}
	st.Mode, st.Embedded = "embedded", s.child.Status()
	if st.Embedded.State != embedded.StateRunning {
		st.OK, st.Error = false, fmt.Sprintf("embedded ClickHouse is %s: %s", st.Embedded.State, st.Embedded.Error)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		st.OK, st.Error = false, s.err.Error()
	}
	return st
}

// available says whether the store can be asked.
func (s *Service) available() error {
	if s.child == nil {
		return nil
	}
	if st := s.child.Status(); st.State != embedded.StateRunning {
		return fmt.Errorf("%w: embedded ClickHouse is %s: %s", ErrUnavailable, st.State, s.Status().Error)
	}
	return nil
}
