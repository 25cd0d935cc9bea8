//go:build linux

package fleet

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"time"

	"partyline/bench/check"
	"partyline/bench/loop"
	"partyline/bench/proto"
	"partyline/bench/stat"
)

// Config says who chats where.
type Config struct {
	Proto    proto.Protocol
	Addr     netip.AddrPort
	Rooms    int // at most 65,536
	PerRoom  int
	Senders  int // members of each room that send, at most PerRoom
	TextSize int // bytes, at least check.MinText
	Window   int // connections being opened at once
	Compress bool
	TLS      *tls.Config // nil: without
	// Careful makes a sender wait for the ack of one text before it sends the
	// next, and try again what the server refuses for the moment, as a client
	// with an outbox does.
	Careful bool
	// Patience is how long a server may take to deliver what it was sent; 0: 10 s.
	Patience time.Duration
	// Slow is how many members of each room, from the last one, stop reading
	// once they have joined.
	Slow int
}

// Fleet is a set of connections. Create it with [New].
type Fleet struct {
	cfg     Config
	loop    *loop.Loop
	start   time.Time
	rooms   []*room
	members []*member
	check   *check.Checker
	hist    stat.Hist // of deliveries
	joins   stat.Hist // from dialling to the end of the join
	unpack  inflater

	connecting int
	deliveries uint64
	sent       uint64
	from       int64 // deliveries of what was to be sent earlier are not in hist
	acks       uint64
	ready      []*member // senders whose message has reached everybody
	away       []*member // left and not yet back
	later      []retry
	resuming   bool // cut connections may be refused and try again
	retries    Retries
	loopMode   bool // closed loop
	events     []proto.Event
	text, out  []byte

	problems Problems
}

// Problems is what went wrong besides the faults of deliveries.
type Problems struct {
	Dropped  int // connections that ended without being asked to
	Refused  int // connections that were not accepted, or joins that failed
	Resets   int // resumes that were not continued
	Messages int // not understood, or complaints of the server
	First    string
}

// Total is the sum.
func (p *Problems) Total() int { return p.Dropped + p.Refused + p.Resets + p.Messages }

func (p *Problems) note(count *int, format string, args ...any) {
	*count++
	if p.First == "" {
		p.First = fmt.Sprintf(format, args...)
	}
}

// room is one room. Its live members are those that joined and read.
type room struct {
	index   uint16
	name    string
	members []*member
	live    int
	sent    []uint32 // by sender: its last number
	pending []int    // closed loop, by sender: live members that miss its last message
}

// member is one participant; it may have several connections one after the other.
type member struct {
	room    *room
	slot    int // index in its room; the first ones are senders
	index   int // among all
	conn    *loop.Conn
	state   *check.Member
	joined  bool
	leaving bool
	slow    bool
	ended   bool // a slow one that was closed
	code    int  // of the close
	dialled int64
	epoch   string
	unacked []unacked
}

// unacked is a text that was sent and not yet acknowledged.
type unacked struct {
	n  uint32
	at int64
}

// retry is something that is tried again.
type retry struct {
	at   int64
	m    *member
	what again
}

func (r retry) dials() bool { return r.what == dialAgain }

type again uint8

const (
	dialAgain again = iota
	joinAgain
	sendAgain
)

// New returns a fleet without connections.
func New(cfg Config) (*Fleet, error) {
	if cfg.Rooms < 1 || cfg.Rooms > 1<<16 || cfg.PerRoom < 1 || cfg.Senders > cfg.PerRoom-cfg.Slow || cfg.TextSize < check.MinText {
		return nil, fmt.Errorf("impossible fleet: %+v", cfg)
	}
	if cfg.Patience == 0 {
		cfg.Patience = 10 * time.Second
	}
	f := &Fleet{cfg: cfg, start: time.Now(), check: check.New()}
	var err error
	if f.loop, err = loop.New(f); err != nil {
		return nil, err
	}
	for r := range cfg.Rooms {
		f.rooms = append(f.rooms, &room{
			index: uint16(r), name: fmt.Sprintf("r%04x", r), sent: make([]uint32, cfg.Senders), pending: make([]int, cfg.Senders),
		})
	}
	for slot := range cfg.PerRoom { // room by room would join one room at a time
		for _, r := range f.rooms {
			m := &member{room: r, slot: slot, index: len(f.members), slow: slot >= cfg.PerRoom-cfg.Slow}
			m.state = check.NewMember(r.index, cfg.Senders, false)
			r.members = append(r.members, m)
			f.members = append(f.members, m)
		}
	}
	return f, nil
}

// Close cuts all connections.
func (f *Fleet) Close() { f.loop.Close() }

// Size is the number of members.
func (f *Fleet) Size() int { return len(f.members) }

// Problems are those so far.
func (f *Fleet) Problems() Problems { return f.problems }

// Retries is how often the server refused something for the moment.
type Retries struct{ Connections, Joins, Texts int }

// Retries are those so far.
func (f *Fleet) Retries() Retries { return f.retries }

// now is the monotonic clock of the stamps.
func (f *Fleet) now() int64 { return int64(time.Since(f.start)) }

// ErrTimeout is returned when a server does not get something done in time.
var ErrTimeout = errors.New("timed out")

// Storm is what it took to connect and join everybody.
type Storm struct {
	Elapsed       time.Duration
	P50, P99, Max time.Duration // from dialling to the end of the join
}

// Connect connects and joins all members that are not connected, Window at a
// time. A refusal ends it.
func (f *Fleet) Connect(timeout time.Duration) (Storm, error) {
	return f.connect(timeout, func(int64) (time.Duration, error) { return 5 * time.Millisecond, nil })
}

// connect connects whoever is not while drive goes on.
func (f *Fleet) connect(timeout time.Duration, drive driver) (Storm, error) {
	members := f.members
	began := time.Now()
	f.joins.Reset()
	next := 0
	for next < len(members) || f.connecting > 0 || slices.ContainsFunc(f.later, retry.dials) {
		for ; next < len(members) && f.connecting < f.cfg.Window; next++ {
			if members[next].conn != nil {
				continue
			}
			if err := f.dial(members[next]); err != nil {
				return Storm{}, err
			}
		}
		wait, err := drive(f.now())
		if err != nil {
			return Storm{}, err
		}
		if err := f.poll(min(wait, 5*time.Millisecond)); err != nil {
			return Storm{}, err
		}
		if f.problems.Total() > 0 {
			return Storm{}, fmt.Errorf("connecting: %s", f.problems.First)
		}
		if time.Since(began) > timeout {
			return Storm{}, fmt.Errorf("connecting: %d of %d not begun, %d in progress, refused for the moment and tried again: %+v: %w",
				len(members)-next, len(members), f.connecting, f.retries, ErrTimeout)
		}
	}
	return Storm{Elapsed: time.Since(began), P50: f.joins.Quantile(0.5), P99: f.joins.Quantile(0.99), Max: f.joins.Max()}, nil
}

// poll lets the loop work and tries again what is due.
func (f *Fleet) poll(wait time.Duration) error {
	if len(f.later) > 0 {
		wait = min(wait, 5*time.Millisecond)
	}
	if err := f.loop.Poll(wait); err != nil || len(f.later) == 0 {
		return err
	}
	var due []retry
	now := f.now()
	f.later = slices.DeleteFunc(f.later, func(r retry) bool {
		if r.at <= now {
			due = append(due, r)
		}
		return r.at <= now
	})
	for _, r := range due {
		if err := f.again(r); err != nil {
			return err
		}
	}
	return nil
}

// extensions is the offer that all compressed runs make.
const extensions = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"

// slowBuffer is the receive buffer of a member that will not read: the kernel
// doubles it and takes no less than 2,304 bytes.
const slowBuffer = 4096

// dial begins to connect a member.
func (f *Fleet) dial(m *member) error {
	t := loop.Target{Addr: f.cfg.Addr, TLS: f.cfg.TLS, Path: f.cfg.Proto.Path(proto.Identity{
		User: fmt.Sprintf("u%05d", m.index), Client: fmt.Sprintf("bench-client-%08d", m.index),
	})}
	if f.cfg.Addr.Addr() == netip.AddrFrom4([4]byte{127, 0, 0, 1}) {
		// More source addresses have more ports between them.
		t.Source = netip.AddrFrom4([4]byte{127, 0, 0, byte(1 + m.index%16)})
	}
	if f.cfg.Compress {
		t.Extensions = extensions
	}
	if m.slow {
		t.ReadBuffer = slowBuffer
	}
	m.joined, m.leaving, m.dialled = false, false, f.now()
	c, err := f.loop.Dial(&t, m)
	if err != nil {
		return err
	}
	m.conn = c
	f.connecting++
	return nil
}

// Settle keeps the connections going for a while without sending anything.
func (f *Fleet) Settle(d time.Duration) error {
	for end := time.Now().Add(d); time.Now().Before(end); {
		if err := f.poll(min(20*time.Millisecond, time.Until(end))); err != nil {
			return err
		}
	}
	return nil
}

// Drain waits until everything that was sent has arrived and was acknowledged;
// what has not by then is found by Verify.
func (f *Fleet) Drain(timeout time.Duration) error {
	for end := time.Now().Add(timeout); time.Now().Before(end) && f.behind(); {
		if err := f.poll(20 * time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

func (f *Fleet) behind() bool {
	return slices.ContainsFunc(f.members, func(m *member) bool {
		return m.joined && (f.cfg.Proto.Acks() && len(m.unacked) > 0 || !m.slow && m.state.Behind(m.room.sent) > 0)
	})
}

// Verify closes the books: what did not arrive by now counts as lost. All
// members that read are checked, against what was acknowledged where there are
// acknowledgements; a text that was not is a problem of its own. With order set the order is compared between
// them, which needs everybody to have been there all the time.
func (f *Fleet) Verify(order bool) check.Faults {
	for _, r := range f.rooms {
		var states []*check.Member
		promised := f.promised(r)
		for _, m := range r.members {
			if m.slow || !m.joined {
				continue
			}
			f.check.Finish(m.state, promised)
			states = append(states, m.state)
			if f.cfg.Proto.Acks() && len(m.unacked) > 0 {
				f.problems.note(&f.problems.Messages, "%d texts were not acknowledged, first number %d", len(m.unacked), m.unacked[0].n)
			}
		}
		if order && len(states) > 0 {
			f.check.CompareOrder(states)
		}
	}
	return f.check.Close()
}

// promised is, for each sender of a room, the number up to which everything has
// to arrive. Where texts are acknowledged, one that was not may be stored or not.
func (f *Fleet) promised(r *room) []uint32 {
	promised := slices.Clone(r.sent)
	for s := range promised {
		if m := r.members[s]; f.cfg.Proto.Acks() && len(m.unacked) > 0 {
			promised[s] = m.unacked[0].n - 1
		}
	}
	return promised
}

// quiet makes a collection now rather than while something is measured.
func quiet() { runtime.GC() }
