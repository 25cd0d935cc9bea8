package jsonscan

import "bytes"

// Kind is the type of a JSON value.
type Kind uint8

// The kinds of values. Invalid is the kind of a zero Value: no member.
const (
	Invalid Kind = iota
	String
	Number
	Object
	Array
	True
	False
	Null
)

// Value is one scanned value. Raw points into the scanner's input.
type Value struct {
	Raw       []byte // as it stands in the input, without space around it
	Kind      Kind
	Surrogate bool // a string in it escapes half a surrogate pair
}

// Text returns the meaning of a string value: a part of the input when it has
// no escapes, else unescaped into scratch[:0]. ok is false for other kinds and
// for strings with half a surrogate pair.
func (v Value) Text(scratch []byte) (text []byte, ok bool) {
	if v.Kind != String || v.Surrogate {
		return nil, false
	}
	raw := v.Raw[1 : len(v.Raw)-1]
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw, true
	}
	return appendUnescaped(scratch[:0], raw), true
}

// Uint64 returns the value of a number that is written as an integer: digits
// alone, no sign, fraction or exponent, at most 2^64-1.
func (v Value) Uint64() (n uint64, ok bool) {
	if v.Kind != Number {
		return 0, false
	}
	return parseUint(v.Raw)
}

// Bool returns the value of true and false.
func (v Value) Bool() (b, ok bool) {
	return v.Kind == True, v.Kind == True || v.Kind == False
}

// AppendUint64s appends the elements of an array of integers, see Uint64. ok is
// false, and dst as it was, for everything else.
func (v Value) AppendUint64s(dst []uint64) (out []uint64, ok bool) {
	if v.Kind != Array {
		return dst, false
	}
	out = dst
	rest := bytes.TrimSpace(v.Raw[1 : len(v.Raw)-1])
	for len(rest) > 0 {
		elem, after, _ := bytes.Cut(rest, []byte{','})
		n, ok := parseUint(bytes.TrimSpace(elem))
		if !ok {
			return dst, false
		}
		out, rest = append(out, n), after
	}
	return out, true
}

// AppendCompact appends the value without the space between its tokens. Strings
// and numbers stay as they were written.
func (v Value) AppendCompact(dst []byte) []byte {
	inString := false
	for i := 0; i < len(v.Raw); i++ {
		c := v.Raw[i]
		switch {
		case inString && c == '\\':
			dst = append(dst, c)
			i++
			c = v.Raw[i]
		case c == '"':
			inString = !inString
		case !inString && (c == ' ' || c == '\t' || c == '\n' || c == '\r'):
			continue
		}
		dst = append(dst, c)
	}
	return dst
}

func parseUint(raw []byte) (uint64, bool) {
	var n uint64
	if len(raw) == 0 || len(raw) > 20 {
		return 0, false
	}
	for _, c := range raw {
		if c < '0' || c > '9' {
			return 0, false
		}
		d := uint64(c - '0')
		if n > (1<<64-1-d)/10 {
			return 0, false
		}
		n = n*10 + d
	}
	return n, true
}
