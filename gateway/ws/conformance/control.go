package conformance

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"partyline/gateway/ws"
)

// testControl checks pings and pongs, and that a flood of pings from a peer that
// does not read stays bounded.
func testControl(t *testing.T, s *server) {
	c := s.open(t, "/echo")
	for _, n := range []int{0, 1, 8, 124, 125} {
		p := bytes.Repeat([]byte{0xfe}, n)
		c.write(frame{op: opPing, payload: p}.encode())
		c.want(opPong, p)
		c.chop(frame{op: opPing, payload: p}.encode())
		c.want(opPong, p)
	}
	c.write(frame{op: opPong}.encode(), frame{op: opPong, payload: []byte("unasked")}.encode(), text("still here"))
	c.want(opText, []byte("still here"))
	var pings []byte
	for i := range 10 {
		pings = append(pings, frame{op: opPing, payload: []byte{byte(i)}}.encode()...)
	}
	c.write(pings)
	for i := range 10 {
		c.want(opPong, []byte{byte(i)})
	}
	testPingFlood(t, s)
}

func testPingFlood(t *testing.T, s *server) {
	c := s.open(t, "/echo")
	const rounds, each = 100, 250
	p := make([]byte, 125)
	for round := range rounds {
		var pings []byte
		for i := range each {
			binary.BigEndian.PutUint32(p, uint32(round*each+i))
			pings = append(pings, frame{op: opPing, payload: p}.encode()...)
		}
		c.write(pings)
	}
	c.write(closing(1000, ""))
	// Some answers may be left out, but never the last one, nor the order.
	next := uint32(0)
	for {
		op, got := c.read()
		if op == opClose {
			break
		}
		n := binary.BigEndian.Uint32(got)
		if op != opPong || n < next {
			t.Fatalf("opcode %d, pong %d after %d", op, n, next)
		}
		next = n + 1
	}
	if next != rounds*each {
		t.Errorf("the last ping answered is %d, want %d", next-1, rounds*each-1)
	}
}

// testClosing closes from the peer's side.
func testClosing(t *testing.T, s *server) {
	for _, code := range []int{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999} {
		c := s.open(t, "/echo")
		c.write(closing(code, "wörks"), text("ignored"))
		c.wantClose(code)
		s.app.wantEnded(t, code, ws.ByClient)
	}
	for _, code := range []int{0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535} {
		c := s.open(t, "/echo")
		c.write(closing(code, "wrong"))
		c.wantClose(ws.CloseProtocolError)
		s.app.wantEnded(t, ws.CloseProtocolError, ws.ByServer)
	}
	for name, test := range map[string]struct {
		payload []byte
		code    int
	}{
		"empty":                 {nil, 0},
		"one byte":              {[]byte{3}, ws.CloseProtocolError},
		"long reason":           {append([]byte{3, 0xe8}, strings.Repeat("x", 123)...), 1000},
		"reason not UTF-8":      {[]byte{3, 0xe8, 0xff}, ws.CloseNotUTF8},
		"reason cut in a glyph": {[]byte{3, 0xe8, 0xe2, 0x82}, ws.CloseNotUTF8},
	} {
		t.Run(name, func(t *testing.T) {
			c := s.open(t, "/echo")
			c.chop(frame{op: opClose, payload: test.payload}.encode())
			c.wantClose(test.code)
		})
	}
	t.Run("without a Close", func(t *testing.T) {
		s := s.target.start(t, nil)
		c := s.open(t, "/echo")
		c.write(text("hi"))
		c.want(opText, []byte("hi"))
		c.nc.Close()
		s.app.wantEnded(t, ws.CloseAbnormal, ws.ByNetwork)
	})
}

// testServerClose closes from the server's side.
func testServerClose(t *testing.T, s *server) {
	// The peer answers.
	c := s.open(t, "/bye")
	c.write(text("go"))
	c.want(opText, []byte("bye"))
	op, p := c.read()
	// The reason is cut at 123 bytes, not inside a character.
	if want := strings.Repeat("ß", 61); op != opClose || binary.BigEndian.Uint16(p) != 4001 || string(p[2:]) != want {
		t.Fatalf("got opcode %d with %q", op, p)
	}
	c.write(text("too late"), closing(4001, ""))
	c.wantEnd()
	s.app.wantEnded(t, ws.CloseTokenExpired, ws.ByServer)

	// The peer never answers, but reads: the end comes by itself.
	brief := s.target.start(t, func(cfg *ws.Config) { cfg.CloseTimeout = 300 * time.Millisecond })
	c = brief.open(t, "/bye")
	c.write(text("go"))
	c.want(opText, []byte("bye"))
	c.wantClose(4001)
	brief.app.wantEnded(t, ws.CloseTokenExpired, ws.ByServer)

	// The peer goes on sending for a while before it reads.
	c = s.open(t, "/bye")
	c.write(text("go"))
	for range 100 {
		c.write(frame{op: opBinary, payload: make([]byte, 10_000)}.encode())
	}
	c.want(opText, []byte("bye"))
	c.wantCloseFrame(4001)
	c.write(closing(4001, ""))
	c.wantEnd()
	s.app.wantEnded(t, ws.CloseTokenExpired, ws.ByServer)
}

// testTimeLimits checks heads and messages that never become complete.
func testTimeLimits(t *testing.T, target Target) {
	s := target.start(t, func(cfg *ws.Config) {
		cfg.HandshakeTimeout = 4 * time.Second
		cfg.MessageTimeout = 300 * time.Millisecond
	})
	t.Run("trickled head", func(t *testing.T) {
		c := s.dial(t)
		go trickle(c.nc, []byte("GET /echo HTTP/1.1\r\nHost: localhost\r\nX-Slow: "))
		answer, _ := io.ReadAll(c.br)
		if len(answer) > 0 && !bytes.HasPrefix(answer, []byte("HTTP/1.1 40")) { // 400 by net/http, else 408
			t.Fatalf("got %q, want a refusal or nothing", answer)
		}
	})
	for name, start := range map[string][]byte{
		"trickled frame":     frame{op: opText, length: 5000}.encode(),
		"trickled fragments": frame{op: opText, more: true, payload: []byte("a")}.encode(),
		"half a header":      {0x81},
	} {
		t.Run(name, func(t *testing.T) {
			c := s.open(t, "/echo")
			c.write(start)
			if name == "trickled fragments" { // control frames do not buy time
				go trickle(c.nc, bytes.Repeat(frame{op: opPong}.encode(), 20))
			}
			c.wantClose(ws.ClosePolicy)
			s.app.wantEnded(t, ws.ClosePolicy, ws.ByTimeout)
		})
	}
}

// trickle writes a byte every 50 ms, the last one again and again, until the
// connection ends.
func trickle(w io.Writer, b []byte) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for i := 0; ; i++ {
		at := min(i, len(b)-1)
		if _, err := w.Write(b[at : at+1]); err != nil {
			return
		}
		<-tick.C
	}
}

// testCloseRaces lets server, peer and network end the same connection at the
// same moment. The check of every session at the end of the test is the point.
func testCloseRaces(t *testing.T, target Target) {
	s := target.start(t, nil)
	rounds := 150
	if target.TLS {
		rounds = 15 // its handshakes cost much, and its end is the same
	}
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for round := range rounds {
				if err := s.race(round + worker); err != nil {
					t.Errorf("round %d: %v", round, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// race makes the server close and ends the connection itself at the same time,
// in one of several ways.
func (s *server) race(round int) error {
	nc, err := s.Dial()
	if err != nil {
		return fmt.Errorf("dial: %w", err)
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(nc, request("/bye")); err != nil {
		return fmt.Errorf("request: %w", err)
	}
	head := make([]byte, 0, 512)
	for !bytes.HasSuffix(head, []byte("\r\n\r\n")) {
		var b [1]byte
		if _, err := nc.Read(b[:]); err != nil {
			return fmt.Errorf("answer: %w", err)
		}
		head = append(head, b[0])
	}
	switch round % 4 {
	case 0: // both Close frames are on the way at once
		_, _ = nc.Write(append(text("go"), closing(1000, "")...))
		_, _ = io.Copy(io.Discard, nc)
	case 1: // Close, then the connection ends without waiting
		_, _ = nc.Write(append(text("go"), closing(1000, "")...))
	case 2: // reset
		_, _ = nc.Write(text("go"))
		if tcp, ok := nc.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
	case 3: // a violation right behind
		_, _ = nc.Write(append(text("go"), frame{op: 3}.encode()...))
		_, _ = io.Copy(io.Discard, nc)
	}
	return nil
}
