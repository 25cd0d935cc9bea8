//go:build linux && (amd64 || arm64)

package ws

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The calls of this file go to the kernel without telling Go's scheduler, which
// is what makes them cheap (see ADR 0008). That is right only because none of
// them can wait: every socket here is non-blocking.

// recv reads what has arrived. 0 bytes without an error is the peer's end.
func recv(fd int32, b []byte) (int, unix.Errno) {
	for {
		n, _, err := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)),
			unix.MSG_DONTWAIT, 0, 0)
		if err == 0 {
			return int(n), 0
		}
		if err != unix.EINTR {
			return 0, err
		}
	}
}

// send writes what the socket takes at once. A lost peer is an error and no
// SIGPIPE. With flags of MSG_MORE it leaves together with what comes next, or
// after push.
func send(fd int32, b []byte, flags uintptr) (int, unix.Errno) {
	sent := 0
	for sent < len(b) {
		n, _, err := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&b[sent])), uintptr(len(b)-sent),
			unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL|flags, 0, 0)
		switch err {
		case 0:
			sent += int(n)
		case unix.EINTR:
		case unix.EAGAIN:
			return sent, 0
		default:
			return sent, err
		}
	}
	return sent, 0
}

// push has what was sent with MSG_MORE leave at once.
func push(fd int32) {
	_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
}

// sendFrames writes the first frames of a queue in one call, without the first
// skip bytes. full says that the socket took nothing.
func sendFrames(fd int32, queue []*Frame, skip int) (n int, full bool, err unix.Errno) {
	var vec [batchFrames]unix.Iovec
	count, bytes := 0, 0
	for _, f := range queue {
		if count == batchFrames || bytes >= batchBytes {
			break
		}
		b := f.bytes()[skip:]
		skip = 0
		vec[count].Base = &b[0]
		vec[count].SetLen(len(b))
		bytes += len(b)
		count++
	}
	msg := unix.Msghdr{Iov: &vec[0]}
	msg.SetIovlen(count)
	for {
		n, _, err := unix.RawSyscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&msg)),
			unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
		switch err {
		case 0:
			return int(n), false, 0
		case unix.EINTR:
		case unix.EAGAIN:
			return 0, true, 0
		default:
			return 0, false, err
		}
	}
}

// pollNow fills events with what has happened and does not wait.
func pollNow(epfd int, events []unix.EpollEvent) int {
	for {
		n, _, err := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(epfd), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)),
			0, 0, 0)
		if err == 0 {
			return int(n)
		}
		if err != unix.EINTR {
			return 0
		}
	}
}

// accept4 takes the next socket from a listener.
func accept4(fd int) (int, netip.AddrPort, unix.Errno) {
	var sa unix.RawSockaddrAny
	size := uint32(unix.SizeofSockaddrAny)
	for {
		nfd, _, err := unix.RawSyscall6(unix.SYS_ACCEPT4, uintptr(fd), uintptr(unsafe.Pointer(&sa)), uintptr(unsafe.Pointer(&size)),
			unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
		if err == 0 {
			return int(nfd), sockaddr(&sa), 0
		}
		if err != unix.EINTR {
			return -1, netip.AddrPort{}, err
		}
	}
}

// localAddr is the address that a socket is bound to.
func localAddr(fd int) netip.AddrPort {
	var sa unix.RawSockaddrAny
	size := uint32(unix.SizeofSockaddrAny)
	if _, _, err := unix.RawSyscall(unix.SYS_GETSOCKNAME, uintptr(fd), uintptr(unsafe.Pointer(&sa)), uintptr(unsafe.Pointer(&size))); err != 0 {
		return netip.AddrPort{}
	}
	return sockaddr(&sa)
}

func sockaddr(sa *unix.RawSockaddrAny) netip.AddrPort {
	switch sa.Addr.Family {
	case unix.AF_INET:
		in := (*unix.RawSockaddrInet4)(unsafe.Pointer(sa))
		return netip.AddrPortFrom(netip.AddrFrom4(in.Addr), bigEndian(&in.Port))
	case unix.AF_INET6:
		in := (*unix.RawSockaddrInet6)(unsafe.Pointer(sa))
		addr := netip.AddrFrom16(in.Addr).Unmap()
		if in.Scope_id != 0 && addr.Is6() {
			addr = addr.WithZone(strconv.FormatUint(uint64(in.Scope_id), 10))
		}
		return netip.AddrPortFrom(addr, bigEndian(&in.Port))
	}
	return netip.AddrPort{}
}

func bigEndian(port *uint16) uint16 {
	return binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(port))[:])
}

// closeFD closes a socket, with a reset when what is unsent is to be forgotten.
func closeFD(fd int32, reset bool) {
	if reset {
		_ = unix.SetsockoptLinger(int(fd), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	}
	_, _, _ = unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0)
}

// shutdownFD ends one or both directions of a socket.
func shutdownFD(fd int32, how int) {
	_, _, _ = unix.RawSyscall(unix.SYS_SHUTDOWN, uintptr(fd), uintptr(how), 0)
}
