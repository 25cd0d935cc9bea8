package wire

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
)

// TestAgainstGorilla exchanges frames of every length encoding with an
// independent implementation.
func TestAgainstGorilla(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		for {
			kind, msg, err := c.ReadMessage()
			if err != nil {
				return
			}
			if err := c.WriteMessage(kind, msg); err != nil {
				t.Error(err)
			}
		}
	}))
	t.Cleanup(srv.Close)
	addr := srv.Listener.Addr().String()
	conn, err := new(net.Dialer).DialContext(context.Background(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	var in []byte
	more := func() {
		buf := make([]byte, 4096)
		n, err := conn.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		in = append(in, buf[:n]...)
	}
	if _, err := conn.Write(AppendUpgrade(nil, addr, "/", "")); err != nil {
		t.Fatal(err)
	}
	n := 0
	for ; n == 0; n, _, err = ParseUpgrade(in) {
		if err != nil {
			t.Fatal(err)
		}
		more()
	}
	in = in[n:]
	for _, size := range []int{0, 1, 7, 8, 125, 126, 65535, 65536, 100000} {
		payload := bytes.Repeat([]byte("partyline "), size/10+1)[:size]
		if _, err := conn.Write(AppendFrame(nil, OpText, payload, 0xdeadbeef)); err != nil {
			t.Fatal(err)
		}
		f, n, err := ParseFrame(in)
		for n == 0 && err == nil {
			more()
			f, n, err = ParseFrame(in)
		}
		if err != nil || f.Op != OpText || !f.Final || f.Compressed || !bytes.Equal(f.Payload, payload) {
			t.Fatalf("%d bytes: got %d bytes, opcode %d, %v", size, len(f.Payload), f.Op, err)
		}
		in = in[n:]
	}
}

func TestParseUpgradeRefuses(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"refusal":      "HTTP/1.1 503 Service Unavailable\r\n\r\noverloaded",
		"wrong accept": "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: x\r\n\r\n",
		"no accept":    "HTTP/1.1 101 Switching Protocols\r\n\r\n",
	} {
		if _, _, err := ParseUpgrade([]byte(answer)); !errors.Is(err, ErrUpgrade) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := ParseUpgrade([]byte(strings.Repeat("x", 20<<10))); !errors.Is(err, ErrTooLong) {
		t.Errorf("endless head: %v", err)
	}
}

func TestParseFrameRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		frame []byte
		want  error
	}{
		{[]byte{0x81, 0x80, 0, 0, 0, 0}, ErrMasked},
		{[]byte{0xa1, 0}, ErrReserved},
		{[]byte{0x82, 127, 0xff, 0, 0, 0, 0, 0, 0, 0}, ErrTooLong},
	} {
		if _, _, err := ParseFrame(c.frame); !errors.Is(err, c.want) {
			t.Errorf("%x: %v, want %v", c.frame, err, c.want)
		}
	}
}
