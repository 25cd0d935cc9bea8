package check

import (
	"bytes"
	"errors"
)

// Stamp is what a text says about itself.
type Stamp struct {
	Room, Sender uint16
	N            uint32 // running number of the sender in the room, from 1
	At           int64  // intended time of sending, nanoseconds of the monotonic clock
}

// MinText is the length of the shortest text.
const MinText = len("r0000 s0000 n00000000 t0000000000000000 ")

// ErrStamp is returned for a text that this package did not make.
var ErrStamp = errors.New("text without a stamp")

const digits = "0123456789abcdef"

// AppendText appends a text of size bytes, at least MinText, all of them ASCII
// that JSON does not escape. What follows the stamp looks like words and
// differs from text to text, so that compression gains neither nothing nor all.
func AppendText(dst []byte, s Stamp, size int) []byte {
	start := len(dst)
	dst = appendHex(append(dst, 'r'), uint64(s.Room), 4)
	dst = appendHex(append(dst, " s"...), uint64(s.Sender), 4)
	dst = appendHex(append(dst, " n"...), uint64(s.N), 8)
	dst = appendHex(append(dst, " t"...), uint64(s.At), 16)
	dst = append(dst, ' ')
	x := uint64(s.N)*0x9e3779b97f4a7c15 + uint64(s.Sender)
	for len(dst)-start < size {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		word := words[x%uint64(len(words)):]
		dst = append(dst, word[:min(1+x>>32%7, uint64(len(word)))]...)
		dst = append(dst, ' ')
	}
	return dst[:start+max(size, MinText)]
}

const words = "theofandtoinisyouthatitwasforonarewithashisheywehavefromorbyonehadnotbut"

func appendHex(dst []byte, v uint64, n int) []byte {
	for i := n - 1; i >= 0; i-- {
		dst = append(dst, digits[v>>(4*i)&15])
	}
	return dst
}

// ParseText reads the stamp of a text.
func ParseText(text []byte) (Stamp, error) {
	if len(text) < MinText || text[0] != 'r' || text[6] != 's' || text[12] != 'n' || text[22] != 't' {
		return Stamp{}, ErrStamp
	}
	room, ok1 := hex(text[1:5])
	sender, ok2 := hex(text[7:11])
	n, ok3 := hex(text[13:21])
	at, ok4 := hex(text[23:39])
	if !ok1 || !ok2 || !ok3 || !ok4 {
		return Stamp{}, ErrStamp
	}
	return Stamp{Room: uint16(room), Sender: uint16(sender), N: uint32(n), At: int64(at)}, nil
}

func hex(b []byte) (v uint64, ok bool) {
	for _, c := range b {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		default:
			return 0, false
		}
		v = v<<4 | uint64(c)
	}
	return v, true
}

// Intact reports whether text is, byte for byte, what [AppendText] makes of the
// stamp s. buf is scratch space and is returned.
func Intact(buf, text []byte, s Stamp) ([]byte, bool) {
	buf = AppendText(buf[:0], s, len(text))
	return buf, bytes.Equal(buf, text)
}
