package ws

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// maxServerHead is the longest header of an unmasked frame.
const maxServerHead = 10

// Frame is one encoded server frame (header and payload), shared by all
// connections that it is sent to and reference-counted. It is never changed
// after it was made. Safe for concurrent use.
type Frame struct {
	refs atomic.Int32
	buf  *buffer
	head int // length of the header
	end  int // header and payload
	// parts are the frames that it was joined from, one reference each.
	parts []*Frame
	pack  packing
}

//nolint:gochecknoglobals // frames are made by functions, before any engine is known
var framePool = sync.Pool{New: func() any { return new(Frame) }}

// NewText makes a frame from a text payload, which it copies. The caller holds
// one reference.
func NewText(payload []byte) *Frame { return newFrame(ws.OpText, payload) }

// NewBinary makes a frame from a binary payload, which it copies. The caller
// holds one reference.
func NewBinary(payload []byte) *Frame { return newFrame(ws.OpBinary, payload) }

func newFrame(op ws.OpCode, payload []byte) *Frame {
	f, _ := framePool.Get().(*Frame)
	f.buf = getBuffer(maxServerHead + len(payload))
	f.set(op, payload)
	f.refs.Store(1)
	return f
}

// set encodes op and payload into the buffer, which must be long enough.
func (f *Frame) set(op ws.OpCode, payload []byte) {
	b := f.buf.b
	b[0] = 0x80 | byte(op)
	switch n := len(payload); {
	case n < 126:
		b[1] = byte(n)
		f.head = 2
	case n <= 0xffff:
		b[1] = 126
		binary.BigEndian.PutUint16(b[2:], uint16(n))
		f.head = 4
	default:
		b[1] = 127
		binary.BigEndian.PutUint64(b[2:], uint64(n))
		f.head = 10
	}
	f.end = f.head + copy(b[f.head:], payload)
}

// newClose makes a Close frame. Codes that may not be sent give an empty one.
func newClose(code int, reason string) *Frame {
	if code == CloseNoStatus || code == CloseAbnormal {
		return newFrame(ws.OpClose, nil)
	}
	var p [125]byte
	binary.BigEndian.PutUint16(p[:], uint16(code))
	n := copy(p[2:], reason)
	for n < len(reason) && n > 0 && !utf8.RuneStart(reason[n]) {
		n--
	}
	return newFrame(ws.OpClose, p[:2+n])
}

// Release gives one reference back. The last one returns the buffer to a pool.
func (f *Frame) Release() {
	switch n := f.refs.Add(-1); {
	case n == 0:
		if f.pack.frame != nil {
			f.pack.frame.Release()
		}
		f.pack.frame, f.pack.tried = nil, false
		for i, p := range f.parts {
			p.Release()
			f.parts[i] = nil
		}
		f.parts = f.parts[:0]
		putBuffer(f.buf)
		f.buf = nil
		framePool.Put(f)
	case n < 0:
		panic("ws: frame released more often than retained")
	}
}

// Retain takes one more reference.
func (f *Frame) Retain() *Frame {
	f.refs.Add(1)
	return f
}

// Join makes one frame from several, to be sent in their order with one write to
// each receiver: for who has a number of frames for many connections at once. It
// copies them and keeps references. It has no payload of its own. The caller holds
// one reference.
func Join(frames ...*Frame) *Frame {
	size := 0
	for _, f := range frames {
		size += f.size()
	}
	j, _ := framePool.Get().(*Frame)
	j.buf = getBuffer(size)
	j.head, j.end = 0, 0
	for _, f := range frames {
		j.end += copy(j.buf.b[j.end:], f.bytes())
		j.parts = append(j.parts, f.Retain())
	}
	j.refs.Store(1)
	return j
}

// frameOverhead is about what a frame takes besides its buffer.
const frameOverhead = 128

// Memory is about how many bytes of memory it takes for whoever keeps it,
// without a compressed form, which it may have as well.
func (f *Frame) Memory() int { return frameOverhead + len(f.buf.b) }

// count is the number of frames that it is on the wire.
func (f *Frame) count() int { return max(1, len(f.parts)) }

// Payload is the frame's payload, to be read only while a reference is held.
func (f *Frame) Payload() []byte { return f.buf.b[f.head:f.end] }

func (f *Frame) bytes() []byte { return f.buf.b[:f.end] }

func (f *Frame) size() int { return f.end }

const (
	opPing = ws.OpPing
	opPong = ws.OpPong
)

// newControl makes a control frame; payload is at most 125 bytes. Its buffer has
// room for any other control payload.
func newControl(op ws.OpCode, payload []byte) *Frame { return newFrame(op, payload) }
