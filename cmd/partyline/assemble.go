package main

import (
	"context"
	"net"
	"net/http"
	"sync/atomic"

	"github.com/nats-io/nats.go"

	"partyline/events/query"
	"partyline/events/stream"
	"partyline/gateway/admission"
	"partyline/gateway/api"
	"partyline/projections"
	"partyline/web"
)

// parts is what the roles of this process consist of.
type parts struct {
	logs    []<-chan struct{} // each closed when that handle on the log is open
	gateway *gatewayParts     // nil without the role
	model   *projections.Model
	handler http.Handler
	ready   atomic.Bool
}

func (p *parts) setReady(ready bool) { p.ready.Store(ready) }

// opened is closed when every part has found the log.
func (p *parts) opened() <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, opened := range p.logs {
			<-opened
		}
	}()
	return done
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
	role := stream.RoleTool
	if s.cfg.Has("gateway") {
		role = stream.RoleGateway
	}
	nc, l, err := s.addLog(g, p, conns, role, "gateway")
	if err != nil {
		return nil, err
	}
	var backend query.Backend = query.NewClient(nc, 0)
	policy, err := s.policy()
	if err != nil {
		return nil, err
	}
	if s.cfg.Has("gateway") {
		p.gateway, err = newGateway(s.cfg, s.version, nc, l, policy, s.log.With("component", "gateway"))
		if err != nil {
			return nil, err
		}
		p.gateway.start(g)
		backend = p.gateway.query
	}
	p.handler, err = s.newAPI(p, l, nc, policy, backend)
	return p, err
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

// newAPI makes the handler of the web port.
func (s *server) newAPI(p *parts, l *stream.Log, nc *nats.Conn, policy *admission.Policy, backend query.Backend) (http.Handler, error) {
	_ = nc
	deps := api.Deps{}
	_ = deps
	if files, ok := web.Files(); ok && p.gateway != nil {
		_ = files
	}
	_ = l
	_ = backend
	_ = policy
	return nil, nil
}
