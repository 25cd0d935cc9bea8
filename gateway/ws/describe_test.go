package ws_test

import (
	"context"
	"io"
	"log/slog"
	"testing"

	"partyline/events/eventstest"
	lc "partyline/events/lifecycle"
	"partyline/gateway/lifecycle"
	"partyline/gateway/ws"
)

// What was agreed in a TLS handshake is recorded.
func TestTLSIsRecorded(t *testing.T) {
	t.Parallel()
	rows := make(chan lc.Row, 64)
	rec := lifecycle.New(lifecycle.Config{Gateway: "gw"}, func(_ context.Context, _, _ string, data []byte) error {
		decoded, err := lc.Decode(data)
		for _, row := range decoded {
			rows <- row
		}
		return err
	}, slog.New(slog.DiscardHandler))
	eventstest.Go(t, rec.Run)
	s := startListener(t, engines["auto"], ws.Config{Handler: ws.NewEcho(true), Recorder: rec}, certificate(t))
	t.Cleanup(func() { shutdown(t, s.Engine) })
	nc, err := s.Dial()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if _, err := io.WriteString(nc, request); err != nil {
		t.Fatal(err)
	}
	for row := range rows {
		if row.Stage != lc.StageUpgraded {
			continue
		}
		if row.Scheme != "wss" || row.TLSVersion != "1.3" || row.TLSCipher == "" {
			t.Errorf("row %+v", row)
		}
		return
	}
}
