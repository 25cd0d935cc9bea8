//go:build !linux

package doctor

import "net"

// segmentsOf tells nothing: only Linux is asked.
func segmentsOf(net.Conn) segments { return segments{} }
