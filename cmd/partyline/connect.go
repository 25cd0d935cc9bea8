package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/nats-io/nats.go"

	"partyline/config"
	"partyline/events/stream"
)

// connector makes connections to the log: to the embedded node, or to the NATS
// of nats.url.
type connector struct {
	node *stream.Node // nil: nats.url
	cfg  config.Config
	log  *slog.Logger
}

// connect makes a connection with the permissions of a role; on an external
// NATS those are the user's. It reconnects for ever; on an external NATS it
// need not be there yet.
func (c connector) connect(role stream.Role, name string) (*nats.Conn, error) {
	opts := c.events()
	if c.node != nil {
		return c.node.Connect(role, name, opts...)
	}
	opts = append(append(stream.ConnectOptions(name), opts...), nats.RetryOnFailedConnect(true))
	if c.cfg.NATSCreds != "" {
		opts = append(opts, nats.UserCredentials(c.cfg.NATSCreds))
	}
	nc, err := nats.Connect(c.cfg.NATSURL, opts...)
	if err != nil {
		return nil, fmt.Errorf("connecting to nats.url: %w", err)
	}
	return nc, nil
}

// events logs what happens to a connection.
func (c connector) events() []nats.Option {
	return []nats.Option{
		nats.DisconnectErrHandler(func(nc *nats.Conn, err error) {
			if err != nil {
				c.log.Warn("connection to the log lost", "name", nc.Opts.Name, "error", err)
			}
		}),
		nats.ReconnectHandler(func(nc *nats.Conn) {
			c.log.Info("connection to the log is back", "name", nc.Opts.Name)
		}),
		nats.ErrorHandler(func(nc *nats.Conn, _ *nats.Subscription, err error) {
			if errors.Is(err, nats.ErrSlowConsumer) {
				c.log.Debug("live copies dropped; they are filled from the log", "name", nc.Opts.Name)
				return
			}
			c.log.Warn("the log reports an error", "name", nc.Opts.Name, "error", err)
		}),
	}
}

// openLog makes a handle on the log over nc. run opens it and then keeps it
// current; opened is closed in between.
func openLog(nc *nats.Conn, c config.Config, log *slog.Logger) (l *stream.Log, opened <-chan struct{}, run func(context.Context) error, err error) {
	l, err = stream.NewLog(nc, stream.LogConfig{Logger: log, DedupWindow: c.DedupWindow})
	if err != nil {
		return nil, nil, nil, err
	}
	done := make(chan struct{})
	run = func(ctx context.Context) error {
		if err := l.Open(ctx); err != nil {
			return err
		}
		close(done)
		return l.Run(ctx)
	}
	return l, done, run, nil
}

// startNode starts the embedded node in a stage of g and waits until it is
// ready.
func startNode(ctx context.Context, g *group, c config.Config, log *slog.Logger) (*stream.Node, error) {
	cfg := stream.NodeConfig{
		Dir: dataDir(c.DataDir).nats(), Durability: stream.Durability(c.Durability),
		Listen: c.NATSListen, DedupWindow: c.DedupWindow, Logger: log,
	}
	if c.NATSUsersFile != "" {
		var err error
		if cfg.Users, err = stream.LoadUsers(c.NATSUsersFile); err != nil {
			return nil, usageError{err}
		}
	}
	node, err := stream.NewNode(cfg)
	if err != nil {
		return nil, err
	}
	g.start(g.stage(), "storage", node.Run)
	select {
	case <-node.Ready():
		return node, nil
	case err := <-g.failed:
		return nil, err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
