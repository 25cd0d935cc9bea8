package ws

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

const (
	batchFrames = 64        // frames in one writev
	batchBytes  = 256 << 10 // begun batches end after so many bytes
	maxPongs    = 16        // waiting answers to pings
)

// outbound is what a connection has to write. The connection's mutex guards it.
type outbound struct {
	queue   []*Frame // waiting, one reference each
	skip    int      // bytes of queue[0] that were written already
	bytes   int      // waiting and in the writer's hands
	writing bool     // the writer goroutine runs; it does while queue is not empty
	loop    func()   // the writer goroutine; kept, so that starting it allocates nothing

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

// write writes f at once when the socket takes it, else queues it. mu is held.
func (c *conn) write(f *Frame) {
	o := &c.out
	b := f.bytes()
	o.framesOut++
	if !o.writing && c.direct != nil {
		n, err := c.direct.write(b)
		o.bytesOut += uint64(n)
		if err != nil {
			c.breakOff()
			return
		}
		if n == len(b) {
			c.lastSent.Store(c.eng.now())
			return
		}
		o.skip = n
	}
	o.queue = append(o.queue, f.Retain())
	o.bytes += len(b)
	o.peak = max(o.peak, o.bytes)
	if !o.writing {
		o.writing = true
		if c.decided {
			_ = c.nc.SetWriteDeadline(c.closeBy)
		}
		go o.loop()
	}
}

// breakOff notes that the peer takes nothing any more. What it sent before may
// still hold its Close, so the reader gets some time to find out. mu is held.
func (c *conn) breakOff() {
	c.broken = true
	c.out.skip = 0
	c.out.dropWaiting()
	_ = c.nc.SetReadDeadline(time.Now().Add(c.eng.cfg.CloseTimeout))
	c.changed.Broadcast()
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

// writeLoop is the writer goroutine: it writes until nothing waits.
func (c *conn) writeLoop() {
	b, _ := batches.Get().(*batch)
	more, fin := c.take(b)
	for ; more; more, fin = c.take(b) {
		err := c.flush(b)
		c.settleBatch(b, err)
	}
	batches.Put(b)
	if fin {
		shutdownWrite(c.nc)
		c.mu.Lock()
		c.out.writing = false
		c.changed.Broadcast()
		c.mu.Unlock()
	}
}

// take moves waiting frames into the batch. When nothing waits, the writer is
// done, but for a FIN that is to be sent: after finish asked for it nothing is
// queued any more. fin has to be known here: as soon as the mutex is free another
// Send may have started another writer, whose connection is not to be ended.
func (c *conn) take(b *batch) (more, fin bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	o := &c.out
	if len(o.queue) == 0 || c.broken {
		if cap(o.queue) > 2*batchFrames {
			o.queue = nil // a burst is over
		}
		fin = c.fin && !c.broken
		if !fin {
			o.writing = false
			_ = c.nc.SetWriteDeadline(time.Time{})
			c.changed.Broadcast()
		}
		return false, fin
	}
	b.n, b.bytes = 0, 0
	for _, f := range o.queue {
		if b.n == batchFrames || b.n > 0 && b.bytes+f.size() > batchBytes {
			break
		}
		b.frames[b.n] = f
		b.store[b.n] = f.bytes()
		b.bytes += f.size()
		b.n++
	}
	b.store[0] = b.store[0][o.skip:]
	b.bytes -= o.skip
	o.skip = 0
	for _, f := range b.frames[:b.n] {
		if f == o.lastPong {
			o.lastPong = nil
		}
	}
	o.pongs = max(0, o.pongs-b.n) // about right is enough for a bound
	rest := copy(o.queue, o.queue[b.n:])
	clear(o.queue[rest:])
	o.queue = o.queue[:rest]
	deadline := c.closeBy
	if !c.decided {
		deadline = time.Now().Add(c.eng.cfg.WriteStall)
	}
	_ = c.nc.SetWriteDeadline(deadline)
	return true, false
}

// flush writes the batch, waiting for the socket as long as the deadline says.
func (c *conn) flush(b *batch) error {
	if c.direct != nil || b.n == 1 {
		b.buffers = b.store[:b.n]
		_, err := b.buffers.WriteTo(c.nc)
		return err
	}
	b.flat = getBuffer(b.bytes)
	n := 0
	for _, p := range b.store[:b.n] {
		n += copy(b.flat.b[n:], p)
	}
	_, err := c.nc.Write(b.flat.b[:n])
	putBuffer(b.flat)
	b.flat = nil
	return err
}

// settleBatch gives the frames back and judges an error.
func (c *conn) settleBatch(b *batch, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	o := &c.out
	for i, f := range b.frames[:b.n] {
		o.bytes -= f.size()
		f.Release()
		b.frames[i], b.store[i] = nil, nil
	}
	if err == nil {
		o.bytesOut += uint64(b.bytes)
		c.lastSent.Store(c.eng.now())
		c.changed.Broadcast()
		return
	}
	if c.broken {
		return
	}
	c.breakOff()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		if !c.decided {
			c.settle(CloseInfo{CloseSlowConsumer, ByTimeout, "write stalled"})
		}
		_ = c.nc.SetReadDeadline(time.Now())
	}
}

// pong answers a ping. More than maxPongs answers never wait: then only the
// latest ping is answered, as RFC 6455 section 5.5.3 allows.
func (c *conn) pong(payload []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.decided || c.broken {
		return
	}
	o := &c.out
	if o.pongs >= maxPongs && o.lastPong != nil {
		o.bytes -= o.lastPong.size()
		o.lastPong.set(opPong, payload)
		o.bytes += o.lastPong.size()
		return
	}
	f := newControl(opPong, payload)
	before := len(o.queue)
	c.write(f)
	if len(o.queue) > before && o.skip == 0 {
		o.pongs++
		o.lastPong = f
	}
	f.Release()
}

// shutdownWrite sends FIN, after TLS's own farewell where there is one.
func shutdownWrite(nc net.Conn) {
	type closeWriter interface{ CloseWrite() error }
	_ = nc.SetWriteDeadline(time.Now().Add(time.Second))
	if cw, ok := nc.(closeWriter); ok {
		_ = cw.CloseWrite()
	}
	if bare := bareConn(nc); bare != nc {
		if cw, ok := bare.(closeWriter); ok {
			_ = cw.CloseWrite()
		}
	}
}

// abort makes the close that follows a reset: what is unsent is forgotten.
func abort(nc net.Conn) {
	if tcp, ok := bareConn(nc).(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
}

// discardInput reads and forgets until the peer ends, the time is over or limit
// bytes were read.
func discardInput(nc net.Conn, by time.Time, limit int) {
	_ = nc.SetReadDeadline(by)
	b := getBuffer(4 << 10)
	defer putBuffer(b)
	for limit > 0 {
		n, err := nc.Read(b.b)
		if err != nil {
			return
		}
		limit -= n
	}
}
