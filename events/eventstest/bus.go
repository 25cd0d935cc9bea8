package eventstest

import (
	"fmt"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"partyline/events/stream"
)

// Bus is an in-process NATS node with the streams of the log. Its methods are
// safe for concurrent use, except that Restart must not run beside itself.
type Bus struct {
	t    testing.TB // owns the helpers' own connection
	dir  string
	port int // TCP port on the loopback address; 0: in-process connections only
	ids  atomic.Uint64
	mu   sync.Mutex // guards node and raw
	node *server.Server
	raw  *nats.Conn
}

// New starts a node that only this process can reach. It ends with the test.
func New(t testing.TB) *Bus { return start(t, 0) }

// NewTCP starts a node that listens on a free TCP port of the loopback address,
// so that connections survive Restart by reconnecting.
func NewTCP(t testing.TB) *Bus {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("find a free port: %v", err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		t.Fatalf("find a free port: %v", err)
	}
	return start(t, port)
}

func start(t testing.TB, port int) *Bus {
	t.Helper()
	b := &Bus{t: t, dir: t.TempDir(), port: port}
	b.boot(t)
	t.Cleanup(func() { b.halt() })
	return b
}

// boot starts the node and makes the streams.
func (b *Bus) boot(t testing.TB) {
	t.Helper()
	opts := &server.Options{
		ServerName: "test", JetStream: true, StoreDir: b.dir, NoSigs: true, NoLog: true,
		DontListen: b.port == 0, Host: "127.0.0.1", Port: b.port,
	}
	node, err := server.NewServer(opts)
	if err != nil {
		t.Fatalf("make node: %v", err)
	}
	node.Start()
	if !node.ReadyForConnections(Patience) {
		t.Fatalf("node not ready within %v", Patience)
	}
	b.mu.Lock()
	b.node = node
	b.mu.Unlock()
	js, err := jetstream.New(b.Connect(t))
	if err != nil {
		t.Fatal(err)
	}
	_, err = js.CreateOrUpdateStream(Context(t), jetstream.StreamConfig{
		Name: "CHAT", Subjects: []string{"chat.*"}, AllowDirect: true, AllowAtomicPublish: true, DenyPurge: true,
		RePublish: &jetstream.RePublish{Source: "chat.*", Destination: "live.{{wildcard(1)}}"},
	})
	if err != nil {
		t.Fatalf("make stream: %v", err)
	}
}

// halt stops the node and waits for it.
func (b *Bus) halt() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.raw != nil {
		b.raw.Close()
		b.raw = nil
	}
	b.node.Shutdown()
	b.node.WaitForShutdown()
}

// Restart stops the node and starts it again on the same directory and port.
// down, when not nil, is called while it is stopped. In-process connections of
// the old node are closed for good; TCP connections reconnect.
func (b *Bus) Restart(t testing.TB, down func()) {
	t.Helper()
	b.halt()
	if down != nil {
		down()
	}
	b.boot(t)
}

// URL is the address of the node; "" when it does not listen.
func (b *Bus) URL() string {
	if b.port == 0 {
		return ""
	}
	return "nats://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(b.port))
}

// Connect makes a connection to the node, closed with the test.
func (b *Bus) Connect(t testing.TB) *nats.Conn {
	t.Helper()
	b.mu.Lock()
	node := b.node
	b.mu.Unlock()
	logger := Logger(t)
	opts := []nats.Option{
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { logger.Warn("connection to node", "error", err) }),
		nats.MaxReconnects(-1), nats.ReconnectWait(20 * time.Millisecond), nats.ReconnectJitter(0, 0),
	}
	if b.port == 0 {
		opts = append(opts, nats.InProcessServer(node))
	}
	nc, err := nats.Connect(b.URL(), opts...)
	if err != nil {
		t.Fatalf("connect to node: %v", err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// Log is a handle on the log over a connection of its own, opened and ready.
func (b *Bus) Log(t testing.TB) *stream.Log {
	t.Helper()
	l, err := stream.NewLog(b.Connect(t), stream.LogConfig{Logger: Logger(t)})
	if err != nil {
		t.Fatalf("make log: %v", err)
	}
	return l
}

// Publish stores one message in room for each text, in order, and returns the
// stream sequence of the last. It bypasses the publisher.
func (b *Bus) Publish(t testing.TB, room string, texts ...string) uint64 {
	t.Helper()
	js, err := jetstream.New(b.rawConn(t))
	if err != nil {
		t.Fatal(err)
	}
	var seq uint64
	for _, text := range texts {
		id := b.ids.Add(1)
		data := fmt.Appendf(nil, `{"v":1,"kind":"message","id":"t%d","room":%q,"uid":"00000000000000aa","user":"tester","text":%q}`, id, room, text)
		ack, err := js.Publish(Context(t), "chat."+room, data)
		if err != nil {
			t.Fatalf("publish to %s: %v", room, err)
		}
		seq = ack.Sequence
	}
	return seq
}

// rawConn is the connection for the helpers of the bus itself.
func (b *Bus) rawConn(t testing.TB) *nats.Conn {
	t.Helper()
	b.mu.Lock()
	raw := b.raw
	b.mu.Unlock()
	if raw != nil {
		return raw
	}
	raw = b.Connect(b.t)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.raw = raw
	return raw
}

// Erase deletes events the way an erasure does: their sequences are recorded
// in bucket ERASED first.
func (b *Bus) Erase(t testing.TB, seqs ...uint64) {
	t.Helper()
	js, err := jetstream.New(b.rawConn(t))
	if err != nil {
		t.Fatal(err)
	}
	kv, err := js.CreateOrUpdateKeyValue(Context(t), jetstream.KeyValueConfig{Bucket: "ERASED"})
	if err != nil {
		t.Fatalf("open bucket ERASED: %v", err)
	}
	for _, seq := range seqs {
		if _, err := kv.Put(Context(t), strconv.FormatUint(seq, 10), nil); err != nil {
			t.Fatalf("record erasure of %d: %v", seq, err)
		}
	}
	b.Lose(t, seqs...)
}

// Lose deletes events without a record, as damage to the disk would: readers
// must raise the alarm.
func (b *Bus) Lose(t testing.TB, seqs ...uint64) {
	t.Helper()
	js, err := jetstream.New(b.rawConn(t))
	if err != nil {
		t.Fatal(err)
	}
	s, err := js.Stream(Context(t), "CHAT")
	if err != nil {
		t.Fatalf("open stream: %v", err)
	}
	for _, seq := range seqs {
		if err := s.SecureDeleteMsg(Context(t), seq); err != nil {
			t.Fatalf("delete %d: %v", seq, err)
		}
	}
}
