//go:build linux

package fleet

import (
	"net/netip"
	"testing"
	"time"

	"partyline/bench/check"
	"partyline/bench/proc"
	"partyline/bench/proto"
)

// small is a fleet of three rooms of four.
func small(t *testing.T, addr netip.AddrPort, edit func(*Config)) *Fleet {
	t.Helper()
	cfg := Config{Proto: proto.Partyline{}, Addr: addr, Rooms: 3, PerRoom: 4, Senders: 2, TextSize: 150, Window: 4, Patience: 200 * time.Millisecond}
	if edit != nil {
		edit(&cfg)
	}
	f, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	if _, err := f.Connect(10 * time.Second); err != nil {
		t.Fatal(err)
	}
	return f
}

func noUsage() (proc.Usage, error) { return proc.Usage{}, nil }

// brief is long enough for some hundred messages at the rate that the tests use.
var brief = Span{Warm: 20 * time.Millisecond, Measure: 100 * time.Millisecond}

const rate = 1000

// enough deliveries for everything that the tests do at a certain one.
const enough = 300

// chat goes on, however slow the machine is, until there were enough deliveries.
func chat(t *testing.T, f *Fleet, span func() (Result, error)) Result {
	t.Helper()
	before := f.deliveries
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		r, err := span()
		if err != nil {
			t.Fatal(err)
		}
		if f.deliveries-before >= enough {
			return r
		}
	}
	t.Fatalf("only %d deliveries", f.deliveries-before)
	return Result{}
}

func fixed(t *testing.T, f *Fleet) {
	t.Helper()
	chat(t, f, func() (Result, error) { return f.FixedRate(rate, brief, noUsage) })
}

// patient is for runs in which everything arrives.
func patient(c *Config) { c.Patience = 20 * time.Second }

func TestFaultlessServerHasNoFaults(t *testing.T) {
	t.Parallel()
	t.Run("plain", func(t *testing.T) {
		t.Parallel()
		_, addr := newFake(t)
		faultless(t, small(t, addr, patient))
	})
	t.Run("compressed", func(t *testing.T) {
		t.Parallel()
		_, addr := newFake(t)
		f := small(t, addr, func(c *Config) { c.Compress = true; patient(c) })
		faultless(t, f)
		if f.unpack.reader == nil {
			t.Error("nothing was compressed")
		}
	})
	t.Run("TLS", func(t *testing.T) {
		t.Parallel()
		addr, client := newTLSFake(t)
		faultless(t, small(t, addr, func(c *Config) { c.TLS = client; patient(c) }))
	})
}

func faultless(t *testing.T, f *Fleet) {
	t.Helper()
	open := chat(t, f, func() (Result, error) { return f.FixedRate(rate, brief, noUsage) })
	closed := chat(t, f, func() (Result, error) { return f.ClosedLoop(brief, noUsage) })
	for _, r := range []Result{open, closed} {
		if r.Elapsed < brief.Measure || r.Max < r.P99 || r.P99 < r.P50 {
			t.Errorf("result %+v", r)
		}
	}
	if faults := f.Verify(true); faults.Total() != 0 || f.problems.Total() != 0 {
		t.Errorf("faults: %v; problems: %+v", &faults, f.Problems())
	}
	if want := f.sent * 4; f.deliveries != want {
		t.Errorf("%d deliveries of %d messages, want %d", f.deliveries, f.sent, want)
	}
}

// TestFaultsAreFound makes a server do one thing wrong, through real sockets.
func TestFaultsAreFound(t *testing.T) {
	t.Parallel()
	const at = 41 // the delivery that goes wrong
	for name, c := range map[string]struct {
		wrong func(f *fake, k int, m *peer, e event) []event
		found func(f check.Faults) uint64
	}{
		"loss": {
			func(_ *fake, k int, _ *peer, e event) []event {
				if k == at {
					return nil
				}
				return []event{e}
			}, func(f check.Faults) uint64 { return f.Lost },
		},
		"hole in the chain": {
			func(_ *fake, k int, _ *peer, e event) []event {
				if k == at {
					return nil
				}
				return []event{e}
			}, func(f check.Faults) uint64 { return f.Chain },
		},
		"duplicate": {
			func(_ *fake, k int, _ *peer, e event) []event {
				if k == at {
					return []event{e, e}
				}
				return []event{e}
			}, func(f check.Faults) uint64 { return f.Duplicated },
		},
		"swap": {
			func() func(*fake, int, *peer, event) []event {
				var to *peer
				var held []event
				return func(_ *fake, k int, m *peer, e event) []event {
					switch {
					case k == at:
						to, held = m, []event{e}
						return nil
					case m == to && len(held) > 0 && len(held) < 3: // until one of the same sender is in between
						held = append(held, e)
						if len(held) < 3 {
							return nil
						}
						return []event{held[2], held[1], held[0]}
					}
					return []event{e}
				}
			}(), func(f check.Faults) uint64 { return f.Swapped },
		},
		"wrong room": {
			func(_ *fake, k int, _ *peer, e event) []event {
				if k == at {
					return []event{change(e, e.text[:5], "r7777")}
				}
				return []event{e}
			}, func(f check.Faults) uint64 { return f.Misrouted },
		},
		"no stamp": {
			func(_ *fake, k int, _ *peer, e event) []event {
				if k == at {
					return []event{change(e, " n0", " x0")}
				}
				return []event{e}
			}, func(f check.Faults) uint64 { return f.Unreadable },
		},
		"other bytes": { // of which a sample is compared
			func(_ *fake, _ int, _ *peer, e event) []event {
				e.text = e.text[:len(e.text)-1] + "#"
				return []event{e}
			}, func(f check.Faults) uint64 { return f.Unreadable },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, addr := newFake(t)
			s.set(c.wrong)
			f := small(t, addr, nil)
			fixed(t, f)
			if faults := f.Verify(true); c.found(faults) == 0 {
				t.Errorf("not found; faults: %v", &faults)
			}
		})
	}
}

// TestWhatIsPromised lets one text go wrong: lost is what was acknowledged or seen
// by anybody, and only that.
func TestWhatIsPromised(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fate      fate
		lost, dup uint64
		problems  int
	}{
		"acknowledged, never stored":         {fate: noStore, lost: 4},
		"acknowledged, hidden from one":      {fate: hidden, lost: 1},
		"neither acknowledged nor stored":    {fate: noAck | noStore, problems: 1},
		"not acknowledged, seen by all":      {fate: noAck, problems: 1},
		"not acknowledged, hidden from one":  {fate: noAck | hidden, lost: 1, problems: 1},
		"acknowledged, stored twice":         {fate: doubled, dup: 4},
		"nothing went wrong with another id": {fate: 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, addr := newFake(t)
			s.mu.Lock()
			s.fate = map[int]fate{5: c.fate}
			s.mu.Unlock()
			f := small(t, addr, nil)
			fixed(t, f)
			awaitEnds(t, f, c.problems)
			faults := f.Verify(true)
			if faults.Lost != c.lost || faults.Duplicated != c.dup || f.problems.Total() != c.problems {
				t.Errorf("want %d lost, %d duplicated, %d problems; faults: %v; problems: %+v", c.lost, c.dup, c.problems, &faults, f.Problems())
			}
			if faults.Order != 0 || faults.Swapped != 0 {
				t.Errorf("nothing was reordered: %v", &faults)
			}
		})
	}
}

// awaitEnds waits until everybody has seen the end of what was sent, and all but
// some texts are acknowledged.
func awaitEnds(t *testing.T, f *Fleet, unacknowledged int) {
	t.Helper()
	ended := func() bool {
		n := 0
		for _, m := range f.members {
			n += len(m.unacked)
			if m.state.Behind(m.room.sent) > 0 {
				return false
			}
		}
		return n == unacknowledged
	}
	for end := time.Now().Add(time.Minute); !ended(); {
		if time.Now().After(end) {
			t.Fatal("not everything that should arrive did")
		}
		if err := f.poll(time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFallingBehindIsNoReordering lets some members hear nothing any more.
func TestFallingBehindIsNoReordering(t *testing.T) {
	t.Parallel()
	s, addr := newFake(t)
	var deaf *peer
	s.set(func(_ *fake, k int, m *peer, e event) []event {
		if k == 100 {
			deaf = m
		}
		if m == deaf {
			return nil
		}
		return []event{e}
	})
	f := small(t, addr, nil)
	fixed(t, f)
	if faults := f.Verify(true); faults.Lost == 0 || faults.Total() != faults.Lost {
		t.Errorf("faults: %v", &faults)
	}
}

func TestDroppedConnectionIsFound(t *testing.T) {
	t.Parallel()
	s, addr := newFake(t)
	s.set(func(_ *fake, k int, m *peer, e event) []event {
		if k == 30 {
			m.conn.Close()
		}
		return []event{e}
	})
	f := small(t, addr, patient)
	chat(t, f, func() (Result, error) { return f.ClosedLoop(brief, noUsage) })
	if f.problems.Dropped != 1 {
		t.Errorf("%d dropped connections, want 1", f.problems.Dropped)
	}
}

func TestChurn(t *testing.T) {
	t.Parallel()
	_, addr := newFake(t)
	f := small(t, addr, patient)
	chat(t, f, func() (Result, error) { return f.Churn(rate, 200, brief, noUsage) })
	if faults := f.Verify(false); faults.Total() != 0 || f.problems.Total() != 0 || f.joins.Count() == 0 {
		t.Errorf("faults: %v; problems: %+v; %d reconnects", &faults, f.Problems(), f.joins.Count())
	}
}

// TestCutAndResume finds nothing with a server that is right, which refuses some
// texts for the moment, and everything that a replay does wrong.
func TestCutAndResume(t *testing.T) {
	t.Parallel()
	lost := func(f check.Faults) bool { return f.Lost > 0 && f.Chain > 0 }
	again := func(f check.Faults) bool { return f.Duplicated > 0 && f.Chain > 0 }
	for name, c := range map[string]struct {
		replay func([]event) []event // of the first member that comes back
		found  func(check.Faults) bool
		silent bool // nobody says anything after the resume
	}{
		"right":                {},
		"right, then silent":   {silent: true},
		"leaves the first out": {replay: func(e []event) []event { return e[1:] }, found: lost},
		"leaves the last out":  {replay: func(e []event) []event { return e[:len(e)-1] }, found: lost},
		"leaves all out, then silent": {
			replay: func([]event) []event { return nil }, silent: true,
			found: func(f check.Faults) bool { return f.Lost > 0 && f.Chain > 0 },
		},
		"repeats one":    {replay: func(e []event) []event { return append(e[:1:1], e...) }, found: again},
		"repeats all":    {replay: func(e []event) []event { return append(e, e...) }, found: again},
		"swaps two":      {replay: func(e []event) []event { return []event{e[1], e[0]} }, found: func(f check.Faults) bool { return f.Swapped > 0 && f.Chain > 0 }},
		"of other bytes": {replay: func(e []event) []event { return []event{change(e[0], " n0", " x0"), e[1]} }, found: func(f check.Faults) bool { return f.Unreadable > 0 }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, addr := newFake(t)
			f := small(t, addr, func(c *Config) { c.Careful = true })
			if c.found == nil {
				f.cfg.Patience = 20 * time.Second
			}
			fixed(t, f)
			awaitEnds(t, f, 0) // what still waits would be stored after what is missed
			f.Cut()
			s.mu.Lock()
			s.refuse = 5
			s.missed(f, 2)
			s.replay = func(e []event) []event {
				if len(e) > 2 || c.replay == nil { // the one with unread events would hide the fault
					return e
				}
				replay := c.replay
				c.replay = nil
				return replay(e)
			}
			s.mu.Unlock()
			resumed := float64(rate)
			if c.silent {
				resumed = 1e-3
				s.refuse = 0
			}
			if _, err := f.Resume(resumed, 10*time.Second); err != nil {
				t.Fatal(err)
			}
			faults := f.Verify(true)
			s.mu.Lock()
			defer s.mu.Unlock()
			switch {
			case c.found != nil && !c.found(faults):
				t.Errorf("not found: %v", &faults)
			case c.found == nil && (faults.Total() != 0 || f.problems.Total() != 0 || f.retries.Texts != s.refused):
				t.Errorf("faults: %v; problems: %+v; retries %+v of %d", &faults, f.Problems(), f.retries, s.refused)
			}
		})
	}
}

// missed stores events while nobody is connected, from the first sender of each
// room. What the cut left unread would otherwise be the server's last word.
func (f *fake) missed(fl *Fleet, events int) {
	for r, room := range fl.rooms {
		for range events {
			f.seq++
			room.sent[0]++
			stamp := check.Stamp{Room: uint16(r), N: room.sent[0], At: fl.now()}
			log := f.log[room.name]
			f.log[room.name] = append(log, event{
				room: room.name, seq: f.seq, prev: log[len(log)-1].seq, id: "x", text: string(check.AppendText(nil, stamp, 150)),
			})
		}
	}
}

// TestStallIsCharged lets a server stand still for a while: every message of that
// time has to show it, not only the one that was on its way.
func TestStallIsCharged(t *testing.T) {
	t.Parallel()
	s, addr := newFake(t)
	stall := 50 * time.Millisecond
	released := make(chan struct{})
	s.set(func(_ *fake, k int, _ *peer, e event) []event {
		if k == 200 { // holding the server's lock
			time.AfterFunc(stall, func() { close(released) })
			<-released
		}
		return []event{e}
	})
	f := small(t, addr, patient)
	r, err := f.FixedRate(rate, Span{Measure: 500 * time.Millisecond}, noUsage)
	if err != nil {
		t.Fatal(err)
	}
	// About half of the messages that were due while it stood still waited for
	// half of that time or longer.
	if slow := f.hist.CountAbove(stall / 2); slow < 20*4/2 {
		t.Errorf("%d deliveries waited longer than half a stall; maximum %v", slow, r.Max)
	}
}

func TestImpossibleFleets(t *testing.T) {
	t.Parallel()
	for _, cfg := range []Config{{}, {Rooms: 1, PerRoom: 2, Senders: 3, TextSize: 100}, {Rooms: 1 << 17, PerRoom: 1, TextSize: 100}, {Rooms: 1, PerRoom: 1, TextSize: 1}} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%+v is possible", cfg)
		}
	}
}
