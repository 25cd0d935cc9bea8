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
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); {
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

func TestMissingAckIsFound(t *testing.T) {
	t.Parallel()
	s, addr := newFake(t)
	s.dropAck = true
	f := small(t, addr, nil)
	fixed(t, f)
	if f.Verify(true); f.problems.Messages == 0 {
		t.Error("a text without an ack was not noticed")
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
	f := small(t, addr, nil)
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
// texts for the moment, and one event that a wrong one leaves out of a replay.
func TestCutAndResume(t *testing.T) {
	t.Parallel()
	for name, skip := range map[string]int{"right": 0, "a replay leaves one out": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, addr := newFake(t)
			f := small(t, addr, func(c *Config) {
				c.Careful = true
				if skip == 0 {
					patient(c)
				}
			})
			fixed(t, f)
			f.Cut()
			s.mu.Lock()
			s.refuse = 5
			// What the cut left unread would otherwise be the server's last word.
			for r := range f.rooms {
				s.seq++
				name := f.rooms[r].name
				stamp := check.Stamp{Room: uint16(r), N: f.rooms[r].sent[0] + 1, At: f.now()}
				f.rooms[r].sent[0]++
				log := s.log[name]
				s.log[name] = append(log, event{room: name, seq: s.seq, prev: log[len(log)-1].seq, id: "x", text: string(check.AppendText(nil, stamp, 150))})
			}
			s.skip = skip
			s.mu.Unlock()
			if _, err := f.Resume(rate, 10*time.Second); err != nil {
				t.Fatal(err)
			}
			faults := f.Verify(true)
			if skip == 0 && (faults.Total() != 0 || f.problems.Total() != 0 || f.retries.Texts != 5) {
				t.Errorf("faults: %v; problems: %+v; retries %+v", &faults, f.Problems(), f.retries)
			}
			if skip == 1 && (faults.Lost == 0 || faults.Chain == 0) {
				t.Errorf("the missing event was not noticed: %v", &faults)
			}
		})
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
