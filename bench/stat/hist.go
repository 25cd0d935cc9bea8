package stat

import (
	"math/bits"
	"time"
)

// subBits is the binary logarithm of the buckets per power of two: values are
// kept with a relative error below 1/128.
const (
	subBits = 7
	sub     = 1 << subBits
)

// Hist counts durations in logarithmic buckets. The zero value is empty and
// ready. It is not safe for concurrent use.
type Hist struct {
	counts [(64 - subBits) * sub]uint64
	total  uint64
	sum    float64
	max    int64
}

// Record adds one value in nanoseconds; negative ones count as 0.
func (h *Hist) Record(ns int64) {
	ns = max(ns, 0)
	h.counts[bucket(ns)]++
	h.total++
	h.sum += float64(ns)
	h.max = max(h.max, ns)
}

// bucket is the index of a value's bucket. Values below 2*sub have one each.
func bucket(ns int64) int {
	v := uint64(ns)
	if v < sub {
		return int(v)
	}
	shift := bits.Len64(v) - subBits - 1
	return shift*sub + int(v>>shift)
}

// upper is the largest value of a bucket.
func upper(i int) int64 {
	if i < 2*sub {
		return int64(i)
	}
	shift := i/sub - 1
	return (int64(i-shift*sub)+1)<<shift - 1
}

// Count is the number of values.
func (h *Hist) Count() uint64 { return h.total }

// CountAbove is the number of values above d, give or take one bucket.
func (h *Hist) CountAbove(d time.Duration) (n uint64) {
	for _, c := range h.counts[bucket(int64(d))+1:] {
		n += c
	}
	return n
}

// Max is the largest value, exact; 0 when empty.
func (h *Hist) Max() time.Duration { return time.Duration(h.max) }

// Mean is the average; 0 when empty.
func (h *Hist) Mean() time.Duration {
	if h.total == 0 {
		return 0
	}
	return time.Duration(h.sum / float64(h.total))
}

// Quantile is the value that the share q (0 to 1) of all values does not
// exceed, at most 1/128 too high and never above Max; 0 when empty.
func (h *Hist) Quantile(q float64) time.Duration {
	if h.total == 0 {
		return 0
	}
	rank := uint64(q * float64(h.total))
	if float64(rank) < q*float64(h.total) || rank == 0 {
		rank++
	}
	var seen uint64
	for i, n := range h.counts {
		if seen += n; seen >= rank {
			return time.Duration(min(upper(i), h.max))
		}
	}
	return h.Max()
}

// Reset empties the histogram.
func (h *Hist) Reset() { *h = Hist{} }
