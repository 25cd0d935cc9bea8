package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"text/template"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// MinVersion is the oldest ClickHouse that the schema is written for.
const MinVersion = "24.8"

// migration is one numbered file.
type migration struct {
	version  uint32
	name     string
	checksum string
	text     string
}

// migrations lists the files in order.
func migrations() ([]migration, error) {
	names, err := fs.Glob(migrationFiles, "migrations/*.sql") // sorted
	if err != nil {
		return nil, fmt.Errorf("listing migrations: %w", err)
	}
	var list []migration
	for i, name := range names {
		text, err := migrationFiles.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("reading a migration: %w", err)
		}
		base := path.Base(name)
		number, _, _ := strings.Cut(base, "_")
		version, err := strconv.ParseUint(number, 10, 32)
		if err != nil || int(version) != i+1 {
			return nil, fmt.Errorf("migration %s is not number %d", base, i+1)
		}
		sum := sha256.Sum256(text)
		list = append(list, migration{uint32(version), base, hex.EncodeToString(sum[:8]), string(text)})
	}
	return list, nil
}

// schema fills the names into a migration.
type schema struct {
	DB            string
	OnCluster     string
	RetentionDays int
	replicated    bool
}

func (s *Store) schema() schema {
	v := schema{DB: s.db, RetentionDays: s.days, replicated: s.cfg.Cluster != ""}
	if v.replicated {
		v.OnCluster = "ON CLUSTER " + s.cfg.Cluster
	}
	return v
}

// Engine is a table engine, replicated on a cluster; there the server's own
// default paths apply, which contain its macros.
func (v schema) Engine(name, args string) string {
	if v.replicated {
		name = "Replicated" + name
	}
	return name + "(" + args + ")"
}

// DedupWindow are the settings by which a token of an insert is remembered.
func (v schema) DedupWindow() string {
	if v.replicated {
		return ", replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800"
	}
	return ", non_replicated_deduplication_window = 10000"
}

// StageEnum is the type of a stage.
func (v schema) StageEnum() string { return stageEnum }

const stageEnum = "Enum8('' = 0, 'accept' = 1, 'tls' = 2, 'request' = 3, 'origin' = 4, 'auth' = 5, 'limits' = 6, " +
	"'upgraded' = 7, 'first_frame' = 8, 'joined' = 9, 'first_event' = 10, 'ping' = 11, 'closing' = 12, 'closed' = 13)"

// statements renders a migration.
func (v schema) statements(m migration) ([]string, error) {
	t, err := template.New(m.name).Parse(m.text)
	if err != nil {
		return nil, fmt.Errorf("migration %s: %w", m.name, err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, v); err != nil {
		return nil, fmt.Errorf("migration %s: %w", m.name, err)
	}
	var list []string
	for part := range strings.SplitSeq(b.String(), ";\n") {
		if part = strings.TrimSpace(part); part != "" {
			list = append(list, part)
		}
	}
	return list, nil
}

// Migrate brings the schema up to date. It may be called at every start, and by
// several processes at once: every statement may be repeated. It never drops
// anything. Errors wrap those of the package.
func (s *Store) Migrate(ctx context.Context) error {
	if err := s.checkVersion(ctx); err != nil {
		return err
	}
	v := s.schema()
	if err := s.exec(ctx, "CREATE DATABASE IF NOT EXISTS {DB} "+v.OnCluster); err != nil {
		return fmt.Errorf("creating the database: %w", err)
	}
	err := s.exec(ctx, "CREATE TABLE IF NOT EXISTS {DB}.schema_migrations "+v.OnCluster+
		" (version UInt32, name String, checksum String, applied DateTime('UTC')) ENGINE = "+
		v.Engine("ReplacingMergeTree", "")+" ORDER BY version COMMENT 'Applied migrations.'")
	if err != nil {
		return fmt.Errorf("creating the list of migrations: %w", err)
	}
	list, err := migrations()
	if err != nil {
		return err
	}
	applied, err := s.applied(ctx)
	if err != nil {
		return err
	}
	for _, m := range list {
		sum, done := applied[m.version]
		delete(applied, m.version)
		switch {
		case done && sum != m.checksum:
			return fmt.Errorf("%w: migration %s was applied with other contents", ErrSchemaChanged, m.name)
		case !done:
			if err := s.apply(ctx, v, m); err != nil {
				return err
			}
		}
	}
	for version := range applied {
		return fmt.Errorf("%w: it has migration %d, and this program knows %d; use the newer program", ErrSchemaNewer, version, len(list))
	}
	if err := s.keepRetention(ctx, v); err != nil {
		return err
	}
	s.migrated.Store(true)
	return nil
}

// Migrated says whether Migrate has succeeded, so that all tables and views are
// there.
func (s *Store) Migrated() bool { return s.migrated.Load() }

func (s *Store) applied(ctx context.Context) (map[uint32]string, error) {
	rows, err := s.conn.Query(ctx, "SELECT version, checksum FROM "+s.db+".schema_migrations FINAL")
	if err != nil {
		return nil, fmt.Errorf("reading the list of migrations: %w", explain(err))
	}
	defer rows.Close()
	applied := map[uint32]string{}
	for rows.Next() {
		var version uint32
		var sum string
		if err := rows.Scan(&version, &sum); err != nil {
			return nil, fmt.Errorf("reading the list of migrations: %w", err)
		}
		applied[version] = sum
	}
	return applied, explainNil(rows.Err())
}

func (s *Store) apply(ctx context.Context, v schema, m migration) error {
	statements, err := v.statements(m)
	if err != nil {
		return err
	}
	for _, statement := range statements {
		if err := s.conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("migration %s: %w", m.name, explain(err))
		}
	}
	err = s.exec(ctx, "INSERT INTO {DB}.schema_migrations VALUES (?, ?, ?, ?)", m.version, m.name, m.checksum, time.Now().UTC())
	if err != nil {
		return fmt.Errorf("noting migration %s: %w", m.name, err)
	}
	s.log.InfoContext(ctx, "clickhouse schema migrated", "migration", m.name)
	return nil
}

// keepRetention changes the time to live of tables that have another one.
func (s *Store) keepRetention(ctx context.Context, v schema) error {
	for table, column := range map[string]string{"connection_events": "stored", "connection_states": "started", "client_report_rows": "stored"} {
		ttl := fmt.Sprintf("toDateTime(%s) + toIntervalDay(%d)", column, v.RetentionDays)
		var has bool
		err := s.scan(ctx, "SELECT countSubstrings(engine_full, ?) > 0 FROM system.tables WHERE database = ? AND name = ?",
			[]any{ttl, s.db, table}, &has)
		if err != nil {
			return fmt.Errorf("reading the retention: %w", err)
		}
		if has {
			continue
		}
		if err := s.exec(ctx, "ALTER TABLE {DB}."+table+" "+v.OnCluster+" MODIFY TTL "+ttl+" SETTINGS materialize_ttl_after_modify = 0"); err != nil {
			return fmt.Errorf("changing the retention: %w", err)
		}
	}
	return nil
}

// checkVersion compares the server's version with MinVersion.
func (s *Store) checkVersion(ctx context.Context) error {
	version, err := s.conn.ServerVersion()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return explain(err)
	}
	return acceptVersion(version)
}

func acceptVersion(v *driver.ServerVersion) error {
	major, minor, _ := strings.Cut(MinVersion, ".")
	wantMajor, _ := strconv.ParseUint(major, 10, 64)
	wantMinor, _ := strconv.ParseUint(minor, 10, 64)
	if v.Version.Major < wantMajor || v.Version.Major == wantMajor && v.Version.Minor < wantMinor {
		return fmt.Errorf("%w: it is %d.%d, and %s is needed", ErrTooOld, v.Version.Major, v.Version.Minor, MinVersion)
	}
	return nil
}

func explainNil(err error) error {
	if err == nil {
		return nil
	}
	return explain(err)
}
