package lifecycle

import (
	"context"
	"log/slog"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"partyline/events"
	lc "partyline/events/lifecycle"
)

func TestNilAttemptRecordsNothing(t *testing.T) {
	t.Parallel()
	var r *Recorder
	a := r.Begin(netip.AddrPort{}, netip.AddrPort{})
	a.Describe(func(*lc.Row) { t.Error("described") })
	a.Stage(lc.StageRequest)
	a.Refuse(lc.StageOrigin, 403, events.Code("origin_refused"), "")
	a.RTT(1)
	a.Traffic(1, 1, 1, 1, 1)
	a.Close(1000, "client", "")
	if a.ConnID() != "" || a.Trace() != "" {
		t.Error("a nil attempt has ids")
	}
}

func TestRefusedAttemptIsPublishedMaskedAndOnce(t *testing.T) {
	t.Parallel()
	var got []lc.Row
	r := New(Config{Gateway: "g1"}, func(_ context.Context, subject, id string, b []byte) error {
		if subject != "conn.g1" || id == "" {
			t.Errorf("subject %q, id %q", subject, id)
		}
		rows, err := lc.Decode(b)
		got = append(got, rows...)
		return err
	}, slog.New(slog.DiscardHandler))
	a := r.Begin(netip.MustParseAddrPort("192.0.2.77:999"), netip.AddrPort{})
	a.Stage(lc.StageRequest)
	a.Refuse(lc.StageOrigin, 403, events.Code("origin_refused"), "fixed")
	a.Close(0, "server", "")
	a.Close(1000, "client", "")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Run(ctx); err != nil {
		t.Fatal(err)
	}
	stages := map[lc.Stage]lc.Row{}
	for _, row := range got {
		stages[row.Stage] = row
		if row.ClientIP != netip.MustParseAddr("192.0.2.0") {
			t.Errorf("%s: address %v", row.Stage, row.ClientIP)
		}
	}
	if len(got) != 4 || stages[lc.StageOrigin].Status != 403 || stages[lc.StageClosed].CloseBy != "server" {
		t.Errorf("rows %+v", got)
	}
}

// rowsOf runs what fn does and returns the rows that are published.
func rowsOf(t *testing.T, fn func(r *Recorder)) (rows []lc.Row) {
	t.Helper()
	r := New(Config{Gateway: "g1"}, func(_ context.Context, _, _ string, b []byte) error {
		got, err := lc.Decode(b)
		rows = append(rows, got...)
		return err
	}, slog.New(slog.DiscardHandler))
	fn(r)
	var batches uint64
	r.flush(t.Context(), &batches)
	return rows
}

// Every row of an attempt has all columns, also those that were learned later,
// though a batch has them once.
func TestRowsOfAnAttemptShareTheirColumns(t *testing.T) {
	t.Parallel()
	agent := strings.Repeat("agent ", 40)
	rows := rowsOf(t, func(r *Recorder) {
		a := r.Begin(netip.MustParseAddrPort("192.0.2.77:999"), netip.MustParseAddrPort("192.0.2.1:8001"))
		a.Describe(func(row *lc.Row) { row.UserAgent, row.Path = agent, "/ws/chat/" })
		a.Stage(lc.StageRequest)
		a.Describe(func(row *lc.Row) { row.UserHash = "0123456789abcdef" })
		for _, s := range []lc.Stage{lc.StageAuth, lc.StageUpgraded, lc.StageFirstFrame, lc.StageJoined} {
			a.Stage(s)
		}
		a.Describe(func(*lc.Row) { t.Error("described when it was open") })
		a.Traffic(1, 2, 3, 4, 5)
		a.RTT(time.Millisecond)
		a.Close(1000, "client", "bye")
		if b := r.normal[0]; len(b.data) > len(agent)+300+7*90 {
			t.Errorf("%d bytes: %s", len(b.data), b.data)
		}
	})
	var names []string
	for _, row := range rows {
		names = append(names, string(row.Stage))
		if row.Conn != rows[0].Conn || row.UserAgent != agent || row.Path != "/ws/chat/" || row.UserHash != "0123456789abcdef" ||
			row.Gateway != "g1" || row.LocalPort != 8001 || row.ClientPort != 999 || row.ClientIP != netip.MustParseAddr("192.0.2.0") {
			t.Errorf("%s: %+v", row.Stage, row)
		}
		if (row.FramesOut != 0) != (row.Stage == lc.StageClosed) {
			t.Errorf("%s: %d frames", row.Stage, row.FramesOut)
		}
	}
	if got := strings.Join(names, " "); got != "closed accept request auth upgraded first_frame joined ping" {
		t.Errorf("stages: %s", got)
	}
	if rows[0].CloseReason != "bye" || rows[0].QueuePeak != 5 || rows[7].RTT != time.Millisecond {
		t.Errorf("closed %+v, ping %+v", rows[0], rows[7])
	}
}

// A full queue drops the oldest rows, and those of ends last; every drop is
// counted.
func TestFullQueueDropsTheOldest(t *testing.T) {
	t.Parallel()
	const n = maxQueued * 2 / 5 // three rows each
	rows := rowsOf(t, func(r *Recorder) {
		for range n {
			a := r.Begin(netip.AddrPort{}, netip.AddrPort{})
			a.Stage(lc.StageUpgraded)
			a.Close(1000, "client", "")
		}
		if s := r.Stats(); s.Queued > maxQueued || s.Queued+int(s.Dropped) != 3*n {
			t.Errorf("%+v", s)
		}
	})
	counts := map[lc.Stage]int{}
	for _, row := range rows {
		counts[row.Stage]++
	}
	dropped, err := strconv.Atoi(rows[0].ErrorDetail)
	if err != nil || counts[lc.StageClosed]-1 < n*9/10 || len(rows)-1+dropped != 3*n {
		t.Errorf("%v, %d dropped, %v", err, dropped, counts)
	}
}

// What an attempt keeps while its connection is open is small, and recording a
// stage of it costs little.
func TestOpenAttemptIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(Attempt{}); size > 208 {
		t.Errorf("%d bytes", size)
	}
	r := newRecorder("g1")
	a := r.Begin(netip.MustParseAddrPort("192.0.2.77:999"), netip.AddrPort{})
	a.Stage(lc.StageUpgraded)
	if n := testing.AllocsPerRun(100, func() { a.Stage(lc.StageJoined) }); n > 1 { // the text of the id
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkConnect(b *testing.B) {
	r := newRecorder("g1")
	from, to := netip.MustParseAddrPort("192.0.2.77:999"), netip.MustParseAddrPort("192.0.2.1:8001")
	var batches uint64
	b.ReportAllocs()
	for b.Loop() {
		a := r.Begin(from, to)
		a.Describe(func(row *lc.Row) {
			row.Host, row.Path, row.UserAgent = "localhost:8001", "/ws/chat/", "Mozilla/5.0 (X11; Linux x86_64)"
		})
		for _, s := range []lc.Stage{
			lc.StageRequest, lc.StageOrigin, lc.StageAuth, lc.StageLimits, lc.StageUpgraded, lc.StageFirstFrame, lc.StageJoined,
		} {
			a.Stage(s)
		}
		if r.Stats().Queued > maxQueued/2 {
			r.flush(b.Context(), &batches)
		}
	}
}

// TestStopDuringFlush ends the recorder's context while the first batch is being
// published: that batch and all that wait behind it still arrive.
func TestStopDuringFlush(t *testing.T) {
	t.Parallel()
	synctest.Test(t, stopDuringFlush)
}

func stopDuringFlush(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	rows, batches := 0, 0
	r := New(Config{Gateway: "g1"}, func(ctx context.Context, _, _ string, b []byte) error {
		stop()
		if err := ctx.Err(); err != nil {
			return err
		}
		batches++
		list, err := lc.Decode(b)
		rows += len(list)
		return err
	}, slog.New(slog.DiscardHandler))
	const attempts = 1000
	for range attempts {
		a := r.Begin(netip.MustParseAddrPort("192.0.2.77:999"), netip.AddrPort{})
		a.Stage(lc.StageRequest)
		a.Close(1006, "network", "")
	}
	if err := r.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if rows != 3*attempts || batches < 2 || r.Stats().Dropped != 0 {
		t.Errorf("%d rows in %d batches and %d dropped, want %d rows", rows, batches, r.Stats().Dropped, 3*attempts)
	}
}

// TestStopIsBounded shows that a store that does not answer cannot hold up the
// end of the recorder.
func TestStopIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		r := New(Config{Gateway: "g1"}, func(ctx context.Context, _, _ string, _ []byte) error {
			stop()
			<-ctx.Done()
			return ctx.Err()
		}, slog.New(slog.DiscardHandler))
		for range 1000 {
			r.Begin(netip.MustParseAddrPort("192.0.2.77:999"), netip.AddrPort{}).Close(1006, "network", "")
		}
		began := time.Now()
		if err := r.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > lastFlush+flushEvery {
			t.Errorf("stopping took %s", took)
		}
		if r.Stats().Dropped != 2000 {
			t.Errorf("%d rows are counted as dropped, want 2,000", r.Stats().Dropped)
		}
	})
}
