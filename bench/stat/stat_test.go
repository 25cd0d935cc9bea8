package stat

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestBuckets(t *testing.T) {
	t.Parallel()
	values := []int64{0, 1, sub - 1, sub, 2*sub - 1, 2 * sub, 2*sub + 1, 1000, 4095, 4096, 1e6, 1e9, 1e12, math.MaxInt64}
	for _, v := range values {
		i := bucket(v)
		if up := upper(i); up < v || float64(up) > float64(v)*(1+1.0/sub) {
			t.Errorf("value %d is in bucket %d up to %d", v, i, up)
		}
		if i > 0 && upper(i-1) >= v {
			t.Errorf("value %d is in bucket %d, but the one below goes up to %d", v, i, upper(i-1))
		}
	}
}

func TestQuantilesAgreeWithSorting(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 2))
	var h Hist
	var all []int64
	for range 20000 {
		v := int64(math.Exp(rnd.NormFloat64()*2 + 12))
		h.Record(v)
		all = append(all, v)
	}
	slices.Sort(all)
	for _, q := range []float64{0.001, 0.5, 0.9, 0.99, 0.999, 1} {
		exact := all[max(int(math.Ceil(q*float64(len(all))))-1, 0)]
		got := int64(h.Quantile(q))
		if got < exact || float64(got) > float64(exact)*(1+1.0/sub) {
			t.Errorf("quantile %v: %d, by sorting %d", q, got, exact)
		}
	}
	if h.Max() != time.Duration(all[len(all)-1]) || h.Count() != 20000 {
		t.Errorf("maximum %v of %d values", h.Max(), h.Count())
	}
}

func TestEmptyAndReset(t *testing.T) {
	t.Parallel()
	var h Hist
	if h.Quantile(0.5) != 0 || h.Mean() != 0 || h.Max() != 0 {
		t.Error("an empty histogram has values")
	}
	h.Record(-5)
	h.Record(10)
	if h.Quantile(0.5) != 0 || h.Quantile(1) != 10 || h.Mean() != 5 {
		t.Errorf("median %v, maximum %v, mean %v", h.Quantile(0.5), h.Quantile(1), h.Mean())
	}
	h.Reset()
	if h.Count() != 0 || h.Quantile(1) != 0 {
		t.Error("values survived a reset")
	}
}

func TestRecordDoesNotAllocate(t *testing.T) {
	h := new(Hist)
	if n := testing.AllocsPerRun(100, func() { h.Record(123456) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestMedian(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		values []float64
		want   float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1, 5}, 5}, {[]float64{4, 1, 3, 2}, 2.5}} {
		if got := Median(c.values); got != c.want {
			t.Errorf("median of %v: %v, want %v", c.values, got, c.want)
		}
	}
}

func TestSlope(t *testing.T) {
	t.Parallel()
	if got := Slope([]float64{0, 1, 2, 3}, []float64{5, 7, 9, 11}); math.Abs(got-2) > 1e-9 {
		t.Errorf("slope %v, want 2", got)
	}
	if Slope([]float64{1, 1}, []float64{2, 3}) != 0 || Slope(nil, nil) != 0 {
		t.Error("a slope without a base")
	}
}
