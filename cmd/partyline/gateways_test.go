package main_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
)

// receiver reads a room through any number of broken connections, resuming by
// since and epoch.
type receiver struct {
	name  string
	room  string
	addrs []string

	resumes int
	mu      sync.Mutex
	epoch   string
	last    uint64
	ids     []string // of the events seen, in order
}

func (r *receiver) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.ids)
}

// run receives until ctx ends, leaving each connection after a random number of
// events. It returns an error for a hole, a double or a wrong order.
func (r *receiver) run(ctx context.Context) error {
	for attempt := rand.IntN(2); ctx.Err() == nil; attempt++ {
		c, err := dialChat(r.addrs[attempt%len(r.addrs)], r.name, "key-of-receiver-"+r.name)
		if err != nil {
			continue
		}
		stop := context.AfterFunc(ctx, c.close)
		err = r.session(c, 1+rand.IntN(120))
		stop()
		c.close()
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("receiver %s: %w", r.name, err)
		}
		r.resumes++
	}
	return nil
}

func (r *receiver) session(c *chatClient, events int) error {
	join := map[string]any{"type": "join", "room": r.room}
	if r.epoch != "" {
		join["since"], join["epoch"] = r.last, r.epoch
	} else {
		join["tail"] = 0
	}
	if c.send(join) != nil {
		return nil
	}
	for events > 0 {
		f, err := c.read()
		if err != nil {
			return nil
		}
		switch f.Type {
		case "joined":
			if f.Reset || r.epoch != "" && f.Epoch != r.epoch {
				return fmt.Errorf("unexpected reset at %d: %s", r.last, f.Raw)
			}
			r.joined(f)
		case "event":
			if f.Seq <= r.last || f.Prev > r.last {
				return fmt.Errorf("event %d with prev %d after %d", f.Seq, f.Prev, r.last)
			}
			r.mu.Lock()
			r.last = f.Seq
			r.ids = append(r.ids, f.Event.ID)
			r.mu.Unlock()
			events--
		case "error":
			if f.Code != "storage_unavailable" && f.Code != "overloaded" {
				return fmt.Errorf("error %s: %s", f.Code, f.Message)
			}
			return nil
		}
	}
	return nil
}

func (r *receiver) joined(f wireFrame) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.epoch == "" {
		r.last = f.LastSeq
	}
	r.epoch = f.Epoch
}

// storageAndGateways starts a storage process and n gateway processes that reach
// it through lossy proxies.
func storageAndGateways(t *testing.T, n int, extra ...string) (storage *process, gateways []*process, proxies []*lossyProxy) {
	t.Helper()
	users := filepath.Join(t.TempDir(), "users.yaml")
	if err := os.WriteFile(users, []byte("- {user: gw, password: sesame-open, role: gateway}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	storage = serve(t, append([]string{"--roles", "storage,projector", "--data-dir", t.TempDir(),
		"--nats-listen", "127.0.0.1:0", "--nats-users-file", users}, extra...)...)
	for range n {
		proxy := newLossyProxy(t, storage.nats, 0.05)
		proxies = append(proxies, proxy)
		gateways = append(gateways, serve(t, append([]string{"--roles", "gateway", "--data-dir", t.TempDir(),
			"--nats-url", "nats://gw:sesame-open@" + proxy.addr,
			"--gateway-sends-per-second", "0", "--gateway-connects-per-second-per-ip", "0"}, extra...)...))
	}
	return storage, gateways, proxies
}

// TestTwoGateways has 8 publishers and 50 receivers on two gateway processes of
// one storage process. Receivers are cut at random and resume by since,
// republished messages are dropped on purpose, and the gateways' connections to
// the storage are cut: every receiver sees every message of its room exactly
// once, in order.
func TestTwoGateways(t *testing.T) {
	t.Parallel()
	_, gateways, proxies := storageAndGateways(t, 2)
	addrs := []string{gateways[0].ws, gateways[1].ws}
	rooms := []string{"lobby", "kitchen"}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()

	var receivers []*receiver
	var wg sync.WaitGroup
	for i := range 50 {
		r := &receiver{name: fmt.Sprintf("r%d", i), room: rooms[i%len(rooms)], addrs: addrs}
		receivers = append(receivers, r)
		wg.Go(func() {
			if err := r.run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	for _, r := range receivers {
		eventually(t, "all receivers have joined", func() bool {
			r.mu.Lock()
			defer r.mu.Unlock()
			return r.epoch != "" || t.Failed()
		})
	}

	const each = 250
	var acks atomic.Int64
	var senders []*sender
	for i := range 8 {
		s := newSender(fmt.Sprintf("s%d", i), rooms[i%len(rooms)], &acks, addrs[i%2], addrs[(i+1)%2])
		s.limit = each
		senders = append(senders, s)
		wg.Go(func() {
			if err := s.run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	eventually(t, "a third is sent", func() bool { return acks.Load() > 8*each/3 || t.Failed() })
	proxies[0].cut()
	eventually(t, "two thirds are sent", func() bool { return acks.Load() > 2*8*each/3 || t.Failed() })
	proxies[1].cut()
	eventually(t, "all is acknowledged", func() bool { return acks.Load() == 8*each || t.Failed() })
	for _, r := range receivers {
		eventually(t, r.name+" has everything", func() bool { return r.count() >= 4*each || t.Failed() })
	}
	cancel()
	wg.Wait()
	checkReceivers(t, receivers, senders, each)
	t.Logf("dropped %d and %d republished messages", proxies[0].dropped.Load(), proxies[1].dropped.Load())
}

func checkReceivers(t *testing.T, receivers []*receiver, senders []*sender, each int) {
	t.Helper()
	order := map[string][]string{} // by room
	resumes := 0
	for _, r := range receivers {
		resumes += r.resumes
		next := map[string]int{}
		for _, id := range r.ids {
			var name string
			var n int
			if _, err := fmt.Sscanf(id, "s%1s-%07d", &name, &n); err != nil {
				t.Fatalf("event id %q: %v", id, err)
			}
			if n != next[name] {
				t.Errorf("%s sees message %d of sender s%s, not %d", r.name, n, name, next[name])
			}
			next[name] = n + 1
		}
		if first, ok := order[r.room]; !ok {
			order[r.room] = r.ids
		} else if fmt.Sprint(first) != fmt.Sprint(r.ids) {
			t.Errorf("%s sees another order or number (%d, %d) than others in %s", r.name, len(r.ids), len(first), r.room)
		}
	}
	for _, s := range senders {
		if len(s.acked) != each {
			t.Errorf("sender %s has %d acknowledgements, not %d", s.name, len(s.acked), each)
		}
	}
	if resumes < len(receivers) {
		t.Errorf("only %d resumes in all: the test did not cut enough", resumes)
	}
}
