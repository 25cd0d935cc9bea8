package history

// FNV-1a, 64 bits.
const (
	fnvOffset = 14695981039346656037
	fnvPrime  = 1099511628211
)

// idHash maps (uid, id) to the number that is indexed: the upper half depends
// on uid alone, so that everything an identity stored is one range of the index.
// Equal numbers prove nothing; the row is compared.
func idHash(uid, id string) int64 {
	u := fnv(fnvOffset, uid)
	pair := fnv(fnv(u, "\x00"), id)
	return int64(mix(u)&^0xffffffff | mix(pair)&0xffffffff)
}

// idRange returns the smallest and largest numbers that an identity's ids have.
func idRange(uid string) (least, most int64) {
	u := mix(fnv(fnvOffset, uid))
	return int64(u &^ 0xffffffff), int64(u | 0xffffffff)
}

func fnv(h uint64, s string) uint64 {
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * fnvPrime
	}
	return h
}

// mix spreads h over all bits (finalizer of MurmurHash3): the halves are used
// separately, and FNV leaves the upper bits of short inputs too equal.
func mix(h uint64) uint64 {
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}
