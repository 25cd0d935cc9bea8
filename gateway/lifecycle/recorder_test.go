package lifecycle

import (
	"context"
	"log/slog"
	"net/netip"
	"testing"

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
