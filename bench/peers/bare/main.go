//go:build linux

// Command bare is the limit that the others are compared with: one thread, one
// epoll descriptor, and for each message one write(2) to each member of the
// room. It has no goroutines, locks, queues or checks; the frame is built once.
// A peer whose socket does not take a whole frame is cut off.
//
// Its write is a raw system call, without the bookkeeping of the Go runtime. The
// same loop written in C was measured to cost 0.75 to 0.95 of it per delivery.
package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"

	"partyline/bench/peers/peer"
)

func main() { os.Exit(peer.Exit(run())) }

func run() error {
	l, err := peer.Listen()
	if err != nil {
		return err
	}
	file, err := l.(*net.TCPListener).File()
	if err != nil {
		return fmt.Errorf("taking the listener: %w", err)
	}
	s := &server{listener: int(file.Fd()), rooms: make(map[string]*room), buf: make([]byte, 64<<10)}
	if err := unix.SetNonblock(s.listener, true); err != nil {
		return fmt.Errorf("setting the listener: %w", err)
	}
	if s.epoll, err = unix.EpollCreate1(0); err != nil {
		return fmt.Errorf("creating an epoll descriptor: %w", err)
	}
	if err := s.watch(s.listener); err != nil {
		return err
	}
	return s.loop()
}

type server struct {
	listener, epoll int
	conns           []*conn // by descriptor
	rooms           map[string]*room
	buf, frame      []byte
}

type room struct{ members []*conn }

type conn struct {
	fd, index int
	open      bool
	room      *room
	in        []byte // incomplete request or frame
}

func (s *server) watch(fd int) error {
	ev := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}
	return unix.EpollCtl(s.epoll, unix.EPOLL_CTL_ADD, fd, &ev)
}

func (s *server) loop() error {
	events := make([]unix.EpollEvent, 256)
	for {
		n, err := unix.EpollWait(s.epoll, events, -1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("waiting: %w", err)
		}
		for i := range max(n, 0) {
			fd := int(events[i].Fd)
			if fd == s.listener {
				s.accept()
			} else if c := s.conns[fd]; c != nil {
				s.read(c)
			}
		}
	}
}

// accept takes all waiting connections.
func (s *server) accept() {
	for {
		fd, _, err := unix.Accept4(s.listener, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		if err != nil {
			return
		}
		if unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) != nil || s.watch(fd) != nil {
			unix.Close(fd)
			continue
		}
		for len(s.conns) <= fd {
			s.conns = append(s.conns, nil)
		}
		s.conns[fd] = &conn{fd: fd}
	}
}

func (s *server) close(c *conn) {
	s.conns[c.fd] = nil
	unix.Close(c.fd)
	if r := c.room; r != nil {
		end := len(r.members) - 1
		r.members[end].index = c.index
		r.members[c.index] = r.members[end]
		r.members[end] = nil
		r.members = r.members[:end]
	}
}

func (s *server) read(c *conn) {
	n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(c.fd), uintptr(unsafe.Pointer(&s.buf[0])), uintptr(len(s.buf)))
	if errno == unix.EAGAIN {
		return
	}
	if errno != 0 || n == 0 {
		s.close(c)
		return
	}
	data := s.buf[:n]
	if len(c.in) > 0 {
		c.in = append(c.in, data...)
		data = c.in
	}
	rest, ok := s.take(c, data)
	if !ok || len(rest) > peer.MaxMessage+64 {
		s.close(c)
		return
	}
	if len(rest) == 0 {
		c.in = nil
	} else {
		c.in = append([]byte(nil), rest...)
	}
}

// take handles a request to upgrade or whole frames. The generator's key is
// always the same, and so is the answer.
func (s *server) take(c *conn, data []byte) ([]byte, bool) {
	if !c.open {
		end := bytes.Index(data, []byte("\r\n\r\n"))
		if end < 0 {
			return data, true
		}
		if !s.write(c, []byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
			"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")) {
			return nil, false
		}
		c.open, data = true, data[end+4:]
	}
	for len(data) >= 6 {
		size, head := int(data[1]&0x7f), 2
		switch size {
		case 126:
			size, head = int(binary.BigEndian.Uint16(data[2:])), 4
		case 127:
			return nil, false
		}
		if len(data) < head+4+size {
			break
		}
		op, mask, body := data[0]&0xf, data[head:head+4], data[head+4:head+4+size]
		data = data[head+4+size:]
		if op != 1 {
			return nil, op == 10
		}
		for i := range body {
			body[i] ^= mask[i%4]
		}
		if !s.message(c, body) {
			return nil, false
		}
	}
	return data, true
}

func (s *server) message(c *conn, body []byte) bool {
	if len(body) == 0 {
		return false
	}
	if body[0] == 'j' && c.room == nil {
		r := s.rooms[string(body)]
		if r == nil {
			r = new(room)
			s.rooms[string(body)] = r
		}
		c.room, c.index = r, len(r.members)
		r.members = append(r.members, c)
		return s.write(c, []byte{0x81, 1, 'j'})
	}
	if c.room == nil {
		return false
	}
	s.frame = append(s.frame[:0], 0x81)
	if len(body) < 126 {
		s.frame = append(s.frame, byte(len(body)))
	} else {
		s.frame = binary.BigEndian.AppendUint16(append(s.frame, 126), uint16(len(body)))
	}
	s.frame = append(s.frame, body...)
	for i := 0; i < len(c.room.members); {
		if to := c.room.members[i]; s.write(to, s.frame) || to == c {
			i++
		} else {
			s.close(to) // puts the last member in its place
		}
	}
	return true
}

func (s *server) write(c *conn, p []byte) bool {
	n, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(c.fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
	return errno == 0 && int(n) == len(p)
}
