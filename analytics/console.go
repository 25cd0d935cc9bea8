package analytics

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// Bounds of the SQL console besides those of its ClickHouse user.
const (
	consoleQueries = 2                // at the same time
	consoleTime    = 20 * time.Second // below the user's own limit, less five seconds
	maxQuery       = 64 << 10         // bytes
	consoleBytes   = 64 << 20         // of the answer
)

// QueryError is what ClickHouse says about a query of somebody else.
type QueryError struct {
	Kind QueryErrorKind
	Code int32  // of ClickHouse, 0 for none
	Text string // of ClickHouse
}

// QueryErrorKind says whose fault it is.
type QueryErrorKind int

// The kinds.
const (
	QueryWrong   QueryErrorKind = iota // the SQL
	QueryDenied                        // something that is not allowed
	QueryTimeout                       // took too long
	QueryTooBig                        // read, used or returned too much
	QueryBusy                          // too many queries at the same time
)

// Error implements error.
func (e *QueryError) Error() string { return e.Text }

// Codes of ClickHouse by what they mean for a query of the console; all others
// are wrong SQL.
//
//nolint:gochecknoglobals // constant table
var queryKinds = map[int32]QueryErrorKind{
	164: QueryDenied, 497: QueryDenied, 452: QueryDenied, 392: QueryDenied, 291: QueryDenied, 344: QueryDenied,
	159: QueryTimeout, 160: QueryTimeout,
	158: QueryTooBig, 241: QueryTooBig, 307: QueryTooBig, 396: QueryTooBig, 161: QueryTooBig, 191: QueryTooBig,
	202: QueryBusy,
}

// Console runs read-only SQL of an admin and copies the answer to w, in a format
// of ClickHouse such as JSONEachRow. Errors that come before the first byte are
// *QueryError, ErrConsoleClosed or ErrUnavailable; so is one that comes later,
// after part of the answer was written.
func (s *Service) Console(ctx context.Context, w io.Writer, query, format string) error {
	if s.console == nil {
		return fmt.Errorf("%w: %s", ErrConsoleClosed, s.closed)
	}
	if len(query) > maxQuery {
		return &QueryError{QueryTooBig, 0, fmt.Sprintf("the query is longer than %d bytes", maxQuery)}
	}
	query = strings.TrimRight(strings.TrimSpace(query), "; \n\t")
	if query == "" {
		return &QueryError{QueryWrong, 0, "the query is empty"}
	}
	if err := s.available(); err != nil {
		return err
	}
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	default:
		return &QueryError{QueryBusy, 0, "too many queries are running; try again"}
	}
	ctx, cancel := context.WithTimeout(ctx, consoleTime)
	defer cancel()
	answer, err := s.console.QueryFormat(ctx, format, query)
	if err != nil {
		err = queryError(ctx, err)
		var wrong *QueryError
		if errors.As(err, &wrong) && missing(wrong.Code) && !s.store.Migrated() {
			return fmt.Errorf("%w: the tables and views are being made", ErrUnavailable)
		}
		return err
	}
	defer answer.Close()
	n, err := io.Copy(w, io.LimitReader(answer, consoleBytes+1))
	if err == nil && n > consoleBytes {
		return &QueryError{QueryTooBig, 0, fmt.Sprintf("the answer is longer than %d bytes", consoleBytes)}
	}
	if err != nil {
		return queryError(ctx, err)
	}
	return nil
}

// missing says that a code of ClickHouse is about a table function (which is what
// a view with parameters looks like), a table or a database that is not there.
func missing(code int32) bool { return code == 46 || code == 60 || code == 81 }

// queryError says what an error means for the one who asked.
func queryError(ctx context.Context, err error) error {
	var said *clickhouse.Exception
	if errors.As(err, &said) {
		return &QueryError{queryKinds[said.Code], said.Code, strings.TrimSpace(said.Message)}
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return &QueryError{QueryTimeout, 0, fmt.Sprintf("the query took longer than %s", consoleTime)}
	}
	return unavailable(err)
}
