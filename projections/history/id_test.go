package history

import (
	"fmt"
	"testing"
)

// TestIDHash: what one identity stores is one range, which nobody else's ids
// share, and ids of one identity differ.
func TestIDHash(t *testing.T) {
	t.Parallel()
	seen := map[int64]string{}
	for u := range 50 {
		uid := fmt.Sprintf("%016x", u)
		least, most := idRange(uid)
		for i := range 200 {
			pair := fmt.Sprint(uid, " ", i)
			h := idHash(uid, fmt.Sprint(i))
			if h < least || h > most {
				t.Errorf("%s is outside of its identity's range", pair)
			}
			if other, ok := seen[h]; ok {
				t.Errorf("%s and %s have the same hash", pair, other)
			}
			seen[h] = pair
		}
	}
}
