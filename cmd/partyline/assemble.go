package main

import (
	"context"
	"errors"
	"maps"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"partyline/analytics"
	"partyline/docs/findings"
	"partyline/events/query"
	"partyline/events/stream"
	"partyline/gateway/admission"
	"partyline/gateway/api"
	"partyline/gateway/token"
	"partyline/projections"
	"partyline/web"
)

// parts is what the roles of this process consist of.
type parts struct {
	logs            []<-chan struct{} // each closed when that handle on the log is open
	tokens          *token.Verifier   // nil in open mode
	gateway         *gatewayParts     // nil without the role
	model           *projections.Model
	analytics       *analytics.Service // nil: none in this process
	query           query.Backend
	handler         http.Handler // of the web port
	operations      http.Handler // of admin.addr; nil without it
	ready, draining atomic.Bool
}

// askPause is the pause between two questions whether the read models answer.
const askPause = 20 * time.Millisecond

// awaitStorage returns when every part has found the log, and read models
// answer: from then on joins succeed. It returns early when ctx ends.
func (p *parts) awaitStorage(ctx context.Context) {
	for _, opened := range p.logs {
		select {
		case <-opened:
		case <-ctx.Done():
			return
		}
	}
	for ctx.Err() == nil {
		// A question that reads: Status answers before the file is open.
		if _, err := p.query.Rooms(ctx, query.RoomsRequest{Limit: 1}); err == nil {
			return
		}
		select {
		case <-time.After(askPause):
		case <-ctx.Done():
		}
	}
}

// assemble makes and starts the parts, from the storage up. What it started is
// in stages of g.
func (s *server) assemble(ctx context.Context, g *group) (*parts, error) {
	conns := connector{cfg: s.cfg, log: s.log.With("component", "nats")}
	if s.cfg.Has("storage") && s.cfg.NATSURL == "" {
		node, err := startNode(ctx, g, s.cfg, s.log.With("component", "storage"))
		if err != nil {
			return nil, err
		}
		conns.node = node
		s.nats = node.Addr()
	}
	p := &parts{}
	if s.cfg.Has("projector") {
		if err := s.addProjector(g, p, conns); err != nil {
			return nil, err
		}
	}
	if err := s.addAnalytics(g, p, conns); err != nil {
		return nil, err
	}
	role := stream.RoleTool
	if s.cfg.Has("gateway") {
		role = stream.RoleGateway
	}
	nc, l, err := s.addLog(g, p, conns, role, "gateway")
	if err != nil {
		return nil, err
	}
	p.query = query.NewClient(nc, 0)
	if p.model != nil {
		p.query = p.model // without a detour over NATS
	}
	policy, err := s.policy()
	if err != nil {
		return nil, err
	}
	if p.tokens, err = s.verifier(); err != nil {
		return nil, err
	}
	if p.tokens != nil {
		g.start(g.stage(), "keys of tokens", p.tokens.Run)
	}
	if s.cfg.Has("gateway") {
		p.gateway, err = newGateway(s.cfg, s.version, nc, l, p.query, policy, p.tokens, s.log.With("component", "gateway"))
		if err != nil {
			return nil, err
		}
		p.gateway.start(g)
	}
	return p, s.addAPI(p, l, policy)
}

// addLog connects to the log and keeps a handle on it current.
func (s *server) addLog(g *group, p *parts, conns connector, role stream.Role, name string) (*nats.Conn, *stream.Log, error) {
	nc, err := conns.connect(role, name)
	if err != nil {
		return nil, nil, err
	}
	g.start(g.stage(), "connection "+name, func(ctx context.Context) error {
		<-ctx.Done()
		nc.Close()
		return nil
	})
	l, opened, run, err := openLog(nc, s.cfg, s.log.With("component", "log"))
	if err != nil {
		return nil, nil, err
	}
	p.logs = append(p.logs, opened)
	g.start(g.stage(), "log of "+name, run)
	return nc, l, nil
}

// addProjector adds the read models and their service.
func (s *server) addProjector(g *group, p *parts, conns connector) error {
	nc, l, err := s.addLog(g, p, conns, stream.RoleProjector, "projector")
	if err != nil {
		return err
	}
	opened := p.logs[len(p.logs)-1]
	log := s.log.With("component", "projections")
	p.model, err = projections.New(projections.Config{Dir: s.dir.projections(), Logger: log}, l)
	if err != nil {
		return err
	}
	run := g.stage()
	g.start(run, "projections", func(ctx context.Context) error {
		select {
		case <-opened: // the epoch has to be known
			return p.model.Run(ctx)
		case <-ctx.Done():
			return nil
		}
	})
	g.start(run, "queries", func(ctx context.Context) error { return query.Serve(ctx, nc, p.model, log) })
	return nil
}

// policy is what Host and Origin may be.
func (s *server) policy() (*admission.Policy, error) {
	var ports []string
	for _, l := range append(s.http, s.ws...) {
		if _, port, err := net.SplitHostPort(l.Addr().String()); err == nil {
			ports = append(ports, port)
		}
	}
	policy, err := admission.NewPolicy(s.cfg.HTTPPublicHosts, machineName(), ports, s.cfg.Origins)
	if err != nil {
		return nil, usageError{err}
	}
	return policy, nil
}

// addAPI adds the handlers of the web port and of operations.
func (s *server) addAPI(p *parts, l *stream.Log, policy *admission.Policy) error {
	proxies, err := admission.ParseProxies(s.cfg.TrustedProxies)
	if err != nil {
		return usageError{err}
	}
	cfg := api.Config{
		Version: s.version, AdminToken: s.token, WSURLs: s.wsURLs, Started: time.Now(),
		Logger: s.log.With("component", "api"), OpenMetrics: s.loopbackOnly(), ClientAddr: proxies.ClientOf,
		ClientReports: s.cfg.Reports,
	}
	deps := api.Deps{
		Query: p.query, Log: l, Policy: policy, Tokens: p.tokens,
		Ready: func() error {
			if !p.ready.Load() {
				return errNotReady
			}
			return nil
		},
		Draining: p.draining.Load,
	}
	deps.Admin = map[string]http.HandlerFunc{profilePath: profiles(s.log)}
	if p.model != nil {
		maps.Copy(deps.Admin, maintenance(p.model, s.log.With("component", "projections")))
	}
	if p.analytics != nil {
		deps.Statistics, deps.Analytics = p.analytics.ServeHTTP, analyticsStatus(p.analytics)
	}
	if p.gateway != nil {
		cfg.Gateway = p.gateway.name
		deps.Hub, deps.Connections = p.gateway.hub, p.gateway.engine.Connections
		deps.WebSocket, deps.Traces = p.gateway, p.gateway.traces
		deps.Admission, deps.Secret = p.gateway.admission, l.Secret
		if s.cfg.Reports != "off" {
			deps.Reports = reportStore{l, p.gateway.name}
		}
		deps.Posture, deps.Help = s.posture, findings.Pages
		if files, ok := web.Files(); ok {
			deps.UI = files
		}
	}
	if len(s.admin) > 0 {
		cfg.OpenMetrics = true // who may reach it is decided by its address
		if p.operations, err = api.NewOperations(cfg, deps); err != nil {
			return err
		}
		cfg.NoOperations = true
	}
	p.handler, err = api.New(cfg, deps)
	return err
}

var errNotReady = errors.New("the server is starting")

// loopbackOnly reports whether the web port is reachable from this machine
// alone.
func (s *server) loopbackOnly() bool {
	for _, l := range s.http {
		tcp, ok := l.Addr().(*net.TCPAddr)
		if !ok || !tcp.IP.IsLoopback() {
			return false
		}
	}
	return true
}

// wsURLs lists the addresses of the chat WebSocket for somebody who reached us
// as host: what is configured, else the web port and the dedicated listener
// under the same name.
func (s *server) wsURLs(host string) []string {
	if s.cfg.WSPublicURL != "" {
		return []string{s.cfg.WSPublicURL}
	}
	urls := []string{s.scheme("ws", s.httpCert) + "://" + host + admission.RouteChat + "/"}
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = host
	}
	if _, port, err := net.SplitHostPort(s.wsAddr()); err == nil {
		urls = append(urls, s.scheme("ws", s.wsCert)+"://"+net.JoinHostPort(name, port)+admission.RouteChat+"/")
	}
	return urls
}
