package ws

import (
	"bytes"
	"encoding/binary"
	"errors"
	"sync"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// violation is why the peer's bytes end a connection. The values are constants
// of the package.
type violation struct {
	code   int
	reason string
}

//nolint:gochecknoglobals // constants; Go has no constant structs
var (
	badReserved    = &violation{CloseProtocolError, "reserved bits set"}
	badOpcode      = &violation{CloseProtocolError, "unknown opcode"}
	badMask        = &violation{CloseProtocolError, "frame is not masked"}
	badControl     = &violation{CloseProtocolError, "control frame fragmented or longer than 125 bytes"}
	badStart       = &violation{CloseProtocolError, "continuation without a start"}
	badInterleave  = &violation{CloseProtocolError, "new message inside a fragmented one"}
	badLength      = &violation{CloseProtocolError, "length not in its shortest form or out of range"}
	badClose       = &violation{CloseProtocolError, "invalid close payload"}
	badCloseReason = &violation{CloseNotUTF8, "close reason is not UTF-8"}
	badText        = &violation{CloseNotUTF8, "text is not UTF-8"}
	badBinary      = &violation{CloseUnsupported, "binary messages are not supported"}
	tooBig         = &violation{CloseTooBig, "message too big"}
)

// itemKind is what [reader.next] cut out.
type itemKind uint8

const (
	itemNone itemKind = iota // a fragment; its message is not complete
	itemMessage
	itemPing
	itemPong
	itemClose
)

// item is one message or control frame.
type item struct {
	kind    itemKind
	text    bool
	payload []byte // valid until the next call
}

// reader cuts messages and control frames out of a client's bytes and checks
// them (RFC 6455 section 5). It knows no socket: the caller shows it the
// unconsumed bytes, as many as there are, as often as it likes. What it has
// looked at is unmasked in place once and stays where it is until it is
// consumed. Not safe for concurrent use.
type reader struct {
	maxMessage int
	binary     bool
	deflate    bool // permessage-deflate was negotiated

	head    ws.Header
	headLen int // 0: the header of the current frame is not complete
	done    int // bytes of its payload that were unmasked and checked

	inMessage bool // between the first and the last fragment
	text      bool
	utf8      utf8Checker
	message   *buffer // fragments so far, nil for none
	length    int     // of them
	delivered bool    // message was handed out and may go back

	packed   bool      // the message is compressed
	packedIn int       // compressed bytes of it so far
	inflate  *inflater // while such a message is incomplete

	count uint64 // messages, and control frames outside of messages, completed
}

// next looks at the unconsumed bytes b. n is how many of them the item took; 0
// means that more bytes are needed.
func (r *reader) next(b []byte) (it item, n int, v *violation) {
	if r.delivered {
		r.release()
	}
	if r.headLen == 0 {
		if v := r.readHead(b); v != nil || r.headLen == 0 {
			return item{}, 0, v
		}
	}
	length := int(r.head.Length)
	payload := b[r.headLen:min(len(b), r.headLen+length)]
	fresh := payload[r.done:]
	ws.Cipher(fresh, r.head.Mask, r.done)
	r.done = len(payload)
	if !r.head.OpCode.IsControl() {
		if v := r.content(fresh); v != nil {
			return item{}, 0, v
		}
	}
	if len(payload) < length {
		return item{}, 0, nil
	}
	n = r.headLen + length
	r.headLen, r.done = 0, 0
	if r.head.OpCode.IsControl() {
		it, v = r.control(payload)
	} else {
		it, v = r.fragment(payload)
	}
	return it, n, v
}

// readHead reads the header of the next frame when all of it is there.
func (r *reader) readHead(b []byte) *violation {
	h, headLen, err := parseHeader(b)
	switch {
	case errors.Is(err, ws.ErrHeaderLengthMSB):
		return badLength
	case err != nil: // the source ended
		return nil
	}
	if v := r.check(h, headLen); v != nil {
		return v
	}
	r.head, r.headLen, r.done = h, headLen, 0
	if h.OpCode == ws.OpText || h.OpCode == ws.OpBinary {
		r.text, r.packed = h.OpCode == ws.OpText, h.Rsv != 0
		if r.packed {
			r.packedIn, r.inflate = 0, newInflater(r.maxMessage)
		}
	}
	return nil
}

// headerSource shows bytes to gobwas. Connections share them: they are used for a
// moment only.
type headerSource struct {
	src     bytes.Reader
	scratch [ws.MaxHeaderSize]byte
}

//nolint:gochecknoglobals // a pool
var headerSources = sync.Pool{New: func() any { return new(headerSource) }}

// parseHeader reads the header at the beginning of b, which is n bytes long.
func parseHeader(b []byte) (h ws.Header, n int, err error) {
	s := headerSources.Get().(*headerSource)
	s.src.Reset(b)
	h, err = ws.ReadHeaderBuffer(&s.src, s.scratch[:])
	n = len(b) - s.src.Len()
	s.src.Reset(nil)
	headerSources.Put(s)
	return h, n, err
}

// rsv1 is the reserved bit that marks compressed messages (RFC 7692 section 6).
const rsv1 = 4

// reserved says that a header has reserved bits that were not agreed on.
func (r *reader) reserved(h ws.Header) bool {
	starts := h.OpCode == ws.OpText || h.OpCode == ws.OpBinary
	return h.Rsv != 0 && (h.Rsv != rsv1 || !r.deflate || !starts)
}

// tooLong says that a data frame exceeds its limit. Compressed bytes have one of
// their own, a little above, since what cannot be compressed becomes longer; what
// they become is bounded by the inflater.
func (r *reader) tooLong(h ws.Header) bool {
	if r.deflate && (h.Rsv != 0 || h.OpCode == ws.OpContinuation && r.packed) {
		before := r.packedIn
		if h.OpCode != ws.OpContinuation {
			before = 0
		}
		return h.Length > int64(r.maxMessage+r.maxMessage/64+256-before)
	}
	return h.Length > int64(r.maxMessage-r.length)
}

// content checks the next bytes of a message as far as they have arrived.
func (r *reader) content(fresh []byte) *violation {
	if !r.packed {
		if r.text && !r.utf8.write(fresh) {
			return badText
		}
		return nil
	}
	r.packedIn += len(fresh)
	return r.inflated(r.inflate.write(fresh))
}

// inflated takes over what the inflater has made.
func (r *reader) inflated(v *violation) *violation {
	before := r.length
	r.message, r.length = r.inflate.out, r.inflate.n
	if r.text && r.length > before && !r.utf8.write(r.message.b[before:r.length]) {
		return badText
	}
	return v
}

// check judges a header by itself and by what came before.
func (r *reader) check(h ws.Header, headLen int) *violation {
	switch {
	case r.reserved(h):
		return badReserved
	case h.OpCode.IsReserved():
		return badOpcode
	case !h.Masked:
		return badMask
	case h.OpCode.IsControl() && (!h.Fin || h.Length > 125):
		return badControl
	case h.OpCode == ws.OpContinuation && !r.inMessage:
		return badStart
	case h.OpCode.IsData() && h.OpCode != ws.OpContinuation && r.inMessage:
		return badInterleave
	case ws.HeaderSize(h) != headLen:
		return badLength
	case h.OpCode == ws.OpBinary && !r.binary:
		return badBinary
	case !h.OpCode.IsControl() && r.tooLong(h):
		return tooBig
	}
	return nil
}

func (r *reader) control(payload []byte) (item, *violation) {
	if !r.inMessage {
		r.count++
	}
	switch r.head.OpCode {
	case ws.OpPing:
		return item{kind: itemPing, payload: payload}, nil
	case ws.OpPong:
		return item{kind: itemPong, payload: payload}, nil
	}
	return item{kind: itemClose, payload: payload}, checkClose(payload)
}

// fragment takes a complete data frame. A message in one frame is handed out
// where it lies; fragments are gathered.
func (r *reader) fragment(payload []byte) (item, *violation) {
	if r.head.Fin && !r.inMessage && !r.packed {
		return r.complete(payload)
	}
	r.inMessage = true
	if !r.packed {
		r.gather(payload)
	}
	if !r.head.Fin {
		return item{}, nil
	}
	r.inMessage = false
	r.delivered = true
	if r.packed {
		v := r.inflated(r.inflate.finish())
		r.inflate.release()
		r.inflate = nil
		if v != nil {
			return item{}, v
		}
	}
	if r.message == nil {
		return r.complete(nil)
	}
	return r.complete(r.message.b[:r.length])
}

func (r *reader) complete(payload []byte) (item, *violation) {
	r.count++
	if r.text && !r.utf8.end() {
		return item{}, badText
	}
	return item{kind: itemMessage, text: r.text, payload: payload}, nil
}

func (r *reader) gather(payload []byte) {
	if len(payload) == 0 {
		return
	}
	total := r.length + len(payload)
	if r.message == nil || total > len(r.message.b) {
		grown := getBuffer(total)
		if r.message != nil {
			copy(grown.b, r.message.b[:r.length])
			putBuffer(r.message)
		}
		r.message = grown
	}
	copy(r.message.b[r.length:], payload)
	r.length = total
}

// release gives the gathered message back.
func (r *reader) release() {
	if r.inflate != nil {
		r.inflate.release()
		r.inflate = nil
	}
	if r.message != nil {
		putBuffer(r.message)
		r.message = nil
	}
	r.length, r.delivered = 0, false
}

// need is the length of the frame that is being received, 0 when its header is
// not complete.
func (r *reader) need() int {
	if r.headLen == 0 {
		return 0
	}
	return r.headLen + int(r.head.Length)
}

// checkClose judges the payload of a Close frame (RFC 6455 sections 5.5.1 and
// 7.4, and the registry: 1012–1014 may be sent).
func checkClose(p []byte) *violation {
	if len(p) == 0 {
		return nil
	}
	if len(p) == 1 {
		return badClose
	}
	code := int(binary.BigEndian.Uint16(p))
	switch {
	case code >= 1000 && code <= 1003, code >= 1007 && code <= 1014, code >= 3000 && code <= 4999:
	default:
		return badClose
	}
	if !utf8.Valid(p[2:]) {
		return badCloseReason
	}
	return nil
}

// closeOf reads a Close payload that was checked.
func closeOf(p []byte) (code int, reason string) {
	if len(p) < 2 {
		return CloseNoStatus, ""
	}
	return int(binary.BigEndian.Uint16(p)), printable(string(p[2:]))
}
