package ws

import (
	"math/bits"
	"sync"
)

// Buffers come in powers of two from 128 bytes to 512 KiB; longer ones are left
// to the garbage collector, so that one long message does not stay in memory.
const (
	minBufferBits = 7
	bufferClasses = 13
)

// buffer is a byte slice that goes back to a pool.
type buffer struct{ b []byte }

//nolint:gochecknoglobals // shared by all engines of the process, like the heap
var buffers [bufferClasses]sync.Pool

func bufferClass(n int) int {
	if n <= 1<<minBufferBits {
		return 0
	}
	return bits.Len(uint(n-1)) - minBufferBits
}

// getBuffer gives a buffer of at least n bytes; its contents are undefined.
func getBuffer(n int) *buffer {
	class := bufferClass(n)
	if class >= bufferClasses {
		return &buffer{b: make([]byte, n)}
	}
	if b, ok := buffers[class].Get().(*buffer); ok {
		return b
	}
	return &buffer{b: make([]byte, 1<<(minBufferBits+class))}
}

func putBuffer(b *buffer) {
	class := bufferClass(len(b.b))
	if class < bufferClasses {
		buffers[class].Put(b)
	}
}

// The sizes of an inbox.
const (
	idleInbox = 512       // while nothing is being received
	bulkInbox = 16 << 10  // at most, to read many short frames at once
	headLimit = 16 << 10  // longest request head
	lineLimit = 8 << 10   // longest line of it
	maxFields = 100       // header lines of it
	trustedIn = 4 << 10   // allocated on the word of a length field alone
	discardIn = 32 << 20  // read and thrown away at most while closing
	refuseIn  = 256 << 10 // the same after a refused request
)

// inbox holds what was read from a connection and not consumed yet. It belongs
// to the connection's reader.
type inbox struct {
	buf  *buffer
	r, w int
}

func newInbox() inbox { return inbox{buf: getBuffer(idleInbox)} }

func (in *inbox) bytes() []byte { return in.buf.b[in.r:in.w] }

func (in *inbox) free() []byte { return in.buf.b[in.w:] }

// makeRoom prepares for the next read. need is the length of what is being
// received, from in.r on, 0 when nothing is. An idle inbox falls back to a
// small buffer; one whose last read filled it grows; and a length that the peer
// claims is believed only as far as bytes really arrive.
func (in *inbox) makeRoom(need int) {
	have := in.w - in.r
	size := len(in.buf.b)
	switch {
	case need <= have && in.w == size:
		size = min(max(size, bulkInbox), size*4)
	case need <= have:
		size = idleInbox
	case need > size:
		size = min(need, max(size, trustedIn, 4*have))
	}
	size = max(size, have+1)
	// Long buffers have the length that was asked for: a full one may have to grow
	// within its class. Otherwise it grows by classes, not with every read.
	if bufferClass(size) != bufferClass(len(in.buf.b)) || have == len(in.buf.b) {
		in.move(getBuffer(size))
		return
	}
	if in.r > 0 && (have == 0 || in.r+max(need, have+1) > len(in.buf.b)) {
		copy(in.buf.b, in.bytes())
		in.r, in.w = 0, have
	}
}

func (in *inbox) move(to *buffer) {
	have := copy(to.b, in.bytes())
	putBuffer(in.buf)
	in.buf, in.r, in.w = to, 0, have
}

func (in *inbox) release() {
	if in.buf != nil {
		putBuffer(in.buf)
		in.buf = nil
	}
}
