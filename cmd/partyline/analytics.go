package main

import (
	"context"
	"flag"
	"fmt"
	"time"

	"partyline/analytics"
	"partyline/analytics/embedded"
	"partyline/events/stream"
	"partyline/gateway/api"
)

// addAnalytics adds the statistics, unless they are off.
func (s *server) addAnalytics(g *group, p *parts, conns connector) error {
	if !s.cfg.Has("analytics") || s.cfg.AnalyticsMode == "off" {
		return nil
	}
	nc, err := conns.connect(stream.RoleAnalytics, "analytics")
	if err != nil {
		return err
	}
	g.start(g.stage(), "connection analytics", func(ctx context.Context) error {
		<-ctx.Done()
		nc.Close()
		return nil
	})
	p.analytics, err = analytics.New(analytics.Config{
		Dir: s.dir.clickhouse(), DSN: s.cfg.ClickHouseDSN, ConsoleDSN: s.cfg.ClickHouseConsoleDSN, Cluster: s.cfg.ClickHouseCluster,
		Console: s.cfg.AnalyticsConsole != "off", Library: s.cfg.AnalyticsLibrary, Install: true,
		Retention: s.cfg.AnalyticsRetention, Logger: s.log.With("component", "analytics"),
	}, nc)
	if err != nil {
		return usageError{err}
	}
	g.start(g.stage(), "analytics", p.analytics.Run)
	return nil
}

// analyticsStatus is what the status document says of the statistics.
func analyticsStatus(svc *analytics.Service) func() api.Analytics {
	return func() api.Analytics {
		st := svc.Status()
		return api.Analytics{Mode: st.Mode, OK: st.OK, Lag: st.Sink.Lag.Seconds()}
	}
}

// analytics is the command for upkeep of the statistics.
func (p program) analytics(ctx context.Context, args []string) error {
	if len(args) == 0 || args[0] != "install" {
		if len(args) > 0 && (args[0] == "-h" || args[0] == "--help") {
			return flag.ErrHelp
		}
		return usageError{fmt.Errorf("say \"partyline analytics install\"")}
	}
	var file, dir string
	_, err := p.load("analytics install", args[1:], func(set *flag.FlagSet) {
		set.StringVar(&file, "file", "", "archive that \"npm pack\" made on another machine; empty: the npm registry of this machine")
		set.StringVar(&dir, "dir", "", "directory of the library; empty: one in the user's cache that is searched")
	})
	if err != nil {
		return err
	}
	return p.install(ctx, file, dir)
}

// install installs the library, telling how far it is.
func (p program) install(ctx context.Context, file, dir string) error {
	var told time.Time
	name, err := embedded.Install(ctx, embedded.InstallConfig{Dir: dir, File: file, Progress: func(at embedded.Progress) {
		if at.Step != "done" && time.Since(told) < time.Second {
			return
		}
		told = time.Now()
		fmt.Fprintf(p.stderr, "%-8s %4d of %d MB\n", at.Step, at.Done>>20, at.Total>>20)
	}})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(p.stdout, name)
	return err
}
