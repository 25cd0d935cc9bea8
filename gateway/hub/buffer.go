package hub

// buffer is scratch space for encoding one frame.
type buffer struct{ b []byte }

// maxScratch is the largest buffer that is kept for later.
const maxScratch = 64 << 10

func newBuffer() any { return &buffer{b: make([]byte, 0, 1024)} }

func (h *Hub) getBuffer() *buffer { return h.buffers.Get().(*buffer) }

// putBuffer gives b back; a large one is left to the collector.
func (h *Hub) putBuffer(b *buffer) {
	if cap(b.b) > maxScratch {
		return
	}
	b.b = b.b[:0]
	h.buffers.Put(b)
}
