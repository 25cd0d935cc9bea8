//go:build linux

package loop

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// again is the error of a read that would have to wait. It is a temporary one,
// so that crypto/tls keeps its state and can be asked again.
type again struct{}

func (again) Error() string   { return "nothing to read at the moment" }
func (again) Timeout() bool   { return true }
func (again) Temporary() bool { return true }

var errAgain net.Error = again{}

// handshakePatience bounds each wait of a handshake.
const handshakePatience = 10 * time.Second

// encrypt does the handshake, waiting for the server, and sends the request.
func (c *Conn) encrypt(cfg *tls.Config, request []byte) error {
	c.tls = tls.Client(&socket{c: c}, cfg)
	c.waiting = true
	ctx, cancel := context.WithTimeout(context.Background(), handshakePatience)
	defer cancel()
	if err := c.tls.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("TLS handshake: %w", err)
	}
	c.waiting = false
	if _, err := c.tls.Write(request); err != nil {
		return fmt.Errorf("sending the request: %w", err)
	}
	return nil
}

// socket is what crypto/tls sees of a connection. During the handshake it waits,
// later it does not.
type socket struct {
	net.Conn // nil: nothing else is called
	c        *Conn
}

// Read reads what there is.
func (s *socket) Read(p []byte) (int, error) {
	for {
		n, err := s.c.receive(p)
		if !errors.Is(err, errAgain) || !s.c.waiting {
			return n, err
		}
		if err := s.c.await(unix.POLLIN); err != nil {
			return 0, err
		}
	}
}

// Write takes all of p.
func (s *socket) Write(p []byte) (int, error) {
	if !s.c.waiting {
		return len(p), s.c.enqueue(p)
	}
	for done := 0; done < len(p); {
		if err := s.c.await(unix.POLLOUT); err != nil {
			return done, err
		}
		n, err := s.c.write(p[done:])
		if err != nil {
			return done, err
		}
		done += n
	}
	return len(p), nil
}

// Close is left to the Conn.
func (s *socket) Close() error { return nil }

// SetWriteDeadline is called around alerts, which never wait.
func (s *socket) SetWriteDeadline(time.Time) error { return nil }

// await waits until the socket is ready for events.
func (c *Conn) await(events int16) error {
	fds := []unix.PollFd{{Fd: int32(c.fd), Events: events}}
	for end := time.Now().Add(handshakePatience); time.Now().Before(end); {
		n, err := unix.Poll(fds, int(time.Until(end).Milliseconds())+1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("waiting for a socket: %w", err)
		}
		if n > 0 {
			return nil
		}
	}
	return errOut
}
