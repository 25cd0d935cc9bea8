package hub

import "time"

// bucket is a token bucket. The zero value is full. Not safe for concurrent
// use.
type bucket struct {
	used float64 // tokens taken and not yet given back
	last time.Time
}

// take takes one token of burst, which refill by rate per second; it reports
// how long to wait when there is none. A rate of 0 never refuses.
func (b *bucket) take(now time.Time, rate float64, burst int) (ok bool, wait time.Duration) {
	if rate <= 0 {
		return true, 0
	}
	if !b.last.IsZero() {
		b.used = max(0, b.used-now.Sub(b.last).Seconds()*rate)
	}
	b.last = now
	if b.used+1 > float64(burst) {
		return false, time.Duration((b.used + 1 - float64(burst)) / rate * float64(time.Second))
	}
	b.used++
	return true, 0
}

// window counts what happened within the last period, forgetting by halves: it
// covers at least half a period, and never more than a whole one. The zero value
// is empty.
type window struct {
	start     time.Time
	cur, prev int
}

// add counts one more and returns how many there were within period, at most.
func (w *window) add(now time.Time, period time.Duration) int {
	half := period / 2
	switch gone := now.Sub(w.start); {
	case gone >= period:
		w.start, w.cur, w.prev = now, 0, 0
	case gone >= half:
		w.start, w.prev, w.cur = w.start.Add(half), w.cur, 0
	}
	w.cur++
	return w.cur + w.prev
}
