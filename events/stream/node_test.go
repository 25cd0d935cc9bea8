package stream_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"partyline/events/eventstest"
	"partyline/events/stream"
)

// runNode runs a node until the test ends, or stop is called, which returns
// what Run returned.
func runNode(t testing.TB, cfg stream.NodeConfig) (n *stream.Node, stop func() error) {
	t.Helper()
	n, err := stream.NewNode(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	stopped := false
	stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		return <-ended
	}
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Errorf("the node ended with %v", err)
		}
	})
	select {
	case <-n.Ready():
	case err := <-ended:
		stopped = true
		t.Fatalf("the node ended before it was ready: %v", err)
	}
	return n, stop
}

// nodeFails runs a node that has to end by itself.
func nodeFails(t *testing.T, cfg stream.NodeConfig) error {
	t.Helper()
	n, err := stream.NewNode(cfg)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	go func() {
		select {
		case <-n.Ready():
			cancel() // it should not have come so far
		case <-ctx.Done():
		}
	}()
	return n.Run(ctx)
}

// openLog opens the log of a node as a gateway does.
func openLog(t testing.TB, n *stream.Node) (*stream.Log, *nats.Conn) {
	t.Helper()
	nc, err := n.Connect(stream.RoleGateway, "test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return openOn(t, nc), nc
}

func openOn(t testing.TB, nc *nats.Conn) *stream.Log {
	t.Helper()
	log, err := stream.NewLog(nc, stream.LogConfig{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := log.Open(ctx); err != nil {
		t.Fatal(err)
	}
	return log
}

func store(t testing.TB, log *stream.Log, room, id string) stream.Ack {
	t.Helper()
	p := runPublisher(t, log, stream.PublisherConfig{})
	ack, err := p.Publish(t.Context(), room, id, []byte(`{"v":1,"kind":"message"}`))
	if err != nil {
		t.Fatal(err)
	}
	return ack
}

func TestNodeKeepsEpochAndSecret(t *testing.T) {
	t.Parallel()
	cfg := stream.NodeConfig{Dir: t.TempDir()}
	n, stop := runNode(t, cfg)
	log, _ := openLog(t, n)
	store(t, log, "lobby", "one")
	epoch, secret := log.Epoch(), string(log.Secret())
	if epoch == "" || len(secret) != 32 || log.Durability() != stream.DurabilityFsync || !log.Available() {
		t.Fatalf("epoch %q, %d bytes of secret, durability %q", epoch, len(secret), log.Durability())
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	n, _ = runNode(t, cfg)
	log, _ = openLog(t, n)
	if log.Epoch() != epoch || string(log.Secret()) != secret {
		t.Errorf("epoch %q, was %q, or another secret", log.Epoch(), epoch)
	}
	if ack := store(t, log, "lobby", "one"); !ack.Duplicate || ack.Seq != 1 {
		t.Errorf("%+v, want a duplicate of 1", ack)
	}
}

// A node that was cut off under another kernel may have lost what was seen; one
// that was only killed has not.
func TestEpochAfterUncleanStop(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		boot  string
		clean bool
		same  bool
	}{
		{"killed", "boot-1", false, true},
		{"power cut", "boot-2", false, false},
		{"stopped and rebooted", "boot-2", true, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			n, stop := runNode(t, stream.WithBootID(stream.NodeConfig{Dir: dir}, "boot-1"))
			log, _ := openLog(t, n)
			store(t, log, "lobby", "one")
			epoch := log.Epoch()
			unclean, err := os.ReadFile(filepath.Join(dir, "node.json"))
			if err != nil {
				t.Fatal(err)
			}
			if err := stop(); err != nil {
				t.Fatal(err)
			}
			if !tt.clean { // as if the stop had not been recorded
				if err := os.WriteFile(filepath.Join(dir, "node.json"), unclean, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			n, _ = runNode(t, stream.WithBootID(stream.NodeConfig{Dir: dir}, tt.boot))
			log, _ = openLog(t, n)
			if same := log.Epoch() == epoch; same != tt.same {
				t.Errorf("epoch %q after %q: same is %v", log.Epoch(), epoch, same)
			}
		})
	}
}

func TestDamageIsRefused(t *testing.T) {
	t.Parallel()
	chat := filepath.Join("jetstream", "$G", "streams", "CHAT")
	for name, damage := range map[string]func(t *testing.T, dir string){
		"stream gone": func(t *testing.T, dir string) { remove(t, filepath.Join(dir, chat)) },
		"blocks gone": func(t *testing.T, dir string) { remove(t, filepath.Join(dir, chat, "msgs")) },
		"description unreadable": func(t *testing.T, dir string) {
			overwrite(t, filepath.Join(dir, chat, "meta.inf"), "garbage")
		},
		"state unreadable": func(t *testing.T, dir string) { overwrite(t, filepath.Join(dir, "node.json"), "{") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := stream.NodeConfig{Dir: t.TempDir()}
			n, stop := runNode(t, cfg)
			log, _ := openLog(t, n)
			store(t, log, "lobby", "one")
			if err := stop(); err != nil {
				t.Fatal(err)
			}
			damage(t, cfg.Dir)
			if err := nodeFails(t, cfg); !errors.Is(err, stream.ErrCorrupt) {
				t.Errorf("error %v, want ErrCorrupt", err)
			}
		})
	}
}

func remove(t *testing.T, name string) {
	t.Helper()
	if err := os.RemoveAll(name); err != nil {
		t.Fatal(err)
	}
}

func overwrite(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestDirectoryInUseIsRefused(t *testing.T) {
	t.Parallel()
	cfg := stream.NodeConfig{Dir: t.TempDir()}
	runNode(t, cfg)
	if err := nodeFails(t, cfg); !errors.Is(err, stream.ErrInUse) {
		t.Errorf("error %v, want ErrInUse", err)
	}
}

func TestListenerNeedsUsers(t *testing.T) {
	t.Parallel()
	_, err := stream.NewNode(stream.NodeConfig{Dir: t.TempDir(), Listen: "127.0.0.1:0"})
	if !errors.Is(err, stream.ErrUsers) {
		t.Errorf("error %v, want ErrUsers", err)
	}
}

func TestBadUsersAreRefused(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ text, want string }{
		"empty":    {"", "no user"},
		"no list":  {"user: a", "cannot unmarshal"},
		"unknown":  {"- {user: a, password: sesame-open, role: gateway, admin: true}", "field admin not found"},
		"role":     {"- {user: a, password: sesame-open, role: king}", "is not gateway, projector, analytics or tool"},
		"password": {"- {user: a, password: short, role: gateway}", "at least 8"},
		"twice":    {"- {user: a, password: sesame-open, role: tool}\n- {user: a, password: sesame-shut, role: tool}", "twice"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "users.yaml")
			overwrite(t, file, tt.text)
			if _, err := stream.LoadUsers(file); !errors.Is(err, stream.ErrUsers) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want ErrUsers with %q", err, tt.want)
			}
		})
	}
}

// A gateway may use the log and not change it; a stranger may not even connect.
func TestPermissions(t *testing.T) {
	t.Parallel()
	users := []stream.User{{User: "gw", Password: "sesame-open", Role: stream.RoleGateway}}
	n, _ := runNode(t, stream.NodeConfig{Dir: t.TempDir(), Listen: "127.0.0.1:0", Users: users})
	if nc, err := nats.Connect("nats://" + n.Addr().String()); err == nil {
		nc.Close()
		t.Error("a stranger may connect")
	}
	if nc, err := nats.Connect("nats://in-process-node:guess@" + n.Addr().String()); err == nil {
		nc.Close()
		t.Error("the node's own user may connect from outside")
	}
	nc, err := nats.Connect(fmt.Sprintf("nats://gw:sesame-open@%s", n.Addr()), stream.ConnectOptions("gw")...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	log := openOn(t, nc)
	store(t, log, "lobby", "one")
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if err := js.DeleteStream(ctx, "CHAT"); err == nil {
		t.Error("a gateway may delete the log")
	}
	for _, subject := range []string{
		"$JS.API.STREAM.PURGE.CHAT", "$JS.API.STREAM.MSG.DELETE.CHAT", "$JS.API.STREAM.UPDATE.CHAT",
		"$JS.API.STREAM.CREATE.X", "$KV.PARTYLINE.epoch", "$KV.ERASED.1", "live.lobby",
	} {
		denied := make(chan error, 1)
		nc.SetErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			select {
			case denied <- err:
			default:
			}
		})
		if err := nc.Publish(subject, []byte("{}")); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-denied:
			if !errors.Is(err, nats.ErrPermissionViolation) {
				t.Errorf("%s: %v", subject, err)
			}
		case <-time.After(eventstest.Patience):
			t.Errorf("a gateway may publish to %s", subject)
		}
	}
}

func TestFailedSyncIsFinal(t *testing.T) {
	t.Parallel()
	disk := errors.New("input/output error")
	calls := make(chan struct{}, 100)
	n, err := stream.NewNode(stream.WithDisk(stream.NodeConfig{Dir: t.TempDir()}, func(*os.File) error {
		calls <- struct{}{}
		return disk
	}, nil))
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- n.Run(t.Context()) }()
	select {
	case <-n.Ready():
	case err := <-ended:
		t.Fatal(err)
	}
	log, _ := openLog(t, n)
	p := runPublisher(t, log, stream.PublisherConfig{GiveUp: time.Second})
	if ack, err := p.Publish(t.Context(), "lobby", "one", []byte("{}")); !errors.Is(err, stream.ErrUnavailable) {
		t.Errorf("%+v, %v: want ErrUnavailable", ack, err)
	}
	if err := <-ended; !errors.Is(err, stream.ErrSyncFailed) || !errors.Is(err, disk) {
		t.Errorf("the node ended with %v, want ErrSyncFailed", err)
	}
	if len(calls) != 1 {
		t.Errorf("%d syncs, want one: a failed one is never repeated", len(calls))
	}
}

// TestStopWhileOthersStore: what other processes store between the record of a
// clean stop and the end of the server is no damage, and what was stored and
// not synced then is on disk before it is acknowledged after the next start.
func TestStopWhileOthersStore(t *testing.T) {
	t.Parallel()
	cfg := stream.NodeConfig{
		Dir: t.TempDir(), Listen: "127.0.0.1:0",
		Users: []stream.User{{User: "gw", Password: "sesame-open", Role: stream.RoleGateway}},
	}
	for range 3 {
		n, stop := runNode(t, cfg)
		nc, err := nats.Connect(fmt.Sprintf("nats://gw:sesame-open@%s", n.Addr()), nats.NoReconnect())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := nc.Request("chat.lobby", []byte("{}"), eventstest.Patience); err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for {
				if _, err := nc.Request("chat.lobby", []byte("{}"), eventstest.Patience); err != nil {
					return
				}
			}
		}()
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		<-ended
		nc.Close()
	}
	runNode(t, cfg)
}
