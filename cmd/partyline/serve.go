package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"partyline/config"
)

// errSecondSignal is the end of a server that was told twice to stop.
var errSecondSignal = errors.New("stopped at once by a second signal; connections were cut")

// serve runs the server until a signal comes: then it drains, and a second
// signal ends it at once.
func (p program) serve(ctx context.Context, args []string) error {
	c, err := p.load("serve", args, nil)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := &server{cfg: c, dir: dataDir(c.DataDir), log: newLogger(c, p.stderr), version: p.version}
	s.onReady = func() { p.tellReady(s) }
	ended := make(chan error, 1)
	go func() { ended <- s.run(ctx) }()
	select {
	case err := <-ended:
		return err
	case <-p.signals:
		s.log.Info("stopping; a second signal stops at once", "drain", c.Drain.String())
		cancel()
	case <-ctx.Done():
	}
	select {
	case err := <-ended:
		return err
	case <-p.signals:
		return errSecondSignal
	}
}

// tellReady says that the server serves: to people on a terminal with a line
// per address, to everybody else with one line of the log.
func (p program) tellReady(s *server) {
	if jsonLog(s.cfg, p.stderr) || !terminal(p.stderr) {
		attrs := []any{"http", s.httpAddr(), "ws", s.wsAddr(), "nats", s.natsAddr(), "admin", s.adminAddr(), "roles", strings.Join(s.cfg.Roles, ",")}
		s.log.Info("ready", attrs...)
		return
	}
	fmt.Fprintf(p.stdout, "\n  Partyline %s is ready.\n\n", p.version)
	if s.cfg.Has("gateway") {
		fmt.Fprintf(p.stdout, "  page       %s\n", s.pageURL())
		if s.wsAddr() != "" {
			fmt.Fprintf(p.stdout, "  WebSocket  %s://%s/ws/chat/\n", s.scheme("ws", s.wsCert), s.wsAddr())
		}
		if terminal(p.stdout) {
			fmt.Fprintf(p.stdout, "  admin      %s#admin=%s\n", s.pageURL(), s.token)
		}
	} else {
		fmt.Fprintf(p.stdout, "  status     %schat/status/\n", s.pageURL())
	}
	if s.adminAddr() != "" {
		fmt.Fprintf(p.stdout, "  metrics    http://%s/metrics\n", s.adminAddr())
	}
	if s.natsAddr() != "" {
		fmt.Fprintf(p.stdout, "  NATS       nats://%s\n", s.natsAddr())
	}
	fmt.Fprintf(p.stdout, "  data       %s\n\n  Ctrl-C stops it.\n\n", s.cfg.DataDir)
}

// server is one running process with some or all roles.
type server struct {
	cfg     config.Config
	dir     dataDir
	log     *slog.Logger
	version string
	onReady func()

	token    string       // of admins
	httpCert *certificate // nil: no TLS
	wsCert   *certificate // nil: no TLS
	http, ws []net.Listener
	admin    []net.Listener // of operations; none: the web port has them
	nats     net.Addr       // of the embedded node's listener; nil: none
}

// run serves until ctx ends, and drains then.
func (s *server) run(ctx context.Context) error {
	if err := s.dir.prepare(); err != nil {
		return err
	}
	var err error
	if s.token, err = s.dir.token(s.cfg.AdminToken); err != nil {
		return err
	}
	if err := s.loadCertificates(); err != nil {
		return err
	}
	if err := s.listen(ctx); err != nil {
		return err
	}
	defer s.closeListeners()

	g := newGroup(context.WithoutCancel(ctx))
	defer g.stop()
	parts, err := s.assemble(ctx, g)
	if err != nil {
		if ctx.Err() != nil {
			return nil // stopped before it was ready
		}
		return err
	}
	front := s.openFront(g, parts)
	stored := make(chan struct{})
	g.start(g.stage(), "start", func(ctx context.Context) error {
		parts.awaitStorage(ctx)
		close(stored)
		<-ctx.Done()
		return nil
	})
	select {
	case <-ctx.Done():
		return s.drain(ctx, g, parts, front)
	case err := <-g.failed:
		return err
	case <-stored:
	}
	if err := s.dir.noteServer(serverNote{PID: os.Getpid(), HTTP: s.httpAddr(), TLS: s.httpCert != nil}); err != nil {
		return err
	}
	defer os.Remove(s.dir.serverFile())
	parts.ready.Store(true)
	s.onReady()
	select {
	case <-ctx.Done():
		return s.drain(ctx, g, parts, front)
	case err := <-g.failed:
		return err
	}
}

// loadCertificates reads what TLS needs.
func (s *server) loadCertificates() (err error) {
	if s.httpCert, err = loadCertificate("http.tls", s.cfg.HTTPTLSCert, s.cfg.HTTPTLSKey, s.log); err != nil {
		return err
	}
	s.wsCert = s.httpCert
	if s.cfg.WSTLSCert != "" {
		s.wsCert, err = loadCertificate("ws.tls", s.cfg.WSTLSCert, s.cfg.WSTLSKey, s.log)
	}
	return err
}

// listen opens all listeners, so that a port that is taken is known at once.
func (s *server) listen(ctx context.Context) (err error) {
	if s.http, err = listen(ctx, "http.addr", s.cfg.HTTPAddr); err != nil {
		return err
	}
	if s.cfg.WSAddr != "" && s.cfg.Has("gateway") {
		s.ws, err = listen(ctx, "ws.addr", s.cfg.WSAddr)
	}
	if err == nil && s.cfg.AdminAddr != "" {
		s.admin, err = listen(ctx, "admin.addr", s.cfg.AdminAddr)
	}
	if err != nil {
		s.closeListeners()
	}
	return err
}

func (s *server) closeListeners() {
	for _, l := range slices.Concat(s.http, s.ws, s.admin) {
		l.Close()
	}
}

func (s *server) httpAddr() string { return s.http[0].Addr().String() }

func (s *server) wsAddr() string {
	if len(s.ws) == 0 {
		return ""
	}
	return s.ws[0].Addr().String()
}

func (s *server) adminAddr() string {
	if len(s.admin) == 0 {
		return ""
	}
	return s.admin[0].Addr().String()
}

func (s *server) natsAddr() string {
	if s.nats == nil {
		return ""
	}
	return s.nats.String()
}

// pageURL is the page's address as a person on this machine would write it.
func (s *server) pageURL() string {
	host, port, err := net.SplitHostPort(s.httpAddr())
	if err != nil {
		return ""
	}
	if ip := net.ParseIP(host); ip != nil && (ip.IsLoopback() || ip.IsUnspecified()) {
		host = "localhost"
	}
	return s.scheme("http", s.httpCert) + "://" + net.JoinHostPort(host, port) + "/"
}

// scheme adds the s of TLS.
func (s *server) scheme(plain string, cert *certificate) string {
	if cert != nil {
		return plain + "s"
	}
	return plain
}

// front is what accepts connections.
type front struct {
	servers []*http.Server
	stage   *stage
}

// openFront starts to accept. Until the log is open, the API says so.
func (s *server) openFront(g *group, parts *parts) *front {
	f := &front{stage: g.stage()}
	for _, l := range s.http {
		s.serveHTTP(g, f, "web port", l, parts.handler, s.httpCert)
	}
	for _, l := range s.admin {
		s.serveHTTP(g, f, "listener of operations", l, parts.operations, nil)
	}
	for _, l := range s.ws {
		if s.wsCert != nil {
			l = tls.NewListener(l, s.wsCert.config("http/1.1"))
		}
		g.start(f.stage, "WebSocket listener", func(ctx context.Context) error {
			return parts.gateway.engine.Serve(ctx, l)
		})
	}
	return f
}

// serveHTTP serves a listener until the front's stage ends.
func (s *server) serveHTTP(g *group, f *front, name string, l net.Listener, handler http.Handler, cert *certificate) {
	srv := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: s.cfg.HandshakeTimeout,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	f.servers = append(f.servers, srv)
	g.start(f.stage, name, func(ctx context.Context) error {
		stop := context.AfterFunc(ctx, func() { srv.Close() })
		defer stop()
		serve := srv.Serve
		if cert != nil {
			srv.TLSConfig = cert.config("h2", "http/1.1")
			serve = func(l net.Listener) error { return srv.ServeTLS(l, "", "") }
		}
		if err := serve(l); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		<-ctx.Done() // Shutdown of the drain comes before the end of the stage
		return nil
	})
}

// Times of a shutdown besides gateway.drain; together under the four seconds of
// the wire contract (detail 19).
const (
	lastConnections = 2 * time.Second
	lastRequests    = time.Second
)

// drain says goodbye to everybody, stops accepting, and lets requests end; the
// group then stops what is below. Further attempts are refused meanwhile with
// "draining", so that clients go elsewhere.
func (s *server) drain(ctx context.Context, g *group, parts *parts, front *front) error {
	ctx = context.WithoutCancel(ctx)
	parts.draining.Store(true)
	failed := make(chan error, 1)
	go func() {
		select {
		case err := <-g.failed:
			failed <- err
		case <-front.stage.ctx.Done():
		}
	}()
	if parts.gateway != nil {
		parts.gateway.drain(ctx, s.cfg.Drain, s.log)
	}
	closing, cancel := context.WithTimeout(ctx, lastRequests)
	defer cancel()
	for _, srv := range front.servers {
		if err := srv.Shutdown(closing); err != nil {
			s.log.WarnContext(ctx, "requests were cut", "error", err)
		}
	}
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}
