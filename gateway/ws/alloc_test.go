package ws_test

import (
	"bytes"
	"testing"
	"time"

	gobwas "github.com/gobwas/ws"

	"partyline/gateway/ws"
)

// pair is a connection whose peer reads everything with a fixed buffer.
func pair(t testing.TB, engine func(ws.Config) (ws.Engine, error), h *handler) (ws.Conn, peer) {
	t.Helper()
	s := startListener(t, engine, ws.Config{Handler: h, Heartbeat: time.Hour}, nil)
	t.Cleanup(func() { shutdown(t, s.Engine) })
	p := dial(t, s)
	_ = p.SetDeadline(time.Time{})
	go func() {
		b := make([]byte, 64<<10)
		for {
			if _, err := p.Read(b); err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() { p.Close() })
	return wait(t, h.opened), p
}

// TestNoAllocations: neither a delivered frame nor a received message costs an
// allocation.
func TestNoAllocations(t *testing.T) { // not parallel: it counts allocations
	for name, engine := range engines {
		t.Run(name, func(t *testing.T) { allocatesNothing(t, engine) })
	}
}

func allocatesNothing(t *testing.T, engine func(ws.Config) (ws.Engine, error)) {
	h := newHandler()
	h.opts.MaxQueueBytes = 1 << 30
	received := make(chan int, 1)
	h.message = func(_ ws.Conn, payload []byte) { received <- len(payload) }
	c, p := pair(t, engine, h)

	f := ws.NewText(bytes.Repeat([]byte("x"), 150))
	defer f.Release()
	if n := testing.AllocsPerRun(2000, func() {
		if !c.Send(f) {
			t.Fatal("not sent")
		}
	}); n != 0 {
		t.Errorf("%v allocations per delivered frame", n)
	}
	if n := testing.AllocsPerRun(2000, func() {
		f := ws.NewText([]byte("one frame for everybody"))
		c.Send(f)
		f.Release()
	}); n != 0 {
		t.Errorf("%v allocations per encoded and delivered frame", n)
	}

	frame, err := gobwas.CompileFrame(gobwas.MaskFrame(gobwas.NewTextFrame(bytes.Repeat([]byte("x"), 150))))
	if err != nil {
		t.Fatal(err)
	}
	whole := bytes.Clone(frame)
	split := len(whole) / 2
	if n := testing.AllocsPerRun(2000, func() {
		if _, err := p.Write(whole[:split]); err != nil {
			t.Fatal(err)
		}
		if _, err := p.Write(whole[split:]); err != nil {
			t.Fatal(err)
		}
		if n := <-received; n != 150 {
			t.Fatal(n)
		}
	}); n != 0 {
		t.Errorf("%v allocations per received message", n)
	}
}
