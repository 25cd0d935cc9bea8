package jsonscan

import (
	"bytes"
	"errors"
	"unicode/utf8"
)

// Bounds of what a Scanner accepts.
const (
	// MaxDepth is the deepest nesting, counting the outermost object as 1.
	MaxDepth = 32
	// MaxMembers is the largest number of members of one object. The search for
	// duplicates is quadratic in it.
	MaxMembers = 512
)

// The reasons for which a Scanner stops. Only the first two mean that the input
// is not one JSON object; the others refuse JSON that two readers could
// understand differently, or that is out of bounds.
var (
	// ErrSyntax says that the input is not JSON, is not an object, or goes on
	// after the object.
	ErrSyntax = errors.New("not a JSON object")
	// ErrUTF8 says that the input is not UTF-8.
	ErrUTF8 = errors.New("invalid UTF-8")
	// ErrDuplicate says that an object, at any depth, has two members of one
	// name.
	ErrDuplicate = errors.New("duplicate member")
	// ErrDepth says that values are nested deeper than MaxDepth.
	ErrDepth = errors.New("nested too deeply")
	// ErrMembers says that an object has more than MaxMembers members.
	ErrMembers = errors.New("too many members")
	// ErrSurrogate says that a string escapes half a surrogate pair.
	ErrSurrogate = errors.New("lone surrogate")
)

// Scanner iterates over the members of one object. The zero value is an object
// without members that ends with ErrSyntax; call Reset first.
type Scanner struct {
	data []byte
	pos  int
	err  error

	key        []byte
	val        Value
	began      bool // the opening brace was read
	done       bool
	surrogates bool // report lone surrogates in values instead of stopping
	surrogate  bool // one was seen in the value being scanned

	// keys of the objects that are open, innermost last: the first few in
	// place, so that ordinary input needs no allocation.
	nkeys int
	keys  [24]keyRef
	more  []keyRef
}

// keyRef remembers a member name: its hash decides quickly, its place exactly.
type keyRef struct {
	hash       uint32
	start, end uint32 // of the raw name between its quotes
}

// Reset makes s read data from the start.
func (s *Scanner) Reset(data []byte) {
	s.data, s.pos, s.err = data, 0, nil
	s.key, s.val = nil, Value{}
	s.began, s.done, s.surrogates = false, false, false
	s.nkeys, s.more = 0, s.more[:0]
	switch {
	case len(data) > 1<<31:
		s.err = ErrSyntax
	case !utf8.Valid(data):
		s.err = ErrUTF8
	}
}

// AllowSurrogates makes lone surrogate escapes in values no error; such values
// have [Value.Surrogate] set. In names they stay an error. Call it after Reset.
func (s *Scanner) AllowSurrogates() { s.surrogates = true }

// Next goes to the next member. It returns false at the end of the object and
// after an error; then see Err.
func (s *Scanner) Next() bool {
	if s.err != nil || s.done {
		return false
	}
	first := !s.began
	if first {
		s.began = true
		s.space()
		if !s.take('{') {
			return s.fail(ErrSyntax)
		}
	}
	ok := s.member(first, 0)
	if s.err != nil {
		return false
	}
	if !ok {
		s.done = true
		s.space()
		if s.pos != len(s.data) {
			return s.fail(ErrSyntax)
		}
		return false
	}
	start, end := s.lastKey()
	s.key = s.data[start:end]
	if bytes.IndexByte(s.key, '\\') >= 0 {
		s.key = appendUnescaped(nil, s.key)
	}
	s.val = s.value(1)
	return s.err == nil
}

// Key is the name of the current member, unescaped.
func (s *Scanner) Key() []byte { return s.key }

// Value is the value of the current member.
func (s *Scanner) Value() Value { return s.val }

// Err says why Next returned false: nil at the end of a complete object, else
// one of the errors of this package.
func (s *Scanner) Err() error {
	if s.err == nil && !s.done {
		return ErrSyntax
	}
	return s.err
}

func (s *Scanner) fail(err error) bool {
	if s.err == nil {
		s.err = err
	}
	return false
}

func (s *Scanner) space() {
	for s.pos < len(s.data) {
		switch s.data[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return
		}
	}
}

func (s *Scanner) take(c byte) bool {
	if s.pos < len(s.data) && s.data[s.pos] == c {
		s.pos++
		return true
	}
	return false
}

// member reads up to the value of an object's next member and remembers its
// name; base is the number of names of the objects around it. It returns false
// when the object ends.
func (s *Scanner) member(first bool, base int) bool {
	s.space()
	if s.take('}') {
		return false
	}
	if !first {
		if !s.take(',') {
			return s.fail(ErrSyntax)
		}
		s.space()
	}
	start := s.pos + 1
	// A surrogate flag that belongs to a value must survive the names inside.
	before := s.surrogate
	s.surrogate = false
	if !s.str() {
		return false
	}
	if s.surrogate {
		return s.fail(ErrSurrogate)
	}
	s.surrogate = before
	if !s.remember(start, s.pos-1, base) {
		return false
	}
	s.space()
	if !s.take(':') {
		return s.fail(ErrSyntax)
	}
	return true
}

// value scans the value at pos, at the given depth of the container around it.
func (s *Scanner) value(depth int) Value {
	s.space()
	s.surrogate = false
	start := s.pos
	kind := s.scan(depth)
	if s.err != nil {
		return Value{}
	}
	if s.surrogate && !s.surrogates {
		s.fail(ErrSurrogate)
	}
	return Value{Raw: s.data[start:s.pos], Kind: kind, Surrogate: s.surrogate}
}

// scan moves over one value that begins at pos.
func (s *Scanner) scan(depth int) Kind {
	if s.pos >= len(s.data) {
		s.fail(ErrSyntax)
		return Invalid
	}
	switch s.data[s.pos] {
	case '"':
		s.str()
		return String
	case '{':
		s.object(depth + 1)
		return Object
	case '[':
		s.array(depth + 1)
		return Array
	case 't':
		s.literal("true")
		return True
	case 'f':
		s.literal("false")
		return False
	case 'n':
		s.literal("null")
		return Null
	default:
		s.number()
		return Number
	}
}

func (s *Scanner) object(depth int) {
	if depth > MaxDepth {
		s.fail(ErrDepth)
		return
	}
	s.pos++
	base := s.nkeys
	for first := true; s.member(first, base); first = false {
		s.space()
		s.scan(depth)
		if s.err != nil {
			return
		}
	}
	s.forget(base)
}

func (s *Scanner) array(depth int) {
	if depth > MaxDepth {
		s.fail(ErrDepth)
		return
	}
	s.pos++
	s.space()
	if s.take(']') {
		return
	}
	for {
		s.space()
		s.scan(depth)
		if s.err != nil {
			return
		}
		s.space()
		if s.take(']') {
			return
		}
		if !s.take(',') {
			s.fail(ErrSyntax)
			return
		}
	}
}

func (s *Scanner) literal(word string) {
	end := s.pos + len(word)
	if end > len(s.data) || string(s.data[s.pos:end]) != word {
		s.fail(ErrSyntax)
		return
	}
	s.pos = end
}

// number scans as RFC 8259 section 6 has it.
func (s *Scanner) number() {
	s.take('-')
	if !s.take('0') && !s.digits() {
		s.fail(ErrSyntax)
		return
	}
	if s.take('.') && !s.digits() {
		s.fail(ErrSyntax)
		return
	}
	if s.take('e') || s.take('E') {
		if !s.take('+') {
			s.take('-')
		}
		if !s.digits() {
			s.fail(ErrSyntax)
		}
	}
}

func (s *Scanner) digits() bool {
	start := s.pos
	for s.pos < len(s.data) && '0' <= s.data[s.pos] && s.data[s.pos] <= '9' {
		s.pos++
	}
	return s.pos > start
}
