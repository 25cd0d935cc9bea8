package hub

import (
	"time"

	"partyline/gateway/ws"
)

// ring keeps the latest event frames of a room, oldest first. It holds one
// reference on each frame. Not safe for concurrent use: the room's lock guards
// it.
type ring struct {
	buf   []ringEntry // circular; its length is a power of two or 0
	first int
	n     int
	bytes int    // of memory
	floor uint64 // the ring holds every event of the room above this seq
}

type ringEntry struct {
	seq   uint64
	at    time.Time // time of storage
	frame *ws.Frame
}

const entryBytes = 40 // of a ringEntry

// size is the memory that an entry takes.
func (e *ringEntry) size() int { return e.frame.Memory() + entryBytes }

// covers reports whether the ring holds every event after seq.
func (r *ring) covers(seq uint64) bool { return seq >= r.floor }

func (r *ring) at(i int) *ringEntry { return &r.buf[(r.first+i)&(len(r.buf)-1)] }

// push adds the newest event and takes over one reference on its frame.
func (r *ring) push(e ringEntry) {
	if r.n == len(r.buf) {
		r.grow()
	}
	r.n++
	*r.at(r.n - 1) = e
	r.bytes += e.size()
}

// pop drops the oldest event and returns the bytes that became free.
func (r *ring) pop() int {
	e := r.at(0)
	size := e.size()
	r.floor = e.seq
	e.frame.Release()
	*e = ringEntry{}
	r.first = (r.first + 1) & (len(r.buf) - 1)
	r.n--
	r.bytes -= size
	return size
}

// clear drops everything; the ring then covers what comes after floor.
func (r *ring) clear(floor uint64) (freed int) {
	for r.n > 0 {
		freed += r.pop()
	}
	r.buf, r.first = nil, 0
	r.floor = floor
	return freed
}

func (r *ring) grow() {
	next := make([]ringEntry, max(4, 2*len(r.buf)))
	for i := range r.n {
		next[i] = *r.at(i)
	}
	r.buf, r.first = next, 0
}

// after is the index of the first event with a larger seq; n when none has.
func (r *ring) after(seq uint64) int {
	lo, hi := 0, r.n
	for lo < hi {
		mid := (lo + hi) / 2
		if r.at(mid).seq > seq {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return lo
}

// find returns the event seq, nil when the ring does not hold it.
func (r *ring) find(seq uint64) *ringEntry {
	if i := r.after(seq - 1); i < r.n && r.at(i).seq == seq {
		return r.at(i)
	}
	return nil
}
