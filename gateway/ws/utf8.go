package ws

import "unicode/utf8"

// utf8Checker validates text that arrives in pieces, and says at the first
// possible byte that it cannot become valid any more (RFC 6455 section 8.1; the
// fail-fast reading of it). The zero value is at the start of a text.
type utf8Checker struct {
	tail [utf8.UTFMax]byte // an unfinished sequence
	n    int
}

// write takes the next piece and reports whether the text can still be valid.
func (u *utf8Checker) write(b []byte) bool {
	for u.n > 0 && len(b) > 0 {
		u.tail[u.n] = b[0]
		u.n++
		b = b[1:]
		if utf8.FullRune(u.tail[:u.n]) {
			if !utf8.Valid(u.tail[:u.n]) {
				return false
			}
			u.n = 0
		}
	}
	// At most the last three bytes are an unfinished sequence.
	cut := len(b)
	for i := len(b) - 1; i >= 0 && i >= len(b)-3; i-- {
		if utf8.RuneStart(b[i]) {
			if !utf8.FullRune(b[i:]) {
				cut = i
			}
			break
		}
	}
	if !utf8.Valid(b[:cut]) {
		return false
	}
	if cut < len(b) {
		u.n = copy(u.tail[:], b[cut:])
	}
	return true
}

// end reports whether the text may end here, and starts the next one.
func (u *utf8Checker) end() bool {
	ok := u.n == 0
	u.n = 0
	return ok
}
