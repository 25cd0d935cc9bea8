package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"partyline/config"
	"partyline/events/stream"
	"partyline/projections"
)

// errDiffers is the result of a verification that found a difference.
var errDiffers = errors.New("the read models are not what the log says; \"partyline rebuild\" builds them again")

// withLog gives fn the log of a stopped server, or of the NATS of nats.url. It
// never creates one.
func (p program) withLog(ctx context.Context, c config.Config, fn func(context.Context, *stream.Log) error) error {
	log := slog.New(slog.NewTextHandler(p.stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	g := newGroup(ctx)
	defer g.stop()
	conns := connector{cfg: c, log: log}
	if c.NATSURL == "" {
		if _, err := os.Stat(dataDir(c.DataDir).nats()); errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("there is no log in the data directory %s", c.DataDir)
		}
		c.NATSListen, c.NATSUsersFile = "", ""
		node, err := startNode(ctx, g, c, log)
		if err != nil {
			return err
		}
		conns.node = node
	}
	nc, err := conns.connect(stream.RoleProjector, "tool")
	if err != nil {
		return err
	}
	defer nc.Close()
	l, err := stream.NewLog(nc, stream.LogConfig{Logger: log, DedupWindow: c.DedupWindow})
	if err != nil {
		return err
	}
	opening, cancel := context.WithTimeout(ctx, serverTimeout)
	defer cancel()
	if err := l.Open(opening); err != nil {
		return err
	}
	return fn(ctx, l)
}

// withModel gives fn the read models of a stopped server.
func (p program) withModel(ctx context.Context, c config.Config, fn func(context.Context, *projections.Model) error) error {
	return p.withLog(ctx, c, func(ctx context.Context, l *stream.Log) error {
		log := slog.New(slog.NewTextHandler(p.stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
		m, err := projections.New(projections.Config{Dir: dataDir(c.DataDir).projections(), Logger: log}, l)
		if err != nil {
			return err
		}
		return fn(ctx, m)
	})
}

// rebuild builds the read models again: in the running server, else in the data
// directory.
func (p program) rebuild(ctx context.Context, args []string) error {
	c, err := p.load("rebuild", args, nil)
	if err != nil {
		return err
	}
	began := time.Now()
	if note, ok := runningServer(ctx, dataDir(c.DataDir)); ok {
		body, err := p.maintain(ctx, c, note, maintainRebuild)
		if err != nil {
			return err
		}
		body.Close()
	} else if err := p.withModel(ctx, c, func(ctx context.Context, m *projections.Model) error { return m.Rebuild(ctx) }); err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.stdout, "rebuilt in %s\n", time.Since(began).Round(time.Millisecond))
	return err
}

// verify compares the read models with the log.
func (p program) verify(ctx context.Context, args []string) error {
	c, err := p.load("verify", args, nil)
	if err != nil {
		return err
	}
	var report projections.Report
	if note, ok := runningServer(ctx, dataDir(c.DataDir)); ok {
		body, err := p.maintain(ctx, c, note, maintainVerify)
		if err != nil {
			return err
		}
		defer body.Close()
		if err := json.NewDecoder(io.LimitReader(body, 1<<20)).Decode(&report); err != nil {
			return fmt.Errorf("reading the server's answer: %w", err)
		}
	} else {
		err := p.withModel(ctx, c, func(ctx context.Context, m *projections.Model) (err error) {
			report, err = m.Verify(ctx)
			return err
		})
		if err != nil {
			return err
		}
	}
	if err := writeReport(p.stdout, report); err != nil {
		return err
	}
	if !report.OK() {
		return errDiffers
	}
	return nil
}

// maintain asks the running server for upkeep of its read models, which may
// take long.
func (p program) maintain(ctx context.Context, c config.Config, note serverNote, path string) (io.ReadCloser, error) {
	token, err := dataDir(c.DataDir).token(c.AdminToken)
	if err != nil {
		return nil, err
	}
	return askServerFor(ctx, note, token, http.MethodPost, path, maintainTimeout)
}

func writeReport(w io.Writer, r projections.Report) error {
	if r.Damage != "" {
		if _, err := fmt.Fprintf(w, "damaged: %s\n", r.Damage); err != nil {
			return err
		}
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "table\trows\tsha-256\tresult")
	for _, table := range r.Tables {
		result := "ok"
		if !table.OK() {
			result = fmt.Sprintf("differs: %d rows with %s expected", table.WantRows, shortHash(table.WantHash))
			if table.First != "" {
				result += ", first at " + table.First
			}
		}
		fmt.Fprintf(t, "%s\t%d\t%s\t%s\n", table.Name, table.Rows, shortHash(table.Hash), result)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "compared at sequence %d\n", r.Applied)
	return err
}

func shortHash(s string) string { return s[:min(len(s), 16)] }

// indent puts two spaces before each line.
func indent(text string) string {
	return "  " + strings.ReplaceAll(text, "\n", "\n  ")
}
