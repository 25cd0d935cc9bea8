package ws

import (
	"math/rand/v2"
	"testing"
)

type wheelElem struct {
	timed timed[wheelElem]
	want  int64 // when it wants to be looked at; 0: not at all
}

// TestWheel arms, disarms and advances at random, and compares with what each
// element wants: nothing is looked at too late, or twice.
func TestWheel(t *testing.T) {
	t.Parallel()
	const tick = 10
	random := rand.New(rand.NewPCG(5, 6))
	w := wheel[wheelElem]{tick: tick, of: func(e *wheelElem) *timed[wheelElem] { return &e.timed }}
	elems := make([]wheelElem, 300)
	now, looks := int64(0), 0
	var due []*wheelElem
	for range 20_000 {
		e := &elems[random.IntN(len(elems))]
		switch random.IntN(4) {
		case 0:
			at := now + random.Int64N(3*wheelSlots*tick)
			w.arm(e, at)
			if e.want == 0 || at < e.want {
				e.want = at
			}
		case 1:
			w.remove(e)
			e.want = 0
		default:
			now += random.Int64N(5 * tick)
			due = w.advance(now, due[:0])
			for _, e := range due {
				looks++
				if e.want > now { // the wheel reaches less far: back it goes
					w.arm(e, e.want)
					continue
				}
				e.want = 0
			}
			for i := range elems {
				if e := &elems[i]; e.want != 0 && e.want+2*tick < now {
					t.Fatalf("at %d an element of %d was not looked at", now, e.want)
				}
			}
		}
		count := 0
		for i := range elems {
			if (elems[i].want != 0) != (elems[i].timed.slot != 0) {
				t.Fatalf("element %d wants %d and is in slot %d", i, elems[i].want, elems[i].timed.slot)
			}
			if elems[i].want != 0 {
				count++
			}
		}
		if count != w.count {
			t.Fatalf("%d elements, counted %d", count, w.count)
		}
	}
	if looks == 0 {
		t.Error("never looked")
	}
}
