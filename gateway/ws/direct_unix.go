//go:build unix

package ws

import (
	"errors"
	"net"
	"syscall"
)

// directWriter writes to a socket without ever waiting for it. Its owner makes
// sure that nothing else writes at the same time.
type directWriter struct {
	raw  syscall.RawConn
	data []byte
	n    int
	err  error
	once func(fd uintptr) bool // kept, so that a write allocates nothing
}

// newDirect gives the direct writer of nc, nil when it has no socket of its own
// (TLS).
func newDirect(nc net.Conn) *directWriter {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	d := &directWriter{raw: raw}
	d.once = d.attempt
	return d
}

// write writes what the socket takes now and says how much that was.
func (d *directWriter) write(b []byte) (int, error) {
	d.data, d.n, d.err = b, 0, nil
	err := d.raw.Write(d.once)
	d.data = nil
	if err == nil {
		err = d.err
	}
	return d.n, err
}

func (d *directWriter) attempt(fd uintptr) bool {
	for d.n < len(d.data) {
		n, err := syscall.Write(int(fd), d.data[d.n:])
		switch {
		case err == nil && n > 0:
			d.n += n
		case errors.Is(err, syscall.EINTR):
		case errors.Is(err, syscall.EAGAIN):
			return true
		default:
			d.err = err
			return true
		}
	}
	return true // do not wait for the socket
}
