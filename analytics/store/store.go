package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Errors of a Store.
var (
	// ErrConfig is wrapped by New for settings that can never work.
	ErrConfig = errors.New("clickhouse settings")
	// ErrUnreachable is wrapped when the store does not answer.
	ErrUnreachable = errors.New("clickhouse cannot be reached")
	// ErrRefused is wrapped when the store refuses the user or the password, or
	// the user lacks rights.
	ErrRefused = errors.New("clickhouse refuses the user")
	// ErrTooOld is wrapped when the store's version lacks what is needed.
	ErrTooOld = errors.New("clickhouse is too old")
	// ErrSchemaNewer is wrapped when a newer program has migrated the store.
	ErrSchemaNewer = errors.New("the schema is newer than this program")
	// ErrSchemaChanged is wrapped when an applied migration is not the one that
	// this program has.
	ErrSchemaChanged = errors.New("the schema is not the one of this program")
	// ErrFull is wrapped when the store cannot write: a full or read-only disk.
	ErrFull = errors.New("clickhouse cannot write")
)

// MinRetention is the least time that stage rows are kept: longer than the
// stream keeps them, so that its rows are never taken for new ones.
const MinRetention = 4 * 24 * time.Hour

// DefaultDatabase holds the tables when the options name none.
const DefaultDatabase = "partyline"

// Config of a Store.
type Config struct {
	Options   *clickhouse.Options // where and who; required
	Cluster   string              // name of the cluster for replicated tables; "": none
	Retention time.Duration       // of stage rows and connections; 0: 30 days
	Logger    *slog.Logger        // nil: discard
}

// Store is a connection pool to ClickHouse. Safe for concurrent use.
type Store struct {
	cfg  Config
	db   string
	days int
	conn driver.Conn
	log  *slog.Logger

	migrated atomic.Bool
}

var validName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,62}$`)

// New makes a store; it does not connect. Errors wrap ErrConfig.
func New(cfg Config) (*Store, error) {
	if cfg.Options == nil {
		return nil, fmt.Errorf("%w: none", ErrConfig)
	}
	if cfg.Retention == 0 {
		cfg.Retention = 30 * 24 * time.Hour
	}
	if cfg.Retention < MinRetention {
		return nil, fmt.Errorf("%w: analytics.retention %s is less than %s, the time that the stream keeps telemetry", ErrConfig, cfg.Retention, MinRetention)
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	options := *cfg.Options
	db := options.Auth.Database
	if db == "" {
		db = DefaultDatabase
	}
	if !validName.MatchString(db) {
		return nil, fmt.Errorf("%w: database name %q", ErrConfig, db)
	}
	if cfg.Cluster != "" && !validName.MatchString(cfg.Cluster) {
		return nil, fmt.Errorf("%w: clickhouse.cluster %q", ErrConfig, cfg.Cluster)
	}
	options.Auth.Database = "" // it may not exist yet; statements name it
	if options.DialTimeout == 0 {
		options.DialTimeout = 10 * time.Second
	}
	conn, err := clickhouse.Open(&options)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return &Store{cfg: cfg, db: db, days: int(cfg.Retention.Hours() / 24), conn: conn, log: cfg.Logger}, nil
}

// ParseDSN makes options from a DSN such as
// clickhouse://user:password@host:9000/database?secure=true. Errors wrap
// ErrConfig and never contain the password.
func ParseDSN(dsn string) (*clickhouse.Options, error) {
	options, err := clickhouse.ParseDSN(dsn)
	scheme, _, _ := strings.Cut(dsn, "://")
	switch scheme {
	case "clickhouse", "tcp", "http", "https":
	default:
		err = ErrConfig // the client takes any for clickhouse://
	}
	if err != nil {
		return nil, fmt.Errorf("%w: clickhouse.dsn is not of the form clickhouse://user:password@host:9000/database", ErrConfig)
	}
	return options, nil
}

// Close closes the pool.
func (s *Store) Close() error { return s.conn.Close() }

// Conn is the pool, for queries.
func (s *Store) Conn() driver.Conn { return s.conn }

// Database is the name of the database.
func (s *Store) Database() string { return s.db }

// exec executes a statement with the store's names filled in.
func (s *Store) exec(ctx context.Context, statement string, args ...any) error {
	if err := s.conn.Exec(ctx, strings.ReplaceAll(statement, "{DB}", s.db), args...); err != nil {
		return explain(err)
	}
	return nil
}

// scan reads the one row of a query.
func (s *Store) scan(ctx context.Context, query string, args []any, dest ...any) error {
	if err := s.conn.QueryRow(ctx, strings.ReplaceAll(query, "{DB}", s.db), args...).Scan(dest...); err != nil {
		return explain(err)
	}
	return nil
}

// Codes of ClickHouse that have a meaning here.
const (
	codeTimeout         = 159
	codeNotEnoughSpace  = 243
	codeAccessDenied    = 497
	codeAuthentication  = 516
	codeReadOnlyStorage = 164
	codeCannotWrite     = 75
	codeCannotOpen      = 76
)

// explain wraps an error of clickhouse-go with what it means.
func explain(err error) error {
	var said *clickhouse.Exception
	if !errors.As(err, &said) {
		if errors.Is(err, context.Canceled) {
			return err
		}
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	switch said.Code {
	case codeAuthentication, codeAccessDenied:
		return fmt.Errorf("%w: %w", ErrRefused, err)
	case codeNotEnoughSpace, codeCannotWrite, codeCannotOpen:
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return err
}
