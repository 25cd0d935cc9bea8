package analytics

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Range selects what statistics are about.
type Range struct {
	Since   time.Time // inclusive, to the minute
	Until   time.Time // exclusive
	Path    string    // "": all
	Gateway string    // "": all
}

// defaultQueryLimit bounds one question of the page.
const defaultQueryLimit = 10 * time.Second

// ErrRange is wrapped for a range that no answer has.
var ErrRange = errors.New("the time range")

// maxRange is how long roll-ups are kept.
const maxRange = 367 * 24 * time.Hour

func (r Range) check() error {
	switch {
	case !r.Until.After(r.Since):
		return fmt.Errorf("%w ends before it begins", ErrRange)
	case r.Until.Sub(r.Since) > maxRange:
		return fmt.Errorf("%w is longer than a year", ErrRange)
	case len(r.Path) > 255 || len(r.Gateway) > 255:
		return fmt.Errorf("%w: path or gateway is too long", ErrRange)
	}
	return nil
}

// Summary is what happened in a range. Durations are microseconds.
type Summary struct {
	Total           uint64      `json:"total"`
	Succeeded       uint64      `json:"succeeded"`
	Failed          uint64      `json:"failed"`
	Refused         uint64      `json:"refused"`
	Errored         uint64      `json:"errored"`
	Abandoned       uint64      `json:"abandoned"`
	Pending         uint64      `json:"pending"`
	SuccessRate     float64     `json:"success_rate"`
	Joined          uint64      `json:"joined"`
	Closes          uint64      `json:"closes"`
	AbnormalCloses  uint64      `json:"abnormal_closes"`
	FramesIn        uint64      `json:"frames_in"`
	FramesOut       uint64      `json:"frames_out"`
	BytesIn         uint64      `json:"bytes_in"`
	BytesOut        uint64      `json:"bytes_out"`
	RowsDropped     uint64      `json:"rows_dropped"`
	Durations       []Duration  `json:"durations"`
	Errors          []Failure   `json:"errors"`
	CloseCodes      []CloseCode `json:"close_codes"`
	Stages          []Stage     `json:"stages"`
	Paths           []Group     `json:"paths"`
	Gateways        []Group     `json:"gateways"`
	Survival        []Age       `json:"survival"`
	Since           time.Time   `json:"since"`
	Until           time.Time   `json:"until"`
	ClientReports   []Verdict   `json:"client_reports"`
	NeverArrived    uint64      `json:"never_arrived"`
	ReportsVerified uint64      `json:"reports_verified"`
}

// Duration is a row of v_durations.
type Duration struct {
	Kind string  `json:"kind" ch:"kind"`
	N    uint64  `json:"n" ch:"n"`
	Avg  float64 `json:"avg_us" ch:"avg_us"`
	P50  float64 `json:"p50_us" ch:"p50_us"`
	P75  float64 `json:"p75_us" ch:"p75_us"`
	P90  float64 `json:"p90_us" ch:"p90_us"`
	P95  float64 `json:"p95_us" ch:"p95_us"`
	P99  float64 `json:"p99_us" ch:"p99_us"`
	Max  float64 `json:"max_us" ch:"max_us"`
}

// Failure is a row of v_errors.
type Failure struct {
	Error    string  `json:"error" ch:"error"`
	Stage    string  `json:"stage" ch:"stage"`
	Status   uint16  `json:"status" ch:"status"`
	Outcome  string  `json:"outcome" ch:"outcome"`
	Failures uint64  `json:"failures" ch:"failures"`
	Share    float64 `json:"share" ch:"share"`
}

// CloseCode is a row of v_close_codes.
type CloseCode struct {
	Code      uint16  `json:"close_code" ch:"close_code"`
	Initiator string  `json:"close_initiator" ch:"close_initiator"`
	Error     string  `json:"error_type" ch:"error_type"`
	Closes    uint64  `json:"closes" ch:"closes"`
	Share     float64 `json:"share" ch:"share"`
}

// Stage is a row of v_funnel.
type Stage struct {
	Stage  string  `json:"stage" ch:"stage"`
	Coarse string  `json:"coarse_stage" ch:"coarse_stage"`
	Passed uint64  `json:"passed" ch:"passed"`
	Share  float64 `json:"share" ch:"share"`
	Ended  uint64  `json:"ended_here" ch:"ended_here"`
}

// Group is a row of v_by_path and v_by_gateway.
type Group struct {
	Name           string  `json:"name" ch:"name"`
	Attempts       uint64  `json:"attempts" ch:"attempts"`
	Succeeded      uint64  `json:"succeeded" ch:"succeeded"`
	Failed         uint64  `json:"failed" ch:"failed"`
	SuccessRate    float64 `json:"success_rate" ch:"success_rate"`
	Closes         uint64  `json:"closes" ch:"closes"`
	AbnormalCloses uint64  `json:"abnormal_closes" ch:"abnormal_closes"`
	HandshakeAvg   float64 `json:"handshake_avg_us" ch:"handshake_avg_us"`
}

// Age is a row of v_survival.
type Age struct {
	Seconds   float64 `json:"age_s" ch:"age_s"`
	Ended     uint64  `json:"ended" ch:"ended"`
	Surviving float64 `json:"surviving" ch:"surviving"`
	Network   uint64  `json:"ended_by_network" ch:"ended_by_network"`
}

// Verdict is a row of v_client_reports.
type Verdict struct {
	Verdict      string `json:"verdict" ch:"verdict"`
	Verified     bool   `json:"verified" ch:"verified"`
	Reports      uint64 `json:"reports" ch:"reports"`
	NeverArrived uint64 `json:"never_arrived" ch:"never_arrived"`
	Attempts     uint64 `json:"attempts" ch:"attempts"`
}

// Point is a row of v_series.
type Point struct {
	T              time.Time `json:"t" ch:"t"`
	Attempts       uint64    `json:"attempts" ch:"attempts"`
	Succeeded      uint64    `json:"succeeded" ch:"succeeded"`
	Refused        uint64    `json:"refused" ch:"refused"`
	Failed         uint64    `json:"failed" ch:"failed"`
	Abandoned      uint64    `json:"abandoned" ch:"abandoned"`
	Joined         uint64    `json:"joined" ch:"joined"`
	Closes         uint64    `json:"closes" ch:"closes"`
	AbnormalCloses uint64    `json:"abnormal_closes" ch:"abnormal_closes"`
	HandshakeAvg   float64   `json:"handshake_avg_us" ch:"handshake_avg_us"`
}

// view calls a named view with the parameters of a range.
func (s *Service) view(r Range, name, columns, extra string) (string, []any) {
	q := fmt.Sprintf("SELECT %s FROM %s.%s(since = {since:DateTime('UTC')}, until = {until:DateTime('UTC')}, path = {path:String}, gateway = {gateway:String}%s)",
		columns, s.store.Database(), name, extra)
	return q, []any{
		clickhouse.Named("since", r.Since.UTC().Format(time.DateTime)), clickhouse.Named("until", r.Until.UTC().Format(time.DateTime)),
		clickhouse.Named("path", r.Path), clickhouse.Named("gateway", r.Gateway),
	}
}

// groupColumns are those of a Group but its name.
const groupColumns = "attempts, succeeded, failed, success_rate, closes, abnormal_closes, handshake_avg_us"

// together runs parts at the same time and returns the first error by their
// order. One after the other they would share a deadline that each alone keeps
// easily: on a busy machine the last one would miss it.
func together(parts ...func() error) error {
	errs := make([]error, len(parts))
	var all sync.WaitGroup
	for i, part := range parts {
		all.Go(func() { errs[i] = part() })
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// pageQueries is how many questions of pages the store gets at the same time:
// fewer than the connections of its pool, so that the sink always has one.
const pageQueries = 6

// ask runs one question of a page when its turn comes.
func (s *Service) ask(ctx context.Context, question func() error) error {
	select {
	case s.questions <- struct{}{}:
		defer func() { <-s.questions }()
	case <-ctx.Done():
		return unavailable(ctx.Err())
	}
	if err := question(); err != nil {
		return unavailable(err)
	}
	return nil
}

// rows reads at most 1,000 rows of a view into dest, a pointer to a slice.
func (s *Service) rows(ctx context.Context, r Range, dest any, view, columns string) error {
	q, args := s.view(r, view, columns, "")
	return s.ask(ctx, func() error { return s.store.Conn().Select(ctx, dest, q+" LIMIT 1000", args...) })
}

// totals reads v_summary.
func (s *Service) totals(ctx context.Context, r Range, sum *Summary) error {
	q, args := s.view(r, "v_summary", "total, succeeded, failed, refused, errors, abandoned, pending, success_rate, joined, closes, abnormal_closes, frames_in, frames_out, bytes_in, bytes_out, rows_dropped", "")
	return s.ask(ctx, func() error {
		return s.store.Conn().QueryRow(ctx, q, args...).Scan(&sum.Total, &sum.Succeeded, &sum.Failed, &sum.Refused, &sum.Errored, &sum.Abandoned,
			&sum.Pending, &sum.SuccessRate, &sum.Joined, &sum.Closes, &sum.AbnormalCloses, &sum.FramesIn, &sum.FramesOut, &sum.BytesIn, &sum.BytesOut, &sum.RowsDropped)
	})
}

// Summary returns the totals of a range. It wraps ErrRange and ErrUnavailable.
func (s *Service) Summary(ctx context.Context, r Range) (Summary, error) {
	sum := Summary{Since: r.Since.UTC(), Until: r.Until.UTC()}
	if err := errors.Join(r.check(), s.available()); err != nil {
		return sum, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.queryLimit)
	defer cancel()
	err := together(
		func() error { return s.totals(ctx, r, &sum) },
		func() error { return s.rows(ctx, r, &sum.Durations, "v_durations", "*") },
		func() error {
			return s.rows(ctx, r, &sum.Errors, "v_errors", "error, stage, status, outcome, failures, share")
		},
		func() error {
			return s.rows(ctx, r, &sum.CloseCodes, "v_close_codes", "close_code, close_initiator, error_type, closes, share")
		},
		func() error {
			return s.rows(ctx, r, &sum.Stages, "v_funnel", "stage, coarse_stage, passed, share, ended_here")
		},
		func() error { return s.rows(ctx, r, &sum.Paths, "v_by_path", "path AS name, "+groupColumns) },
		func() error { return s.rows(ctx, r, &sum.Gateways, "v_by_gateway", "gateway AS name, "+groupColumns) },
		func() error {
			return s.rows(ctx, r, &sum.Survival, "v_survival", "age_s, ended, surviving, ended_by_network")
		},
		func() error { return s.rows(ctx, r, &sum.ClientReports, "v_client_reports", "*") },
	)
	if err != nil {
		return sum, err
	}
	for _, v := range sum.ClientReports {
		sum.NeverArrived += v.NeverArrived
		if v.Verified {
			sum.ReportsVerified += v.Reports
		}
	}
	return sum, nil
}

// maxPoints bounds a series.
const maxPoints = 2000

// Series returns points of step each, in order; points without anything are
// left out. It wraps ErrRange and ErrUnavailable.
func (s *Service) Series(ctx context.Context, r Range, step time.Duration) ([]Point, error) {
	if step < time.Minute || step%time.Minute != 0 {
		return nil, fmt.Errorf("%w: step is not a whole number of minutes", ErrRange)
	}
	if r.Until.Sub(r.Since)/step > maxPoints {
		return nil, fmt.Errorf("%w has more than %d steps", ErrRange, maxPoints)
	}
	if err := errors.Join(r.check(), s.available()); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.queryLimit)
	defer cancel()
	q, args := s.view(r, "v_series", "*", ", step = {step:UInt32}")
	points := []Point{}
	args = append(args, clickhouse.Named("step", fmt.Sprint(int(step.Seconds()))))
	if err := s.ask(ctx, func() error { return s.store.Conn().Select(ctx, &points, q, args...) }); err != nil {
		return nil, err
	}
	return points, nil
}

// Attempt is one connection attempt: a row of v_attempts. Times are nil where a
// stage was not reached.
type Attempt struct {
	Started     time.Time  `json:"started" ch:"started"`
	Conn        string     `json:"conn" ch:"conn_id"`
	Trace       string     `json:"trace,omitempty" ch:"trace"`
	Gateway     string     `json:"gateway" ch:"gateway"`
	Outcome     string     `json:"outcome" ch:"outcome"`
	LastStage   string     `json:"last_stage" ch:"last_stage"`
	FailedStage string     `json:"failed_stage,omitempty" ch:"failed_stage"`
	ErrorType   string     `json:"error_type,omitempty" ch:"error_type"`
	ErrorDetail string     `json:"error_detail,omitempty" ch:"error_detail"`
	Status      uint16     `json:"status,omitempty" ch:"status"`
	Path        string     `json:"path" ch:"path"`
	Origin      string     `json:"origin,omitempty" ch:"origin"`
	UAName      string     `json:"ua_name,omitempty" ch:"ua_name"`
	OS          string     `json:"os,omitempty" ch:"os"`
	Family      string     `json:"family,omitempty" ch:"family"`
	TLSVersion  string     `json:"tls_version,omitempty" ch:"tls_version"`
	HTTPVersion string     `json:"http_version,omitempty" ch:"http_version"`
	Proxied     bool       `json:"proxied" ch:"proxied"`
	UpgradedUS  *uint64    `json:"upgraded_us,omitempty" ch:"upgraded_us"`
	JoinedUS    *uint64    `json:"joined_us,omitempty" ch:"joined_us"`
	Closed      *time.Time `json:"closed,omitempty" ch:"closed"`
	AgeUS       *uint64    `json:"age_us,omitempty" ch:"age_us"`
	CloseCode   uint16     `json:"close_code,omitempty" ch:"close_code"`
	CloseBy     string     `json:"close_initiator,omitempty" ch:"close_initiator"`
	CloseReason string     `json:"close_reason,omitempty" ch:"close_reason"`
	RTTUS       *uint32    `json:"rtt_min_us,omitempty" ch:"rtt_min_us"`
	ClientIP    string     `json:"client_ip,omitempty" ch:"client"`
}

// AttemptFilter selects attempts. The zero value selects all of a range.
type AttemptFilter struct {
	Outcome string   // "": all; else as in the view connections
	Stage   string   // the last stage passed; "": all
	Traces  []string // nil: all; else only attempts with one of these
	Limit   int      // 1 to 500
}

// Attempts lists attempts, latest first. It wraps ErrRange and ErrUnavailable.
func (s *Service) Attempts(ctx context.Context, r Range, f AttemptFilter) ([]Attempt, error) {
	if err := errors.Join(r.check(), s.available()); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.queryLimit)
	defer cancel()
	q, args := s.view(r, "v_attempts", `started, toString(conn) AS conn_id, trace, gateway, outcome, last_stage, failed_stage, error_type, error_detail, status,
		path, origin, ua_name, os, family, tls_version, http_version, proxied, upgraded_us, joined_us, closed, age_us, close_code, close_initiator,
		close_reason, rtt_min_us, if(client_ip = toIPv6('::'), '', replaceRegexpOne(toString(client_ip), '^::ffff:', '')) AS client`, "")
	q += " WHERE ({outcome:String} = '' OR outcome = {outcome:String}) AND ({stage:String} = '' OR last_stage = {stage:String})"
	args = append(args, clickhouse.Named("outcome", f.Outcome), clickhouse.Named("stage", f.Stage))
	if f.Traces != nil {
		q += " AND trace != '' AND has({traces:Array(String)}, trace)"
		args = append(args, clickhouse.Named("traces", f.Traces))
	}
	q += fmt.Sprintf(" ORDER BY started DESC, conn_id DESC LIMIT %d", min(max(f.Limit, 1), 500))
	list := []Attempt{}
	if err := s.ask(ctx, func() error { return s.store.Conn().Select(ctx, &list, q, args...) }); err != nil {
		return nil, err
	}
	return list, nil
}

// unavailable wraps what the store answers to our own questions.
func unavailable(err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// Query is the pool for SQL with full rights, for the command line on this
// machine and tests.
func (s *Service) Query() driver.Conn { return s.store.Conn() }

// Database is the name of the database.
func (s *Service) Database() string { return s.store.Database() }
