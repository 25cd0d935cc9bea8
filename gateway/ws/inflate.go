package ws

import (
	"encoding/binary"
	"math/bits"
	"sync"
)

// inflater decompresses one message (RFC 1951 in the framing of RFC 7692) as its
// bytes arrive, so that wrong text fails at the first wrong byte, and stops at a
// limit. Without context takeover the output is its own window. The libraries
// read from a stream, which would need a goroutine for each half-arrived message.
type inflater struct {
	out   *buffer
	n     int // bytes of output
	limit int

	bits  uint64 // input not used yet, the next bit lowest
	nbits uint
	state inflateState
	begun bool // there was input
	final bool // the block is the last one of its stream
	ended bool // such a block has just ended: a new stream may begin

	stored            int // bytes left of a stored block
	nlit, ndist, ncln int // of a dynamic block's header
	have              int
	lens              [320]uint8
	litTable          huffman
	distTable         huffman
	lit, dist         *huffman // in use
}

type inflateState uint8

const (
	inflateBlock   inflateState = iota // at the 3 bits of a block
	inflateLength                      // at the length of a stored block
	inflateStored                      // inside of one
	inflateSizes                       // at the sizes of a dynamic header
	inflateLengths                     // at the lengths of the code of its lengths
	inflateCodes                       // at the lengths of its codes
	inflateSymbols                     // at a symbol
)

//nolint:gochecknoglobals // a constant, and a pool like those of buffers
var (
	codeOrder   = [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}
	inflaters   = sync.Pool{New: func() any { return new(inflater) }}
	fixedLit    = sync.OnceValue(newFixedLit)
	fixedDist   = sync.OnceValue(newFixedDist)
	badDeflate  = &violation{CloseNotUTF8, "compressed data is invalid"}
	deflateTail = []byte{0, 0, 0xff, 0xff}
)

// newInflater begins a message of at most limit bytes.
func newInflater(limit int) *inflater {
	z, _ := inflaters.Get().(*inflater)
	z.out, z.n, z.limit = nil, 0, limit
	z.bits, z.nbits, z.state, z.begun, z.final, z.ended = 0, 0, inflateBlock, false, false, false
	return z
}

// release gives the inflater back; the output goes to who has taken it.
func (z *inflater) release() {
	z.out = nil
	inflaters.Put(z)
}

// write decompresses the next bytes of the message.
func (z *inflater) write(in []byte) *violation {
	z.begun = z.begun || len(in) > 0
	for {
		in = z.refill(in)
		before, state := z.nbits, z.state
		var v *violation
		if state == inflateStored {
			in, v = z.copyStored(in)
		} else {
			in, v = z.advance(in)
		}
		if v != nil {
			return v
		}
		if len(in) == 0 && z.nbits == before && z.state == state {
			return nil
		}
	}
}

// finish ends the message.
func (z *inflater) finish() *violation {
	if !z.begun || z.state == inflateBlock && z.ended && z.nbits == 0 {
		return nil
	}
	if v := z.write(deflateTail); v != nil {
		return v
	}
	if z.state != inflateBlock || z.nbits != 0 {
		return badDeflate
	}
	return nil
}

// refill moves input into the bit buffer: more than 56 bits, or all there is.
func (z *inflater) refill(in []byte) []byte {
	if len(in) >= 8 {
		z.bits |= binary.LittleEndian.Uint64(in) << z.nbits
		taken := (63 - z.nbits) / 8
		z.nbits += 8 * taken
		return in[taken:]
	}
	for len(in) > 0 && z.nbits <= 56 {
		z.bits |= uint64(in[0]) << z.nbits
		z.nbits += 8
		in = in[1:]
	}
	return in
}

func (z *inflater) drop(n uint) { z.bits >>= n; z.nbits -= n }

func (z *inflater) take(n uint) int {
	v := int(z.bits & (1<<n - 1))
	z.drop(n)
	return v
}

// advance does one step outside of stored bytes, if there are bits enough for
// it, and all symbols that are there.
func (z *inflater) advance(in []byte) ([]byte, *violation) {
	switch z.state {
	case inflateBlock:
		if z.nbits < 3 {
			return in, nil
		}
		return in, z.block()
	case inflateLength:
		if z.nbits < 32 {
			return in, nil
		}
		length, check := z.take(16), z.take(16)
		if length != check^0xffff {
			return in, badDeflate
		}
		z.stored, z.state = length, inflateStored
	case inflateSizes:
		if z.nbits < 14 {
			return in, nil
		}
		z.nlit, z.ndist, z.ncln = z.take(5)+257, z.take(5)+1, z.take(4)+4
		if z.nlit > 286 || z.ndist > 30 {
			return in, badDeflate
		}
		z.have, z.lens, z.state = 0, [320]uint8{}, inflateLengths
	case inflateLengths:
		for z.have < z.ncln && z.nbits >= 3 {
			z.lens[codeOrder[z.have]] = uint8(z.take(3))
			z.have++
		}
		if z.have < z.ncln {
			return in, nil
		}
		if !z.litTable.build(z.lens[:19]) {
			return in, badDeflate
		}
		z.have, z.lens, z.state = 0, [320]uint8{}, inflateCodes
	case inflateCodes:
		return in, z.codes()
	case inflateSymbols:
		return z.symbols(in)
	}
	return in, nil
}

// block begins a block.
func (z *inflater) block() *violation {
	z.ended = false
	z.final = z.take(1) == 1
	switch z.take(2) {
	case 0:
		z.drop(z.nbits % 8)
		z.state = inflateLength
	case 1:
		z.lit, z.dist = fixedLit(), fixedDist()
		z.state = inflateSymbols
	case 2:
		z.state = inflateSizes
	default:
		return badDeflate
	}
	return nil
}

func (z *inflater) endBlock() {
	z.state = inflateBlock
	if z.final {
		z.ended = true
		z.drop(z.nbits % 8)
	}
}

func (z *inflater) copyStored(in []byte) ([]byte, *violation) {
	for z.stored > 0 && z.nbits >= 8 {
		if v := z.room(1); v != nil {
			return in, v
		}
		z.out.b[z.n] = byte(z.take(8))
		z.n++
		z.stored--
	}
	n := 0
	if z.nbits == 0 {
		z.bits = 0 // refill may have left bits of bytes that it did not take
		n = min(z.stored, len(in))
	}
	if n > 0 {
		if v := z.room(n); v != nil {
			return in, v
		}
		copy(z.out.b[z.n:], in[:n])
		z.n += n
		z.stored -= n
	}
	if z.stored == 0 {
		z.endBlock()
	}
	return in[n:], nil
}

// codes reads the code lengths of a dynamic block.
func (z *inflater) codes() *violation {
	total := z.nlit + z.ndist
	for z.have < total {
		symbol, n := z.litTable.decode(z.bits, z.nbits)
		if n < 0 {
			return badDeflate
		}
		extra, repeat, value := uint(0), 1, uint8(symbol)
		switch symbol {
		case 16:
			extra, repeat = 2, 3
		case 17:
			extra, repeat, value = 3, 3, 0
		case 18:
			extra, repeat, value = 7, 11, 0
		}
		if n == 0 || z.nbits < uint(n)+extra {
			return nil
		}
		z.drop(uint(n))
		repeat += z.take(extra)
		if symbol == 16 {
			if z.have == 0 {
				return badDeflate
			}
			value = z.lens[z.have-1]
		}
		if z.have+repeat > total {
			return badDeflate
		}
		for range repeat {
			z.lens[z.have] = value
			z.have++
		}
		if z.nbits < 14 {
			break // the caller has more
		}
	}
	if z.have < total {
		return nil
	}
	if z.lens[256] == 0 || !z.litTable.build(z.lens[:z.nlit]) || !z.distTable.build(z.lens[z.nlit:total]) {
		return badDeflate
	}
	z.lit, z.dist, z.state = &z.litTable, &z.distTable, inflateSymbols
	return nil
}

// symbols decodes literals and matches, each as a whole: the longest match takes
// 15 + 5 + 15 + 13 bits.
func (z *inflater) symbols(in []byte) ([]byte, *violation) {
	for {
		if z.nbits < 48 {
			in = z.refill(in)
		}
		symbol, n := z.lit.decode(z.bits, z.nbits)
		switch {
		case n < 0 || symbol > 285:
			return in, badDeflate
		case n == 0:
			return in, nil
		case symbol < 256:
			if v := z.room(1); v != nil {
				return in, v
			}
			z.out.b[z.n] = byte(symbol)
			z.n++
			z.drop(uint(n))
		case symbol == 256:
			z.drop(uint(n))
			z.endBlock()
			return in, nil
		default:
			done, v := z.match(symbol-257, uint(n))
			if v != nil || !done {
				return in, v
			}
		}
	}
}

// match copies what was there before (RFC 1951 section 3.2.5), if all bits of it
// have arrived.
func (z *inflater) match(length int, used uint) (done bool, v *violation) {
	base, extra := matchLength(length)
	if z.nbits < used+extra {
		return false, nil
	}
	base += int(z.bits >> used & (1<<extra - 1))
	used += extra
	symbol, n := z.dist.decode(z.bits>>used, z.nbits-used)
	if n < 0 || symbol > 29 {
		return false, badDeflate
	}
	used += uint(max(n, 0))
	back, extra := matchDistance(symbol)
	if n == 0 || z.nbits < used+extra {
		return false, nil
	}
	back += int(z.bits >> used & (1<<extra - 1))
	z.drop(used + extra)
	if back > z.n {
		return false, badDeflate
	}
	if v := z.room(base); v != nil {
		return false, v
	}
	for b, end := z.out.b, z.n+base; z.n < end; { // source and target may overlap
		z.n += copy(b[z.n:end], b[z.n-back:z.n])
	}
	return true, nil
}

func matchLength(code int) (base int, extra uint) {
	switch {
	case code < 8:
		return code + 3, 0
	case code == 28:
		return 258, 0
	}
	extra = uint(code/4 - 1)
	return 3 + (4+code%4)<<extra, extra
}

func matchDistance(code int) (base int, extra uint) {
	if code < 4 {
		return code + 1, 0
	}
	extra = uint(code/2 - 1)
	return 1 + (2+code%2)<<extra, extra
}

// room makes room for n more bytes of output, within the limit.
func (z *inflater) room(n int) *violation {
	total := z.n + n
	if total > z.limit {
		return tooBig
	}
	if z.out == nil || total > len(z.out.b) {
		grown := getBuffer(max(total, min(2*z.n, z.limit)))
		if z.out != nil {
			copy(grown.b, z.out.b[:z.n])
			putBuffer(z.out)
		}
		z.out = grown
	}
	return nil
}

// fastBits is the longest code that one look into a table decodes.
const fastBits = 9

// huffman decodes a canonical code (RFC 1951 section 3.2.2).
type huffman struct {
	fast    [1 << fastBits]uint16 // symbol<<4 | length, 0: a longer code
	count   [16]uint16            // codes of each length
	symbols [288]uint16           // in the order of their codes
}

// build takes the length of each symbol's code. Only a complete code is valid, or
// one of at most one symbol.
func (h *huffman) build(lens []uint8) bool {
	h.fast, h.count = [1 << fastBits]uint16{}, [16]uint16{}
	for _, n := range lens {
		h.count[n]++
	}
	h.count[0] = 0
	left, used := 1, 0
	var next, offset [16]int // code and place of the next symbol of each length
	for n := 1; n < 16; n++ {
		left = left<<1 - int(h.count[n])
		if left < 0 {
			return false
		}
		used += int(h.count[n])
		if n < 15 {
			next[n+1] = (next[n] + int(h.count[n])) << 1
			offset[n+1] = offset[n] + int(h.count[n])
		}
	}
	if left > 0 && (used > 1 || used == 1 && h.count[1] != 1) {
		return false
	}
	for symbol, n := range lens {
		if n == 0 {
			continue
		}
		h.symbols[offset[n]] = uint16(symbol)
		offset[n]++
		code := next[n]
		next[n]++
		if n <= fastBits {
			reversed := int(bits.Reverse16(uint16(code)) >> (16 - n))
			for at := reversed; at < 1<<fastBits; at += 1 << n {
				h.fast[at] = uint16(symbol)<<4 | uint16(n)
			}
		}
	}
	return true
}

// decode finds the next symbol and the length of its code: 0 when bits are
// missing, -1 when there is no such code.
func (h *huffman) decode(b uint64, have uint) (symbol, n int) {
	if e := h.fast[b&(1<<fastBits-1)]; e != 0 {
		if n := uint(e & 15); n <= have {
			return int(e >> 4), int(n)
		}
		return 0, 0
	}
	code, first, index := 0, 0, 0
	for n := 1; n < 16; n++ {
		if uint(n) > have {
			return 0, 0
		}
		code |= int(b & 1)
		b >>= 1
		count := int(h.count[n])
		if code-first < count {
			return int(h.symbols[index+code-first]), n
		}
		index += count
		first = (first + count) << 1
		code <<= 1
	}
	return 0, -1
}

func newFixedLit() *huffman {
	var lens [288]uint8
	for i := range lens {
		switch {
		case i < 144, i >= 280:
			lens[i] = 8
		case i < 256:
			lens[i] = 9
		default:
			lens[i] = 7
		}
	}
	h := new(huffman)
	h.build(lens[:])
	return h
}

func newFixedDist() *huffman {
	lens := [32]uint8{}
	for i := range lens {
		lens[i] = 5
	}
	h := new(huffman)
	h.build(lens[:])
	return h
}
