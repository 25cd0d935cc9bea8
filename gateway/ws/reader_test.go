package ws

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"unicode/utf8"
)

// refRead is the reader written plainly: the whole input at once, one frame
// after the other, nothing reused. It returns what the reader must report, and
// the close code of the violation that ended it (0: the input ended).
func refRead(in []byte, maxMessage int, binaryAllowed bool) (items []string, code int) {
	var message []byte
	var started, text bool
	for {
		h, ok := refHead(in)
		if !ok {
			return items, 0
		}
		control := h.op >= 8
		switch {
		case h.rsv || h.topBit || (h.op > 2 && h.op < 8) || h.op > 10 || !h.masked || !h.shortest,
			control && (!h.fin || h.length > 125),
			h.op == 0 && !started, (h.op == 1 || h.op == 2) && started:
			return items, CloseProtocolError
		case h.op == 2 && !binaryAllowed:
			return items, CloseUnsupported
		case !control && h.length > uint64(maxMessage-len(message)):
			return items, CloseTooBig
		}
		rest := in[h.size:]
		whole := uint64(len(rest)) >= h.length
		payload := make([]byte, 0, len(rest))
		for i := 0; i < len(rest) && uint64(i) < h.length; i++ {
			payload = append(payload, rest[i]^h.mask[i%4])
		}
		if !control {
			if h.op != 0 {
				text = h.op == 1
			}
			if text && !refText(slices.Concat(message, payload), whole && h.fin) {
				return items, CloseNotUTF8
			}
		}
		if !whole {
			return items, 0
		}
		in = rest[h.length:]
		switch {
		case h.op == 8:
			if v := checkClose(payload); v != nil {
				return items, v.code
			}
			return append(items, fmt.Sprintf("close %x", payload)), 0
		case control:
			items = append(items, fmt.Sprintf("%d %x", h.op, payload))
		case h.fin:
			items = append(items, fmt.Sprintf("message %t %x", text, slices.Concat(message, payload)))
			started, message = false, nil
		default:
			started, message = true, slices.Concat(message, payload)
		}
	}
}

type refHeader struct {
	fin, rsv, masked, shortest, topBit bool
	op                                 byte
	length                             uint64
	mask                               []byte
	size                               int
}

func refHead(in []byte) (h refHeader, ok bool) {
	if len(in) < 2 {
		return h, false
	}
	h = refHeader{
		fin: in[0]&0x80 != 0, rsv: in[0]&0x70 != 0, op: in[0] & 15,
		masked: in[1]&0x80 != 0, length: uint64(in[1] & 127), size: 2, shortest: true,
	}
	switch h.length {
	case 126:
		h.size = 4
	case 127:
		h.size = 10
	}
	lengthEnd := h.size
	if h.masked {
		h.size += 4
	}
	if len(in) < h.size {
		return h, false
	}
	switch lengthEnd {
	case 4:
		h.length = uint64(binary.BigEndian.Uint16(in[2:]))
		h.shortest = h.length > 125
	case 10:
		h.length = binary.BigEndian.Uint64(in[2:])
		h.shortest = h.length > 0xffff
		h.topBit = h.length>>63 == 1
	}
	h.mask = in[lengthEnd:h.size]
	return h, true
}

// refText: can b be the beginning of a text, or all of it?
func refText(b []byte, all bool) bool {
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 {
			return !all && !utf8.FullRune(b)
		}
		b = b[n:]
	}
	return true
}

// runReader feeds a reader through an inbox as a connection does, with at most
// step bytes at a time.
func runReader(t testing.TB, in []byte, step, maxMessage int, binaryAllowed bool) (items []string, code int) {
	t.Helper()
	r := reader{maxMessage: maxMessage, binary: binaryAllowed}
	box := newInbox()
	defer box.release()
	defer r.release()
	for {
		it, n, v := r.next(box.bytes())
		if v != nil {
			return items, v.code
		}
		box.r += n
		switch it.kind {
		case itemMessage:
			items = append(items, fmt.Sprintf("message %t %x", it.text, it.payload))
		case itemPing:
			items = append(items, fmt.Sprintf("9 %x", it.payload))
		case itemPong:
			items = append(items, fmt.Sprintf("10 %x", it.payload))
		case itemClose:
			return append(items, fmt.Sprintf("close %x", it.payload)), 0
		}
		if n > 0 {
			continue
		}
		if len(in) == 0 {
			return items, 0
		}
		box.makeRoom(r.need())
		if limit := 4*maxMessage + 2*bulkInbox; len(box.buf.b) > limit {
			t.Fatalf("buffer of %d bytes for messages of %d", len(box.buf.b), maxMessage)
		}
		got := copy(box.free()[:min(step, len(box.free()))], in)
		if got == 0 {
			t.Fatal("no room to read into")
		}
		box.w += got
		in = in[got:]
	}
}

// masked encodes a client frame.
func masked(b0 byte, payload []byte) []byte {
	out := []byte{b0}
	switch n := len(payload); {
	case n <= 125:
		out = append(out, 0x80|byte(n))
	case n <= 0xffff:
		out = binary.BigEndian.AppendUint16(append(out, 0x80|126), uint16(n))
	default:
		out = binary.BigEndian.AppendUint64(append(out, 0x80|127), uint64(n))
	}
	mask := []byte{7, 0x80, 0xff, 3}
	out = append(out, mask...)
	for i, c := range payload {
		out = append(out, c^mask[i%4])
	}
	return out
}

func FuzzReader(f *testing.F) {
	text := []byte("κόσμε 😀")
	f.Add(masked(0x81, text), uint8(3), true)
	f.Add(slices.Concat(masked(0x01, text[:5]), masked(0x89, []byte("p")), masked(0x80, text[5:])), uint8(1), false)
	f.Add(masked(0x82, bytes.Repeat([]byte{0xff}, 700)), uint8(100), true)
	f.Add(masked(0x81, bytes.Repeat([]byte("a"), 3000)), uint8(255), true)
	f.Add(masked(0x88, []byte{3, 0xe8, 'x'}), uint8(2), true)
	f.Add([]byte{0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 1, 1, 2, 3, 4}, uint8(5), true)
	f.Add(masked(0x01, []byte("a\xf4\x90")), uint8(1), true)
	f.Add(slices.Concat(masked(0x02, nil), masked(0x80, nil), masked(0x8a, nil)), uint8(1), true)
	f.Fuzz(func(t *testing.T, in []byte, step uint8, binaryAllowed bool) {
		const maxMessage = 2000
		want, wantCode := refRead(in, maxMessage, binaryAllowed)
		for _, step := range []int{len(in) + 1, int(step) + 1, 1} {
			got, code := runReader(t, in, step, maxMessage, binaryAllowed)
			if !slices.Equal(got, want) || code != wantCode {
				t.Fatalf("in steps of %d: got %q %d, want %q %d", step, got, code, want, wantCode)
			}
		}
	})
}

func FuzzParseHead(f *testing.F) {
	f.Add([]byte("GET /a%20b?c=d HTTP/1.1\r\nHost: h:1\r\nA: b\r\n\r\n"))
	f.Add([]byte("GET ws://h/x HTTP/1.1\r\nHost: h\r\n\r\n"))
	f.Add([]byte("* * HTTP/1.0\r\n\r\n"))
	f.Fuzz(func(t *testing.T, head []byte) {
		r, ref := ParseHead(head)
		if r == nil {
			t.Fatal("no request")
		}
		if ref != nil {
			if ref.Status < 400 || ref.Code == "" || ref.Detail == "" {
				t.Fatalf("refusal %+v", ref)
			}
			return
		}
		if r.Method == "" || r.Path == "" || r.Proto == "" || len(r.Headers) > maxFields {
			t.Fatalf("request %+v", r)
		}
		for _, h := range r.Headers {
			if bytes.ContainsAny([]byte(h.Name+h.Value), "\r\n\x00") {
				t.Fatalf("header %q", h)
			}
		}
		Upgradable(r)
		r.Subprotocols()
	})
}

func TestUTF8Checker(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", "a", "é", "€", "😀", "a€", "\xed\x9f\xbf", "\xff", "\xe2\x82", "\xf0\x9f\x98x", "\xc3\x28"} {
		for cut := range len(s) + 1 {
			var u utf8Checker
			got := u.write([]byte(s[:cut])) && u.write([]byte(s[cut:])) && u.end()
			if got != utf8.ValidString(s) {
				t.Errorf("%q cut at %d: valid %t", s, cut, got)
			}
		}
	}
}

func BenchmarkReader(b *testing.B) {
	for _, size := range []int{16, 150, 4096, 65536} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			frame := masked(0x81, bytes.Repeat([]byte("x"), size))
			in := make([]byte, len(frame))
			r := reader{maxMessage: size}
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				copy(in, frame) // next unmasks in place
				if it, n, v := r.next(in); n != len(in) || v != nil || len(it.payload) != size {
					b.Fatal("not read")
				}
			}
		})
	}
}

// However long a frame and however its bytes arrive, there is always room for
// more: a read into nothing would go on for ever.
func TestInboxAlwaysHasRoom(t *testing.T) {
	t.Parallel()
	for _, need := range []int{100, 600 << 10, 9<<20 + 14, 16<<20 + 14} {
		for _, part := range []int{1000, 4096, 65537, 1 << 20} {
			in := newInbox()
			for have := 0; have < need; {
				in.makeRoom(need)
				n := min(len(in.free()), part, need-have)
				if n == 0 {
					t.Fatalf("no room in %d bytes after %d of %d, %d at a time", len(in.buf.b), have, need, part)
				}
				in.w += n
				have += n
			}
			in.release()
		}
	}
}
