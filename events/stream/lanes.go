package stream

import "time"

// submission is one event on its way into the log. It is in one list at a time.
type submission struct {
	room, msgID string
	data        []byte
	receiver    Receiver
	deadline    time.Time
	ack         Ack
	next        *submission
}

// submissionList keeps its order. The zero value is empty.
type submissionList struct{ first, last *submission }

func (l *submissionList) put(s *submission) {
	if l.last == nil {
		l.first = s
	} else {
		l.last.next = s
	}
	l.last = s
}

// take removes all.
func (l *submissionList) take() *submission {
	first := l.first
	*l = submissionList{}
	return first
}

// lane holds the events of a room that are not stored yet. The first of them is
// in flight when the lane has a slot.
type lane struct {
	events submissionList
	next   *lane // in the queue of lanes without a slot, or of spare ones
}

// slot is a place for one event in flight.
type slot struct {
	number  int
	state   slotState
	lane    *lane     // nil: free
	attempt uint64    // number of the last attempt; answers to others are dropped
	due     time.Time // when the attempt counts as lost, or the pause is over
	err     error     // what became of the last attempt
}

type slotState int

const (
	slotFree   slotState = iota
	slotReady            // in the list of what has to be sent
	slotSent             // the answer is awaited
	slotPaused           // refused for the moment; to be sent again
)

// maxSpareLanes bounds the lanes that are kept for reuse.
const maxSpareLanes = 1024

// laneSet is what a Publisher has to store: a lane for each room with events,
// and the slots. Not safe for concurrent use.
type laneSet struct {
	rooms map[string]*lane
	slots []slot
	free  []*slot
	ready []*slot

	waiting, lastWaiting *lane // those without a slot, in the order of their arrival
	spare                *lane
	spares               int
	due                  time.Time // no slot is due before; zero: none is
}

func newLaneSet(slots int) laneSet {
	ls := laneSet{rooms: map[string]*lane{}, slots: make([]slot, slots)}
	for i := range ls.slots {
		ls.slots[i].number = i
		ls.free = append(ls.free, &ls.slots[i])
	}
	return ls
}

// add puts an event into the lane of its room; true: it can be sent at once.
func (ls *laneSet) add(s *submission) bool {
	if l, ok := ls.rooms[s.room]; ok {
		l.events.put(s)
		return false
	}
	l := ls.spare
	if l == nil {
		l = new(lane)
	} else {
		ls.spare, l.next = l.next, nil
		ls.spares--
	}
	l.events.put(s)
	ls.rooms[s.room] = l
	if len(ls.free) == 0 {
		ls.wait(l)
		return false
	}
	sl := ls.free[len(ls.free)-1]
	ls.free = ls.free[:len(ls.free)-1]
	ls.assign(sl, l)
	return true
}

// wait queues a lane for a slot.
func (ls *laneSet) wait(l *lane) {
	if ls.lastWaiting == nil {
		ls.waiting = l
	} else {
		ls.lastWaiting.next = l
	}
	ls.lastWaiting = l
}

func (ls *laneSet) assign(sl *slot, l *lane) {
	sl.lane, sl.err = l, nil
	ls.makeReady(sl)
}

func (ls *laneSet) makeReady(sl *slot) {
	sl.state = slotReady
	ls.ready = append(ls.ready, sl)
}

// pop removes the event of a slot, which nobody waits for any more, and gives
// the slot to the lane that waits longest, so that no busy room holds others up.
func (ls *laneSet) pop(sl *slot) *submission {
	l := sl.lane
	s := l.events.first
	l.events.first = s.next
	if s.next == nil {
		l.events.last = nil
	}
	s.next = nil
	ls.release(sl, s.room)
	return s
}

// popAll removes the event of a slot, and all that wait for it, as a list.
func (ls *laneSet) popAll(sl *slot) *submission {
	list := sl.lane.events.take()
	ls.release(sl, list.room)
	return list
}

// release moves a slot on, after the event in flight was removed.
func (ls *laneSet) release(sl *slot, room string) {
	l := sl.lane
	if l.events.first == nil {
		delete(ls.rooms, room)
		if ls.spares < maxSpareLanes {
			l.next, ls.spare = ls.spare, l
			ls.spares++
		}
		l = nil
	}
	if ls.waiting != nil {
		if l != nil {
			ls.wait(l)
		}
		l = ls.waiting
		ls.waiting, l.next = l.next, nil
		if ls.waiting == nil {
			ls.lastWaiting = nil
		}
	}
	if l != nil {
		ls.assign(sl, l)
		return
	}
	sl.state, sl.lane, sl.err = slotFree, nil, nil
	ls.free = append(ls.free, sl)
}

// awaited is the slot that waits for the answer to an attempt; nil: nobody does.
func (ls *laneSet) awaited(number int, attempt uint64) *slot {
	if number < 0 || number >= len(ls.slots) {
		return nil
	}
	if sl := &ls.slots[number]; sl.state == slotSent && sl.attempt == attempt {
		return sl
	}
	return nil
}

// pause lets a slot send again a little later.
func (ls *laneSet) pause(sl *slot, until time.Time, why error) {
	sl.state, sl.err = slotPaused, why
	ls.setDue(sl, until)
}

func (ls *laneSet) setDue(sl *slot, due time.Time) {
	sl.due = due
	if ls.due.IsZero() || due.Before(ls.due) {
		ls.due = due
	}
}

// wakeUp makes ready what is due.
func (ls *laneSet) wakeUp(now time.Time) {
	if ls.due.IsZero() || now.Before(ls.due) {
		return
	}
	ls.due = time.Time{}
	for i := range ls.slots {
		sl := &ls.slots[i]
		switch {
		case sl.state != slotSent && sl.state != slotPaused:
		case now.Before(sl.due):
			ls.setDue(sl, sl.due)
		default:
			if sl.state == slotSent {
				sl.err = errAckTimeout
			}
			ls.makeReady(sl)
		}
	}
}

// retry makes everything ready that is under way: its answers may be lost.
func (ls *laneSet) retry() {
	for i := range ls.slots {
		if sl := &ls.slots[i]; sl.state == slotSent || sl.state == slotPaused {
			ls.makeReady(sl)
		}
	}
}
