package lifecycle

import (
	"fmt"

	"github.com/klauspost/compress/s2"
)

// packedMark begins a batch that is one block of S2: lines begin with "{".
const packedMark = 1

// Pack appends a batch in the form in which it is stored: compressed, since its
// lines are alike. It reads batch only until it returns.
func Pack(dst, batch []byte) []byte {
	if len(batch) == 0 {
		return dst
	}
	n := len(dst) + 1
	if need := n + s2.MaxEncodedLen(len(batch)); need > cap(dst) {
		dst = append(make([]byte, 0, need), dst...)
	}
	dst = append(dst, packedMark)
	return dst[:n+len(s2.Encode(dst[n:cap(dst)], batch))]
}

// unpack returns the lines of a stored batch.
func unpack(stored []byte) ([]byte, error) {
	if len(stored) == 0 || stored[0] != packedMark {
		return stored, nil
	}
	n, err := s2.DecodedLen(stored[1:])
	if err != nil {
		return nil, fmt.Errorf("%w: packed: %w", ErrBatch, err)
	}
	if n > MaxBatchBytes {
		return nil, fmt.Errorf("%w: %d bytes when unpacked", ErrBatch, n)
	}
	lines, err := s2.Decode(nil, stored[1:])
	if err != nil {
		return nil, fmt.Errorf("%w: packed: %w", ErrBatch, err)
	}
	return lines, nil
}
