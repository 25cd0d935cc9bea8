package stream_test

import (
	"fmt"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"partyline/events/stream"
)

// manyRooms is the number of rooms of the benchmarks with many rooms.
const manyRooms = 1000

// BenchmarkPublish stores events of 150 bytes on a real disk and waits for each
// acknowledgement, with so many under way: the publisher in each durability, in
// many rooms and in one, beside the figure of nats.go alone.
//
// Point TMPDIR at a disk where /tmp is kept in memory: a file system in memory
// syncs for nothing.
func BenchmarkPublish(b *testing.B) {
	for _, inFlight := range []int{1, 64, 1000} {
		for _, d := range []stream.Durability{stream.DurabilityFsync, stream.DurabilityInterval, stream.DurabilityOS} {
			for _, rooms := range []int{manyRooms, 1} {
				b.Run(fmt.Sprintf("%s/inflight=%d/rooms=%d", d, inFlight, rooms), func(b *testing.B) {
					log, _ := openLog(b, benchNode(b, d))
					p := runPublisher(b, log, stream.PublisherConfig{})
					names := benchRooms(rooms)
					data := make([]byte, 150)
					benchPublish(b, inFlight, func(i int, id string, s *benchSlot) {
						if err := p.Submit(names[i%rooms], id, data, s); err != nil {
							b.Error(err)
							s.done()
						}
					})
				})
			}
		}
		b.Run(fmt.Sprintf("nats.go/inflight=%d/rooms=%d", inFlight, manyRooms), func(b *testing.B) { benchPublishAsync(b, inFlight) })
	}
}

func benchNode(b *testing.B, d stream.Durability) *stream.Node {
	b.Helper()
	n, _ := runNode(b, stream.NodeConfig{Dir: b.TempDir(), Durability: d})
	return n
}

func benchRooms(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("room-%03d", i)
	}
	return names
}

// benchPublishAsync is the raw figure: nats.go's PublishAsync on the same
// stream, synced every two minutes, acknowledged when written.
func benchPublishAsync(b *testing.B, inFlight int) {
	_, nc := openLog(b, benchNode(b, stream.DurabilityOS))
	acked := make(chan *benchSlot, inFlight)
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(inFlight))
	if err != nil {
		b.Fatal(err)
	}
	names := benchRooms(manyRooms)
	for i := range names {
		names[i] = "chat." + names[i]
	}
	data := make([]byte, 150)
	var wg sync.WaitGroup
	wg.Go(func() {
		for s := range acked {
			<-s.future.Ok()
			s.done()
		}
	})
	benchPublish(b, inFlight, func(i int, id string, s *benchSlot) {
		f, err := js.PublishMsgAsync(&nats.Msg{Subject: names[i%manyRooms], Data: data}, jetstream.WithMsgID(id))
		if err != nil {
			b.Fatal(err)
		}
		s.future = f
		acked <- s
	})
	close(acked)
	wg.Wait()
}

// benchSlot is one place under way.
type benchSlot struct {
	b      *testing.B
	free   chan *benchSlot
	took   *benchLatencies
	began  time.Time
	future jetstream.PubAckFuture
}

// Published implements stream.Receiver.
func (s *benchSlot) Published(_ stream.Ack, err error) {
	if err != nil {
		s.b.Error(err)
	}
	s.done()
}

func (s *benchSlot) done() {
	s.took.add(time.Since(s.began))
	s.free <- s
}

type benchLatencies struct {
	mu   sync.Mutex
	list []time.Duration
}

func (l *benchLatencies) add(d time.Duration) {
	l.mu.Lock()
	l.list = append(l.list, d)
	l.mu.Unlock()
}

// benchPublish calls publish b.N times, at most inFlight of them not done, and
// reports rate, latencies and what the whole process, the node included, used of
// the processor.
func benchPublish(b *testing.B, inFlight int, publish func(i int, id string, s *benchSlot)) {
	free := make(chan *benchSlot, inFlight)
	took := &benchLatencies{list: make([]time.Duration, 0, b.N)}
	for range inFlight {
		free <- &benchSlot{b: b, free: free, took: took}
	}
	b.ReportAllocs()
	cpu := processorTime(b)
	b.ResetTimer()
	for i := range b.N {
		s := <-free
		s.began = time.Now()
		publish(i, fmt.Sprintf("m-%015d", i), s)
	}
	for range inFlight {
		<-free
	}
	b.StopTimer()
	cpu = processorTime(b) - cpu
	slices.Sort(took.list)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "acked/s")
	b.ReportMetric(took.list[b.N/2].Seconds()*1e3, "p50_ms")
	b.ReportMetric(took.list[b.N*99/100].Seconds()*1e3, "p99_ms")
	b.ReportMetric(cpu.Seconds()*1e6/float64(b.N), "cpu_us/msg")
}

func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
