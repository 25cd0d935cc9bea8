//go:build linux

package main

import (
	"context"
	"fmt"
	"time"

	"partyline/bench/fleet"
	"partyline/bench/proc"
)

// sizes are the dimensions of the scenarios.
type sizes struct {
	rooms, perRoom      int     // many small rooms
	roomsRate           float64 // messages per second over all of them
	room, large         int     // members of the one room
	churnRooms          int
	churn               float64 // reconnects per second
	slowRoom, slow      int
	connections         int // of the large run
	warm, measure, rest time.Duration
}

// fullSizes are those that count.
func fullSizes() sizes {
	return sizes{
		rooms: 1000, perRoom: 10, roomsRate: 1000, room: 1000, large: 5000, churnRooms: 200, churn: 500,
		slowRoom: 100, slow: 10, connections: 15000, warm: time.Second, measure: 4 * time.Second, rest: 3 * time.Second,
	}
}

// quickSizes are enough to see that everything works.
func quickSizes() sizes {
	return sizes{
		rooms: 100, perRoom: 10, roomsRate: 100, room: 200, large: 500, churnRooms: 20, churn: 50,
		slowRoom: 50, slow: 5, connections: 1000, warm: 300 * time.Millisecond, measure: time.Second, rest: time.Second,
	}
}

// Fixed numbers of the work.
const (
	textSize  = 150 // bytes
	fixedRate = 20  // messages per second into the one room
	window    = 128 // connections being opened at once
	inFlight  = 16  // messages in a closed loop
	slowRate  = 150 // messages per second among slow consumers
)

// scenario is one kind of work.
type scenario struct {
	name, title string
	about       string
	metrics     []metric
	once        bool // not repeated: it takes long or answers yes or no
	suits       func(t *target) bool
	run         func(ctx context.Context, b *bench, t *target, r *result) error
}

func everybody(*target) bool  { return true }
func together(t *target) bool { return !t.split }
func oneOurs(t *target) bool  { return t.name == "fsync" }

func chatMetrics(prefix, title string, closed bool) []metric {
	m := []metric{{prefix + "cpu", "CPU µs per delivery, " + title, 2, true}}
	if closed {
		m = append(m, metric{prefix + "rate", "deliveries/s, " + title, 0, true})
	} else {
		m = append(m, metric{prefix + "p50", "p50 ms, " + title, 2, false}, metric{prefix + "p99", "p99 ms, " + title, 2, true},
			metric{prefix + "max", "max ms, " + title, 2, false}, metric{prefix + "rate", "deliveries/s, " + title, 0, false})
	}
	return append(m,
		metric{prefix + "storage", "storage process, CPU µs per delivery, " + title, 2, false},
		metric{prefix + "batch", "deliveries per frame, " + title, 2, false},
		metric{prefix + "bytes", "bytes per delivery, " + title, 0, false},
		metric{prefix + "busy", "server's core busy %, " + title, 0, false},
		metric{prefix + "generator", "generator's core busy %, " + title, 0, false})
}

// chat notes the figures of a stretch of chat.
func (r *result) chat(prefix string, c fleet.Result) {
	per := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 / float64(max(c.Deliveries, 1)) }
	ms := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e6 }
	r.add(prefix+"cpu", per(c.Server.Server))
	if r.target.split {
		r.add(prefix+"storage", per(c.Server.Storage))
	}
	r.add(prefix+"rate", float64(c.Deliveries)/c.Elapsed.Seconds())
	r.add(prefix+"p50", ms(c.P50))
	r.add(prefix+"p99", ms(c.P99))
	r.add(prefix+"max", ms(c.Max))
	r.add(prefix+"batch", float64(c.Deliveries)/float64(max(c.Frames, 1)))
	r.add(prefix+"bytes", float64(c.Bytes)/float64(max(c.Deliveries, 1)))
	r.add(prefix+"busy", 100*c.Server.Server.Seconds()/c.Elapsed.Seconds())
	r.add(prefix+"generator", 100*c.Generator.Seconds()/c.Elapsed.Seconds())
}

// storm notes what connecting took.
func (r *result) storm(prefix string, s fleet.Storm, used proc.Usage, n int) {
	r.add(prefix+"connects", float64(n)/s.Elapsed.Seconds())
	r.add(prefix+"connectcpu", float64(used.Server.Nanoseconds())/1e3/float64(n))
	if r.target.split {
		r.add(prefix+"connectstorage", float64(used.Storage.Nanoseconds())/1e3/float64(n))
	}
	r.add(prefix+"connectp99", float64(s.P99.Nanoseconds())/1e6)
}

func stormMetrics() []metric {
	return []metric{
		{"connects", "connects and joins per second", 0, true},
		{"connectcpu", "CPU µs per connect and join", 0, true},
		{"connectstorage", "storage process, CPU µs per connect and join", 0, false},
		{"connectp99", "p99 ms from dialling to joined", 1, false},
		{"rss", "RSS KiB per idle joined connection", 1, true},
		{"pss", "PSS KiB per idle joined connection", 1, false},
		{"sockets", "kernel socket buffers, KiB per connection, both ends", 1, false},
		{"slab", "kernel objects, KiB per connection, both ends", 1, false},
	}
}

// one runs a scenario on a target once and notes what it gave.
func (b *bench) one(ctx context.Context, s *scenario, t *target) {
	began := time.Now()
	r := b.result(s, t)
	faults := len(r.faults)
	if err := s.run(ctx, b, t, r); err != nil {
		r.fail(err.Error())
	}
	state := "ok"
	if len(r.faults) > faults {
		state = "FAULT: " + r.faults[faults]
	}
	fmt.Fprintf(b.progress, "%-12s %-11s %5.1f s  %s\n", s.name, t.name, time.Since(began).Seconds(), state)
}

// session starts a target and connects a fleet to it; whatever was lost or went
// wrong by the end of use is noted. use reports through order whether the order
// can be compared between the members.
func (b *bench) session(ctx context.Context, t *target, r *result, cfg fleet.Config, extra []string, order bool,
	use func(s *server, f *fleet.Fleet) error,
) error {
	s, err := b.start(ctx, t, extra...)
	if err != nil {
		return err
	}
	defer s.stop()
	cfg.Proto, cfg.Addr = t.protocol, s.addr
	if cfg.TextSize == 0 {
		cfg.TextSize = textSize
	}
	cfg.Window = window
	f, err := fleet.New(cfg)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := use(s, f); err != nil {
		return err
	}
	if faults := f.Verify(order); faults.Total() > 0 {
		r.fail(faults.String())
	}
	if p := f.Problems(); p.Total() > 0 {
		r.fail(fmt.Sprintf("%d dropped, %d refused, %d resets, %d bad messages; first: %s", p.Dropped, p.Refused, p.Resets, p.Messages, p.First))
	}
	if !s.main.Alive() || s.storage != nil && !s.storage.Alive() {
		r.fail("a server ended by itself")
	}
	return nil
}

// connectTime bounds a storm of connections.
const connectTime = 60 * time.Second

// join connects everybody and lets things come to rest.
func (b *bench) join(f *fleet.Fleet) error {
	if _, err := f.Connect(connectTime); err != nil {
		return err
	}
	return f.Settle(b.size.rest / 2)
}

func (b *bench) span() fleet.Span { return fleet.Span{Warm: b.size.warm, Measure: b.size.measure} }
