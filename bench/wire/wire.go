package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// Opcodes of RFC 6455, section 5.2.
const (
	OpContinuation = 0x0
	OpText         = 0x1
	OpBinary       = 0x2
	OpClose        = 0x8
	OpPing         = 0x9
	OpPong         = 0xa
)

// MaxFrame is the longest frame that is accepted from a server.
const MaxFrame = 1 << 20

// Errors of a server that does not keep to the protocol.
var (
	ErrMasked   = errors.New("masked frame from a server")
	ErrTooLong  = errors.New("frame is too long")
	ErrReserved = errors.New("reserved bit is set")
	ErrUpgrade  = errors.New("upgrade was refused")
)

// key and accept are the example of RFC 6455, section 1.3. One key for all
// connections saves a hash for each; servers cannot tell.
const (
	key    = "dGhlIHNhbXBsZSBub25jZQ=="
	accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)

// AppendUpgrade appends a request to upgrade. extensions may be empty.
func AppendUpgrade(dst []byte, host, path, extensions string) []byte {
	dst = fmt.Appendf(dst, "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n", path, host, key)
	if extensions != "" {
		dst = fmt.Appendf(dst, "Sec-WebSocket-Extensions: %s\r\n", extensions)
	}
	return append(dst, "\r\n"...)
}

// ParseUpgrade reads the answer to an upgrade. n is its length, 0 while it is
// incomplete; extensions is the header of that name.
func ParseUpgrade(buf []byte) (n int, extensions string, err error) {
	end := bytes.Index(buf, []byte("\r\n\r\n"))
	if end < 0 {
		if len(buf) > 16<<10 {
			return 0, "", ErrTooLong
		}
		return 0, "", nil
	}
	head := buf[:end]
	if !bytes.HasPrefix(head, []byte("HTTP/1.1 101")) {
		line, _, _ := bytes.Cut(head, []byte("\r\n"))
		return 0, "", fmt.Errorf("%w: %s %.300s", ErrUpgrade, line, buf[end+4:])
	}
	accepted := false
	for line := range bytes.SplitSeq(head, []byte("\r\n")) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch {
		case bytes.EqualFold(name, []byte("Sec-WebSocket-Accept")):
			accepted = string(bytes.TrimSpace(value)) == accept
		case bytes.EqualFold(name, []byte("Sec-WebSocket-Extensions")):
			extensions = string(bytes.TrimSpace(value))
		}
	}
	if !accepted {
		return 0, "", fmt.Errorf("%w: wrong Sec-WebSocket-Accept", ErrUpgrade)
	}
	return end + 4, extensions, nil
}

// AppendFrame appends a masked frame with the final bit set.
func AppendFrame(dst []byte, op byte, payload []byte, mask uint32) []byte {
	dst = append(dst, 0x80|op)
	switch n := len(payload); {
	case n < 126:
		dst = append(dst, 0x80|byte(n))
	case n < 1<<16:
		dst = binary.BigEndian.AppendUint16(append(dst, 0x80|126), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, 0x80|127), uint64(n))
	}
	dst = binary.LittleEndian.AppendUint32(dst, mask)
	start := len(dst)
	dst = append(dst, payload...)
	body := dst[start:]
	wide := uint64(mask)<<32 | uint64(mask)
	for len(body) >= 8 {
		binary.LittleEndian.PutUint64(body, binary.LittleEndian.Uint64(body)^wide)
		body = body[8:]
	}
	for i := range body {
		body[i] ^= byte(mask >> (8 * (i % 4)))
	}
	return dst
}

// Frame is one frame of a server.
type Frame struct {
	Op         byte
	Final      bool
	Compressed bool // RSV1
	Payload    []byte
}

// ParseFrame reads the frame at the start of buf. n is its whole length, 0
// while it is incomplete; the payload is part of buf.
func ParseFrame(buf []byte) (f Frame, n int, err error) {
	if len(buf) < 2 {
		return f, 0, nil
	}
	if buf[0]&0x30 != 0 {
		return f, 0, ErrReserved
	}
	if buf[1]&0x80 != 0 {
		return f, 0, ErrMasked
	}
	size, head := uint64(buf[1]), 2
	switch size {
	case 126:
		if head = 4; len(buf) < head {
			return f, 0, nil
		}
		size = uint64(binary.BigEndian.Uint16(buf[2:]))
	case 127:
		if head = 10; len(buf) < head {
			return f, 0, nil
		}
		size = binary.BigEndian.Uint64(buf[2:])
	}
	if size > MaxFrame {
		return f, 0, ErrTooLong
	}
	n = head + int(size)
	if len(buf) < n {
		return f, 0, nil
	}
	f = Frame{Op: buf[0] & 0xf, Final: buf[0]&0x80 != 0, Compressed: buf[0]&0x40 != 0, Payload: buf[head:n]}
	return f, n, nil
}
