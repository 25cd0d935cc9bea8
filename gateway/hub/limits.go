package hub

import "time"

// bucket is a token bucket. The zero value is full. Not safe for concurrent
// use. Every connection has some, so their times are Unix nanoseconds: a clock
// that is set back only delays what is given back.
type bucket struct {
	used float64 // tokens taken and not yet given back
	last int64
}

// take takes one token of burst, which refill by rate per second; it reports
// how long to wait when there is none. A rate of 0 never refuses.
func (b *bucket) take(now time.Time, rate float64, burst int) (ok bool, wait time.Duration) {
	if rate <= 0 {
		return true, 0
	}
	at := now.UnixNano()
	b.used = max(0, b.used-max(0, time.Duration(at-b.last)).Seconds()*rate)
	b.last = at
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
	start     int64 // Unix nanoseconds
	cur, prev int32
}

// add counts one more and returns how many there were within period, at most.
func (w *window) add(now time.Time, period time.Duration) int {
	at, half := now.UnixNano(), int64(period/2)
	switch gone := at - w.start; {
	case gone >= int64(period) || gone < 0: // or the clock was set back
		w.start, w.cur, w.prev = at, 0, 0
	case gone >= half:
		w.start, w.prev, w.cur = w.start+half, w.cur, 0
	}
	w.cur++
	return int(w.cur + w.prev)
}
