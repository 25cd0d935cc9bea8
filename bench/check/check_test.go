package check

import (
	"strings"
	"testing"
)

// run delivers numbers of sender 0 to a member that expects 1 to sent.
func run(t *testing.T, sent uint32, numbers ...uint32) Faults {
	t.Helper()
	c := New()
	m := NewMember(7, 2, false)
	for _, n := range numbers {
		c.Deliver(m, &Delivery{Stamp: Stamp{Room: 7, N: n}})
	}
	c.Finish(m, []uint32{sent, 0})
	return c.Close()
}

func TestFaultsBySender(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		sent    uint32
		numbers []uint32
		want    Faults
	}{
		"all in order":             {4, []uint32{1, 2, 3, 4}, Faults{}},
		"one lost":                 {4, []uint32{1, 2, 4}, Faults{Lost: 1}},
		"the first lost":           {3, []uint32{2, 3}, Faults{Lost: 1}},
		"the last ones lost":       {5, []uint32{1, 2, 3}, Faults{Lost: 2}},
		"all lost":                 {3, nil, Faults{Lost: 3}},
		"one twice":                {3, []uint32{1, 2, 2, 3}, Faults{Duplicated: 1}},
		"an old one again":         {3, []uint32{1, 2, 3, 1}, Faults{Duplicated: 1}},
		"two swapped":              {4, []uint32{1, 3, 2, 4}, Faults{Swapped: 1}},
		"swapped, then again":      {4, []uint32{1, 3, 2, 2, 4}, Faults{Swapped: 1, Duplicated: 1}},
		"lost, twice, and swapped": {7, []uint32{1, 3, 3, 5, 4, 7}, Faults{Lost: 2, Duplicated: 1, Swapped: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := run(t, c.sent, c.numbers...)
			if (got.First == "") != (c.want.Total() == 0) {
				t.Errorf("first fault: %q", got.First)
			}
			got.First = ""
			if got != c.want {
				t.Errorf("got %v, want %v", &got, &c.want)
			}
		})
	}
}

func TestMisrouted(t *testing.T) {
	t.Parallel()
	for _, s := range []Stamp{{Room: 2, N: 1}, {Room: 1, Sender: 3, N: 1}, {Room: 1, N: 0}} {
		c := New()
		if c.Deliver(NewMember(1, 3, false), &Delivery{Stamp: s}) || c.Misrouted != 1 {
			t.Errorf("%+v was taken by room 1 with 3 senders", s)
		}
	}
}

func TestChain(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		links [][2]uint64 // prev, seq
		want  uint64
	}{
		"whole":        {[][2]uint64{{5, 6}, {6, 9}, {9, 10}}, 0},
		"a hole":       {[][2]uint64{{5, 6}, {9, 10}}, 1},
		"starts below": {[][2]uint64{{4, 6}, {6, 7}}, 0},
		"starts above": {[][2]uint64{{6, 7}, {7, 8}}, 1},
		"goes back":    {[][2]uint64{{5, 6}, {6, 5}}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := New()
			m := NewMember(0, 1, false)
			m.Join(5)
			for i, l := range c.links {
				k.Deliver(m, &Delivery{Stamp: Stamp{N: uint32(i + 1)}, Prev: l[0], Seq: l[1]})
			}
			if k.Chain != c.want {
				t.Errorf("%d faults, want %d: %s", k.Chain, c.want, k.First)
			}
		})
	}
}

func TestOrderAmongMembers(t *testing.T) {
	t.Parallel()
	deliver := func(c *Checker, senders ...uint16) *Member {
		m := NewMember(0, 2, false)
		n := [2]uint32{}
		for _, s := range senders {
			n[s]++
			c.Deliver(m, &Delivery{Stamp: Stamp{Sender: s, N: n[s]}})
		}
		return m
	}
	c := New()
	c.CompareOrder(nil)
	a, b := deliver(c, 0, 1, 0, 1), deliver(c, 0, 1, 0, 1)
	c.CompareOrder([]*Member{deliver(c, 0, 1), a, b})
	if c.Total() != 0 {
		t.Fatalf("same order: %v", &c.Faults)
	}
	c.CompareOrder([]*Member{a, b, deliver(c, 1, 0, 0, 1)})
	if c.Order != 1 || c.Total() != 1 {
		t.Errorf("another order among senders: %v", &c.Faults)
	}
}

func TestLateMemberStartsAnywhere(t *testing.T) {
	t.Parallel()
	c := New()
	m := NewMember(0, 3, true)
	for _, n := range []uint32{40, 41, 43} {
		c.Deliver(m, &Delivery{Stamp: Stamp{N: n}})
	}
	c.Finish(m, []uint32{43, 12, 0})
	if f := c.Close(); f.Lost != 1 || f.Total() != 1 {
		t.Errorf("faults %v, want the loss of 42", &f)
	}
}

func TestMissingIsBounded(t *testing.T) {
	t.Parallel()
	c := New()
	m := NewMember(0, 1, false)
	c.Deliver(m, &Delivery{Stamp: Stamp{N: 2 * maxMissing}})
	if len(c.missing) > maxMissing {
		t.Errorf("%d numbers remembered", len(c.missing))
	}
	if f := c.Close(); f.Lost != 2*maxMissing-1 {
		t.Errorf("%d lost, want %d", f.Lost, 2*maxMissing-1)
	}
}

func TestFaultsAdd(t *testing.T) {
	t.Parallel()
	a := Faults{Lost: 1, First: "x"}
	a.Add(Faults{Lost: 1, Duplicated: 2, Swapped: 3, Misrouted: 4, Chain: 5, Order: 6, Unreadable: 7, First: "y"})
	if want := (Faults{2, 2, 3, 4, 5, 6, 7, "x"}); a != want || a.Total() != 29 {
		t.Errorf("got %+v", a)
	}
	if s := a.String(); !strings.Contains(s, "2 lost") || !strings.HasSuffix(s, "first: x") {
		t.Errorf("text: %s", s)
	}
}

func TestStampSurvivesText(t *testing.T) {
	t.Parallel()
	for _, s := range []Stamp{{}, {1, 2, 3, 4}, {65535, 65535, 1<<32 - 1, 1<<63 - 1}} {
		for _, size := range []int{0, MinText, 150, 4000} {
			text := AppendText(nil, s, size)
			if len(text) != max(size, MinText) {
				t.Fatalf("%d bytes, want %d", len(text), size)
			}
			if got, err := ParseText(text); err != nil || got != s {
				t.Errorf("got %+v, %v, want %+v", got, err, s)
			}
			if _, ok := Intact(nil, text, s); !ok {
				t.Error("an intact text is not taken as such")
			}
			text[len(text)-1] ^= 1
			if _, ok := Intact(nil, text, s); ok {
				t.Error("a changed byte was not seen")
			}
		}
	}
	for _, bad := range []string{"", "hello", strings.Repeat("x", 200), "r0000 s0000 n0000000g t0000000000000000 "} {
		if _, err := ParseText([]byte(bad)); err == nil {
			t.Errorf("%q has a stamp", bad)
		}
	}
}

func TestDeliverDoesNotAllocate(t *testing.T) {
	c := New()
	m := NewMember(0, 1, false)
	d := Delivery{}
	if n := testing.AllocsPerRun(100, func() { d.N++; c.Deliver(m, &d) }); n != 0 || c.Total() != 0 {
		t.Errorf("%v allocations, faults %v", n, &c.Faults)
	}
}
