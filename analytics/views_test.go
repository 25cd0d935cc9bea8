package analytics_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"partyline/analytics"
	"partyline/analytics/embedded/embeddedtest"
	"partyline/analytics/sink"
	"partyline/events/eventstest"
	lc "partyline/events/lifecycle"
	"partyline/events/stream"
)

func TestMain(m *testing.M) { embeddedtest.Main(m) }

// lab is a running service on a real log and a real ClickHouse.
type lab struct {
	svc  *analytics.Service
	js   jetstream.JetStream
	stop func()
}

func newLab(t *testing.T, database string) *lab {
	t.Helper()
	options := embeddedtest.Options(t)
	if database != "" {
		options.Auth.Database = database
	}
	console := embeddedtest.ConsoleOptions(t)
	console.Auth.Database = options.Auth.Database
	bus := eventstest.New(t)
	js, err := jetstream.New(bus.Connect(t))
	if err != nil {
		t.Fatal(err)
	}
	cfg := analytics.Config{
		Console: true, Logger: eventstest.Logger(t),
		Sink: sink.Config{Wait: 50 * time.Millisecond, RollUpEvery: 100 * time.Millisecond, LostAfter: time.Hour},
	}.WithOptions(options, console)
	svc, err := analytics.New(cfg, bus.ConnectAs(t, stream.RoleAnalytics))
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{svc: svc, js: js, stop: eventstest.Go(t, svc.Run)}
	t.Cleanup(l.stop)
	return l
}

// publish stores the rows of samples, in batches that mix and split them.
func (l *lab) publish(t *testing.T, samples []sample, rng *rand.Rand) {
	t.Helper()
	type piece struct {
		gateway string
		rows    []lc.Row
	}
	var early, late []piece
	for i := range samples {
		rows := samples[i].rows()
		cut := 1 + rng.IntN(len(rows))
		early = append(early, piece{samples[i].gateway, rows[:cut]})
		if cut < len(rows) {
			late = append(late, piece{samples[i].gateway, rows[cut:]})
		}
	}
	rng.Shuffle(len(late), func(i, j int) { late[i], late[j] = late[j], late[i] })
	batches := map[string][]byte{}
	send := func(gateway string) {
		if len(batches[gateway]) == 0 {
			return
		}
		if _, err := l.js.Publish(eventstest.Context(t), "conn."+gateway, batches[gateway]); err != nil {
			t.Fatal(err)
		}
		batches[gateway] = nil
	}
	for _, p := range append(early, late...) {
		for i := range p.rows {
			var err error
			if batches[p.gateway], err = lc.Append(batches[p.gateway], &p.rows[i]); err != nil {
				t.Fatal(err)
			}
		}
		if len(batches[p.gateway]) > 8<<10 {
			send(p.gateway)
		}
	}
	send("gw-a")
	send("gw-b")
}

// settle waits until everything that was published is in the store and in the
// roll-ups.
func (l *lab) settle(t *testing.T) {
	t.Helper()
	conn, err := l.js.Stream(eventstest.Context(t), stream.ConnStream)
	if err != nil {
		t.Fatal(err)
	}
	eventstest.Eventually(t, 2*time.Minute, func() bool {
		info, err := conn.Info(eventstest.Context(t))
		if err != nil {
			t.Fatal(err)
		}
		st := l.svc.Status().Sink
		if !st.OK || st.Position < info.State.LastSeq {
			return false
		}
		var rolled uint64
		err = l.svc.Query().QueryRow(eventstest.Context(t), "SELECT max(seq) FROM "+l.svc.Database()+".rollup_progress").Scan(&rolled)
		return err == nil && rolled >= st.Checkpoint
	})
}

func TestEveryViewIsExact(t *testing.T) {
	t.Parallel()
	l := newLab(t, "")
	until := time.Now().UTC().Truncate(time.Minute)
	samples := mix(7, until)
	l.publish(t, samples, rand.New(rand.NewPCG(7, 2)))
	dropped := lc.Row{Time: until.Add(-time.Minute), Gateway: "gw-a", Stage: lc.StageClosed, Outcome: lc.Failed, ErrorType: lc.TypeDropped, ErrorDetail: "17"}
	line, err := lc.Append(nil, &dropped)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.js.Publish(eventstest.Context(t), "conn.gw-a", line); err != nil {
		t.Fatal(err)
	}
	l.report(t, samples, until)
	l.settle(t)
	all := analytics.Range{Since: until.Add(-4 * time.Hour), Until: until.Add(time.Hour)}
	for name, r := range map[string]analytics.Range{
		"all": all, "chat": {Since: all.Since, Until: all.Until, Path: chat}, "gateway": {Since: all.Since, Until: all.Until, Gateway: "gw-b"},
		"hour": {Since: until.Add(-2 * time.Hour).Truncate(time.Minute), Until: until.Add(-time.Hour).Truncate(time.Minute)},
	} {
		t.Run(name, func(t *testing.T) {
			checkSummary(t, l, samples, r)
			checkSeries(t, l, samples, r)
			checkAttempts(t, l, samples, r)
		})
	}
	t.Run("reconnects", func(t *testing.T) { checkReconnects(t, l, samples, all) })
	t.Run("http", func(t *testing.T) { checkHTTP(t, l, samples, all) })
	if sum, err := l.svc.Summary(eventstest.Context(t), all); err != nil || sum.RowsDropped != 17 {
		t.Errorf("dropped rows: %d, %v", sum.RowsDropped, err)
	}
	if sum, err := l.svc.Summary(eventstest.Context(t), all); err != nil || sum.NeverArrived != 3 || sum.ReportsVerified != 2 {
		t.Errorf("client reports: %+v, %v", sum.ClientReports, err)
	}
}

// report publishes five client reports, two of them of attempts that arrived.
func (l *lab) report(t *testing.T, samples []sample, at time.Time) {
	t.Helper()
	traced := samples[0].rows()[0]
	traced.Trace = "trace-of-the-first-sample"
	line, err := lc.Append(nil, &traced)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.js.Publish(eventstest.Context(t), "conn.gw-a", line); err != nil {
		t.Fatal(err)
	}
	for i, trace := range []string{traced.Trace, traced.Trace, "trace-that-never-came-1", "trace-that-never-came-2", "trace-that-never-came-3"} {
		data, err := lc.EncodeReport(&lc.Report{Time: at, Trace: trace, Gateway: "gw-a", Verified: i < 2, Verdict: "proxy_strips_upgrade", Path: chat, Body: json.RawMessage(`{"steps":[]}`)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.js.Publish(eventstest.Context(t), lc.ReportSubject("gw-a"), data); err != nil {
			t.Fatal(err)
		}
	}
}

func within(t time.Time, r analytics.Range) bool { return !t.Before(r.Since) && t.Before(r.Until) }

// rolledPath is the path as roll-ups name it.
func (s *sample) rolledPath() string {
	if s.path == "/wp-login.php" {
		return "(other)"
	}
	return s.path
}

// counts reports whether a sample counts by its filters, and whether its start
// and its end are in the range.
func (s *sample) counts(r analytics.Range) (starts, ends bool) {
	if s.synthetic || r.Path != "" && r.Path != s.rolledPath() || r.Gateway != "" && r.Gateway != s.gateway {
		return false, false
	}
	return within(s.start, r), !s.open && s.passed(lc.StageUpgraded) && within(s.start.Add(s.end), r)
}

// durationsOf collects the exact durations of a kind, sorted.
func durationsOf(samples []sample, r analytics.Range, kind string) []float64 {
	stages := map[string]lc.Stage{"handshake": lc.StageUpgraded, "first_frame": lc.StageFirstFrame, "joined": lc.StageJoined, "first_event": lc.StageFirstEvent}
	var list []float64
	for i := range samples {
		s := &samples[i]
		starts, ends := s.counts(r)
		if kind == "age" && ends {
			list = append(list, float64((s.end - s.offsets[lc.StageUpgraded]).Microseconds()))
		}
		if stage, ok := stages[kind]; ok && starts && s.passed(stage) {
			list = append(list, float64(s.offsets[stage].Microseconds()))
		}
	}
	slices.Sort(list)
	return list
}

func checkSummary(t *testing.T, l *lab, samples []sample, r analytics.Range) {
	t.Helper()
	sum, err := l.svc.Summary(eventstest.Context(t), r)
	if err != nil {
		t.Fatal(err)
	}
	var want analytics.Summary
	failures, closes := map[string]uint64{}, map[string]uint64{}
	passed := map[string]uint64{}
	for i := range samples {
		s := &samples[i]
		starts, ends := s.counts(r)
		if ends {
			want.Closes++
			if s.closeCode != 1000 && s.closeCode != 1001 {
				want.AbnormalCloses++
			}
			want.FramesIn, want.FramesOut = want.FramesIn+s.in, want.FramesOut+s.out
			closes[fmt.Sprint(s.closeCode, " ", s.closeBy)]++
		}
		if !starts {
			continue
		}
		want.Total++
		switch s.outcomeName() {
		case "succeeded":
			want.Succeeded++
		case "refused":
			want.Refused++
		case "failed":
			want.Errored++
		case "abandoned":
			want.Abandoned++
		default:
			want.Pending++
		}
		switch {
		case s.refusedAt != "":
			failures[fmt.Sprint(s.code, " ", s.refusedAt, " ", s.status)]++
		case s.outcomeName() == "abandoned":
			failures["abandoned auth 0"]++
		}
		for stage := range s.offsets {
			passed[string(stage)]++
		}
		if !s.open {
			passed["closed"]++
		}
	}
	want.Failed = want.Refused + want.Errored + want.Abandoned
	got := analytics.Summary{
		Total: sum.Total, Succeeded: sum.Succeeded, Failed: sum.Failed, Refused: sum.Refused, Errored: sum.Errored, Abandoned: sum.Abandoned,
		Pending: sum.Pending, Closes: sum.Closes, AbnormalCloses: sum.AbnormalCloses, FramesIn: sum.FramesIn, FramesOut: sum.FramesOut,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("totals (-want +got)\n%s", d)
	}
	if rate := float64(want.Succeeded) / float64(want.Total-want.Pending); math.Abs(rate-sum.SuccessRate) > 1e-9 {
		t.Errorf("success rate %v, want %v", sum.SuccessRate, rate)
	}
	gotFailures, gotCloses, gotPassed := map[string]uint64{}, map[string]uint64{}, map[string]uint64{}
	for _, e := range sum.Errors {
		gotFailures[fmt.Sprint(e.Error, " ", e.Stage, " ", e.Status)] += e.Failures
	}
	for _, c := range sum.CloseCodes {
		gotCloses[fmt.Sprint(c.Code, " ", c.Initiator)] += c.Closes
	}
	for _, st := range sum.Stages {
		gotPassed[st.Stage] = st.Passed
	}
	if d := cmp.Diff([]map[string]uint64{failures, closes, passed}, []map[string]uint64{gotFailures, gotCloses, gotPassed}); d != "" {
		t.Errorf("errors, close codes, stages (-want +got)\n%s", d)
	}
	checkDurations(t, sum, samples, r)
	checkGroups(t, sum, samples, r)
}

func checkDurations(t *testing.T, sum analytics.Summary, samples []sample, r analytics.Range) {
	t.Helper()
	for _, d := range sum.Durations {
		exact := durationsOf(samples, r, d.Kind)
		total := 0.0
		for _, us := range exact {
			total += us
		}
		if int(d.N) != len(exact) || math.Abs(d.Avg-total/float64(len(exact))) > 1e-6*d.Avg {
			t.Errorf("%s: n %d avg %v, want %d and %v", d.Kind, d.N, d.Avg, len(exact), total/float64(len(exact)))
			continue
		}
		for q, got := range map[float64]float64{0.5: d.P50, 0.9: d.P90, 0.99: d.P99, 1: d.Max} {
			rank := max(int(math.Ceil(q*float64(len(exact))))-1, 0)
			low, high := exact[max(rank-1, 0)], exact[min(rank+1, len(exact)-1)]
			if got < low*0.985 || got > high*1.015 {
				t.Errorf("%s: quantile %v is %v, want about %v", d.Kind, q, got, exact[rank])
			}
		}
	}
	var ended uint64
	for _, a := range sum.Survival {
		ended += a.Ended
	}
	if int(ended) != len(durationsOf(samples, r, "age")) || len(sum.Survival) > 0 && sum.Survival[len(sum.Survival)-1].Surviving > 1e-9 {
		t.Errorf("survival covers %d ends", ended)
	}
}

func checkGroups(t *testing.T, sum analytics.Summary, samples []sample, r analytics.Range) {
	t.Helper()
	for name, part := range map[string]struct {
		groups []analytics.Group
		key    func(*sample) string
	}{"path": {sum.Paths, (*sample).rolledPath}, "gateway": {sum.Gateways, func(s *sample) string { return s.gateway }}} {
		want, got := map[string][3]uint64{}, map[string][3]uint64{}
		for i := range samples {
			starts, ends := samples[i].counts(r)
			v := want[part.key(&samples[i])]
			if starts {
				v[0]++
				if samples[i].outcomeName() == "succeeded" {
					v[1]++
				}
			}
			if ends {
				v[2]++
			}
			if v != [3]uint64{} {
				want[part.key(&samples[i])] = v
			}
		}
		for _, g := range part.groups {
			got[g.Name] = [3]uint64{g.Attempts, g.Succeeded, g.Closes}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("by %s: attempts, succeeded, closes (-want +got)\n%s", name, d)
		}
	}
}

func checkSeries(t *testing.T, l *lab, samples []sample, r analytics.Range) {
	t.Helper()
	const step = 15 * time.Minute
	points, err := l.svc.Series(eventstest.Context(t), r, step)
	if err != nil {
		t.Fatal(err)
	}
	want, got := map[time.Time][3]uint64{}, map[time.Time][3]uint64{}
	for i := range samples {
		s := &samples[i]
		starts, ends := s.counts(r)
		if starts {
			v := want[s.start.Truncate(step)]
			v[0]++
			if s.passed(lc.StageJoined) {
				v[1]++
			}
			want[s.start.Truncate(step)] = v
		}
		if ends {
			v := want[s.start.Add(s.end).Truncate(step)]
			v[2]++
			want[s.start.Add(s.end).Truncate(step)] = v
		}
	}
	for _, p := range points {
		got[p.T.UTC()] = [3]uint64{p.Attempts, p.Joined, p.Closes}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("series: attempts, joined, closes (-want +got)\n%s", d)
	}
}

func checkAttempts(t *testing.T, l *lab, samples []sample, r analytics.Range) {
	t.Helper()
	r.Path = "" // the list has the path as it was
	var want []string
	for i := range samples {
		if starts, _ := samples[i].counts(r); starts && samples[i].outcomeName() == "refused" {
			want = append(want, samples[i].id)
		}
	}
	list, err := l.svc.Attempts(eventstest.Context(t), r, analytics.AttemptFilter{Outcome: "refused", Limit: 500})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for i, a := range list {
		got = append(got, a.Conn)
		if i > 0 && a.Started.After(list[i-1].Started) {
			t.Error("attempts are not in order")
		}
	}
	if len(want) > 500 {
		if len(got) != 500 {
			t.Errorf("%d attempts, want the limit", len(got))
		}
		return
	}
	slices.Sort(want)
	slices.Sort(got)
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("refused attempts (-want +got)\n%s", d)
	}
}

// checkReconnects compares with the definition: the next start of the same user.
func checkReconnects(t *testing.T, l *lab, samples []sample, r analytics.Range) {
	byUser := map[string][]*sample{}
	for i := range samples {
		if s := &samples[i]; s.passed(lc.StageUpgraded) && !s.synthetic {
			byUser[s.user] = append(byUser[s.user], s)
		}
	}
	var want, wantNever, ends, never uint64
	for _, list := range byUser {
		slices.SortFunc(list, func(a, b *sample) int { return a.start.Compare(b.start) })
		for i, s := range list {
			if s.open {
				continue
			}
			want++
			if i+1 == len(list) {
				wantNever++
			}
		}
	}
	rows, err := l.svc.Query().Query(eventstest.Context(t), fmt.Sprintf("SELECT sum(ends), sum(never) FROM %s.v_reconnects(since = toDateTime(%d, 'UTC'), until = toDateTime(%d, 'UTC'), path = '', gateway = '')",
		l.svc.Database(), r.Since.Unix(), r.Until.Unix()))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(&ends, &never); err != nil {
			t.Fatal(err)
		}
	}
	if ends != want || never != wantNever {
		t.Errorf("%d ends, %d without a next; want %d and %d", ends, never, want, wantNever)
	}
}

// ask makes a call as the web port hands it over.
func (l *lab) ask(ctx context.Context, method, target, body string, admin bool) *httptest.ResponseRecorder {
	req := httptest.NewRequestWithContext(ctx, method, target, bytes.NewBufferString(body))
	req.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	l.svc.ServeHTTP(w, req, admin)
	return w
}

func checkHTTP(t *testing.T, l *lab, samples []sample, r analytics.Range) {
	total := 0
	for i := range samples {
		if starts, _ := samples[i].counts(r); starts {
			total++
		}
	}
	span := "since=" + r.Since.Format(time.RFC3339) + "&until=" + r.Until.Format(time.RFC3339)
	for _, c := range []struct {
		target string
		admin  bool
		status int
		rows   int
	}{
		{"/chat/diagnostics/?limit=7&" + span, true, 200, 7},
		{"/chat/diagnostics/?limit=7&" + span, false, 200, 0},
		{"/chat/diagnostics/?traces=trace-of-the-first-sample&" + span, false, 200, 1},
		{"/chat/diagnostics/?limit=0", true, 400, 0},
		{"/api/v1/analytics/summary?since=nonsense", true, 400, 0},
		{"/api/v1/analytics/summary?since=1h&until=2h", true, 400, 0},
		{"/api/v1/analytics/series?metric=attempts&step=15m&" + span, true, 200, 0},
		{"/api/v1/analytics/series?metric=nonsense", true, 400, 0},
		{"/api/v1/analytics/series?step=7s", true, 400, 0},
	} {
		w := l.ask(eventstest.Context(t), http.MethodGet, c.target, "", c.admin)
		var ans struct {
			Attempts   []map[string]any
			Statistics struct{ Total int }
			Values     [][2]any
		}
		if err := json.Unmarshal(w.Body.Bytes(), &ans); err != nil || w.Code != c.status || len(ans.Attempts) != c.rows {
			t.Errorf("%s: %d, %d rows, %v\n%.300s", c.target, w.Code, len(ans.Attempts), err, w.Body)
		}
		if c.status == 200 && ans.Attempts != nil && ans.Statistics.Total != total {
			t.Errorf("%s: total %d, want %d", c.target, ans.Statistics.Total, total)
		}
		for _, a := range ans.Attempts {
			if _, shown := a["client_ip"]; shown && !c.admin {
				t.Errorf("%s: shows an address", c.target)
			}
		}
	}
}
