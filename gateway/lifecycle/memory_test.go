package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unsafe"

	"partyline/events"
	lc "partyline/events/lifecycle"
)

const testTrace = "trace-0123456789"

func secret() []byte { return []byte("secret of the deployment") }

func newRecorder(gateway string) *Recorder {
	return New(Config{Gateway: gateway, HashKey: secret},
		func(context.Context, string, string, []byte) error { return nil }, slog.New(slog.DiscardHandler))
}

// begin begins an attempt that named a trace.
func begin(r *Recorder, from, trace string) *Attempt {
	a := r.Begin(netip.AddrPortFrom(netip.MustParseAddr(from), 999), netip.AddrPort{})
	a.Describe(func(row *lc.Row) { row.Trace, row.Path, row.UserAgent = trace, "/ws/chat/", "test" })
	return a
}

// remember adds one row to the memory.
func remember(m *memory, trace string, row lc.Row) {
	m.add(trace, owner{}, row.Conn, &row, row.Step())
}

func stages(rows []lc.Row) string {
	var names []string
	for _, r := range rows {
		names = append(names, string(r.Stage))
	}
	return strings.Join(names, " ")
}

func TestTraceIsRememberedAtOnceAndMasked(t *testing.T) {
	t.Parallel()
	r := newRecorder("g1")
	a := begin(r, "192.0.2.77", testTrace)
	a.Stage(lc.StageRequest)
	got := r.mem.find(testTrace, time.Now()).rows
	if stages(got) != "accept request" {
		t.Errorf("while it waits for a decision: %s", stages(got))
	}
	a.Refuse(lc.StageOrigin, 403, events.CodeOriginRefused, "fixed")
	a.Close(0, "server", "refused")
	got = r.mem.find(testTrace, time.Now()).rows
	if stages(got) != "accept request origin closed" {
		t.Fatalf("stages: %s", stages(got))
	}
	for _, row := range got {
		if row.ClientIP != netip.MustParseAddr("192.0.2.0") || row.Path != "/ws/chat/" || row.Conn != a.ConnID() {
			t.Errorf("row %+v", row)
		}
	}
	if refusal := got[2]; refusal.Status != 403 || refusal.ErrorType != "origin_refused" || refusal.Outcome != lc.Refused {
		t.Errorf("refusal %+v", refusal)
	}
	if end := got[3]; end.Status != 0 || end.CloseBy != "server" || end.SinceAccept < got[2].SinceAccept {
		t.Errorf("end %+v", end)
	}
}

func TestFirstAddressOwnsTheTrace(t *testing.T) {
	t.Parallel()
	r := newRecorder("g1")
	begin(r, "192.0.2.77", testTrace).Stage(lc.StageRequest)
	begin(r, "192.0.2.78", testTrace).Refuse(lc.StageOrigin, 403, events.CodeOriginRefused, "not yours")
	begin(r, "192.0.2.77", testTrace).Stage(lc.StageRequest)
	if got := r.mem.find(testTrace, time.Now()).rows; stages(got) != "accept request accept request" {
		t.Errorf("stages: %s", stages(got))
	}
	if _, tells := r.mem.byTrace["192.0.2.77"]; tells || r.mem.ownerOf(testTrace, netip.MustParseAddr("192.0.2.77")) ==
		r.mem.ownerOf(testTrace+"x", netip.MustParseAddr("192.0.2.77")) {
		t.Error("owners of two traces can be told to be one address")
	}
}

func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	m := newMemory(secret)
	start := time.Now()
	row := lc.Row{Time: start, Conn: "c", Stage: lc.StageAccept, UserAgent: strings.Repeat("u", 200)}
	for i := range maxTraces + 100 {
		remember(m, fmt.Sprintf("trace-%010d", i), row)
	}
	if n, size := m.size(); n > maxTraces || n < maxTraces/2 || size > maxMemory {
		t.Errorf("%d traces, %d bytes", n, size)
	}
	if m.find("trace-0000000000", start).rows != nil {
		t.Error("the oldest is still there")
	}
	row.UserAgent = strings.Repeat("u", 64<<10)
	for i := range 1000 {
		remember(m, fmt.Sprintf("large-%010d", i), row)
	}
	if n, size := m.size(); size > maxMemory || n < 100 {
		t.Errorf("%d large traces, %d bytes", n, size)
	}
	m.tidy(start.Add(keepTraces))
	if n, size := m.size(); n != 0 || size != 0 {
		t.Errorf("after an hour %d traces of %d bytes", n, size)
	}
}

func TestOneTraceIsBounded(t *testing.T) {
	t.Parallel()
	m := newMemory(secret)
	at := time.Now()
	row := lc.Row{Conn: "c", Stage: lc.StageRequest, Host: "h"}
	for i := range 3 * maxSteps {
		row.Time = at.Add(time.Duration(i))
		remember(m, testTrace, row)
	}
	row.Stage = lc.StageClosed
	remember(m, testTrace, row)
	got := m.find(testTrace, at).rows
	if len(got) != maxSteps+1 || got[maxSteps].Stage != lc.StageClosed {
		t.Errorf("%d stages, the last %s", len(got), got[len(got)-1].Stage)
	}
	for i := range 3 * maxAttempts {
		row.Conn = fmt.Sprint(i)
		remember(m, testTrace, row)
	}
	got = m.find(testTrace, at).rows
	if len(got) != maxAttempts || got[maxAttempts-1].Conn != fmt.Sprint(3*maxAttempts-1) {
		t.Errorf("%d attempts, the last %s", len(got), got[len(got)-1].Conn)
	}
	m.tidy(at.Add(2 * keepTraces))
	if n, size := m.size(); n != 0 || size != 0 {
		t.Errorf("%d traces, %d bytes left", n, size)
	}
}

// A connection that lives long is kept by what happens to it, and not by pings.
func TestPingsDoNotKeepATrace(t *testing.T) {
	t.Parallel()
	m := newMemory(secret)
	start := time.Now()
	add := func(after time.Duration, s lc.Stage) {
		remember(m, testTrace, lc.Row{Time: start.Add(after), Conn: "c", Stage: s})
	}
	add(0, lc.StageAccept)
	add(30*time.Minute, lc.StagePing)
	add(31*time.Minute, lc.StagePing)
	add(40*time.Minute, lc.StageJoined)
	if got := m.find(testTrace, start.Add(90*time.Minute)).rows; stages(got) != "accept ping joined" {
		t.Errorf("stages: %s", stages(got))
	}
	add(95*time.Minute, lc.StagePing)
	if got := m.find(testTrace, start.Add(100*time.Minute)).rows; got != nil {
		t.Errorf("an hour after the last stage: %s", stages(got))
	}
	add(3*time.Hour, lc.StageClosed)
	if got := m.find(testTrace, start.Add(3*time.Hour)).rows; stages(got) != "closed" {
		t.Errorf("the end: %s", stages(got))
	}
}

// What is kept of a request does not keep the request in memory.
func TestDescribeOwnsItsTexts(t *testing.T) {
	t.Parallel()
	head := strings.Repeat("Cookie: secret\r\n", 100) + testTrace
	from := uintptr(unsafe.Pointer(unsafe.StringData(head)))
	r := newRecorder("g1")
	a := r.Begin(netip.AddrPort{}, netip.AddrPort{})
	a.Describe(func(row *lc.Row) {
		row.Trace, row.Host = head[len(head)-len(testTrace):], head[:6]
		row.Headers = []lc.Header{{Name: "Via", Value: head[8:14]}}
	})
	a.Stage(lc.StageRequest)
	rows := r.mem.find(testTrace, time.Now()).rows
	if len(rows) != 2 || rows[1].Host != "Cookie" || rows[1].Headers[0].Value != "secret" || a.Trace() != testTrace {
		t.Fatalf("described as %+v", rows)
	}
	a.Stage(lc.StageUpgraded)
	texts := append(textsOf(&rows[1]), &a.trace)
	for _, text := range texts {
		if p := uintptr(unsafe.Pointer(unsafe.StringData(*text))); *text != "" && p >= from && p < from+uintptr(len(head)) {
			t.Errorf("%q is a part of the request head", *text)
		}
	}
}

// The number of dropped rows is told, however often telling it fails.
func TestDropsAreReported(t *testing.T) {
	t.Parallel()
	down := true
	var got []lc.Row
	r := New(Config{Gateway: "g1"}, func(_ context.Context, _, _ string, b []byte) error {
		if down {
			return errors.New("down")
		}
		rows, err := lc.Decode(b)
		got = append(got, rows...)
		return err
	}, slog.New(slog.DiscardHandler))
	var batches uint64
	r.Begin(netip.AddrPort{}, netip.AddrPort{}).Close(0, "client", "")
	for range 3 {
		r.flush(t.Context(), &batches)
	}
	r.Begin(netip.AddrPort{}, netip.AddrPort{}).Close(0, "client", "")
	r.flush(t.Context(), &batches)
	down = false
	r.flush(t.Context(), &batches)
	if len(got) != 1 || got[0].ErrorType != "telemetry_dropped" || got[0].ErrorDetail != "4" || r.Stats().Dropped != 4 {
		t.Errorf("reported %+v, stats %+v", got, r.Stats())
	}
}
