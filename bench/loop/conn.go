//go:build linux

package loop

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"unsafe"

	"golang.org/x/sys/unix"

	"partyline/bench/wire"
)

// maxOut bounds what waits to be written to one connection.
const maxOut = 4 << 20

// errOut is returned when a server does not take what is sent.
var errOut = errors.New("server does not read")

// Conn is one connection.
type Conn struct {
	// User is what was given to Dial.
	User any

	loop     *Loop
	fd       int
	tls      *tls.Conn // nil: plain
	waiting  bool      // reads and writes of the handshake wait
	events   uint32
	in       []byte // incomplete frame
	out      []byte // not yet written
	message  []byte // fragments so far
	fragment bool
	packed   bool // the fragments are compressed
	open     bool
	closed   bool
}

// Upgraded reports whether the connection is a WebSocket that was not closed.
func (c *Conn) Upgraded() bool { return c.open && !c.closed }

// Send sends one text message; errors arrive as Closed.
func (c *Conn) Send(payload []byte) { c.frame(wire.OpText, payload) }

// SendClose sends a Close frame with code 1000. The server is expected to
// close the connection.
func (c *Conn) SendClose() { c.frame(wire.OpClose, []byte{1000 >> 8, 1000 & 0xff}) }

func (c *Conn) frame(op byte, payload []byte) {
	if c.closed {
		return
	}
	l := c.loop
	l.mask = l.mask*1664525 + 1013904223
	l.out = wire.AppendFrame(l.out[:0], op, payload, l.mask)
	var err error
	if c.tls != nil {
		_, err = c.tls.Write(l.out)
	} else {
		err = c.enqueue(l.out)
	}
	if err != nil {
		c.fail(0, err)
	}
}

// enqueue writes p, or keeps what the socket does not take for later.
func (c *Conn) enqueue(p []byte) error {
	n := 0
	if len(c.out) == 0 {
		var err error
		if n, err = c.write(p); err != nil || n == len(p) {
			return err
		}
	}
	if len(c.out) > maxOut {
		return errOut
	}
	c.out = append(c.out, p[n:]...)
	c.watch(c.events | unix.EPOLLOUT)
	return nil
}

// write writes what the socket takes.
func (c *Conn) write(p []byte) (int, error) {
	n, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(c.fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
	switch errno {
	case 0:
		return int(n), nil
	case unix.EAGAIN, unix.EINTR:
		return 0, nil
	}
	return 0, fmt.Errorf("writing: %w", errno)
}

// Pause stops reading: the server finds a peer whose buffers fill up. Errors
// and hang-ups are seen after Resume only.
func (c *Conn) Pause() { c.watch(0) }

// Resume reads again after Pause.
func (c *Conn) Resume() { c.watch(unix.EPOLLIN | unix.EPOLLRDHUP) }

// watch sets the events that epoll reports.
func (c *Conn) watch(events uint32) {
	if c.closed || c.events == events {
		return
	}
	c.events = events
	ev := unix.EpollEvent{Events: events, Fd: int32(c.fd)}
	op := unix.EPOLL_CTL_MOD
	if events == 0 { // hang-ups are reported even so, until the socket is taken out
		op = unix.EPOLL_CTL_DEL
	}
	err := unix.EpollCtl(c.loop.ep, op, c.fd, &ev)
	if errors.Is(err, unix.ENOENT) {
		err = unix.EpollCtl(c.loop.ep, unix.EPOLL_CTL_ADD, c.fd, &ev)
	}
	if err != nil {
		c.fail(0, fmt.Errorf("watching a socket: %w", err))
	}
}

// Abort cuts the connection with a reset; the handler is not told.
func (c *Conn) Abort() {
	if c.closed {
		return
	}
	linger := unix.Linger{Onoff: 1}
	// Without the option the close is orderly, which ends the connection too.
	_ = unix.SetsockoptLinger(c.fd, unix.SOL_SOCKET, unix.SO_LINGER, &linger)
	c.release()
}

func (c *Conn) release() {
	c.closed = true
	c.loop.conns[c.fd] = nil
	c.loop.open--
	unix.Close(c.fd)
	c.in, c.out, c.message = nil, nil, nil
}

func (c *Conn) fail(code int, err error) {
	if c.closed {
		return
	}
	c.release()
	c.loop.h.Closed(c, code, err)
}

func (c *Conn) handle(events uint32) {
	if events&unix.EPOLLOUT != 0 && !c.flush() {
		return
	}
	if events&(unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		c.read()
	}
}

// flush writes what waits; it reports whether the connection lives.
func (c *Conn) flush() bool {
	if len(c.out) > 0 {
		n, err := c.write(c.out)
		if err != nil {
			c.fail(0, err)
			return false
		}
		c.out = c.out[:copy(c.out, c.out[n:])]
	}
	if len(c.out) == 0 {
		c.out = nil
		c.watch(c.events &^ unix.EPOLLOUT)
	}
	return !c.closed
}

// read takes what has arrived, once: readiness is level-triggered. Only what
// TLS holds back is invisible to epoll, so there it reads to the end.
func (c *Conn) read() {
	for l := c.loop; ; {
		start := leftRoom - len(c.in)
		copy(l.buf[start:], c.in)
		n, err := c.fill(l.buf[leftRoom:])
		if errors.Is(err, errAgain) {
			return
		}
		if err != nil {
			c.fail(0, err)
			return
		}
		l.Bytes += uint64(n)
		rest := c.take(l.buf[start : leftRoom+n])
		switch {
		case c.closed:
			return
		case len(rest) == 0:
			c.in = nil
		case len(rest) > leftRoom:
			c.fail(0, wire.ErrTooLong)
			return
		default:
			c.in = append(c.in[:0], rest...)
		}
		if c.tls == nil {
			return
		}
	}
}

// fill reads plain bytes.
func (c *Conn) fill(p []byte) (int, error) {
	if c.tls != nil {
		return c.tls.Read(p)
	}
	return c.receive(p)
}

// receive reads from the socket; errAgain: there is nothing at the moment.
func (c *Conn) receive(p []byte) (int, error) {
	n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(c.fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
	switch {
	case errno == unix.EAGAIN || errno == unix.EINTR:
		return 0, errAgain
	case errno != 0:
		return 0, fmt.Errorf("reading: %w", errno)
	case n == 0:
		return 0, io.EOF
	}
	return int(n), nil
}

// take handles complete frames and returns the rest.
func (c *Conn) take(buf []byte) []byte {
	if !c.open {
		n, extensions, err := wire.ParseUpgrade(buf)
		if err != nil {
			c.fail(0, err)
			return nil
		}
		if n == 0 {
			return buf
		}
		c.open = true
		buf = buf[n:]
		c.loop.h.Opened(c, extensions)
	}
	for !c.closed {
		f, n, err := wire.ParseFrame(buf)
		if err != nil {
			c.fail(0, err)
			return nil
		}
		if n == 0 {
			return buf
		}
		buf = buf[n:]
		c.loop.Frames++
		c.one(&f)
	}
	return nil
}

// one handles one frame.
func (c *Conn) one(f *wire.Frame) {
	switch f.Op {
	case wire.OpText:
		if f.Final {
			c.loop.h.Text(c, f.Payload, f.Compressed)
			return
		}
		c.message, c.packed, c.fragment = append(c.message[:0], f.Payload...), f.Compressed, true
	case wire.OpContinuation:
		if c.message = append(c.message, f.Payload...); len(c.message) > wire.MaxFrame || !c.fragment {
			c.fail(0, wire.ErrTooLong)
			return
		}
		if f.Final {
			c.loop.h.Text(c, c.message, c.packed)
			c.message, c.fragment = nil, false
		}
	case wire.OpPing:
		c.frame(wire.OpPong, f.Payload)
	case wire.OpPong:
	case wire.OpClose:
		code := 1005
		if len(f.Payload) >= 2 {
			code = int(binary.BigEndian.Uint16(f.Payload))
		}
		c.frame(wire.OpClose, f.Payload)
		c.fail(code, nil)
	default:
		c.fail(0, fmt.Errorf("opcode %d is not expected", f.Op))
	}
}
