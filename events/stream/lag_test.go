package stream_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"partyline/events/eventstest"
	"partyline/events/stream"
)

// lagging plays a cluster whose replica that answers direct gets is behind its
// leader: a node without JetStream, and the answers of the JetStream API.
type lagging struct {
	t       testing.TB
	leader  map[uint64]string // sequence to room
	replica uint64            // last sequence of the replica
	last    uint64            // last sequence of the leader
	direct  atomic.Int64      // direct gets answered
}

// apiGet is what the requests have in common.
type apiGet struct {
	Seq       uint64   `json:"seq"`
	LastFor   string   `json:"last_by_subj"`
	NextFor   string   `json:"next_by_subj"`
	MultiLast []string `json:"multi_last"`
	UpToSeq   uint64   `json:"up_to_seq"`
	Batch     int      `json:"batch"`
}

// log serves the API and returns a log that asks it.
func (g *lagging) log() *stream.Log {
	g.t.Helper()
	node, err := server.NewServer(&server.Options{DontListen: true, NoLog: true, NoSigs: true})
	if err != nil {
		g.t.Fatal(err)
	}
	node.Start()
	g.t.Cleanup(func() { node.Shutdown(); node.WaitForShutdown() })
	connect := func() *nats.Conn {
		nc, err := nats.Connect("", nats.InProcessServer(node))
		if err != nil {
			g.t.Fatal(err)
		}
		g.t.Cleanup(nc.Close)
		return nc
	}
	nc := connect()
	for subject, answer := range map[string]nats.MsgHandler{
		"$JS.API.STREAM.INFO.CHAT":    g.info,
		"$JS.API.STREAM.MSG.GET.CHAT": g.get,
		"$JS.API.DIRECT.GET.CHAT":     g.directGet,
	} {
		if _, err := nc.Subscribe(subject, answer); err != nil {
			g.t.Fatal(err)
		}
	}
	if err := nc.Flush(); err != nil {
		g.t.Fatal(err)
	}
	l, err := stream.NewLog(connect(), stream.LogConfig{Logger: eventstest.Logger(g.t)})
	if err != nil {
		g.t.Fatal(err)
	}
	return l
}

func (g *lagging) info(m *nats.Msg) { m.Respond(fmt.Appendf(nil, `{"state":{"last_seq":%d}}`, g.last)) }

// get answers as the leader.
func (g *lagging) get(m *nats.Msg) {
	var req apiGet
	json.Unmarshal(m.Data, &req)
	seq := g.next(req.NextFor, req.Seq, g.last)
	if req.LastFor != "" {
		seq = g.lastFor(req.LastFor, g.last)
	}
	if seq == 0 {
		m.Respond([]byte(`{"error":{"code":404,"err_code":10037,"description":"no message found"}}`))
		return
	}
	m.Respond(fmt.Appendf(nil, `{"message":{"subject":"chat.%s","seq":%d,"data":"e30=","time":"2026-01-02T03:04:05Z"}}`, g.leader[seq], seq))
}

// directGet answers as the replica.
func (g *lagging) directGet(m *nats.Msg) {
	g.direct.Add(1)
	var req apiGet
	json.Unmarshal(m.Data, &req)
	upTo := g.replica
	if req.UpToSeq != 0 {
		upTo = req.UpToSeq
	}
	var found []uint64
	for _, subject := range req.MultiLast {
		if seq := g.lastFor(subject, min(upTo, g.replica)); seq != 0 {
			found = append(found, seq)
		}
	}
	for seq := req.Seq; len(found) < req.Batch; seq++ {
		if seq = g.next(req.NextFor, seq, g.replica); seq == 0 {
			break
		}
		found = append(found, seq)
	}
	end := nats.Header{"Status": {"204"}, "Description": {"EOB"}, "Nats-Num-Pending": {"0"}, "Nats-UpTo-Sequence": {strconv.FormatUint(upTo, 10)}}
	if len(found) == 0 {
		end = nats.Header{"Status": {"404"}, "Description": {"No Results"}}
	}
	for _, seq := range found {
		num := strconv.FormatUint(seq, 10)
		copied := liveCopy(g.leader[seq], num, "0")
		copied.Subject, copied.Header["Nats-Num-Pending"] = m.Reply, []string{"0"}
		m.RespondMsg(copied)
	}
	m.RespondMsg(&nats.Msg{Header: end})
}

// next is the first sequence of a subject from seq on, up to the end.
func (g *lagging) next(subject string, seq, end uint64) uint64 {
	for ; seq <= end; seq++ {
		if room, ok := g.leader[seq]; ok && (subject == "" || subject == "chat."+room) {
			return seq
		}
	}
	return 0
}

// lastFor is the last sequence of a subject up to the end.
func (g *lagging) lastFor(subject string, end uint64) uint64 {
	for seq := end; seq > 0; seq-- {
		if room, ok := g.leader[seq]; ok && subject == "chat."+room {
			return seq
		}
	}
	return 0
}

// newLagging has rooms a and b in turns up to last.
func newLagging(t testing.TB, replica, last uint64) *lagging {
	g := &lagging{t: t, leader: make(map[uint64]string), replica: replica, last: last}
	for seq := uint64(1); seq <= last; seq++ {
		g.leader[seq] = string(rune('a' + (seq-1)%2))
	}
	return g
}

// A fence is never taken from a replica that is behind.
func TestLastSeqsLaggingReplica(t *testing.T) {
	t.Parallel()
	for _, replica := range []uint64{0, 1, 4, 9, 10} {
		g := newLagging(t, replica, 10)
		l := g.log()
		got, err := l.LastSeqs(eventstest.Context(t), []string{"a", "b", "c"})
		if want := map[string]uint64{"a": 9, "b": 10}; err != nil || !maps.Equal(got, want) {
			t.Errorf("replica at %d: %v, %v; want %v", replica, got, err, want)
		}
		got, err = l.LastSeqs(eventstest.Context(t), []string{"a"})
		if want := map[string]uint64{"a": 9}; err != nil || !maps.Equal(got, want) {
			t.Errorf("replica at %d: %v, %v; want %v", replica, got, err, want)
		}
	}
}

// A hole is filled whatever the replica lacks.
func TestFillLaggingReplica(t *testing.T) {
	t.Parallel()
	for _, replica := range []uint64{0, 3, 8, 10} {
		g := newLagging(t, replica, 10)
		got, err := g.log().Fill(eventstest.Context(t), "a", 1, 10)
		if err != nil || len(got) != 4 || g.direct.Load() == 0 {
			t.Fatalf("replica at %d: %d events, %v", replica, len(got), err)
		}
		for i, ev := range got {
			if want := uint64(3 + 2*i); ev.Seq != want || ev.Prev != want-2 || ev.Room != "a" {
				t.Errorf("replica at %d: got %+v, want sequence %d", replica, ev, want)
			}
		}
	}
}
