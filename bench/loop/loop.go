//go:build linux

package loop

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"partyline/bench/wire"
)

// Handler is told what happens to connections. The calls come from [Loop.Poll]
// and, for errors of a write, from the methods of [Conn].
type Handler interface {
	// Opened says that the upgrade was accepted.
	Opened(c *Conn, extensions string)
	// Text hands over one whole message, which is valid during the call.
	Text(c *Conn, payload []byte, compressed bool)
	// Closed says that the connection ended without Abort being called: code is
	// that of the server's Close frame, 0 when there was none.
	Closed(c *Conn, code int, err error)
}

// Loop polls connections. Create it with [New].
type Loop struct {
	h     Handler
	ep    int
	conns []*Conn // by descriptor
	open  int
	buf   []byte
	out   []byte
	ev    [512]unix.EpollEvent
	mask  uint32

	// Frames and Bytes count what was received.
	Frames, Bytes uint64
}

// readSize is what one read can take at most; ahead of it in the buffer there
// is room for what was left over from the read before.
const (
	readSize = 256 << 10
	leftRoom = wire.MaxFrame + 16
)

// New returns a loop without connections.
func New(h Handler) (*Loop, error) {
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("creating an epoll descriptor: %w", err)
	}
	return &Loop{h: h, ep: ep, buf: make([]byte, leftRoom+readSize), mask: 0x9e3779b9}, nil
}

// Close cuts all connections and frees the loop.
func (l *Loop) Close() {
	for _, c := range l.conns {
		if c != nil {
			c.Abort()
		}
	}
	unix.Close(l.ep)
}

// Open is the number of connections, those that are being opened included.
func (l *Loop) Open() int { return l.open }

// Target is where and how to connect.
type Target struct {
	Addr       netip.AddrPort
	Source     netip.Addr // zero: chosen by the system
	Path       string
	Extensions string
	ReadBuffer int // SO_RCVBUF in bytes; 0: the system's
	// TLS, when set, makes the connection encrypted. Its handshake is done by
	// Dial, which waits for it.
	TLS *tls.Config
}

// Dial begins to connect; Opened or Closed of the handler follow. user is what
// [Conn.User] will be.
func (l *Loop) Dial(t *Target, user any) (*Conn, error) {
	fd, err := unix.Socket(family(t.Addr.Addr()), unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("making a socket: %w", err)
	}
	if err := l.prepare(fd, t); err != nil {
		unix.Close(fd)
		return nil, err
	}
	for len(l.conns) <= fd {
		l.conns = append(l.conns, nil)
	}
	c := &Conn{User: user, loop: l, fd: fd}
	c.events = unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP
	l.conns[fd] = c
	l.open++
	ev := unix.EpollEvent{Events: c.events, Fd: int32(fd)}
	if err := unix.EpollCtl(l.ep, unix.EPOLL_CTL_ADD, fd, &ev); err != nil {
		c.Abort()
		return nil, fmt.Errorf("watching a socket: %w", err)
	}
	request := wire.AppendUpgrade(nil, t.Addr.String(), t.Path, t.Extensions)
	if t.TLS == nil {
		c.out = request // leaves when the socket is writable
		return c, nil
	}
	if err := c.encrypt(t.TLS, request); err != nil {
		c.Abort()
		return nil, err
	}
	return c, nil
}

func (l *Loop) prepare(fd int, t *Target) error {
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		return fmt.Errorf("setting TCP_NODELAY: %w", err)
	}
	if t.ReadBuffer > 0 {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, t.ReadBuffer); err != nil {
			return fmt.Errorf("setting SO_RCVBUF: %w", err)
		}
	}
	if t.Source.IsValid() {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); err != nil {
			return fmt.Errorf("setting IP_BIND_ADDRESS_NO_PORT: %w", err)
		}
		if err := unix.Bind(fd, sockaddr(netip.AddrPortFrom(t.Source, 0))); err != nil {
			return fmt.Errorf("binding to %s: %w", t.Source, err)
		}
	}
	if err := unix.Connect(fd, sockaddr(t.Addr)); err != nil && !errors.Is(err, unix.EINPROGRESS) {
		return fmt.Errorf("connecting to %s: %w", t.Addr, err)
	}
	return nil
}

func family(a netip.Addr) int {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}

// Poll waits at most wait for something to happen and handles what did.
func (l *Loop) Poll(wait time.Duration) error {
	n := l.wait(0)
	if n == 0 && wait > 0 {
		n = l.wait(wait)
	}
	if n < 0 {
		return fmt.Errorf("waiting for events: %w", unix.Errno(-n))
	}
	for i := range n {
		fd := int(l.ev[i].Fd)
		if c := l.conns[fd]; c != nil {
			c.handle(l.ev[i].Events)
		}
	}
	return nil
}

// wait is epoll_pwait2; it returns the number of events or an error below 0.
// Without waiting it is a raw call.
func (l *Loop) wait(d time.Duration) int {
	ts := unix.NsecToTimespec(int64(d))
	events, size := uintptr(unsafe.Pointer(&l.ev[0])), uintptr(len(l.ev))
	var n uintptr
	var errno unix.Errno
	if d == 0 {
		n, _, errno = unix.RawSyscall6(unix.SYS_EPOLL_PWAIT2, uintptr(l.ep), events, size, uintptr(unsafe.Pointer(&ts)), 0, 0)
	} else {
		n, _, errno = unix.Syscall6(unix.SYS_EPOLL_PWAIT2, uintptr(l.ep), events, size, uintptr(unsafe.Pointer(&ts)), 0, 0)
	}
	if errno == unix.EINTR {
		return 0
	}
	if errno != 0 {
		return -int(errno)
	}
	return int(n)
}
