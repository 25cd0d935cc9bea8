package ws

// Frame is one encoded server frame (header and payload), shared by all
// connections that it is sent to and reference-counted.
type Frame struct{}

// NewText makes a frame from a text payload, which it copies. The caller holds
// one reference.
func NewText(payload []byte) *Frame { panic("seam") }

// Release gives one reference back. The last one returns the buffer to a pool.
func (f *Frame) Release() { panic("seam") }

// Retain takes one more reference.
func (f *Frame) Retain() *Frame { panic("seam") }

// Payload is the frame's payload, to be read only while a reference is held.
func (f *Frame) Payload() []byte { panic("seam") }
