package conformance

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"partyline/gateway/ws"
)

// testFraming sends messages of every length encoding, whole, chopped and glued
// together.
func testFraming(t *testing.T, s *server) {
	sizes := []int{0, 1, 2, 124, 125, 126, 127, 128, 511, 512, 513, 4096, 65535, 65536, 65537, maxMessage - 1, maxMessage}
	payload := bytes.Repeat([]byte("0123456789abcde\n"), maxMessage/16)
	c := s.open(t, "/echo")
	for _, op := range []byte{opText, opBinary} {
		for _, n := range sizes {
			whole := frame{op: op, payload: payload[:n]}.encode()
			c.write(whole)
			c.want(op, payload[:n])
			cut := min(len(whole), 40)
			c.chop(whole[:cut])
			c.write(whole[cut:])
			c.want(op, payload[:n])
		}
	}
	var glued []byte
	for i := range 300 {
		glued = append(glued, text(fmt.Sprint("message ", i))...)
	}
	c.write(glued)
	for i := range 300 {
		c.want(opText, fmt.Append(nil, "message ", i))
	}
	for n := 1; n < 40; n++ { // three frames, cut at every place
		whole := slices.Concat(text("one"), frame{op: opBinary, payload: payload[:200]}.encode(), text("three"))
		for part := range slices.Chunk(whole, n) {
			c.write(part)
		}
		c.want(opText, []byte("one"))
		c.want(opBinary, payload[:200])
		c.want(opText, []byte("three"))
	}
}

// testViolations sends what RFC 6455 forbids; each must be answered with a Close
// frame that can be read, whatever else was sent.
func testViolations(t *testing.T, s *server) {
	type violation struct {
		path string
		send []byte
		code int
	}
	long := bytes.Repeat([]byte("x"), 126)
	cases := map[string]violation{
		"unmasked":             {"/echo", frame{op: opText, unmasked: true, payload: []byte("hi")}.encode(), ws.CloseProtocolError},
		"unmasked ping":        {"/echo", frame{op: opPing, unmasked: true}.encode(), ws.CloseProtocolError},
		"long ping":            {"/echo", frame{op: opPing, payload: long}.encode(), ws.CloseProtocolError},
		"long close":           {"/echo", frame{op: opClose, payload: long}.encode(), ws.CloseProtocolError},
		"fragmented ping":      {"/echo", frame{op: opPing, more: true}.encode(), ws.CloseProtocolError},
		"fragmented close":     {"/echo", frame{op: opClose, more: true}.encode(), ws.CloseProtocolError},
		"stray continuation":   {"/echo", frame{op: opContinuation, payload: []byte("hi")}.encode(), ws.CloseProtocolError},
		"stray, more to come":  {"/echo", frame{op: opContinuation, more: true}.encode(), ws.CloseProtocolError},
		"text in fragments":    {"/echo", slices.Concat(frame{op: opText, more: true}.encode(), text("hi")), ws.CloseProtocolError},
		"16 bits for 125":      {"/echo", frame{op: opText, long: 2, payload: long[:125]}.encode(), ws.CloseProtocolError},
		"64 bits for 126":      {"/echo", frame{op: opText, long: 8, payload: long}.encode(), ws.CloseProtocolError},
		"64 bits for 0":        {"/echo", frame{op: opText, long: 8}.encode(), ws.CloseProtocolError},
		"16 bits for a ping":   {"/echo", frame{op: opPing, long: 2}.encode(), ws.CloseProtocolError},
		"length with top bit":  {"/echo", frame{op: opText, long: 8, length: 1<<63 | 5}.encode(), ws.CloseProtocolError},
		"all length bits":      {"/echo", frame{op: opBinary, long: 8, length: 1<<64 - 1}.encode(), ws.CloseProtocolError},
		"huge length":          {"/echo", frame{op: opBinary, long: 8, length: 1<<63 - 1}.encode(), ws.CloseTooBig},
		"one byte too big":     {"/echo", frame{op: opText, length: maxMessage + 1}.encode(), ws.CloseTooBig},
		"too big, sent":        {"/echo", frame{op: opText, payload: make([]byte, 2<<20)}.encode(), ws.CloseTooBig},
		"binary on text":       {"/text", frame{op: opBinary, payload: []byte("hi")}.encode(), ws.CloseUnsupported},
		"binary, fragmented":   {"/text", frame{op: opBinary, more: true}.encode(), ws.CloseUnsupported},
		"after good frames":    {"/text", frame{op: opPong, rsv: 4}.encode(), ws.CloseProtocolError},
		"bits on continuation": {"/text", slices.Concat(frame{op: opText, more: true}.encode(), frame{op: opContinuation, rsv: 4}.encode()), ws.CloseProtocolError},
	}
	for bit := range 3 {
		for _, op := range []byte{opText, opPing, opClose} {
			name := fmt.Sprintf("reserved bit %d on opcode %d", bit+1, op)
			cases[name] = violation{"/echo", frame{op: op, rsv: 4 >> bit}.encode(), ws.CloseProtocolError}
		}
	}
	for _, op := range []byte{3, 4, 5, 6, 7, 11, 12, 13, 14, 15} {
		cases[fmt.Sprintf("opcode %d", op)] = violation{"/echo", frame{op: op}.encode(), ws.CloseProtocolError}
	}
	half := bytes.Repeat([]byte("y"), maxMessage/2)
	cases["too big in fragments"] = violation{"/echo", slices.Concat(
		frame{op: opText, more: true, payload: half}.encode(),
		frame{op: opContinuation, more: true, payload: half}.encode(),
		frame{op: opContinuation, length: 1}.encode()), ws.CloseTooBig}
	for name, v := range cases {
		t.Run(name, func(t *testing.T) {
			// More bytes behind it must not turn FIN into a reset.
			c := s.open(t, v.path)
			c.write(v.send, text("behind"), make([]byte, 100_000))
			c.wantClose(v.code)
			if len(v.send) > 1000 {
				return
			}
			c = s.open(t, v.path)
			c.chop(v.send)
			c.wantClose(v.code)
		})
	}
}

// testFragmentation sends messages in pieces, with control frames in between.
func testFragmentation(t *testing.T, s *server) {
	c := s.open(t, "/echo")
	for _, op := range []byte{opText, opBinary} {
		for _, parts := range [][]string{
			{"", ""}, {"a", ""}, {"", "b"}, {"", "", "", "c"}, {"frag", "men", "ted"},
			{strings.Repeat("x", 70_000), "y", strings.Repeat("z", 70_000)},
		} {
			var whole string
			for i, part := range parts {
				f := frame{op: opContinuation, more: i < len(parts)-1, payload: []byte(part)}
				if i == 0 {
					f.op = op
				}
				c.write(f.encode())
				whole += part
				if f.more {
					c.write(frame{op: opPing, payload: []byte("between")}.encode(), frame{op: opPong, payload: []byte("unasked")}.encode())
					c.want(opPong, []byte("between"))
				}
			}
			c.want(op, []byte(whole))
		}
	}
	var bytewise []byte
	for i := range 1000 {
		f := frame{op: opContinuation, more: i < 999, payload: []byte{'a' + byte(i%26)}}
		if i == 0 {
			f.op = opText
		}
		bytewise = append(bytewise, f.encode()...)
	}
	c.write(bytewise)
	if op, p := c.read(); op != opText || len(p) != 1000 || p[25] != 'z' {
		t.Fatalf("1000 fragments gave opcode %d with %d bytes", op, len(p))
	}
	// A close in the middle of a fragmented message is legal.
	c.write(frame{op: opText, more: true, payload: []byte("never")}.encode(), closing(1000, ""))
	c.wantClose(1000)
}

// testText checks UTF-8 over every kind of border, and that wrong text fails as
// soon as it is wrong.
func testText(t *testing.T, s *server) {
	c := s.open(t, "/text")
	valid := "κόσμε \x00 é € 😀 \ue000 \ufffd \U0010ffff a\u0301 שלום"
	for i := range len(valid) + 1 {
		c.write(frame{op: opText, more: true, payload: []byte(valid[:i])}.encode())
		c.write(frame{op: opContinuation, payload: []byte(valid[i:])}.encode())
		c.want(opText, []byte(valid))
	}
	c.chop(text(valid))
	c.want(opText, []byte(valid))

	for name, bad := range map[string]string{
		"lone continuation": "\x80", "overlong": "\xc0\xaf", "overlong 3": "\xe0\x80\x80",
		"surrogate": "\xed\xa0\x80", "above range": "\xf4\x90\x80\x80", "5 bytes": "\xf8\x88\x80\x80\x80",
		"0xff": "\xff", "cut short": "\xe2\x82a", "0xfe": "ok \xfe",
	} {
		t.Run(name, func(t *testing.T) {
			// The first fragment is wrong already; no more is sent.
			c := s.open(t, "/text")
			c.write(frame{op: opText, more: true, payload: []byte("κόσμε" + bad)}.encode())
			c.wantClose(ws.CloseNotUTF8)
			// Wrong inside a frame that never completes.
			c = s.open(t, "/text")
			c.write(frame{op: opText, length: 10_000, payload: []byte("κόσμε" + bad)}.encode())
			c.wantClose(ws.CloseNotUTF8)
			// Wrong over a border, byte by byte.
			c = s.open(t, "/text")
			for i := range len(bad) {
				op := byte(opContinuation)
				if i == 0 {
					op = opText
				}
				c.write(frame{op: op, more: true, payload: []byte{bad[i]}}.encode())
			}
			c.wantClose(ws.CloseNotUTF8)
		})
	}
	for _, unfinished := range []string{"\xe2\x82", "a\xf0\x9f\x98", "\xc3"} {
		c := s.open(t, "/text")
		c.write(frame{op: opText, more: true, payload: []byte(unfinished)}.encode(), frame{op: opContinuation}.encode())
		c.wantClose(ws.CloseNotUTF8)
		c = s.open(t, "/text")
		c.write(text(unfinished))
		c.wantClose(ws.CloseNotUTF8)
	}
	// Binary messages are not text.
	c = s.open(t, "/echo")
	c.write(frame{op: opBinary, payload: []byte{0xff, 0xfe, 0x80}}.encode())
	c.want(opBinary, []byte{0xff, 0xfe, 0x80})
}
