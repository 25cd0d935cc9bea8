package conformance

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"partyline/gateway/ws"
)

// deflated is a message compressed as RFC 7692 section 7.2.1 wants it.
func deflated(t testing.TB, payload []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestSpeed)
	if err == nil {
		_, err = w.Write(payload)
	}
	if err == nil {
		err = w.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte{0, 0, 0xff, 0xff})
}

// openDeflate opens a connection with that offer, which must be answered so.
func (s *server) openDeflate(t testing.TB, path, offer, answer string) *client {
	t.Helper()
	c := s.dial(t)
	c.write([]byte(request(path, "Sec-WebSocket-Extensions: "+offer)))
	if got := c.upgraded().Header.Get("Sec-WebSocket-Extensions"); got != answer {
		t.Fatalf("offer %q is answered %q, want %q", offer, got, answer)
	}
	c.deflate = true
	return c
}

const (
	deflateOffer  = "permessage-deflate; client_max_window_bits"
	deflateAnswer = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
)

// testCompression checks permessage-deflate (RFC 7692).
func testCompression(t *testing.T, target Target) {
	s := target.start(t, func(cfg *ws.Config) { cfg.Compression = true })
	t.Run("negotiation", func(t *testing.T) { testOffers(t, s) })
	t.Run("messages", func(t *testing.T) { testDeflated(t, s) })
	t.Run("violations", func(t *testing.T) { testDeflateViolations(t, s) })
	t.Run("window", func(t *testing.T) {
		c := s.openDeflate(t, "/echo", "permessage-deflate; server_max_window_bits=9", deflateAnswer+"; server_max_window_bits=9")
		for _, n := range []int{400, 512, 513, 5000} {
			c.write(frame{op: opText, payload: bytes.Repeat([]byte("a"), n)}.encode())
			c.want(opText, bytes.Repeat([]byte("a"), n))
			if c.packed != (n <= 512) {
				t.Errorf("%d bytes for a window of 512: compressed %t", n, c.packed)
			}
		}
	})
}

func testOffers(t *testing.T, s *server) {
	for offer, answer := range map[string]string{
		"permessage-deflate": deflateAnswer,
		`permessage-deflate; server_max_window_bits="10"; client_max_window_bits=9`:  deflateAnswer + "; server_max_window_bits=10",
		"permessage-deflate; nonsense, permessage-deflate":                           deflateAnswer,
		"permessage-deflate; server_max_window_bits=16, permessage-deflate":          deflateAnswer,
		"permessage-bzip2, permessage-deflate; client_no_context_takeover":           deflateAnswer,
		"permessage-deflate; nonsense":                                               "",
		"permessage-deflate; server_max_window_bits=7":                               "",
		"permessage-deflate; client_no_context_takeover; client_no_context_takeover": "",
		"permessage-bzip2": "",
		"; ,,":             "",
	} {
		c := s.openDeflate(t, "/echo", offer, answer)
		c.write(text("uncompressed"))
		c.want(opText, []byte("uncompressed"))
	}
}

func testDeflated(t *testing.T, s *server) {
	c := s.openDeflate(t, "/echo", deflateOffer, deflateAnswer)
	long := bytes.Repeat([]byte("compressible κόσμε 😀\n"), 9100)[:maxMessage-1]
	long = bytes.ToValidUTF8(long, nil)
	for _, payload := range [][]byte{nil, []byte("a"), []byte("Hello"), long[:len("compressible κόσμε 😀\n")*30], long} {
		for _, op := range []byte{opText, opBinary} {
			packed := deflated(t, payload)
			whole := frame{op: op, rsv: 4, payload: packed}.encode()
			c.write(whole)
			c.want(op, payload)
			if c.packed != (len(payload) > 500) {
				t.Errorf("%d bytes: compressed %t", len(payload), c.packed)
			}
			if len(whole) < 2000 {
				c.chop(whole)
				c.want(op, payload)
			}
			for _, n := range []int{1, 7, len(packed)/2 + 1} { // fragments, some of them empty
				if len(packed)/n > 300 {
					continue
				}
				first := byte(4)
				part := op
				for piece := range slices.Chunk(packed, n) {
					c.write(frame{op: part, rsv: first, more: true, payload: piece}.encode(), frame{op: opPing}.encode())
					c.want(opPong, nil)
					part, first = opContinuation, 0
				}
				c.write(frame{op: opContinuation}.encode(), text("next"))
				c.want(op, payload)
				c.want(opText, []byte("next"))
			}
		}
	}
	c.write(closing(1000, ""))
	c.wantClose(1000)
}

func testDeflateViolations(t *testing.T, s *server) {
	packed := deflated(t, []byte("some text"))
	bad := deflated(t, []byte(strings.Repeat("fine ", 50)+"\xff"+strings.Repeat(" more", 50)))
	// 64 times the limit: a flush ends on a byte, so that pieces can be repeated.
	piece := append(deflated(t, make([]byte, maxMessage/4)), 0, 0, 0xff, 0xff)
	bomb := bytes.Repeat(piece, 256)
	type violation struct {
		path string
		send []byte
		code int
	}
	cases := map[string]violation{
		"bomb":           {"/echo", frame{op: opBinary, rsv: 4, payload: bomb}.encode(), ws.CloseTooBig},
		"one byte more":  {"/echo", frame{op: opBinary, rsv: 4, payload: slices.Concat(bytes.Repeat(piece, 4), deflated(t, []byte("x")))}.encode(), ws.CloseTooBig},
		"huge frame":     {"/echo", frame{op: opBinary, rsv: 4, length: maxMessage * 2}.encode(), ws.CloseTooBig},
		"nonsense":       {"/echo", frame{op: opText, rsv: 4, payload: []byte("not deflated at all")}.encode(), ws.CloseNotUTF8},
		"cut short":      {"/echo", frame{op: opText, rsv: 4, payload: packed[:len(packed)-2]}.encode(), ws.CloseNotUTF8},
		"not UTF-8":      {"/text", frame{op: opText, rsv: 4, payload: bad}.encode(), ws.CloseNotUTF8},
		"half a glyph":   {"/text", frame{op: opText, rsv: 4, payload: deflated(t, []byte("\xe2\x82"))}.encode(), ws.CloseNotUTF8},
		"binary on text": {"/text", frame{op: opBinary, rsv: 4, payload: packed}.encode(), ws.CloseUnsupported},
		// Fail fast: the rest never comes.
		"not UTF-8, fragment": {"/text", frame{op: opText, rsv: 4, more: true, payload: bad}.encode(), ws.CloseNotUTF8},
		"not UTF-8, partial":  {"/text", frame{op: opText, rsv: 4, length: 60_000, payload: bad}.encode(), ws.CloseNotUTF8},
		"bit on continuation": {"/echo", slices.Concat(frame{op: opText, rsv: 4, more: true, payload: packed[:3]}.encode(),
			frame{op: opContinuation, rsv: 4, payload: packed[3:]}.encode()), ws.CloseProtocolError},
		"bit on continuation of plain text": {"/echo", slices.Concat(frame{op: opText, more: true, payload: []byte("a")}.encode(),
			frame{op: opContinuation, rsv: 4, payload: packed}.encode()), ws.CloseProtocolError},
		// Blocks without contents have no end.
		"empty blocks": {"/echo", slices.Concat(frame{op: opText, rsv: 4, more: true, payload: bytes.Repeat([]byte{0, 0, 0, 0xff, 0xff}, 50_000)}.encode(),
			frame{op: opContinuation, payload: bytes.Repeat([]byte{0, 0, 0, 0xff, 0xff}, 50_000)}.encode()), ws.CloseTooBig},
	}
	for _, op := range []byte{opPing, opPong, opClose} {
		cases[fmt.Sprintf("bit on opcode %d", op)] = violation{"/echo", frame{op: op, rsv: 4}.encode(), ws.CloseProtocolError}
	}
	for _, rsv := range []byte{1, 2, 3, 5, 6, 7} {
		cases[fmt.Sprintf("reserved bits %03b", rsv)] = violation{"/echo", frame{op: opText, rsv: rsv, payload: packed}.encode(), ws.CloseProtocolError}
	}
	for name, v := range cases {
		t.Run(name, func(t *testing.T) {
			c := s.openDeflate(t, v.path, deflateOffer, deflateAnswer)
			c.write(v.send)
			c.wantClose(v.code)
		})
	}
	t.Run("not negotiated", func(t *testing.T) {
		c := s.open(t, "/echo")
		c.write(frame{op: opText, rsv: 4, payload: packed}.encode())
		c.wantClose(ws.CloseProtocolError)
	})
}

// unpack inflates a message of the server, which must end with a whole block.
func unpack(payload []byte) ([]byte, error) {
	tail := []byte{0, 0, 0xff, 0xff, 1, 0, 0, 0xff, 0xff}
	out, err := io.ReadAll(flate.NewReader(io.MultiReader(bytes.NewReader(payload), bytes.NewReader(tail))))
	if err != nil {
		return nil, fmt.Errorf("inflate: %w", err)
	}
	return out, nil
}
