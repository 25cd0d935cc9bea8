package eventstest

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"partyline/events/stream"
)

// Admin is the role that may do everything, as the node itself.
const Admin = stream.Role("node")

// Password is that of TCP connections; their user names are the roles.
const Password = "test-password"

// Bus is an in-process NATS node with the streams of the log. Its methods are
// safe for concurrent use, except that Restart must not run beside itself.
type Bus struct {
	t    testing.TB // owns the helpers' own connection
	dir  string
	tcp  bool
	port int // TCP port on the loopback address; 0 before it is known
	ids  atomic.Uint64
	mu   sync.Mutex // guards node, stop and raw
	node *stream.Node
	stop func() error // ends the node and waits
	raw  *nats.Conn
}

// New starts a node that only this process can reach. It ends with the test.
func New(t testing.TB) *Bus { return start(t, false) }

// NewTCP starts a node that listens on a free TCP port of the loopback address,
// so that connections survive Restart by reconnecting.
func NewTCP(t testing.TB) *Bus { return start(t, true) }

func start(t testing.TB, tcp bool) *Bus {
	t.Helper()
	b := &Bus{t: t, dir: t.TempDir(), tcp: tcp}
	b.boot(t)
	t.Cleanup(func() { b.halt(t) })
	return b
}

// boot starts the node and waits for its streams.
func (b *Bus) boot(t testing.TB) {
	t.Helper()
	cfg := stream.NodeConfig{Dir: b.dir, Logger: Logger(t)}
	if b.tcp {
		cfg.Listen = net.JoinHostPort("127.0.0.1", strconv.Itoa(b.port))
		for _, role := range []stream.Role{stream.RoleGateway, stream.RoleProjector, stream.RoleAnalytics, stream.RoleTool} {
			cfg.Users = append(cfg.Users, stream.User{User: string(role), Password: Password, Role: role})
		}
	}
	node, err := stream.NewNode(cfg)
	if err != nil {
		t.Fatalf("make node: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- node.Run(ctx) }()
	select {
	case <-node.Ready():
	case err := <-ended:
		cancel()
		t.Fatalf("run node: %v", err)
	case <-time.After(Patience):
		cancel()
		t.Fatalf("node not ready within %v", Patience)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.node = node
	if b.tcp {
		b.port = node.Addr().(*net.TCPAddr).Port
	}
	b.stop = func() error {
		cancel()
		return <-ended
	}
}

// halt stops the node and waits for it.
func (b *Bus) halt(t testing.TB) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.raw != nil {
		b.raw.Close()
		b.raw = nil
	}
	if err := b.stop(); err != nil {
		t.Errorf("run node: %v", err)
	}
}

// Restart stops the node and starts it again on the same directory and port.
// down, when not nil, is called while it is stopped. In-process connections of
// the old node are closed for good; TCP connections reconnect.
func (b *Bus) Restart(t testing.TB, down func()) {
	t.Helper()
	b.halt(t)
	if down != nil {
		down()
	}
	b.boot(t)
}

// URL is the address of the node; "" when it does not listen.
func (b *Bus) URL() string {
	if !b.tcp {
		return ""
	}
	return "nats://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(b.port))
}

// Connect makes a connection to the node with the permissions of a gateway,
// over TCP if the node listens, closed with the test.
func (b *Bus) Connect(t testing.TB) *nats.Conn {
	t.Helper()
	return b.ConnectAs(t, stream.RoleGateway)
}

// ConnectAs is Connect for any role. Admin connects in-process always.
func (b *Bus) ConnectAs(t testing.TB, role stream.Role) *nats.Conn {
	t.Helper()
	b.mu.Lock()
	node := b.node
	b.mu.Unlock()
	var nc *nats.Conn
	var err error
	if b.tcp && role != Admin {
		opts := append(stream.ConnectOptions("test"), reportErrors(t), nats.UserInfo(string(role), Password),
			nats.ReconnectWait(20*time.Millisecond), nats.ReconnectJitter(0, 0))
		nc, err = nats.Connect(b.URL(), opts...)
	} else {
		nc, err = node.Connect(role, "test", reportErrors(t))
	}
	if err != nil {
		t.Fatalf("connect to node as %s: %v", role, err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// reportErrors logs asynchronous errors of a connection.
func reportErrors(t testing.TB) nats.Option {
	logger := Logger(t)
	return nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
		logger.Warn("connection to node", "error", err)
	})
}

// Log is a handle on the log over a connection of its own, opened. Tests that
// need the epoch kept current run it: Go(t, log.Run).
func (b *Bus) Log(t testing.TB) *stream.Log {
	t.Helper()
	l, err := stream.NewLog(b.Connect(t), stream.LogConfig{Logger: Logger(t)})
	if err != nil {
		t.Fatalf("make log: %v", err)
	}
	if err := l.Open(Context(t)); err != nil {
		t.Fatalf("open log: %v", err)
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
	raw = b.ConnectAs(b.t, Admin)
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
