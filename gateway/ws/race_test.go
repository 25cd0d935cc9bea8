package ws_test

import (
	"io"
	"net"
	"os"
	"sync"
	"testing"

	gobwas "github.com/gobwas/ws"

	"partyline/gateway/ws"
	"partyline/gateway/ws/conformance"
)

// long is how much to do: n, or soak in "make soak".
func long(n, soak int) int {
	if os.Getenv("PARTYLINE_SOAK") != "" {
		return soak
	}
	return n
}

// TestCloseRaces ends connections from all sides in the same moment: twice by
// the server, by the peer in several ways, by a shutdown, with frames on the
// way. Each session must be closed exactly once.
func TestCloseRaces(t *testing.T) {
	t.Parallel()
	for name, target := range targets(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for range long(12, 200) {
				raceRound(t, target, 50)
			}
		})
	}
}

func raceRound(t *testing.T, target conformance.Target, conns int) {
	t.Helper()
	h := newHandler()
	s := target.Start(t, ws.Config{Handler: h, MaxQueueBytes: 4 << 10})
	f := ws.NewText(make([]byte, 1000))
	defer f.Release()
	goClose, err := gobwas.CompileFrame(gobwas.MaskFrame(gobwas.NewCloseFrame(gobwas.NewCloseFrameBody(1000, ""))))
	if err != nil {
		t.Fatal(err)
	}
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range conns {
		p := dial(t, s)
		c := wait(t, h.opened)
		wg.Go(func() {
			<-start
			c.Close(ws.CloseKicked, "kicked", f)
		})
		wg.Go(func() {
			<-start
			for c.Send(f) {
				continue
			}
			c.Close(ws.CloseInternal, "again", nil)
		})
		wg.Go(func() {
			<-start
			switch i % 4 {
			case 0:
				_, _ = p.Write(goClose)
				_, _ = io.Copy(io.Discard, p.br)
			case 1:
				_, _ = p.Write(goClose)
			case 2:
				if tcp, ok := p.Conn.(*net.TCPConn); ok {
					_ = tcp.SetLinger(0)
				}
			}
			p.Close()
		})
	}
	close(start)
	shutdown(t, s.Engine)
	wg.Wait()
	if n := len(h.closed); n != conns {
		t.Errorf("%d sessions closed %d times", conns, n)
	}
}
