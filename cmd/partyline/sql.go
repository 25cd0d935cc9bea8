package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"partyline/config"
)

// sqlTimeout bounds how long a query may take to begin its answer.
const sqlTimeout = 40 * time.Second

// viewsQuery lists what there is to query, with its documentation.
const viewsQuery = `SELECT name AS view, comment AS what FROM system.tables WHERE database = currentDatabase() AND comment != '' ` +
	`AND name NOT LIKE 'Storage%' ORDER BY startsWith(name, 'v_') DESC, name`

// sqlFlags are the flags of "partyline sql".
type sqlFlags struct {
	file, format string
	list         bool
}

// sql runs SQL on the statistics of the running server, as the user of the SQL
// console.
func (p program) sql(ctx context.Context, args []string) error {
	var f sqlFlags
	query, args := leadingQuery(args)
	c, rest, err := config.Load(config.Source{Name: "sql", Args: args, Environ: p.environ, Flags: func(set *flag.FlagSet) {
		set.StringVar(&f.file, "file", "", "file with the query; - for standard input")
		set.StringVar(&f.format, "format", "table", "table, json (an object a line) or csv")
		set.BoolVar(&f.list, "list", false, "list the views")
	}})
	switch {
	case errors.Is(err, flag.ErrHelp):
		return err
	case err != nil:
		return usageError{err}
	}
	if query, err = f.query(query, rest); err != nil {
		return usageError{err}
	}
	return p.runSQL(ctx, c, f, query)
}

// leadingQuery takes a query that stands before the flags.
func leadingQuery(args []string) (string, []string) {
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		return args[0], args[1:]
	}
	return "", args
}

// query is what was asked for in one of the three ways.
func (f sqlFlags) query(first string, rest []string) (string, error) {
	if first != "" {
		rest = append([]string{first}, rest...)
	}
	ways := len(rest)
	if f.file != "" {
		ways++
	}
	if f.list {
		ways++
	}
	if ways != 1 {
		return "", errors.New("give one query, --file FILE, or --list")
	}
	switch f.format {
	case "table", "json", "csv":
	default:
		return "", fmt.Errorf("--format: %q is not table, json or csv", f.format)
	}
	switch {
	case f.list:
		return viewsQuery, nil
	case f.file == "-":
		data, err := io.ReadAll(io.LimitReader(os.Stdin, 1<<20))
		return string(data), err
	case f.file != "":
		data, err := os.ReadFile(f.file)
		if err != nil {
			return "", fmt.Errorf("--file: %w", err)
		}
		return string(data), nil
	}
	return rest[0], nil
}

// runSQL asks the server and shows the answer.
func (p program) runSQL(ctx context.Context, c config.Config, f sqlFlags, query string) error {
	note, ok := runningServer(ctx, dataDir(c.DataDir))
	if !ok {
		return fmt.Errorf("no server runs on the data directory %s", c.DataDir)
	}
	token, err := dataDir(c.DataDir).token(c.AdminToken)
	if err != nil {
		return err
	}
	format := map[string]string{"table": "compact", "json": "ndjson", "csv": "csv"}[f.format]
	content, err := json.Marshal(map[string]string{"query": query, "format": format})
	if err != nil {
		return fmt.Errorf("making the request: %w", err)
	}
	body, err := tellServer(ctx, note, token, http.MethodPost, "/api/v1/analytics/query", bytes.NewReader(content), sqlTimeout)
	if err != nil {
		return err
	}
	defer body.Close()
	if f.format != "table" {
		if _, err := io.Copy(p.stdout, body); err != nil {
			return fmt.Errorf("the answer was cut off: %w", err)
		}
		return nil
	}
	return showTable(p.stdout, body)
}

// showTable prints rows that come as arrays, after one of names and one of
// types.
func showTable(w io.Writer, r io.Reader) error {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	lines := bufio.NewReader(r)
	for n := 0; ; n++ {
		line, err := lines.ReadBytes('\n')
		if len(bytes.TrimSpace(line)) > 0 && n != 1 {
			if err := showRow(out, line); err != nil {
				return errors.Join(err, out.Flush())
			}
		}
		if errors.Is(err, io.EOF) {
			return out.Flush()
		}
		if err != nil {
			return errors.Join(fmt.Errorf("the answer was cut off: %w", err), out.Flush())
		}
	}
}

func showRow(w io.Writer, line []byte) error {
	var row []json.RawMessage
	if json.Unmarshal(line, &row) != nil {
		var failure struct{ Error string }
		if json.Unmarshal(line, &failure) == nil && failure.Error != "" {
			return errors.New(failure.Error)
		}
		return fmt.Errorf("the server answered %q", line)
	}
	cells := make([]string, len(row))
	for i, raw := range row {
		cells[i] = cell(raw)
	}
	_, err := fmt.Fprintln(w, strings.Join(cells, "\t"))
	return err
}

// cell shows a value; text is as it is, but for what could move a cursor.
func cell(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil && len(raw) > 0 && raw[0] == '"' {
		return printable(s)
	}
	if string(raw) == "null" {
		return "-"
	}
	return printable(string(raw))
}
