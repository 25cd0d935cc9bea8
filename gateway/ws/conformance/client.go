package conformance

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// patience is how long the suite waits for anything. Tests assert what happens,
// not how soon.
const patience = 30 * time.Second

// key is the example of RFC 6455 section 1.3, with its answer.
const (
	key    = "dGhlIHNhbXBsZSBub25jZQ=="
	accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)

// Opcodes.
const (
	opContinuation = 0
	opText         = 1
	opBinary       = 2
	opClose        = 8
	opPing         = 9
	opPong         = 10
)

// frame is what a client may send, right or wrong.
type frame struct {
	more     bool // FIN is 0
	rsv      byte // the three bits
	op       byte
	unmasked bool
	long     int    // 2 or 8: use that many length bytes although fewer would do
	length   uint64 // claimed instead of the real length when not 0
	payload  []byte
}

// encode gives the frame's bytes.
func (f frame) encode() []byte {
	b0 := f.rsv<<4 | f.op
	if !f.more {
		b0 |= 0x80
	}
	mask := byte(0x80)
	if f.unmasked {
		mask = 0
	}
	n := uint64(len(f.payload))
	if f.length != 0 {
		n = f.length
	}
	out := []byte{b0}
	switch {
	case f.long == 8 || n > 0xffff:
		out = binary.BigEndian.AppendUint64(append(out, mask|127), n)
	case f.long == 2 || n > 125:
		out = binary.BigEndian.AppendUint16(append(out, mask|126), uint16(n))
	default:
		out = append(out, mask|byte(n))
	}
	if f.unmasked {
		return append(out, f.payload...)
	}
	key := [4]byte{0xa1, 0x02, 0xf3, 0x47}
	out = append(out, key[:]...)
	for i, c := range f.payload {
		out = append(out, c^key[i%4])
	}
	return out
}

func text(s string) []byte { return frame{op: opText, payload: []byte(s)}.encode() }

// closing is the encoded Close frame with a code.
func closing(code int, reason string) []byte {
	p := binary.BigEndian.AppendUint16(nil, uint16(code))
	return frame{op: opClose, payload: append(p, reason...)}.encode()
}

// client is a raw connection. Its methods end the test on errors.
type client struct {
	t  testing.TB
	nc net.Conn
	br *bufio.Reader
	// deflate allows compressed messages; packed says that the last one was.
	deflate, packed bool
}

func (s *server) dial(t testing.TB) *client {
	t.Helper()
	nc, err := s.Dial()
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	t.Cleanup(func() { nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(patience))
	return &client{t: t, nc: nc, br: bufio.NewReader(nc)}
}

// open dials and upgrades.
func (s *server) open(t testing.TB, path string) *client {
	t.Helper()
	c := s.dial(t)
	c.write([]byte(request(path)))
	c.upgraded()
	return c
}

// request is a correct upgrade; more are further header lines.
func request(path string, more ...string) string {
	lines := append([]string{
		"GET " + path + " HTTP/1.1", "Host: localhost", "Upgrade: websocket", "Connection: Upgrade",
		"Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: " + key,
	}, more...)
	return strings.Join(lines, "\r\n") + "\r\n\r\n"
}

func (c *client) write(parts ...[]byte) {
	c.t.Helper()
	if _, err := c.nc.Write(bytes.Join(parts, nil)); err != nil {
		c.t.Fatalf("write: %v", err)
	}
}

// chop writes byte by byte.
func (c *client) chop(b []byte) {
	c.t.Helper()
	for i := range b {
		c.write(b[i : i+1])
	}
}

// response reads an HTTP answer with its body.
func (c *client) response() (*http.Response, []byte) {
	c.t.Helper()
	resp, err := http.ReadResponse(c.br, nil)
	if err != nil {
		c.t.Fatalf("read response: %v", err)
	}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return resp, nil
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil {
		c.t.Fatalf("read body: %v", err)
	}
	return resp, body
}

func (c *client) upgraded() *http.Response {
	c.t.Helper()
	resp, body := c.response()
	if resp.StatusCode != http.StatusSwitchingProtocols || resp.Header.Get("Sec-WebSocket-Accept") != accept {
		c.t.Fatalf("not upgraded: %s %v %s", resp.Status, resp.Header, body)
	}
	return resp
}

// read reads one frame of the server.
func (c *client) read() (op byte, payload []byte) {
	c.t.Helper()
	if b, _ := c.br.Peek(1); c.deflate && len(b) == 1 && b[0]&0x40 != 0 {
		c.packed = true
		op, payload, err := readFrame(c.br, 0x40)
		if err == nil && op != opText && op != opBinary {
			err = errServerFrame
		}
		if err == nil {
			payload, err = unpack(payload)
		}
		if err != nil {
			c.t.Fatalf("read compressed frame: %v", err)
		}
		return op, payload
	}
	c.packed = false
	op, payload, err := readFrame(c.br, 0)
	if err != nil {
		c.t.Fatalf("read frame: %v", err)
	}
	return op, payload
}

var errServerFrame = errors.New("the server's frame is fragmented, masked or has reserved bits")

func readFrame(r io.Reader, reserved byte) (op byte, payload []byte, err error) {
	var b [8]byte
	if _, err := io.ReadFull(r, b[:2]); err != nil {
		return 0, nil, err
	}
	if b[0]&0xf0 != 0x80|reserved || b[1]&0x80 != 0 {
		return 0, nil, errServerFrame
	}
	op = b[0] & 0x0f
	n := uint64(b[1])
	switch n {
	case 126:
		_, err = io.ReadFull(r, b[:2])
		n = uint64(binary.BigEndian.Uint16(b[:]))
	case 127:
		_, err = io.ReadFull(r, b[:8])
		n = binary.BigEndian.Uint64(b[:])
	}
	if err != nil || n > 64<<20 {
		return 0, nil, errors.Join(err, errServerFrame)
	}
	payload = make([]byte, n)
	_, err = io.ReadFull(r, payload)
	return op, payload, err
}

// want reads a frame and compares it.
func (c *client) want(op byte, payload []byte) {
	c.t.Helper()
	gotOp, got := c.read()
	if gotOp != op || !bytes.Equal(got, payload) {
		c.t.Fatalf("got opcode %d with %d bytes %.60q, want opcode %d with %d bytes %.60q",
			gotOp, len(got), got, op, len(payload), payload)
	}
}

// wantClose reads the Close frame with that code (0: an empty one), then FIN. A
// reset instead of FIN is a failure.
func (c *client) wantClose(code int) {
	c.t.Helper()
	c.wantCloseFrame(code)
	c.wantEnd()
}

func (c *client) wantCloseFrame(code int) {
	c.t.Helper()
	op, p := c.read()
	got := 0
	if len(p) >= 2 {
		got = int(binary.BigEndian.Uint16(p))
	}
	if op != opClose || got != code {
		c.t.Fatalf("got opcode %d with %.60q, want Close %d", op, p, code)
	}
}

func (c *client) wantEnd() {
	c.t.Helper()
	if n, err := io.Copy(io.Discard, c.br); err != nil || n != 0 {
		c.t.Fatalf("after Close: %d bytes and %v, want the end", n, err)
	}
	c.nc.Close()
}
