package analytics

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"partyline/events"
)

// ServeHTTP answers the calls of the wire contract that are about statistics.
// The caller has routed them here and checked the token; admin says that it was
// the admin's. SQL is answered to the admin alone.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request, admin bool) {
	var err error
	switch strings.TrimSuffix(r.URL.Path, "/") {
	case "/api/v1/analytics/summary":
		err = s.getSummary(w, r)
	case "/api/v1/analytics/series":
		err = s.getSeries(w, r)
	case "/chat/diagnostics":
		err = s.getDiagnostics(w, r, admin)
	case "/api/v1/analytics/query":
		err = s.postQuery(w, r, admin)
	default:
		err = &problem{http.StatusNotFound, events.CodeNotFound, "there is no such call", 0}
	}
	if err != nil {
		s.refuse(w, r, err)
	}
}

// problem is an error answer (RFC 9457).
type problem struct {
	status     int
	code       events.Code
	detail     string
	clickhouse int32 // its code, 0 for none
}

// Error implements error.
func (p *problem) Error() string { return p.detail }

func badRequest(format string, args ...any) *problem {
	return &problem{http.StatusBadRequest, events.CodeBadRequest, fmt.Sprintf(format, args...), 0}
}

// problemOf is what may be told of an error. It is never an internal one for
// what the caller did.
func problemOf(err error) *problem {
	var p *problem
	if errors.As(err, &p) {
		return p
	}
	var q *QueryError
	if errors.As(err, &q) {
		p = &problem{http.StatusBadRequest, events.CodeBadRequest, q.Text, q.Code}
		switch q.Kind {
		case QueryDenied:
			p.status, p.code = http.StatusForbidden, events.CodeForbidden
		case QueryTimeout:
			p.status = http.StatusRequestTimeout
		case QueryTooBig:
			p.status, p.code = http.StatusRequestEntityTooLarge, events.CodeTooLarge
		case QueryBusy:
			p.status, p.code = http.StatusTooManyRequests, events.CodeRateLimited
		case QueryWrong:
		}
		return p
	}
	switch {
	case errors.Is(err, ErrRange):
		return badRequest("%v", err)
	case errors.Is(err, ErrConsoleClosed):
		return &problem{http.StatusForbidden, events.CodeForbidden, err.Error(), 0}
	}
	return &problem{http.StatusServiceUnavailable, events.CodeStorageUnavailable, "statistics are not available at the moment; the status says why", 0}
}

func (s *Service) refuse(w http.ResponseWriter, r *http.Request, err error) {
	p := problemOf(err)
	if p.status == http.StatusServiceUnavailable {
		s.log.WarnContext(r.Context(), "a question about statistics was not answered", "error", err)
		w.Header().Set("Retry-After", "5")
	}
	if p.status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", "1")
	}
	body := map[string]any{"type": "about:blank", "title": http.StatusText(p.status), "status": p.status, "code": p.code, "detail": p.detail}
	if p.clickhouse != 0 {
		body["clickhouse_code"] = p.clickhouse
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(p.status)
	_ = json.NewEncoder(w).Encode(body) // the client may be gone
}

func answer(w http.ResponseWriter, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encoding the answer: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(append(data, '\n')) // the client may be gone
	return nil
}

// rangeOf reads since and until, which are times (RFC 3339) or durations before
// now ("24h"), and the filters. The default is the last 24 hours.
func rangeOf(q url.Values, now time.Time) (Range, error) {
	now = now.UTC()
	r := Range{Since: now.Add(-24 * time.Hour), Until: now.Truncate(time.Minute).Add(time.Minute), Path: q.Get("path"), Gateway: q.Get("gateway")}
	for name, to := range map[string]*time.Time{"since": &r.Since, "until": &r.Until} {
		text := q.Get(name)
		if text == "" {
			continue
		}
		if d, err := time.ParseDuration(text); err == nil && d >= 0 {
			*to = now.Add(-d)
			continue
		}
		t, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			return r, badRequest("%s is neither a time such as 2026-01-31T12:00:00Z nor a duration such as 24h", name)
		}
		*to = t.UTC()
	}
	r.Since = r.Since.Truncate(time.Minute)
	return r, r.check()
}

func (s *Service) getSummary(w http.ResponseWriter, r *http.Request) error {
	rg, err := rangeOf(r.URL.Query(), time.Now())
	if err != nil {
		return err
	}
	sum, err := s.Summary(r.Context(), rg)
	if err != nil {
		return err
	}
	return answer(w, sum)
}

// series is the answer to a question for a time series.
type series struct {
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until"`
	Step   int       `json:"step_s"`
	Metric string    `json:"metric,omitempty"`
	Points []Point   `json:"points"`
	Values [][2]any  `json:"values,omitempty"` // of the metric asked for: time, value
}

// metrics are the members of a point by name.
var metrics = map[string]func(*Point) any{ //nolint:gochecknoglobals // constant table
	"attempts": func(p *Point) any { return p.Attempts }, "succeeded": func(p *Point) any { return p.Succeeded },
	"refused": func(p *Point) any { return p.Refused }, "failed": func(p *Point) any { return p.Failed },
	"abandoned": func(p *Point) any { return p.Abandoned }, "joined": func(p *Point) any { return p.Joined },
	"closes": func(p *Point) any { return p.Closes }, "abnormal_closes": func(p *Point) any { return p.AbnormalCloses },
	"handshake_avg_us": func(p *Point) any { return p.HandshakeAvg },
}

func (s *Service) getSeries(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	rg, err := rangeOf(q, time.Now())
	if err != nil {
		return err
	}
	step := stepFor(rg.Until.Sub(rg.Since))
	if text := q.Get("step"); text != "" {
		if step, err = time.ParseDuration(text); err != nil {
			n, err := strconv.Atoi(text)
			if err != nil {
				return badRequest("step is neither a duration such as 5m nor a number of seconds")
			}
			step = time.Duration(n) * time.Second
		}
	}
	metric := q.Get("metric")
	value, known := metrics[metric]
	if metric != "" && !known {
		return badRequest("there is no metric %q", metric)
	}
	points, err := s.Series(r.Context(), rg, step)
	if err != nil {
		return err
	}
	ans := series{Since: rg.Since, Until: rg.Until, Step: int(step.Seconds()), Metric: metric, Points: points}
	if known {
		ans.Points = []Point{}
		for i := range points {
			ans.Values = append(ans.Values, [2]any{points[i].T, value(&points[i])})
		}
	}
	return answer(w, ans)
}

// stepFor gives a range between 60 and 240 points.
func stepFor(d time.Duration) time.Duration {
	for _, step := range []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 6 * time.Hour} {
		if d/step <= 240 {
			return step
		}
	}
	return 48 * time.Hour
}

// maxTraces bounds how many traces a question may name.
const maxTraces = 50

func (s *Service) getDiagnostics(w http.ResponseWriter, r *http.Request, admin bool) error {
	q := r.URL.Query()
	rg, err := rangeOf(q, time.Now())
	if err != nil {
		return err
	}
	f := AttemptFilter{Outcome: q.Get("outcome"), Stage: q.Get("stage"), Limit: 50}
	if text := q.Get("limit"); text != "" {
		if f.Limit, err = strconv.Atoi(text); err != nil || f.Limit < 1 || f.Limit > 500 {
			return badRequest("limit is not a number from 1 to 500")
		}
	}
	if text := q.Get("traces"); text != "" {
		f.Traces = strings.Split(text, ",")
		if len(f.Traces) > maxTraces {
			return badRequest("more than %d traces", maxTraces)
		}
	}
	attempts := []Attempt{}
	// Without the token only attempts whose secret name the caller knows.
	if admin || f.Traces != nil {
		if attempts, err = s.Attempts(r.Context(), rg, f); err != nil {
			return err
		}
	}
	sum, err := s.Summary(r.Context(), rg)
	if err != nil {
		return err
	}
	if !admin {
		for i := range attempts {
			a := &attempts[i]
			a.ClientIP, a.Origin, a.UAName, a.OS = "", "", "", ""
		}
	}
	return answer(w, map[string]any{"attempts": attempts, "statistics": sum})
}

// formats of answers to SQL by the parameter "format".
var formats = map[string]struct{ clickhouse, mime string }{ //nolint:gochecknoglobals // constant table
	"":       {"JSONEachRow", "application/x-ndjson"},
	"ndjson": {"JSONEachRow", "application/x-ndjson"},
	"csv":    {"CSVWithNames", "text/csv; charset=utf-8"},
	// The first line has the names, the second the types, each as an array, and
	// so has every row: for tables.
	"compact": {"JSONCompactEachRowWithNamesAndTypes", "application/x-ndjson"},
}

func (s *Service) postQuery(w http.ResponseWriter, r *http.Request, admin bool) error {
	if !admin {
		return &problem{http.StatusUnauthorized, events.CodeUnauthenticated, "SQL needs the admin token", 0}
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return &problem{http.StatusUnsupportedMediaType, events.CodeBadRequest, "the content type is not application/json", 0}
	}
	var body struct {
		Query  string `json:"query"`
		Format string `json:"format"`
	}
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, 2*maxQuery))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&body); err != nil {
		var big *http.MaxBytesError
		if errors.As(err, &big) {
			return &problem{http.StatusRequestEntityTooLarge, events.CodeTooLarge, "the request is too long", 0}
		}
		return badRequest(`the body is not {"query": "…", "format": "ndjson"|"csv"|"compact"}`)
	}
	format, ok := formats[body.Format]
	if !ok {
		return badRequest("there is no format %q", body.Format)
	}
	out := &late{w: w, mime: format.mime}
	err := s.Console(r.Context(), out, body.Query, format.clickhouse)
	if err == nil {
		return out.flush()
	}
	if !out.started {
		return err
	}
	// Part of the answer is on its way: the last line tells, and the connection
	// is cut, so that nobody takes it for the whole.
	if body.Format != "csv" {
		p := problemOf(err)
		line, _ := json.Marshal(map[string]any{"error": p.detail, "code": p.code, "clickhouse_code": p.clickhouse}) // strings and numbers
		_, _ = w.Write(append([]byte("\n"), append(line, '\n')...))                                                 // the client may be gone
		_ = http.NewResponseController(w).Flush()
	}
	panic(http.ErrAbortHandler)
}

// heldBack is how much of an answer is kept before it begins, so that a query
// that fails early gets a proper status.
const heldBack = 64 << 10

// late begins an answer when it is worth it.
type late struct {
	w       http.ResponseWriter
	mime    string
	held    bytes.Buffer
	started bool
}

// Write implements io.Writer.
func (l *late) Write(p []byte) (int, error) {
	if l.started {
		return l.w.Write(p)
	}
	l.held.Write(p)
	if l.held.Len() < heldBack {
		return len(p), nil
	}
	return len(p), l.flush()
}

func (l *late) flush() error {
	if l.started {
		return nil
	}
	l.started = true
	l.w.Header().Set("Content-Type", l.mime)
	l.w.Header().Set("Cache-Control", "no-store")
	_, _ = l.w.Write(l.held.Bytes()) // the client may be gone
	return nil
}
