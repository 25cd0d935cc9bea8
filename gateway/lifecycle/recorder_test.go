package lifecycle

import (
	"context"
	"log/slog"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"partyline/events"
	lc "partyline/events/lifecycle"
)

func TestNilAttemptRecordsNothing(t *testing.T) {
	t.Parallel()
	var r *Recorder
	a := r.Begin(netip.AddrPort{}, netip.AddrPort{}, "ws")
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
	a := r.Begin(netip.MustParseAddrPort("192.0.2.77:999"), netip.AddrPort{}, "ws")
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
		a := r.Begin(netip.MustParseAddrPort("192.0.2.77:999"), netip.AddrPort{}, "ws")
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
			r.Begin(netip.MustParseAddrPort("192.0.2.77:999"), netip.AddrPort{}, "ws").Close(1006, "network", "")
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
