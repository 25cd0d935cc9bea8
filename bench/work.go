//go:build linux

package main

import (
	"context"
	"fmt"
	"time"

	"partyline/bench/fleet"
	"partyline/bench/proc"
	"partyline/bench/stat"
)

// allScenarios are what can be run, in order.
func allScenarios() []*scenario {
	return []*scenario{
		{
			name: "rooms", title: "1,000 rooms of 10: connect storm, idle, 10,000 deliveries/s", suits: everybody, run: runRooms,
			about: "10,000 connections are opened and joined, 128 at once; then nothing happens for a while and memory is read; then 1,000 messages/s go to the rooms in turn",
			metrics: append(append(stormMetrics(), chatMetrics("", "1,000 rooms of 10", false)...),
				metric{"againtext", "texts refused for the moment, tried again", 0, false}),
		},
		{
			name: "room", title: "one room of 1,000 members", suits: everybody, run: runRoom,
			about:   "20 messages/s (20,000 deliveries/s), then a closed loop of 16 senders: each sends again when all members have its last message",
			metrics: append(chatMetrics("fixed", "1 × 1,000 at 20 messages/s", false), chatMetrics("closed", "1 × 1,000 closed loop", true)...),
		},
		{
			name: "large", title: "one room of 5,000 members, closed loop", suits: together, run: runLarge,
			about: "the closed loop with 5,000 members", metrics: chatMetrics("closed", "1 × 5,000 closed loop", true),
		},
		{
			name: "compress", title: "compression", suits: func(t *target) bool { return t.ours() && !t.split }, run: runCompress,
			about:   "the room of 1,000 with permessage-deflate agreed without context takeover; compare with \"one room of 1,000 members\"",
			metrics: append(chatMetrics("fixed", "compressed, 20 messages/s", false), chatMetrics("closed", "compressed, closed loop", true)...),
		},
		{
			name: "tls", title: "TLS", once: true, suits: func(t *target) bool { return t.name == subject || !t.ours() && t.name != "bare" }, run: runTLS,
			about:   "the room of 1,000 over TLS 1.3; the generator decrypts on its core",
			metrics: append(chatMetrics("fixed", "TLS, 20 messages/s", false), chatMetrics("closed", "TLS, closed loop", true)...),
		},
		{
			name: "churn", title: "churn", suits: together, run: runChurn, once: true,
			about:   "200 rooms of 10 chat at 2,000 deliveries/s while 500 members a second leave and come back",
			metrics: append([]metric{{"reconnects", "reconnects per second", 0, false}}, chatMetrics("", "churn", false)...),
		},
		{
			name: "slow", title: "slow consumers among fast ones", suits: together, run: runSlow, once: true,
			about: "10 of 100 members stop reading while texts of 3,500 bytes arrive at 150 messages/s for three times the usual time; every two seconds one of them reads again, half of them only after the end; then those that were closed resume, and nobody may have lost anything. The figures are those of the other 90",
			metrics: append(chatMetrics("", "beside slow consumers", false),
				metric{"told", "slow ones closed with 4008", 0, false}, metric{"cut", "slow ones closed otherwise", 0, false},
				metric{"kept", "slow ones kept, complete in the end", 0, false}, metric{"lagging", "slow ones kept, incomplete", 0, false},
				metric{"grown", "RSS growth MiB", 1, false}),
		},
		{
			name: "fifteen", title: "15,000 connections, cut and resumed", suits: oneOurs, run: runFifteen, once: true,
			about: "1,500 rooms of 10 chat at 10,000 deliveries/s; then all connections are cut at the same moment and come back with since while the chat goes on",
			metrics: append(chatMetrics("", "15,000 connections", false),
				metric{"first", "RSS MiB at the beginning of the chat", 1, false}, metric{"last", "RSS MiB at its end", 1, false},
				metric{"growth", "RSS growth in the second half of the chat, KiB per minute", 0, false}, metric{"chat", "seconds of chat", 0, false},
				metric{"resume", "seconds until all were back", 2, false}, metric{"resumecpu", "CPU µs per resume, with the chat of that time", 0, false},
				metric{"againconnect", "connections refused for the moment, tried again", 0, false},
				metric{"againjoin", "joins refused for the moment, tried again", 0, false},
				metric{"againtext", "texts refused for the moment, tried again", 0, false}),
		},
	}
}

func findScenario(name string) *scenario {
	for _, s := range allScenarios() {
		if s.name == name {
			return s
		}
	}
	return nil
}

func scenarioNames() (names []string) {
	for _, s := range allScenarios() {
		names = append(names, s.name)
	}
	return names
}

func runRooms(ctx context.Context, b *bench, t *target, r *result) error {
	cfg := fleet.Config{Rooms: b.size.rooms, PerRoom: b.size.perRoom, Senders: b.size.perRoom, Careful: true}
	return b.session(ctx, t, r, cfg, nil, true, func(s *server, f *fleet.Fleet) error {
		if err := f.Settle(b.size.rest / 3); err != nil { // for work that follows a start
			return err
		}
		empty, err := proc.ReadMemory(s.main.PID())
		if err != nil {
			return err
		}
		if err := b.profileMemory(ctx, s, t, "empty"); err != nil {
			return err
		}
		before, err := s.usage()
		if err != nil {
			return err
		}
		profiled := b.profileCPU(ctx, s, t, "storm", 2*time.Second)
		storm, err := f.Connect(connectTime)
		if err != nil {
			return err
		}
		after, err := s.usage()
		if err != nil {
			return err
		}
		r.storm("", storm, after.Sub(before), f.Size())
		if err := f.Settle(b.size.rest); err != nil {
			return err
		}
		if err := profiled(); err != nil {
			return err
		}
		full, err := proc.ReadMemory(s.main.PID())
		if err != nil {
			return err
		}
		each := func(a, b int64) float64 { return float64(b-a) / 1024 / float64(f.Size()) }
		r.add("rss", each(empty.RSS, full.RSS))
		r.add("pss", each(empty.PSS, full.PSS))
		r.add("sockets", each(empty.Sockets, full.Sockets))
		r.add("slab", each(empty.Slab, full.Slab))
		if err := b.profileMemory(ctx, s, t, "idle"); err != nil {
			return err
		}
		profiled = b.profileCPU(ctx, s, t, "rooms", b.size.measure)
		chat, err := f.FixedRate(b.size.roomsRate, b.span(), s.usage)
		if err != nil {
			return err
		}
		r.chat("", chat)
		if t.ours() {
			r.add("againtext", float64(f.Retries().Texts))
		}
		return profiled()
	})
}

// oneRoom is the fleet of one large room. Its first members send.
func oneRoom(members int) fleet.Config {
	return fleet.Config{Rooms: 1, PerRoom: members, Senders: inFlight}
}

func runRoom(ctx context.Context, b *bench, t *target, r *result) error {
	return b.session(ctx, t, r, oneRoom(b.size.room), nil, true, func(s *server, f *fleet.Fleet) error {
		return b.fixedAndClosed(s, f, r)
	})
}

func (b *bench) fixedAndClosed(s *server, f *fleet.Fleet, r *result) error {
	if err := b.join(f); err != nil {
		return err
	}
	chat, err := f.FixedRate(fixedRate, b.span(), s.usage)
	if err != nil {
		return err
	}
	r.chat("fixed", chat)
	if chat, err = f.ClosedLoop(b.span(), s.usage); err != nil {
		return err
	}
	r.chat("closed", chat)
	return nil
}

func runLarge(ctx context.Context, b *bench, t *target, r *result) error {
	return b.session(ctx, t, r, oneRoom(b.size.large), nil, true, func(s *server, f *fleet.Fleet) error {
		if err := b.join(f); err != nil {
			return err
		}
		chat, err := f.ClosedLoop(b.span(), s.usage)
		if err != nil {
			return err
		}
		r.chat("closed", chat)
		return nil
	})
}

func runCompress(ctx context.Context, b *bench, t *target, r *result) error {
	if !b.keys["gateway.compression"] {
		return nil // the report says that there are no figures
	}
	cfg := oneRoom(b.size.room)
	cfg.Compress = true
	return b.session(ctx, t, r, cfg, nil, true, func(s *server, f *fleet.Fleet) error {
		return b.fixedAndClosed(s, f, r)
	})
}

func runTLS(ctx context.Context, b *bench, t *target, r *result) error {
	cert, key, client, err := b.certificate()
	if err != nil {
		return err
	}
	flags := []string{"-cert", cert, "-key", key}
	if t.ours() {
		if !b.keys["ws.tls.cert"] {
			return nil // the report says that there are no figures
		}
		flags = []string{"--ws-tls-cert", cert, "--ws-tls-key", key}
	}
	cfg := oneRoom(b.size.room)
	cfg.TLS = client
	return b.session(ctx, t, r, cfg, flags, true, func(s *server, f *fleet.Fleet) error {
		return b.fixedAndClosed(s, f, r)
	})
}

func runChurn(ctx context.Context, b *bench, t *target, r *result) error {
	cfg := fleet.Config{Rooms: b.size.churnRooms, PerRoom: b.size.perRoom, Senders: 2, Careful: true}
	return b.session(ctx, t, r, cfg, nil, false, func(s *server, f *fleet.Fleet) error {
		if err := b.join(f); err != nil {
			return err
		}
		chat, err := f.Churn(float64(b.size.churnRooms), b.size.churn, b.span(), s.usage)
		if err != nil {
			return err
		}
		r.chat("", chat)
		r.add("reconnects", float64(chat.Reconnects)/chat.Elapsed.Seconds())
		return nil
	})
}

func runSlow(ctx context.Context, b *bench, t *target, r *result) error {
	cfg := fleet.Config{Rooms: 1, PerRoom: b.size.slowRoom, Senders: inFlight, Slow: b.size.slow, TextSize: 3500}
	return b.session(ctx, t, r, cfg, nil, true, func(s *server, f *fleet.Fleet) error {
		if err := b.join(f); err != nil {
			return err
		}
		before, err := proc.ReadMemory(s.main.PID())
		if err != nil {
			return err
		}
		span := b.span()
		span.Measure *= 3
		thawed := 0
		span.Every = func(d time.Duration) error {
			if int(d.Seconds())%2 == 0 && thawed < b.size.slow/2 {
				thawed++
				f.Thaw()
			}
			return nil
		}
		chat, err := f.FixedRate(slowRate, span, s.usage)
		if err != nil {
			return err
		}
		r.chat("", chat)
		after, err := proc.ReadMemory(s.main.PID())
		if err != nil {
			return err
		}
		r.add("grown", float64(after.RSS-before.RSS)/(1<<20))
		end, err := f.EndSlow(10 * time.Second)
		r.add("told", float64(end.Told))
		r.add("cut", float64(end.Cut))
		r.add("kept", float64(end.Kept))
		r.add("lagging", float64(end.Lagging))
		if t.ours() && end.Untold > 0 {
			r.fail(fmt.Sprintf("%d slow ones that read again within seconds were cut off without close code %d", end.Untold, fleet.CodeSlow))
		}
		return err
	})
}

// resumeTime is how long 15,000 connections may take to come back.
const resumeTime = 20 * time.Second

func runFifteen(ctx context.Context, b *bench, t *target, r *result) error {
	cfg := fleet.Config{Rooms: b.size.connections / b.size.perRoom, PerRoom: b.size.perRoom, Senders: 2, Careful: true, Patience: 30 * time.Second}
	return b.session(ctx, t, r, cfg, nil, true, func(s *server, f *fleet.Fleet) error {
		if err := b.join(f); err != nil {
			return err
		}
		var minutes, memory []float64
		span := fleet.Span{Warm: b.size.warm, Measure: b.chat, Every: func(d time.Duration) error {
			m, err := proc.ReadMemory(s.main.PID())
			minutes, memory = append(minutes, d.Minutes()), append(memory, float64(m.RSS))
			return err
		}}
		chat, err := f.FixedRate(b.size.roomsRate, span, s.usage)
		if err != nil {
			return err
		}
		r.chat("", chat)
		r.add("chat", chat.Elapsed.Seconds())
		if len(memory) > 0 {
			r.add("first", memory[0]/(1<<20))
			r.add("last", memory[len(memory)-1]/(1<<20))
			// In the first half caches fill that have bounds: rings of events, ids.
			half := len(memory) / 2
			r.add("growth", stat.Slope(minutes[half:], memory[half:])/1024)
		}
		return b.cutAndResume(s, f, r)
	})
}

func (b *bench) cutAndResume(s *server, f *fleet.Fleet, r *result) error {
	before, err := s.usage()
	if err != nil {
		return err
	}
	f.Cut()
	storm, err := f.Resume(b.size.roomsRate, 3*resumeTime)
	if err != nil {
		return err
	}
	after, err := s.usage()
	if err != nil {
		return err
	}
	again := f.Retries()
	r.add("againconnect", float64(again.Connections))
	r.add("againjoin", float64(again.Joins))
	r.add("againtext", float64(again.Texts))
	r.add("resume", storm.Elapsed.Seconds())
	r.add("resumecpu", float64(after.Sub(before).Server.Nanoseconds())/1e3/float64(f.Size()))
	if storm.Elapsed > resumeTime {
		r.fail(fmt.Sprintf("coming back took %.1f s, more than %v", storm.Elapsed.Seconds(), resumeTime))
	}
	return nil
}
