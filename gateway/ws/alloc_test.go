package ws_test

import (
	"bytes"
	"io"
	"strconv"
	"testing"
	"time"

	gobwas "github.com/gobwas/ws"

	"partyline/gateway/ws"
)

// pair is a connection whose peer reads everything with a fixed buffer.
func pair(t testing.TB, h *handler) (ws.Conn, peer) {
	t.Helper()
	s := startListener(t, ws.Config{Handler: h, Heartbeat: time.Hour}, nil)
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
	h := newHandler()
	h.opts.MaxQueueBytes = 1 << 30
	received := make(chan int, 1)
	h.message = func(_ ws.Conn, payload []byte) { received <- len(payload) }
	c, p := pair(t, h)

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

func BenchmarkSend(b *testing.B) {
	for _, size := range []int{150, 4096} {
		b.Run(strconv.Itoa(size), func(b *testing.B) {
			h := newHandler()
			s := startListener(b, ws.Config{Handler: h, Heartbeat: time.Hour}, nil)
			b.Cleanup(func() { shutdown(b, s.Engine) })
			p := dial(b, s)
			_ = p.SetDeadline(time.Time{})
			c := wait(b, h.opened)
			f := ws.NewText(make([]byte, size))
			defer f.Release()
			const burst = 64 // frames; fits into the socket's buffers
			answer := make([]byte, burst*(size+4))
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for i := 1; b.Loop(); i++ {
				if !c.Send(f) {
					b.Fatal("not sent")
				}
				if i%burst == 0 {
					if _, err := io.ReadFull(p.br, answer); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

func BenchmarkEcho(b *testing.B) {
	s := startListener(b, ws.Config{Handler: ws.NewEcho(false), Heartbeat: time.Hour}, nil)
	b.Cleanup(func() { shutdown(b, s.Engine) })
	p := dial(b, s)
	_ = p.SetDeadline(time.Time{})
	frame, err := gobwas.CompileFrame(gobwas.MaskFrame(gobwas.NewTextFrame(make([]byte, 150))))
	if err != nil {
		b.Fatal(err)
	}
	answer := make([]byte, 2+2+150)
	b.SetBytes(150)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Write(frame); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(p.br, answer); err != nil {
			b.Fatal(err)
		}
	}
}
