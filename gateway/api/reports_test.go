package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"partyline/events/eventstest"
	lc "partyline/events/lifecycle"
	"partyline/events/stream"
)

// keeping stores reports in the real log, as the program does.
type keeping struct{ log *stream.Log }

func (k keeping) StoreReport(ctx context.Context, id string, r *lc.Report) error {
	data, err := lc.EncodeReport(r)
	if err != nil {
		return err
	}
	return k.log.StoreConn(ctx, lc.ReportSubject("gw"), id, data)
}

// reporting is a fixture that takes reports, and the handler behind it.
func reporting(t *testing.T) (*fixture, http.Handler) {
	t.Helper()
	fx := setup(t, func(d *Deps) {
		l, ok := d.Log.(*stream.Log)
		if !ok {
			t.Fatalf("the log is a %T", d.Log)
		}
		d.Reports, d.Secret = keeping{l}, l.Secret
	})
	var err error
	if fx.api.page, err = newPage(fx.api.deps.UI); err != nil {
		t.Fatal(err)
	}
	return fx, fx.api.router()
}

// report posts a body from an address.
func report(h http.Handler, from, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "http://localhost/api/v1/diagnostics/reports", strings.NewReader(body))
	r.RemoteAddr = from
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func goodReport(n int) string {
	return fmt.Sprintf(`{"trace":"trace-of-report-%06d","verdict":"server_unreachable","confidence":"unknown"}`, n)
}

// stored counts the reports in the log.
func (fx *fixture) stored() int {
	fx.t.Helper()
	js, err := jetstream.New(fx.bus.ConnectAs(fx.t, eventstest.Admin))
	if err != nil {
		fx.t.Fatal(err)
	}
	s, err := js.Stream(eventstest.Context(fx.t), "CONN")
	if err != nil {
		fx.t.Fatal(err)
	}
	info, err := s.Info(eventstest.Context(fx.t), jetstream.WithSubjectFilter("conn.report.gw"))
	if err != nil {
		fx.t.Fatal(err)
	}
	return int(info.State.Subjects["conn.report.gw"])
}

// TestReportFlood has one address send thousands of reports at once: ten are
// taken, and the others are told when to come again. A client that is not sure
// sends again, and is counted once. What is remembered of thousands of addresses
// is bounded.
func TestReportFlood(t *testing.T) {
	t.Parallel()
	fx, h := reporting(t)
	if n := fx.flood(h); n != maxReports {
		t.Errorf("%d reports of one address were taken, want %d", n, maxReports)
	}
	if n := fx.stored(); n != maxReports {
		t.Errorf("%d reports stored, want %d", n, maxReports)
	}
	for range maxReports {
		if w := report(h, "[2001:db8::1]:1", goodReport(1_000_000)); w.Code != http.StatusAccepted {
			t.Fatalf("the same report again: %d %s", w.Code, w.Body)
		}
	}
	if n := fx.stored(); n != maxReports+1 {
		t.Errorf("%d reports stored, want one more", n)
	}
	// A customer has the whole /64.
	if w := report(h, "[2001:db8::ffff:2]:1", goodReport(2)); w.Code != http.StatusTooManyRequests {
		t.Errorf("a neighbour in the same /64: %d", w.Code)
	}
	fx.manyAddresses(h)
}

// flood sends from one address, several at a time; it returns how many were taken.
func (fx *fixture) flood(h http.Handler) int {
	fx.t.Helper()
	const senders, each = 8, 400
	var taken atomic.Int64
	var all sync.WaitGroup
	for s := range senders {
		all.Go(func() {
			for i := range each {
				switch w := report(h, "203.0.113.7:"+strconv.Itoa(1000+s), goodReport(s*each+i)); w.Code {
				case http.StatusAccepted:
					taken.Add(1)
				default:
					checkLimited(fx.t, w)
				}
			}
		})
	}
	all.Wait()
	return int(taken.Load())
}

func checkLimited(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	var p struct{ Code string }
	seconds, err := strconv.Atoi(w.Header().Get("Retry-After"))
	if w.Code != http.StatusTooManyRequests || json.Unmarshal(w.Body.Bytes(), &p) != nil || p.Code != "rate_limited" || err != nil || seconds < 1 || seconds > 3600 {
		t.Errorf("refused with %v %s", w.Header(), w.Body)
	}
}

// manyAddresses sends large reports from more addresses than are remembered.
func (fx *fixture) manyAddresses(h http.Handler) {
	fx.t.Helper()
	large := strings.Repeat("x", maxReport)
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	for i := range 2 * maxStrikers {
		from := fmt.Sprintf("10.%d.%d.%d:1", i>>16, i>>8&255, i&255)
		if w := report(h, from, large); w.Code != http.StatusBadRequest {
			fx.t.Fatalf("%s: %d %s", from, w.Code, w.Body)
		}
	}
	s := fx.api.diagnosis.reports
	s.mu.Lock()
	n := len(s.byAddr)
	s.mu.Unlock()
	if n > maxStrikers {
		fx.t.Errorf("%d addresses are remembered", n)
	}
	// The reports alone were 134 MB.
	if after := heap(); after > before+64<<20 {
		fx.t.Errorf("the heap grew from %d to %d bytes", before, after)
	}
}

// TestHostileReports are refused with a code, or kept without what could deceive.
func TestHostileReports(t *testing.T) {
	t.Parallel()
	_, h := reporting(t)
	text := func(s string) string {
		out, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	steps := func(n int, name string) string {
		return strings.TrimSuffix(strings.Repeat(`{"name":`+text(name)+`,"state":"ok"},`, n), ",")
	}
	with := func(members string) string { return `{"trace":"trace-of-hostile-report",` + members + `}` }
	for name, tc := range map[string]struct {
		body string
		want int
	}{
		"longer than 16 KiB":         {with(`"host":"` + strings.Repeat("x", maxReport) + `"`), http.StatusRequestEntityTooLarge},
		"all characters are escaped": {with(`"steps":[` + steps(16, strings.Repeat("<", 256)) + `],"host":` + text(strings.Repeat("&", 256)) + `,"path":` + text(strings.Repeat(">", 6000))), http.StatusRequestEntityTooLarge},
		"seventeen steps":            {with(`"steps":[` + steps(17, "x") + `]`), http.StatusBadRequest},
		"no trace":                   {`{}`, http.StatusBadRequest},
		"a trace with a path":        {`{"trace":"../../../../etc/passwd-and-more"}`, http.StatusBadRequest},
		"a verdict of markup":        {with(`"verdict":"<img src=x>"`), http.StatusBadRequest},
		"a duration of years":        {with(`"duration_us":9223372036854775807`), http.StatusBadRequest},
		"a negative close code":      {with(`"close_code":-1`), http.StatusBadRequest},
		"a time of words":            {with(`"at":"yesterday"`), http.StatusBadRequest},
		"a clock off by a century":   {with(`"at":"1926-01-01T00:00:00Z"`), http.StatusAccepted},
		"not JSON":                   {`<html>`, http.StatusBadRequest},
		"deep":                       {strings.Repeat(`{"steps":`, 1500), http.StatusBadRequest},
		"a list":                     {`[]`, http.StatusBadRequest},
		"members that there are not": {with(`"cookie":"secret","__proto__":{}`), http.StatusAccepted},
	} {
		w := report(h, "198.51.100."+strconv.Itoa(len(name))+":1", tc.body)
		if w.Code != tc.want {
			t.Errorf("%s: %d %s, want %d", name, w.Code, w.Body, tc.want)
		}
		if w.Code >= 500 {
			t.Errorf("%s: a client caused %d", name, w.Code)
		}
	}
	c, err := readReport(strings.NewReader(with(`"host":` + text("a\u202eb\u2066\x1b[31m<b>\u200b") + `,"path":"/ws/chat/?token=secret","cookie":"secret"`)))
	if err != nil {
		t.Fatal(err)
	}
	kept, err := json.Marshal(c)
	if err != nil || c.Host != "a?b??[31m<b>?" || strings.Contains(string(kept), "secret") {
		t.Errorf("kept %s, %v", kept, err)
	}
}
