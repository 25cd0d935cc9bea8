package fleet

import (
	"bytes"
	"compress/flate"
	"fmt"
	"hash/maphash"
	"io"

	"partyline/bench/wire"
)

// inflater decompresses messages without context takeover. All members of a room
// get the same bytes, so it remembers recent ones: the generator's work does not
// grow with the members.
type inflater struct {
	seed   maphash.Seed
	cache  [256]struct{ packed, plain []byte }
	src    bytes.Reader
	input  []byte
	reader io.ReadCloser
}

// tail is what a sender leaves out at the end of a message, and a final empty
// block so that the reader sees an end: RFC 7692, section 7.2.2.
const tail = "\x00\x00\xff\xff\x01\x00\x00\xff\xff"

// inflate returns the content of a message, valid until the next call.
func (d *inflater) inflate(packed []byte) ([]byte, error) {
	if d.reader == nil {
		d.seed = maphash.MakeSeed()
		d.reader = flate.NewReader(&d.src)
	}
	entry := &d.cache[maphash.Bytes(d.seed, packed)%uint64(len(d.cache))]
	if entry.plain != nil && bytes.Equal(entry.packed, packed) {
		return entry.plain, nil
	}
	d.input = append(append(d.input[:0], packed...), tail...)
	d.src.Reset(d.input)
	if err := d.reader.(flate.Resetter).Reset(&d.src, nil); err != nil {
		return nil, fmt.Errorf("resetting: %w", err)
	}
	plain, err := io.ReadAll(io.LimitReader(d.reader, wire.MaxFrame))
	if err != nil {
		return nil, fmt.Errorf("inflating: %w", err)
	}
	entry.packed, entry.plain = append(entry.packed[:0], packed...), plain
	return plain, nil
}
