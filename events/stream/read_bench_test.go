package stream_test

import (
	"fmt"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"partyline/events/eventstest"
	"partyline/events/stream"
)

// counter is a sink that counts.
type counter struct{ n atomic.Int64 }

func (c *counter) Deliver(*stream.Stored) { c.n.Add(1) }
func (c *counter) Reset(uint64)           {}

// BenchmarkFeedLive is the way of one live copy from the queue of its shard to
// the sink, without the NATS client.
func BenchmarkFeedLive(b *testing.B) {
	bus := eventstest.New(b)
	f, err := stream.NewFeed(bus.Log(b), stream.FeedConfig{})
	if err != nil {
		b.Fatal(err)
	}
	var c counter
	if _, err := f.Follow(eventstest.Context(b), "lobby", &c); err != nil {
		b.Fatal(err)
	}
	msg := liveCopy("lobby", "", "")
	seq := uint64(0)
	num, prev := []string{""}, []string{"0"}
	msg.Header["Nats-Sequence"], msg.Header["Nats-Last-Sequence"] = num, prev
	b.ReportAllocs()
	for b.Loop() {
		seq++
		num[0] = strconv.FormatUint(seq, 10)
		stream.Live(f, msg)
		prev[0] = num[0]
	}
	if c.n.Load() != int64(seq) {
		b.Fatalf("%d of %d delivered", c.n.Load(), seq)
	}
}

// BenchmarkFeedDelivery is the same with the NATS client: copies published on
// one in-process connection, delivered on another, at most 512 under way.
func BenchmarkFeedDelivery(b *testing.B) {
	bus := eventstest.New(b)
	f, err := stream.NewFeed(bus.Log(b), stream.FeedConfig{})
	if err != nil {
		b.Fatal(err)
	}
	stop := eventstest.Go(b, f.Run)
	defer stop()
	var c counter
	if _, err := f.Follow(eventstest.Context(b), "lobby", &c); err != nil {
		b.Fatal(err)
	}
	nc := bus.ConnectAs(b, eventstest.Admin)
	msg := liveCopy("lobby", "", "0")
	msg.Data = make([]byte, 150)
	seq := int64(0)
	b.ReportAllocs()
	for b.Loop() {
		for seq-c.n.Load() >= 512 {
			if err := nc.Flush(); err != nil {
				b.Fatal(err)
			}
		}
		msg.Header.Set("Nats-Last-Sequence", strconv.FormatInt(seq, 10))
		seq++
		msg.Header.Set("Nats-Sequence", strconv.FormatInt(seq, 10))
		if err := nc.PublishMsg(msg); err != nil {
			b.Fatal(err)
		}
	}
	if err := nc.Flush(); err != nil {
		b.Fatal(err)
	}
	eventstest.Eventually(b, eventstest.Patience, func() bool { return c.n.Load() == seq })
}

// BenchmarkReplay reads a stream of a million events in 1,000 rooms, or one of
// its rooms, beside the figure of an ordered consumer alone; one op is one
// reading.
func BenchmarkReplay(b *testing.B) {
	const events, rooms = 1_000_000, 1000
	bus := eventstest.New(b)
	l := bus.Log(b)
	load(b, bus, events, rooms)
	for _, room := range []string{"", "r7"} {
		b.Run("room="+room, func(b *testing.B) {
			want := events
			if room != "" {
				want = events / rooms
			}
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				n = 0
				err := l.Replay(eventstest.Context(b), stream.ReplayOptions{Room: room}, func(*stream.Stored) error { n++; return nil })
				if err != nil || n != want {
					b.Fatalf("%d events, %v", n, err)
				}
			}
			b.ReportMetric(float64(b.N)*float64(n)/b.Elapsed().Seconds(), "events/s")
		})
	}
	js, err := jetstream.New(bus.ConnectAs(b, eventstest.Admin))
	if err != nil {
		b.Fatal(err)
	}
	for name, opts := range map[string][]jetstream.PullConsumeOpt{
		"nats.go":            nil,
		"nats.go-large-pull": {jetstream.PullMaxMessages(5000), jetstream.PullThresholdMessages(2500)},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				consumeAll(b, js, events, opts)
			}
			b.ReportMetric(float64(b.N)*events/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// consumeAll reads n messages with an ordered consumer of nats.go.
func consumeAll(b *testing.B, js jetstream.JetStream, n int, opts []jetstream.PullConsumeOpt) {
	b.Helper()
	cons, err := js.OrderedConsumer(eventstest.Context(b), "CHAT", jetstream.OrderedConsumerConfig{})
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan struct{})
	consuming, err := cons.Consume(func(jetstream.Msg) {
		if n--; n == 0 {
			close(done)
		}
	}, opts...)
	if err != nil {
		b.Fatal(err)
	}
	<-done
	consuming.Stop()
}

// BenchmarkFill reads 10,000 events of a room.
func BenchmarkFill(b *testing.B) {
	const events = 10_000
	bus := eventstest.New(b)
	l := bus.Log(b)
	load(b, bus, events, 1)
	b.ReportAllocs()
	for b.Loop() {
		got, err := l.Fill(eventstest.Context(b), "r0", 0, events)
		if err != nil || len(got) != events {
			b.Fatalf("%d events, %v", len(got), err)
		}
	}
	b.ReportMetric(float64(b.N)*events/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkLastSeqs compares 1,000 rooms.
func BenchmarkLastSeqs(b *testing.B) {
	const rooms = 1000
	bus := eventstest.New(b)
	l := bus.Log(b)
	load(b, bus, rooms, rooms)
	for _, n := range []int{1, 100, rooms} {
		b.Run(fmt.Sprint("rooms=", n), func(b *testing.B) {
			names := make([]string, n)
			for i := range names {
				names[i] = fmt.Sprint("r", i)
			}
			for b.Loop() {
				got, err := l.LastSeqs(eventstest.Context(b), names)
				if err != nil || len(got) != n {
					b.Fatalf("%d rooms, %v", len(got), err)
				}
			}
		})
	}
}

// load fills the log with events of 150 bytes.
func load(b *testing.B, bus *eventstest.Bus, events, rooms int) {
	b.Helper()
	js, err := jetstream.New(bus.ConnectAs(b, eventstest.Admin), jetstream.WithPublishAsyncMaxPending(1000))
	if err != nil {
		b.Fatal(err)
	}
	data := make([]byte, 150)
	for i := range events {
		if _, err := js.PublishMsgAsync(&nats.Msg{Subject: fmt.Sprint("chat.r", i%rooms), Data: data}, jetstream.WithStallWait(eventstest.Patience)); err != nil {
			b.Fatal(err)
		}
	}
	<-js.PublishAsyncComplete()
}
