package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// ChildCommand is the hidden subcommand whose arguments go to Child.
const ChildCommand = "clickhouse-child"

// bareSandbox asks the child to stay outside of the sandbox.
const bareSandbox = "bare"

// Config of a Server.
type Config struct {
	Dir         string        // owned by the server; required
	Library     string        // path of libchdb; "": searched
	Install     bool          // install the library in the background when it is missing
	Executable  string        // binary that knows ChildCommand; "": this one
	MemoryBytes uint64        // limit of ClickHouse's own accounting; 0: 1.5 GiB
	Console     ConsoleLimits // zero: DefaultConsoleLimits
	NoSandbox   bool          // leave the sandbox out, as a system without one would; the console user does not exist then
	Logger      *slog.Logger  // nil: discard
}

// Errors of a Server.
var (
	// ErrInUse is returned by Run when another process has the directory.
	ErrInUse = errors.New("the ClickHouse directory is in use by another process")
	// ErrUnavailable is wrapped while no child runs.
	ErrUnavailable = errors.New("embedded ClickHouse is not running")
	// ErrLeftOut is returned by New in a build without the child.
	errExitedCleanly = errors.New("without being asked to")
	ErrLeftOut       = errors.New("this build has no embedded ClickHouse; set clickhouse.dsn, or analytics.mode=off")
)

// Times of supervision.
const (
	startLimit  = 60 * time.Second       // exec to port
	stopLimit   = 15 * time.Second       // end of input to exit; then it is killed
	firstDelay  = 100 * time.Millisecond // before the first restart, then doubled
	longestWait = 30 * time.Second       // between restarts
	steady      = time.Minute            // a run of so long resets the delay
	pollPorts   = 10 * time.Millisecond
)

// State is what a Server is doing.
type State string

// The states.
const (
	StateStopped    State = "stopped"
	StateMissing    State = "missing"    // no library, and none is being installed
	StateInstalling State = "installing" // see Status.Progress
	StateStarting   State = "starting"
	StateRunning    State = "running"
	StateFailed     State = "failed" // waits before the next start; see Status.Error
)

// Status describes a Server.
type Status struct {
	State    State
	Error    string   // of the latest failure, "" when it runs
	Sandbox  Sandbox  // of the child
	PID      int      // of the child, 0 for none
	Starts   int      // of children so far
	Library  string   // the one in use
	Progress Progress // of the installation
}

// Server supervises the child. Its methods are safe for concurrent use.
type Server struct {
	cfg     Config
	log     *slog.Logger
	secrets secrets

	mu     sync.Mutex // guards what follows
	status Status
	addr   string
	up     chan struct{} // closed while addr is valid
}

// New makes a Server; it starts nothing.
func New(cfg Config) (*Server, error) {
	if !available {
		return nil, ErrLeftOut
	}
	if cfg.Dir == "" {
		return nil, errors.New("embedded ClickHouse without directory")
	}
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("the ClickHouse directory: %w", err)
	}
	cfg.Dir = dir
	if strings.ContainsAny(dir, "'\\\n") {
		return nil, fmt.Errorf("the ClickHouse directory %q has a quote, backslash or line break in its name", dir)
	}
	if cfg.MemoryBytes == 0 {
		cfg.MemoryBytes = 1536 << 20
	}
	if cfg.Console == (ConsoleLimits{}) {
		cfg.Console = DefaultConsoleLimits()
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	secrets, err := newSecrets()
	if err != nil {
		return nil, err
	}
	return &Server{
		cfg: cfg, log: cfg.Logger, secrets: secrets,
		status: Status{State: StateStopped, Sandbox: cfg.sandbox()},
		up:     make(chan struct{}),
	}, nil
}

func (c *Config) sandbox() Sandbox {
	if c.NoSandbox {
		return SandboxNone
	}
	return sandboxOf(kernelABI())
}

func (s *Server) dataDir() string { return filepath.Join(s.cfg.Dir, "data") }
func (s *Server) runDir() string  { return filepath.Join(s.cfg.Dir, "run") }

// Status returns the present status.
func (s *Server) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

func (s *Server) update(change func(*Status)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.status)
}

// Options connect to the child that runs at the moment of a dial, with full
// rights. A dial waits for a child until its context ends.
func (s *Server) Options() *clickhouse.Options {
	return s.options(appUser, s.secrets.app)
}

// ConsoleOptions connect as the read-only user of the SQL console. They are nil
// when the child has no sandbox.
func (s *Server) ConsoleOptions() *clickhouse.Options {
	if s.cfg.sandbox() == SandboxNone {
		return nil
	}
	return s.options(consoleUser, s.secrets.console)
}

func (s *Server) options(user, password string) *clickhouse.Options {
	return &clickhouse.Options{
		Protocol:    clickhouse.HTTP,
		Addr:        []string{"127.0.0.1:8123"}, // a name for the pool; Dial goes to the child
		Auth:        clickhouse.Auth{Username: user, Password: password},
		HttpHeaders: map[string]string{secretHeader: s.secrets.header},
		DialContext: func(ctx context.Context, _ string) (net.Conn, error) { return s.dial(ctx) },
		DialTimeout: 5 * time.Second,
	}
}

// Wait waits until a child runs. It wraps ErrUnavailable when ctx ends before.
func (s *Server) Wait(ctx context.Context) error {
	s.mu.Lock()
	up := s.up
	s.mu.Unlock()
	select {
	case <-up:
		return nil
	case <-ctx.Done():
		st := s.Status()
		return fmt.Errorf("%w: %s %s", ErrUnavailable, st.State, st.Error)
	}
}

// dial connects to the running child, waiting for one until ctx ends.
func (s *Server) dial(ctx context.Context) (net.Conn, error) {
	if err := s.Wait(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	addr := s.addr
	s.mu.Unlock()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return conn, nil
}

// Run supervises until ctx ends, then stops the child cleanly. It returns
// ErrInUse when another process has the directory.
func (s *Server) Run(ctx context.Context) error {
	for _, dir := range []string{s.cfg.Dir, s.dataDir(), s.runDir()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("creating the ClickHouse directory: %w", err)
		}
	}
	lock, err := lockDir(s.cfg.Dir)
	if err != nil {
		return err
	}
	defer lock.Close()
	defer s.update(func(st *Status) { st.State, st.PID = StateStopped, 0 })
	library, err := s.library(ctx)
	if err != nil {
		return nil // ctx ended: a clean stop
	}
	s.update(func(st *Status) { st.Library = library })
	for delay := firstDelay; ctx.Err() == nil; {
		began := time.Now()
		err := s.runChild(ctx, library)
		if ctx.Err() != nil {
			return nil
		}
		if time.Since(began) > steady {
			delay = firstDelay
		}
		s.update(func(st *Status) { st.State, st.PID, st.Error = StateFailed, 0, err.Error() })
		s.log.WarnContext(ctx, "embedded clickhouse ended; it is started again", "error", err, "delay", delay)
		if !wait(ctx, delay) {
			return nil
		}
		delay = min(2*delay, longestWait)
	}
	return nil
}

// library returns the library, once it is there; it fails only when ctx ends.
func (s *Server) library(ctx context.Context) (string, error) {
	for delay := time.Second; ; delay = min(2*delay, 10*time.Minute) {
		name, err := s.cfg.find()
		if err == nil {
			return name, nil
		}
		if s.cfg.Install && s.cfg.Library == "" {
			s.update(func(st *Status) { st.State, st.Error = StateInstalling, "" })
			if err = s.install(ctx); err == nil {
				continue
			}
		}
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		s.update(func(st *Status) { st.State, st.Error = StateMissing, err.Error() })
		s.log.WarnContext(ctx, "no clickhouse library; telemetry waits in the log", "error", err)
		if !wait(ctx, delay) {
			return "", ctx.Err()
		}
	}
}

func (s *Server) install(ctx context.Context) error {
	dir := s.cfg.libraryDirs()[len(s.cfg.libraryDirs())-1]
	_, err := Install(ctx, InstallConfig{Dir: dir, Logger: s.log, Progress: func(p Progress) {
		s.update(func(st *Status) { st.Progress = p })
	}})
	return err
}

// runChild runs one child until it ends or ctx does.
func (s *Server) runChild(ctx context.Context, library string) error {
	s.update(func(st *Status) { st.State, st.Starts = StateStarting, st.Starts+1 })
	cmd, input, said, err := s.startChild(library)
	if err != nil {
		return err
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	s.update(func(st *Status) { st.PID = cmd.Process.Pid })
	defer s.setDown()
	if err := s.awaitPort(ctx, exited, said); err != nil {
		input.Close()
		_ = stopChild(cmd, exited) // err says more
		return err
	}
	s.update(func(st *Status) { st.State, st.Error = StateRunning, "" })
	s.log.InfoContext(ctx, "embedded clickhouse runs", "pid", cmd.Process.Pid, "sandbox", s.cfg.sandbox())
	select {
	case err := <-exited:
		exited <- err
		input.Close()
		return said.explain(err)
	case <-ctx.Done():
		input.Close()              // the end of its input is the request to stop
		_ = stopChild(cmd, exited) // it was asked to, so that nobody cares how
		return ctx.Err()
	}
}

// startChild executes the binary with clean files.
func (s *Server) startChild(library string) (*exec.Cmd, *os.File, *tail, error) {
	console := s.cfg.sandbox() != SandboxNone
	// A query_log of an earlier child cannot be flushed into.
	if err := os.RemoveAll(filepath.Join(s.dataDir(), "data", "system")); err != nil {
		return nil, nil, nil, fmt.Errorf("clearing the system tables: %w", err)
	}
	for _, name := range []string{portsFile, configFile, usersFile} {
		if err := os.Remove(filepath.Join(s.runDir(), name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, nil, nil, fmt.Errorf("clearing the run directory: %w", err)
		}
	}
	if err := s.writeFiles(console); err != nil {
		return nil, nil, nil, err
	}
	sandbox := "landlock"
	if s.cfg.NoSandbox {
		sandbox = bareSandbox
	}
	self := s.cfg.Executable
	if self == "" {
		var err error
		if self, err = os.Executable(); err != nil {
			return nil, nil, nil, fmt.Errorf("finding the binary: %w", err)
		}
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, nil, nil, fmt.Errorf("making a pipe: %w", err)
	}
	defer r.Close()
	said := &tail{log: s.log}
	cmd := exec.Command(self, ChildCommand, "enter", sandbox, library, s.dataDir(), s.runDir()) //nolint:noctx // it is stopped by the end of its input, not killed
	cmd.Stdin, cmd.Stderr, cmd.Env = r, said, []string{}
	cmd.SysProcAttr = childAttributes()
	if err := cmd.Start(); err != nil {
		w.Close()
		return nil, nil, nil, fmt.Errorf("starting the ClickHouse child: %w", err)
	}
	return cmd, w, said, nil
}

// awaitPort waits until the child has told its port, then removes the files
// with the secrets.
func (s *Server) awaitPort(ctx context.Context, exited chan error, said *tail) error {
	limit := time.NewTimer(startLimit)
	defer limit.Stop()
	tick := time.NewTicker(pollPorts)
	defer tick.Stop()
	for {
		select {
		case err := <-exited:
			exited <- err
			return said.explain(err)
		case <-ctx.Done():
			return ctx.Err()
		case <-limit.C:
			return fmt.Errorf("the ClickHouse child was not ready within %s", startLimit)
		case <-tick.C:
		}
		data, err := os.ReadFile(filepath.Join(s.runDir(), portsFile))
		if err != nil || !strings.HasSuffix(string(data), "\n") {
			continue
		}
		for _, name := range []string{configFile, usersFile} {
			if err := os.Remove(filepath.Join(s.runDir(), name)); err != nil {
				return fmt.Errorf("removing the child's configuration: %w", err)
			}
		}
		s.mu.Lock()
		s.addr = net.JoinHostPort("127.0.0.1", strings.TrimSpace(string(data)))
		close(s.up)
		s.mu.Unlock()
		return nil
	}
}

func (s *Server) setDown() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.addr != "" {
		s.addr, s.up = "", make(chan struct{})
	}
	s.status.PID = 0
}

// stopChild waits for a child whose input was ended, and kills it when it takes
// too long. It returns how the child exited.
func stopChild(cmd *exec.Cmd, exited <-chan error) error {
	limit := time.NewTimer(stopLimit)
	defer limit.Stop()
	select {
	case err := <-exited:
		return err
	case <-limit.C:
		_ = cmd.Process.Kill() // it may have ended meanwhile
		return <-exited
	}
}

// wait waits for d; false when ctx ended before.
func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
