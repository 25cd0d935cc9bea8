package ws

import (
	"net"
	"sync"
)

const (
	batchFrames = 64        // frames in one writev
	batchBytes  = 256 << 10 // begun batches end after so many bytes
	maxPongs    = 16        // waiting answers to pings
	corkBytes   = 32 << 10  // a corked connection gathers so many bytes
)

// outbound is what a connection has to write. The connection's mutex guards it.
type outbound struct {
	queue []*Frame // waiting, one reference each
	skip  int      // bytes of queue[0] that were written already
	bytes int      // waiting and in the writer's hands
	// writing says that frames have to go through the queue: it is not empty,
	// somebody else writes, or the connection is corked.
	writing bool
	corked  bool // its engine writes the queue soon, to join frames

	pongs    int    // waiting
	lastPong *Frame // the latest of them; not shared, may be rewritten

	framesOut, bytesOut uint64
	peak                int // of bytes
}

// dropWaiting drops what no write has begun. Of a frame that a direct write has
// begun, the rest stays.
func (o *outbound) dropWaiting() {
	keep := 0
	if o.skip > 0 {
		keep = 1
	}
	for i := keep; i < len(o.queue); i++ {
		o.bytes -= o.queue[i].size()
		o.queue[i].Release()
		o.queue[i] = nil
	}
	o.queue = o.queue[:min(keep, len(o.queue))]
	o.pongs, o.lastPong = 0, nil
}

// remove takes the first n frames off the queue, which others own now.
func (o *outbound) remove(n int) {
	for _, f := range o.queue[:n] {
		if f == o.lastPong {
			o.lastPong = nil
		}
	}
	o.pongs = max(0, o.pongs-n) // about right is enough for a bound
	rest := copy(o.queue, o.queue[n:])
	clear(o.queue[rest:])
	o.queue = o.queue[:rest]
	if rest == 0 && cap(o.queue) > 2*batchFrames {
		o.queue = nil // a burst is over
	}
}

// write writes f at once when the socket takes it, else queues it. mu is held.
func (c *link) write(f *Frame) {
	o := &c.out
	b := f.bytes()
	o.framesOut += uint64(f.count())
	if !o.writing {
		n, err := c.wire.try(b)
		o.bytesOut += uint64(n)
		if err != nil {
			c.breakOff()
			return
		}
		if n == len(b) {
			c.lastSent.Store(c.clock.Load())
			return
		}
		o.skip = n
	}
	o.queue = append(o.queue, f.Retain())
	o.bytes += len(b)
	o.peak = max(o.peak, o.bytes)
	if !o.writing {
		o.writing = true
		c.wire.waiting()
	}
}

// pong answers a ping. More than maxPongs answers never wait: then only the
// latest ping is answered, as RFC 6455 section 5.5.3 allows.
func (c *link) pong(payload []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.decided || c.broken {
		return
	}
	o := &c.out
	if o.corked && o.pongs >= maxPongs {
		if c.wire.uncork(); c.broken {
			return
		}
	}
	if o.pongs >= maxPongs && o.lastPong != nil {
		o.bytes -= o.lastPong.size()
		o.lastPong.set(opPong, payload)
		o.bytes += o.lastPong.size()
		return
	}
	f := newControl(opPong, payload)
	before := len(o.queue)
	c.write(f)
	if len(o.queue) > before && (o.skip == 0 || before > 0) {
		o.pongs++
		o.lastPong = f
	}
	f.Release()
}

// batch is what one writev takes.
type batch struct {
	frames  [batchFrames]*Frame
	n       int
	bytes   int
	store   [batchFrames][]byte
	buffers net.Buffers
	flat    *buffer // one record instead of many, for connections without writev
}

//nolint:gochecknoglobals // shared by all engines of the process
var batches = sync.Pool{New: func() any { return new(batch) }}
