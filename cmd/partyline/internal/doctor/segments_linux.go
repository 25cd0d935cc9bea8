package doctor

import (
	"crypto/tls"
	"net"

	"golang.org/x/sys/unix"
)

// segmentsOf asks the kernel what it sent on a connection; zero when it does not
// tell.
func segmentsOf(conn net.Conn) segments {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return segments{}
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return segments{}
	}
	var s segments
	_ = raw.Control(func(fd uintptr) { // the connection may be closed: nothing is known then
		if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			// What the other side had already (DSACK, RFC 2883) was not lost: a busy
			// machine acknowledges late.
			s = segments{sent: int(info.Data_segs_out), again: max(0, int(info.Total_retrans)-int(info.Dsack_dups))}
		}
	})
	return s
}
