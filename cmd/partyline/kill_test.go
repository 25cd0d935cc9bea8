package main_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// logged is a line of "partyline replay --raw".
type logged struct {
	Room  string    `json:"room"`
	Seq   uint64    `json:"seq"`
	Prev  uint64    `json:"prev"`
	TS    string    `json:"ts"`
	Event wireEvent `json:"event"`
}

// replayRaw reads a room from the log of a data directory.
func replayRaw(t *testing.T, dir, room string) []logged {
	t.Helper()
	stdout, stderr, code := run(t, "replay", "--data-dir", dir, "--room", room, "--raw")
	if code != 0 {
		t.Fatalf("replay ended with %d: %s", code, stderr)
	}
	var events []logged
	lines := bufio.NewScanner(strings.NewReader(stdout))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e logged
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatalf("replay printed %q: %v", lines.Text(), err)
		}
		events = append(events, e)
	}
	return events
}

// TestKillKeepsAcknowledged kills the server without warning, again and again,
// at random moments under load: what was acknowledged is in the log exactly
// once, under the acknowledged sequence, and each sender's messages are in the
// order in which they were sent.
func TestKillKeepsAcknowledged(t *testing.T) {
	t.Parallel()
	rounds := 20
	if os.Getenv("PARTYLINE_SOAK") != "" {
		rounds = 200
	}
	dir := t.TempDir()
	p := serve(t, "--data-dir", dir, "--gateway-sends-per-second", "0", "--gateway-connects-per-second-per-ip", "0")
	rooms := []string{"lobby", "kitchen", "garden"}
	var acks atomic.Int64
	var senders []*sender
	for i := range 8 {
		senders = append(senders, newSender(fmt.Sprintf("s%d", i), rooms[i%len(rooms)], &acks, p.ws, p.http))
	}
	stop := runSenders(t, senders)
	for round := range rounds {
		goal := acks.Load() + rand.Int64N(400)
		eventually(t, fmt.Sprintf("round %d has %d acknowledgements", round, goal), func() bool { return acks.Load() >= goal })
		p.kill()
		p.restart()
	}
	last := acks.Load()
	eventually(t, "the senders go on after the last kill", func() bool { return acks.Load() > last+100 })
	stop()
	if code := p.terminate(); code != 0 {
		t.Errorf("the clean end after it all has exit code %d", code)
	}
	checkLog(t, dir, rooms, senders)
	t.Logf("%d kills, %d acknowledged messages", rounds, acks.Load())
}

// runSenders starts the senders; the result stops them and waits.
func runSenders(t *testing.T, senders []*sender) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for _, s := range senders {
		wg.Go(func() {
			if err := s.run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	return func() {
		cancel()
		wg.Wait()
	}
}

// checkLog compares the log with what the senders know.
func checkLog(t *testing.T, dir string, rooms []string, senders []*sender) {
	t.Helper()
	byName := map[string]*sender{}
	for _, s := range senders {
		byName[s.name] = s
	}
	stored := map[string]uint64{}
	lastID := map[string]string{}
	for _, room := range rooms {
		var prev uint64
		for _, e := range replayRaw(t, dir, room) {
			if e.Seq <= prev || e.Prev != prev {
				t.Errorf("%s: seq %d, prev %d after %d", room, e.Seq, e.Prev, prev)
			}
			prev = e.Seq
			if _, twice := stored[e.Event.ID]; twice {
				t.Errorf("%s is stored twice", e.Event.ID)
			}
			stored[e.Event.ID] = e.Seq
			if e.Event.ID <= lastID[e.Event.User] {
				t.Errorf("%s is stored after %s", e.Event.ID, lastID[e.Event.User])
			}
			lastID[e.Event.User] = e.Event.ID
			if e.Event.Text != "text of "+e.Event.ID || byName[e.Event.User] == nil {
				t.Errorf("a foreign event: %+v", e)
			}
		}
	}
	for _, s := range senders {
		if len(s.acked) == 0 {
			t.Errorf("sender %s was never acknowledged", s.name)
		}
		for id, seq := range s.acked {
			if stored[id] != seq {
				t.Errorf("%s was acknowledged with seq %d, the log has it at %d (0: not at all)", id, seq, stored[id])
			}
		}
	}
}
