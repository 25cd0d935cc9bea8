package jsonscan

import "bytes"

// remember adds the name data[start:end] to those of the innermost object,
// whose names begin at base, unless it is among them.
func (s *Scanner) remember(start, end, base int) bool {
	if s.nkeys-base >= MaxMembers {
		return s.fail(ErrMembers)
	}
	name := s.data[start:end]
	k := keyRef{start: uint32(start), end: uint32(end), hash: hashName(name)}
	for i := base; i < s.nkeys; i++ {
		other := s.keyAt(i)
		if other.hash == k.hash && sameName(name, s.data[other.start:other.end]) {
			return s.fail(ErrDuplicate)
		}
	}
	if s.nkeys < len(s.keys) {
		s.keys[s.nkeys] = k
	} else {
		s.more = append(s.more, k)
	}
	s.nkeys++
	return true
}

// forget drops the names of the innermost object.
func (s *Scanner) forget(base int) {
	s.nkeys = base
	s.more = s.more[:max(0, base-len(s.keys))]
}

func (s *Scanner) keyAt(i int) *keyRef {
	if i < len(s.keys) {
		return &s.keys[i]
	}
	return &s.more[i-len(s.keys)]
}

func (s *Scanner) lastKey() (start, end uint32) {
	k := s.keyAt(s.nkeys - 1)
	return k.start, k.end
}

// hashName is FNV-1a over what a raw name means, so that "a" and "\u0061" agree.
// Collisions cost a comparison, nothing else.
func hashName(raw []byte) uint32 {
	if bytes.IndexByte(raw, '\\') >= 0 {
		raw = appendUnescaped(nil, raw)
	}
	h := uint32(2166136261)
	for _, c := range raw {
		h = (h ^ uint32(c)) * 16777619
	}
	return h
}

func sameName(a, b []byte) bool {
	if bytes.IndexByte(a, '\\') >= 0 {
		a = appendUnescaped(nil, a)
	}
	if bytes.IndexByte(b, '\\') >= 0 {
		b = appendUnescaped(nil, b)
	}
	return bytes.Equal(a, b)
}
