package main

import (
	"context"
	"crypto/rand"
	"log/slog"
	"math"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"partyline/config"
	"partyline/events/query"
	"partyline/events/stream"
	"partyline/gateway/admission"
	"partyline/gateway/hub"
	"partyline/gateway/lifecycle"
	"partyline/gateway/token"
	"partyline/gateway/ws"
)

// gatewayParts are the components of the role gateway.
type gatewayParts struct {
	name      string // of this incarnation
	log       *stream.Log
	publisher *stream.Publisher
	feed      *stream.Feed
	hub       *hub.Hub
	recorder  *lifecycle.Recorder
	traces    *lifecycle.Traces
	admission *admission.Admission
	engine    ws.Engine
}

// newGateway makes the components on a connection to the log; it starts nothing.
func newGateway(c config.Config, version string, nc *nats.Conn, l *stream.Log, models query.Backend, policy *admission.Policy, tokens *token.Verifier, log *slog.Logger) (*gatewayParts, error) {
	g := &gatewayParts{name: incarnation(), log: l}
	var err error
	if g.publisher, err = stream.NewPublisher(l, stream.PublisherConfig{Logger: log}); err != nil {
		return nil, err
	}
	if g.feed, err = stream.NewFeed(l, stream.FeedConfig{Logger: log}); err != nil {
		return nil, err
	}
	g.hub, err = hub.New(hub.Config{
		Logger: log, Gateway: g.name, Version: version,
		MaxFrameBytes: int(c.MaxFrameBytes), Heartbeat: c.Heartbeat,
		SendsPerSecond: float64(c.SendsPerSecond),
		MaxReplay:      unlimited(c.MaxReplay), PresenceNames: unlimited(c.PresenceNames),
		PresenceGrace: atOnce(c.PresenceGrace), DrainFor: atOnce(c.Drain),
	}, hub.Deps{Log: l, Publisher: g.publisher, Feed: g.feed, Query: models, NATS: nc, Tokens: tokens})
	if err != nil {
		return nil, err
	}
	g.recorder = lifecycle.New(lifecycle.Config{
		Gateway: g.name, IPPrivacy: c.IPPrivacy, HashKey: l.Secret,
	}, l.StoreConn, log)
	g.traces, err = lifecycle.NewTraces(lifecycle.TracesConfig{Gateway: g.name, Peers: g.hub.Peers, Logger: log}, g.recorder, nc)
	if err != nil {
		return nil, err
	}
	proxies, err := admission.ParseProxies(c.TrustedProxies)
	if err != nil {
		return nil, usageError{err}
	}
	g.admission, err = admission.New(admission.Config{
		Policy: policy, ConnectsPerSecond: c.ConnectsPerSecond, Proxies: proxies, Tokens: tokens,
		Options: ws.Options{SlowFrame: g.hub.SlowFrame}, Logger: log,
	}, l.Secret, g.hub, ws.NewEcho(c.EchoLimits == "on"))
	if err != nil {
		return nil, err
	}
	g.engine, err = ws.New(c.Engine, ws.Config{
		Handler: g.admission, Recorder: g.recorder, Logger: log, Compression: c.Compression == "on",
		MaxConnections: c.MaxConnections, MaxHandshakes: c.MaxHandshakes, HandshakeTimeout: c.HandshakeTimeout,
		MaxMessageBytes: int(c.MaxFrameBytes), MaxQueueBytes: int(c.MaxOutboundBytes), Heartbeat: c.Heartbeat,
	})
	return g, err
}

// unlimited maps a limit that is switched off (promise 5 of the wire contract).
func unlimited(n int) int {
	if n == 0 {
		return math.MaxInt32
	}
	return n
}

// atOnce maps a time of zero for components in which zero is a default.
func atOnce(d time.Duration) time.Duration { return max(d, 1) }

// start starts the components: what sessions stand on first.
func (g *gatewayParts) start(run *group) {
	s := run.stage()
	run.start(s, "publisher", g.publisher.Run)
	run.start(s, "feed", g.feed.Run)
	run.start(s, "telemetry", g.recorder.Run)
	run.start(s, "traces", g.traces.Run)
	run.start(run.stage(), "hub", g.hub.Run)
}

// ServeHTTP takes over an upgrade on the web port.
func (g *gatewayParts) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	remote, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		remote = netip.AddrPort{}
	}
	var local netip.AddrPort
	if tcp, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr); ok {
		local = tcp.AddrPort()
	}
	g.engine.Upgrade(w, r, g.recorder.Begin(remote, local))
}

// drain ends all connections, spread over a time.
func (g *gatewayParts) drain(ctx context.Context, spread time.Duration, log *slog.Logger) {
	g.admission.Drain()
	draining, cancel := context.WithTimeout(ctx, spread+time.Second)
	defer cancel()
	if err := g.hub.Drain(draining); err != nil {
		log.WarnContext(ctx, "not everybody was told of the stop", "error", err)
	}
	closing, cancel := context.WithTimeout(ctx, lastConnections)
	defer cancel()
	if err := g.engine.Shutdown(closing); err != nil {
		log.WarnContext(ctx, "connections were cut", "error", err)
	}
}

// incarnation names this start of a gateway: the machine's name and something
// random, as one token of a NATS subject.
func incarnation() string {
	host := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' {
			return r
		}
		return '-'
	}, strings.ToLower(machineName()))
	return host[:min(len(host), 40)] + "-" + strings.ToLower(rand.Text()[:8])
}

// machineName is this machine's name, "" when it has none.
func machineName() string {
	name, err := os.Hostname()
	if err != nil {
		return ""
	}
	return name
}
