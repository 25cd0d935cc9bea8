//go:build !unix

package ws

import "net"

// directWriter does not exist here: all writes go through a goroutine.
type directWriter struct{}

func newDirect(net.Conn) *directWriter { return nil }

func (*directWriter) write([]byte) (int, error) { return 0, nil }
