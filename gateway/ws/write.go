package ws

import (
	"errors"
	"net"
	"os"
	"time"
)

// try implements wire.
func (c *conn) try(b []byte) (int, error) {
	if c.direct == nil {
		return 0, nil
	}
	return c.direct.write(b)
}

// waiting implements wire.
func (c *conn) waiting() {
	if c.decided {
		_ = c.nc.SetWriteDeadline(c.closeBy)
	}
	go c.loop()
}

// uncork implements wire: this engine corks nothing.
func (c *conn) uncork() {}

// settled implements wire.
func (c *conn) settled() {
	c.closeBy = time.Now().Add(c.farewell(&c.eng.cfg))
	c.changed.Broadcast()
}

// ending implements wire.
func (c *conn) ending() {
	_ = c.nc.SetReadDeadline(c.closeBy)
	if c.out.writing {
		_ = c.nc.SetWriteDeadline(c.closeBy)
	}
}

// brokeOff implements wire.
func (c *conn) brokeOff() {
	_ = c.nc.SetReadDeadline(time.Now().Add(c.eng.cfg.CloseTimeout))
	c.changed.Broadcast()
}

// writeLoop is the writer goroutine: it writes until nothing waits.
func (c *conn) writeLoop() {
	b, _ := batches.Get().(*batch)
	more, fin := c.take(b)
	for more {
		err := c.flush(b)
		c.settleBatch(b, err)
		more, fin = c.take(b)
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
		if c.fin && !c.broken {
			return false, true
		}
		o.writing = false
		_ = c.nc.SetWriteDeadline(time.Time{})
		c.changed.Broadcast()
		return false, false
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
	o.remove(b.n)
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
		c.lastSent.Store(c.clock.Load())
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
