package store

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// Checkpoint is the largest stream sequence among the stage rows of a stream, 0
// when there are none.
func (s *Store) Checkpoint(ctx context.Context, stream string) (uint64, error) {
	return s.checkpoint(ctx, stream, 0)
}

// checkpoint looks at rows from a sequence on; the key finds them.
func (s *Store) checkpoint(ctx context.Context, stream string, from uint64) (uint64, error) {
	var seq uint64
	err := s.scan(ctx, "SELECT max(seq) FROM {DB}.connection_events WHERE stream = ? AND seq >= ?", []any{stream, from}, &seq)
	if err != nil {
		return 0, fmt.Errorf("reading the checkpoint: %w", err)
	}
	return max(seq, from), nil
}

// Write writes a batch and returns the checkpoint that it left, as the store
// says: at least the batch's last sequence with a stage row, or where another
// writer was faster, wherever that one is. A batch may be written again.
func (s *Store) Write(ctx context.Context, b Batch) (uint64, error) {
	if states := fold(b.Events); len(states) > 0 {
		err := insert(ctx, s, "connection_states", stateColumns(), states, clickhouse.Settings{"max_partitions_per_insert_block": 0, "insert_deduplicate": 0})
		if err != nil {
			return 0, err
		}
	}
	if len(b.Reports) > 0 {
		if err := insert(ctx, s, "client_report_rows", reportColumns(b.Stream), pointers(b.Reports), clickhouse.Settings{"insert_deduplicate": 0}); err != nil {
			return 0, err
		}
	}
	if len(b.Events) == 0 {
		return b.After, nil
	}
	err := insert(ctx, s, "connection_events", eventColumns(b.Stream), pointers(b.Events), clickhouse.Settings{
		"insert_deduplicate":                       1,
		"insert_deduplication_token":               b.Stream + ":" + strconv.FormatUint(b.After+1, 10),
		"max_insert_block_size":                    1 << 20,
		"min_insert_block_size_rows":               1 << 20,
		"min_insert_block_size_bytes":              1 << 30,
		"throw_on_max_partitions_per_insert_block": 1,
		"max_partitions_per_insert_block":          1,
	})
	if err != nil {
		return 0, err
	}
	return s.checkpoint(ctx, b.Stream, b.After)
}

func pointers[T any](list []T) []*T {
	p := make([]*T, len(list))
	for i := range list {
		p[i] = &list[i]
	}
	return p
}

// insert writes rows as one block.
func insert[T any](ctx context.Context, s *Store, table string, columns []column[T], rows []*T, settings clickhouse.Settings) error {
	ctx = clickhouse.Context(ctx,
		clickhouse.WithSettings(settings),
		clickhouse.WithColumnNamesAndTypes(describe(columns)))
	batch, err := s.conn.PrepareBatch(ctx, "INSERT INTO "+s.db+"."+table+" ("+names(columns)+")")
	if err != nil {
		return fmt.Errorf("inserting into %s: %w", table, explain(err))
	}
	defer batch.Close()
	for i, c := range columns {
		to := batch.Column(i)
		for _, r := range rows {
			if err := to.AppendRow(c.value(r)); err != nil {
				return fmt.Errorf("inserting into %s: column %s: %w", table, c.name, err)
			}
		}
	}
	if err := batch.Send(); err != nil {
		return fmt.Errorf("inserting into %s: %w", table, explain(err))
	}
	return nil
}

// Open is a connection without an end.
type Open struct {
	Conn    string
	Trace   string
	Path    string
	Started time.Time
}

// OpenOf lists connections of a gateway incarnation that have no end.
func (s *Store) OpenOf(ctx context.Context, gateway string, limit int) ([]Open, error) {
	rows, err := s.conn.Query(ctx, "SELECT toString(conn), trace, path, started FROM "+s.db+".connection_states FINAL"+
		" WHERE gateway = ? AND closed IS NULL AND lost IS NULL ORDER BY started, conn LIMIT ?", gateway, limit)
	if err != nil {
		return nil, fmt.Errorf("listing open connections: %w", explain(err))
	}
	defer rows.Close()
	var list []Open
	for rows.Next() {
		var o Open
		if err := rows.Scan(&o.Conn, &o.Trace, &o.Path, &o.Started); err != nil {
			return nil, fmt.Errorf("listing open connections: %w", err)
		}
		list = append(list, o)
	}
	return list, explainNil(rows.Err())
}

// Gateways lists the gateway incarnations with open connections, and when each
// was last heard of.
func (s *Store) Gateways(ctx context.Context) (map[string]time.Time, error) {
	rows, err := s.conn.Query(ctx, "SELECT gateway, max(ts) FROM "+s.db+".connection_events WHERE gateway IN ("+
		"SELECT gateway FROM "+s.db+".connection_states FINAL WHERE closed IS NULL AND lost IS NULL) GROUP BY gateway")
	if err != nil {
		return nil, fmt.Errorf("listing gateways: %w", explain(err))
	}
	defer rows.Close()
	list := map[string]time.Time{}
	for rows.Next() {
		var name string
		var at time.Time
		if err := rows.Scan(&name, &at); err != nil {
			return nil, fmt.Errorf("listing gateways: %w", err)
		}
		list[name] = at
	}
	return list, explainNil(rows.Err())
}
