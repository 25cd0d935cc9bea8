package stream

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// fakeServer is the far end of a NATS connection, as much of it as a publisher
// sees: for answers that a real server gives only when it suffers.
type fakeServer struct {
	// answer says what to answer to an attempt, or to earlier ones: replies to
	// payloads.
	answer func(s *fakeServer, reply, room, id string)

	mu   sync.Mutex // guards what follows
	w    *bufio.Writer
	sid  string
	seq  uint64
	line []byte
	out  []byte
}

// InProcessConn implements nats.InProcessConnProvider.
func (s *fakeServer) InProcessConn() (net.Conn, error) {
	client, server := net.Pipe()
	s.w = bufio.NewWriter(server)
	go s.serve(server)
	return client, nil
}

func (s *fakeServer) serve(c net.Conn) {
	defer c.Close()
	r := bufio.NewReaderSize(c, 64<<10)
	s.write("INFO {\"headers\":true,\"max_payload\":1048576,\"proto\":1}\r\n")
	body, names := make([]byte, 64<<10), make([]byte, 256)
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return
		}
		verb, rest, _ := bytes.Cut(bytes.TrimSpace(line), []byte(" "))
		switch string(verb) {
		case "PING":
			s.write("PONG\r\n")
		case "SUB":
			s.mu.Lock()
			s.sid = string(rest[bytes.LastIndexByte(rest, ' ')+1:])
			s.mu.Unlock()
		case "HPUB":
			at := bytes.LastIndexByte(rest, ' ')
			n, _ := strconv.Atoi(string(rest[at+1:]))
			head := names[:copy(names, rest[:at])]
			if _, err := io.ReadFull(r, body[:n+2]); err != nil {
				return
			}
			s.published(head, body[:n])
		}
	}
}

func (s *fakeServer) published(head, body []byte) {
	subject, rest, _ := bytes.Cut(head, []byte(" "))
	reply, _, _ := bytes.Cut(rest, []byte(" "))
	if s.answer == nil { // without allocating
		s.mu.Lock()
		s.seq++
		s.line = append(s.line[:0], `{"stream":"CHAT","seq":`...)
		s.line = append(strconv.AppendUint(s.line, s.seq, 10), '}')
		s.mu.Unlock()
		s.reply(reply, s.line)
		return
	}
	_, id, _ := bytes.Cut(body, []byte("Nats-Msg-Id: "))
	id, _, _ = bytes.Cut(id, []byte("\r\n"))
	s.answer(s, string(reply), strings.TrimPrefix(string(subject), chatPrefix), string(id))
}

// reply sends a message to the subscriber.
func (s *fakeServer) reply(to, payload []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.out = append(append(s.out[:0], "MSG "...), to...)
	s.out = append(append(append(s.out, ' '), s.sid...), ' ')
	s.out = append(strconv.AppendInt(s.out, int64(len(payload)), 10), "\r\n"...)
	s.out = append(append(s.out, payload...), "\r\n"...)
	s.w.Write(s.out)
	s.w.Flush()
}

func (s *fakeServer) write(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.w.WriteString(line)
	s.w.Flush()
}

func (s *fakeServer) stored(to string) {
	s.mu.Lock()
	s.seq++
	ack := fmt.Appendf(nil, `{"stream":"CHAT","seq":%d}`, s.seq)
	s.mu.Unlock()
	s.reply([]byte(to), ack)
}

func (s *fakeServer) refuse(to string, code, errCode int) {
	s.reply([]byte(to), fmt.Appendf(nil, `{"stream":"CHAT","seq":0,"error":{"code":%d,"err_code":%d,"description":"no"}}`, code, errCode))
}

// publisherOn runs a publisher on a fake server.
func publisherOn(t *testing.T, s *fakeServer, cfg PublisherConfig) *Publisher {
	t.Helper()
	nc, err := nats.Connect("", nats.InProcessServer(s))
	if err != nil {
		t.Fatal(err)
	}
	l, err := NewLog(nc, LogConfig{})
	if err != nil {
		t.Fatal(err)
	}
	epoch, durability := "epoch", DurabilityServer
	l.epoch.Store(&epoch)
	l.durability.Store(&durability)
	p, err := NewPublisher(l, cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		nc.Close()
	})
	until(t, func() bool { return Running(p) })
	return p
}

// until waits for a condition.
func until(t *testing.T, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(30 * time.Second); !cond(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatal("it does not come true")
		}
	}
}

// told collects results in their order.
type told struct {
	mu   sync.Mutex
	list []string
	left sync.WaitGroup
}

type toldOne struct {
	t  *told
	id string
}

func (o toldOne) Published(ack Ack, err error) {
	o.t.mu.Lock()
	defer o.t.mu.Unlock()
	defer o.t.left.Done()
	result := fmt.Sprintf("%s=%d", o.id, ack.Seq)
	switch {
	case errors.Is(err, ErrUnavailable):
		result = o.id + "=unavailable"
	case errors.Is(err, ErrRefused):
		result = o.id + "=refused"
	case err != nil:
		result = o.id + "=" + err.Error()
	}
	o.t.list = append(o.t.list, result)
}

func (c *told) submit(t *testing.T, p *Publisher, room string, ids ...string) {
	t.Helper()
	for _, id := range ids {
		c.left.Add(1)
		if err := p.Submit(room, id, []byte("{}"), toldOne{c, id}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestPublisherAnswers: what a server may answer, and what becomes of a room's
// events then: nothing is sent before the one before it is resolved.
func TestPublisherAnswers(t *testing.T) {
	t.Parallel()
	type attempts map[string]int
	for name, tt := range map[string]struct {
		giveUp time.Duration
		answer func(s *fakeServer, n attempts, reply, id string)
		sent   string
		told   string
	}{
		"stored": {
			answer: func(s *fakeServer, _ attempts, reply, _ string) { s.stored(reply) },
			sent:   "a b c", told: "a=1 b=2 c=3",
		},
		"the queue is full, then the id is being stored": {
			answer: func(s *fakeServer, n attempts, reply, id string) {
				switch {
				case id == "b" && n[id] == 1:
					s.refuse(reply, 429, errCodeQueueFull)
				case id == "b" && n[id] == 2:
					s.refuse(reply, 409, errCodeDuplicateRunning)
				case id == "b" && n[id] == 3:
					s.refuse(reply, 503, 1)
				default:
					s.stored(reply)
				}
			},
			sent: "a b b b b c", told: "a=1 b=2 c=3",
		},
		"never to be stored": {
			answer: func(s *fakeServer, _ attempts, reply, id string) {
				if id == "b" {
					s.refuse(reply, 400, 10054)
					return
				}
				s.stored(reply)
			},
			sent: "a b c", told: "a=1 b=refused c=2",
		},
		"no answer": {
			answer: func(s *fakeServer, n attempts, reply, id string) {
				if n[id] == 2 {
					s.stored(reply)
				}
			},
			sent: "a a b b c c", told: "a=1 b=2 c=3",
		},
		"nonsense": {
			answer: func(s *fakeServer, n attempts, reply, id string) {
				if n[id] == 1 {
					s.reply([]byte(reply), []byte([]string{"", "{", `{"stream":"CONN","seq":5}`, `{"stream":"CHAT","seq":0}`}[int(id[0]-'a')]))
					return
				}
				s.stored(reply)
			},
			sent: "a a b b c c", told: "a=1 b=2 c=3",
		},
		"never an answer": {
			giveUp: 300 * time.Millisecond,
			answer: func(*fakeServer, attempts, string, string) {},
			sent:   "", told: "a=unavailable b=unavailable c=unavailable",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			var sent []string
			n := attempts{}
			s := &fakeServer{answer: func(s *fakeServer, reply, _, id string) {
				mu.Lock()
				defer mu.Unlock()
				n[id]++
				sent = append(sent, id)
				tt.answer(s, n, reply, id)
			}}
			p := publisherOn(t, s, PublisherConfig{AckTimeout: 60 * time.Millisecond, GiveUp: cmp.Or(tt.giveUp, 50*time.Second)})
			var got told
			got.submit(t, p, "lobby", "a", "b", "c")
			got.left.Wait()
			mu.Lock()
			defer mu.Unlock()
			if list := strings.Join(got.list, " "); list != tt.told {
				t.Errorf("told %s, want %s", list, tt.told)
			}
			if list := strings.Join(sent, " "); tt.sent != "" && list != tt.sent {
				t.Errorf("sent %s, want %s", list, tt.sent)
			}
			if tt.sent == "" && slices.Contains(sent, "b") {
				t.Errorf("sent %v: b went out although nobody knows what became of a", sent)
			}
		})
	}
}

// TestLateAnswer: the answer to an attempt that was given up says nothing about
// the event that is in flight now.
func TestLateAnswer(t *testing.T) {
	t.Parallel()
	var first string
	s := &fakeServer{}
	s.answer = func(s *fakeServer, reply, _, id string) {
		switch {
		case id == "a" && first == "":
			first = reply
		case id == "a":
			s.stored(reply)
		case id == "b":
			s.reply([]byte(first), []byte(`{"stream":"CHAT","seq":99}`))
			token := strings.Split(reply, ".") // _INBOX, unique, slot, attempt
			for _, other := range []string{"77777." + token[3], "-1." + token[3], "0." + token[3], token[2] + ".77", token[2] + ".x"} {
				s.reply([]byte(token[0]+"."+token[1]+"."+other), []byte(`{"stream":"CHAT","seq":98}`))
			}
			s.stored(reply)
		}
	}
	p := publisherOn(t, s, PublisherConfig{AckTimeout: 30 * time.Millisecond, GiveUp: time.Minute})
	var got told
	got.submit(t, p, "lobby", "a", "b")
	got.left.Wait()
	if list := strings.Join(got.list, " "); list != "a=1 b=2" {
		t.Errorf("told %s", list)
	}
}

// TestLanesTakeTurns: more rooms than may be in flight, one of them with much to
// say, and one that gets no answers.
func TestLanesTakeTurns(t *testing.T) {
	t.Parallel()
	const slots = 3
	var mu sync.Mutex
	open, most := map[string]string{}, 0
	var order []string
	s := &fakeServer{}
	s.answer = func(_ *fakeServer, reply, room, id string) {
		mu.Lock()
		defer mu.Unlock()
		open[room] = reply
		most = max(most, len(open))
		order = append(order, id)
	}
	p := publisherOn(t, s, PublisherConfig{InFlight: slots, GiveUp: time.Minute, AckTimeout: time.Minute})
	var got told
	got.submit(t, p, "busy", "b1", "b2", "b3", "b4", "b5")
	got.submit(t, p, "silent", "s1", "s2")
	got.submit(t, p, "one", "o1")
	got.submit(t, p, "two", "t1")
	answer := func(room string) {
		t.Helper()
		until(t, func() bool {
			mu.Lock()
			reply, ok := open[room]
			delete(open, room)
			mu.Unlock()
			if ok {
				s.stored(reply)
			}
			return ok
		})
	}
	for _, room := range []string{"busy", "two", "busy", "one", "busy", "busy", "busy", "silent", "silent"} {
		answer(room)
	}
	got.left.Wait()
	if most > slots {
		t.Errorf("%d in flight, at most %d may be", most, slots)
	}
	if at := func(id string) int { return slices.Index(order, id) }; at("t1") > at("b2") {
		t.Errorf("sent %v: the busy room holds others up", order)
	}
	for _, l := range []int{len(p.lanes.rooms), len(p.lanes.ready), slots - len(p.lanes.free), p.queued, p.bytes} {
		if l != 0 {
			t.Errorf("something is left: %+v", p.lanes)
		}
	}
}

// TestScanAck: the fast reader of answers reads what the general one reads.
func TestScanAck(t *testing.T) {
	t.Parallel()
	for _, data := range []string{
		`{"stream":"CHAT","seq":1}`, `{"stream":"CHAT","seq":18446744073709551615}`, `{"stream":"CHAT","seq":9999999999999999999}`,
		`{"stream":"CHAT","seq":12,"duplicate": true}`, `{"stream":"CHAT","seq":0}`, `{"stream":"CHAT","seq":-1}`, `{"stream":"CHAT","seq":01}`,
		`{"stream":"CHAT","seq":}`, `{"stream":"CHAT","seq":1e3}`, `{"stream":"CONN","seq":1}`, `{"stream":"CHAT","domain":"d","seq":7}`, ``, `{}`,
	} {
		want, err := decodeAck([]byte(data))
		got, ok := scanAck([]byte(data))
		if ok && (err != nil || got != want) {
			t.Errorf("%s: %+v, want %+v, %v", data, got, want, err)
		}
	}
	if ack, ok := scanAck([]byte(`{"stream":"CHAT","seq":4711}`)); !ok || ack.Seq != 4711 {
		t.Errorf("the usual answer is not read: %+v", ack)
	}
}

// signal is a Receiver that needs no memory.
type signal chan struct{}

func (s signal) Published(_ Ack, err error) {
	if err == nil {
		s <- struct{}{}
	}
}

// TestPublisherAllocations: the way of an event to the connection and of its
// acknowledgement back costs eight allocations: five of nats.go (two for the
// headers, three for the answer), two of the deadlines of net.Pipe, and one for
// the subjects. With the race detector pools forget things on purpose.
func TestPublisherAllocations(t *testing.T) {
	p := publisherOn(t, &fakeServer{}, PublisherConfig{})
	done := make(signal, 1)
	data := make([]byte, 150)
	allocs := testing.AllocsPerRun(2000, func() {
		if err := p.Submit("lobby", "an-id-of-a-message", data, done); err != nil {
			t.Error(err)
			return
		}
		<-done
	})
	if allocs > 10 {
		t.Errorf("%.1f allocations for an event, want at most 10", allocs)
	}
}
