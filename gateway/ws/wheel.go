package ws

// wheelSlots is the number of slots of a wheel.
const wheelSlots = 512

// timed is what a wheel keeps in each element: the links of a list. The zero
// value is in no wheel.
type timed[T any] struct {
	next, prev *T
	slot       int64 // number of the tick at which it is due; 0: not in the wheel
}

// wheel is a hashed timer wheel (Varghese and Lauck 1987, scheme 6, without
// rounds): each element is in the slot of the tick at which it wants to be looked
// at. What is due later than the wheel reaches is looked at earlier, and put
// back. Arming and removing are O(1) and allocate nothing. Not safe for concurrent
// use.
type wheel[T any] struct {
	tick  int64 // length of a tick in nanoseconds
	of    func(*T) *timed[T]
	slots [wheelSlots]*T
	pos   int64 // ticks up to this one were looked at
	count int
}

// arm has an element looked at no later than at the first tick after at. An
// element that is due earlier already stays where it is.
func (w *wheel[T]) arm(e *T, at int64) {
	slot := min(max(at/w.tick+1, w.pos+1), w.pos+wheelSlots-1)
	t := w.of(e)
	if t.slot != 0 {
		if t.slot <= slot {
			return
		}
		w.remove(e)
	}
	t.slot = slot
	head := &w.slots[slot%wheelSlots]
	t.next, t.prev = *head, nil
	if *head != nil {
		w.of(*head).prev = e
	}
	*head = e
	w.count++
}

// remove takes an element out, if it is in.
func (w *wheel[T]) remove(e *T) {
	t := w.of(e)
	if t.slot == 0 {
		return
	}
	if t.prev != nil {
		w.of(t.prev).next = t.next
	} else {
		w.slots[t.slot%wheelSlots] = t.next
	}
	if t.next != nil {
		w.of(t.next).prev = t.prev
	}
	*t = timed[T]{}
	w.count--
}

// advance takes out everything that is due by now and appends it to due.
func (w *wheel[T]) advance(now int64, due []*T) []*T {
	for to := now / w.tick; w.pos < to; {
		w.pos++
		if w.count == 0 {
			w.pos = to
			break
		}
		for e := w.slots[w.pos%wheelSlots]; e != nil; e = w.slots[w.pos%wheelSlots] {
			w.remove(e)
			due = append(due, e)
		}
	}
	return due
}
