package check

import "fmt"

// maxMissing bounds the numbers that are remembered as missing, over all
// members; further ones count as lost at once.
const maxMissing = 1 << 16

// Delivery is one message as it arrived.
type Delivery struct {
	Stamp
	// Seq and Prev are the server's numbers of the event and of the room's
	// event before it; Seq 0: the server gives none.
	Seq, Prev uint64
}

// Faults counts what went wrong. First describes the first fault.
type Faults struct {
	Lost       uint64 // never arrived
	Duplicated uint64 // arrived again
	Swapped    uint64 // arrived after a later one of its sender
	Misrouted  uint64 // arrived in another room, or from a sender that is none
	Chain      uint64 // did not follow the event that it names as its predecessor
	Order      uint64 // members that saw an order of their own
	Unreadable uint64 // carried no stamp, or other bytes than were sent
	First      string
}

// Total is the sum of all faults.
func (f *Faults) Total() uint64 {
	return f.Lost + f.Duplicated + f.Swapped + f.Misrouted + f.Chain + f.Order + f.Unreadable
}

// String lists the faults that occurred.
func (f *Faults) String() string {
	if f.Total() == 0 {
		return "none"
	}
	return fmt.Sprintf("%d lost, %d duplicated, %d swapped, %d misrouted, %d off the chain, %d in another order, %d unreadable; first: %s",
		f.Lost, f.Duplicated, f.Swapped, f.Misrouted, f.Chain, f.Order, f.Unreadable, f.First)
}

// Add adds the faults of another part of the run.
func (f *Faults) Add(g Faults) {
	f.Lost += g.Lost
	f.Duplicated += g.Duplicated
	f.Swapped += g.Swapped
	f.Misrouted += g.Misrouted
	f.Chain += g.Chain
	f.Order += g.Order
	f.Unreadable += g.Unreadable
	if f.First == "" {
		f.First = g.First
	}
}

// Checker collects the faults of many members. It is not safe for concurrent
// use.
type Checker struct {
	Faults
	missing map[missing]struct{}
}

type missing struct {
	member *Member
	sender uint16
	n      uint32
}

// New returns a checker without members.
func New() *Checker { return &Checker{missing: make(map[missing]struct{})} }

// Member is what one connection has seen of one room. It outlives the
// connection when that resumes.
type Member struct {
	Room uint16
	// Seq is the last sequence number that was seen or, right after a join, the
	// one that the join covers.
	Seq   uint64
	fresh bool     // Seq is that of a join
	last  []uint32 // by sender: its number seen last
	// Order is a hash over everything seen, in order.
	Order uint64
	Seen  uint64 // deliveries
	late  bool   // joined while others were sending
}

// NewMember returns a member that expects everything from the beginning. With
// late set it begins, for each sender, with what arrives first.
func NewMember(room uint16, senders int, late bool) *Member {
	return &Member{Room: room, last: make([]uint32, senders), late: late}
}

// Join says what a first join covers: the event that follows names a
// predecessor that is not above seq.
func (m *Member) Join(seq uint64) { m.Seq, m.fresh = seq, true }

// Last is the number of a sender that was seen last, 0 for none.
func (m *Member) Last(sender int) uint32 { return m.last[sender] }

// Behind is how much has not arrived of what each sender of the room has sent.
func (m *Member) Behind(sent []uint32) (n uint64) {
	for s, last := range m.last {
		if last == 0 && m.late {
			continue // it may have joined after this sender's last message
		}
		if last < sent[s] {
			n += uint64(sent[s] - last)
		}
	}
	return n
}

// Deliver checks one delivery; it reports whether it is a new one for this
// member.
func (c *Checker) Deliver(m *Member, d *Delivery) bool {
	if d.Room != m.Room || int(d.Sender) >= len(m.last) || d.N == 0 {
		c.Misrouted++
		c.note("%+v arrived in room %d", d, m.Room)
		return false
	}
	if d.Seq != 0 {
		follows := d.Prev == m.Seq || m.fresh && d.Prev < m.Seq
		m.fresh = false
		if !follows || d.Seq <= m.Seq {
			c.Chain++
			c.note("event %d after %d came when %d was the last one of room %d", d.Seq, d.Prev, m.Seq, m.Room)
		}
		m.Seq = max(m.Seq, d.Seq)
	}
	last := &m.last[d.Sender]
	switch {
	case d.N == *last+1:
	case *last == 0 && m.late:
	case d.N <= *last:
		return c.again(m, d)
	default:
		c.gap(m, d, *last)
	}
	*last = d.N
	m.Seen++
	m.Order = (m.Order ^ (uint64(d.Sender)<<32 | uint64(d.N))) * 0x9e3779b97f4a7c15
	return true
}

// again is about a number that is not above the last one.
func (c *Checker) again(m *Member, d *Delivery) bool {
	key := missing{m, d.Sender, d.N}
	if _, ok := c.missing[key]; ok {
		delete(c.missing, key)
		c.Swapped++
		c.note("number %d of sender %d came after %d in room %d", d.N, d.Sender, m.last[d.Sender], m.Room)
		m.Seen++
		return true
	}
	c.Duplicated++
	c.note("number %d of sender %d came again in room %d", d.N, d.Sender, m.Room)
	return false
}

// gap remembers the numbers between last and d as missing.
func (c *Checker) gap(m *Member, d *Delivery, last uint32) {
	c.note("number %d of sender %d came after %d in room %d", d.N, d.Sender, last, m.Room)
	for n := last + 1; n < d.N; n++ {
		if len(c.missing) >= maxMissing {
			c.Lost += uint64(d.N - n)
			return
		}
		c.missing[missing{m, d.Sender, n}] = struct{}{}
	}
}

// Finish is called once for each member at the end, with the numbers that each
// sender of the room used last: what did not arrive is lost.
func (c *Checker) Finish(m *Member, sent []uint32) {
	n := m.Behind(sent)
	if n > 0 {
		c.note("the last %d messages of %v never came in room %d, the last ones seen are %v", n, sent, m.Room, m.last)
	}
	c.Lost += n
}

// Close counts what is still missing as lost, and forgets it.
func (c *Checker) Close() Faults {
	c.Lost += uint64(len(c.missing))
	clear(c.missing)
	return c.Faults
}

// CompareOrder is called with all members of a room that were there from the
// first to the last message: those that saw another order than the first one
// are counted. Members that have not seen all are left out, others count what
// they miss.
func (c *Checker) CompareOrder(members []*Member) {
	var first *Member
	for _, m := range members {
		if first == nil || m.Seen > first.Seen {
			first = m
		}
	}
	for _, m := range members {
		if m.Seen == first.Seen && m.Order != first.Order {
			c.Order++
			c.note("a member of room %d saw an order of its own", m.Room)
		}
	}
}

// Unread counts a delivery that carried no stamp or other bytes than were sent.
func (c *Checker) Unread(text []byte) {
	c.Unreadable++
	c.note("unreadable: %.120q", text)
}

func (c *Checker) note(format string, args ...any) {
	if c.First == "" {
		c.First = fmt.Sprintf(format, args...)
	}
}
