package hub

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"partyline/events/query"
	"partyline/events/stream"
)

// memLog is a log, its publisher and its read model in memory, with the faults
// that a test asks for. Feeds on it are made by newFeed.
type memLog struct {
	mu      sync.Mutex
	cond    *sync.Cond
	epoch   string
	seq     uint64
	rooms   map[string][]*stream.Stored
	ids     map[string]uint64
	down    bool   // nothing can be stored
	noQuery bool   // the read model does not answer
	applied uint64 // what the read model has applied at most
	heldAck bool   // acknowledgements wait
	tails   int    // questions for a tail
	finds   int    // questions for an id

	patience time.Duration // how long at_least waits
	acks     []func()
}

func newMemLog() *memLog {
	l := &memLog{epoch: "e1", rooms: map[string][]*stream.Stored{}, ids: map[string]uint64{}, applied: ^uint64(0), patience: 50 * time.Millisecond}
	l.cond = sync.NewCond(&l.mu)
	return l
}

// set changes the log's behaviour.
func (l *memLog) set(fn func()) {
	l.mu.Lock()
	fn()
	l.mu.Unlock()
	l.cond.Broadcast()
}

func (l *memLog) Epoch() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.epoch
}

func (l *memLog) Secret() []byte { return make([]byte, 32) }

func (l *memLog) LastSeqs(_ context.Context, rooms []string) (map[string]uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := map[string]uint64{}
	for _, r := range rooms {
		if h := l.head(r); h > 0 {
			out[r] = h
		}
	}
	return out, nil
}

func (l *memLog) head(room string) uint64 {
	evs := l.rooms[room]
	if len(evs) == 0 {
		return 0
	}
	return evs[len(evs)-1].Seq
}

func (l *memLog) Fill(_ context.Context, room string, after, upTo uint64) ([]*stream.Stored, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []*stream.Stored
	for _, ev := range l.rooms[room] {
		if ev.Seq > after && ev.Seq <= upTo {
			out = append(out, ev)
		}
	}
	return out, nil
}

// store appends an event; under mu.
func (l *memLog) store(room string, data []byte) uint64 {
	l.seq++
	l.rooms[room] = append(l.rooms[room], &stream.Stored{
		Room: room, Seq: l.seq, Prev: l.head(room), Time: time.Now().UTC(), Data: data,
	})
	l.cond.Broadcast()
	return l.seq
}

// say stores a message of somebody who is not connected.
func (l *memLog) say(room, text string) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.store(room, fmt.Appendf(nil, `{"v":1,"kind":"message","id":"x%d","room":%q,"uid":"00000000000000ff","user":"x","text":%q}`, l.seq+1, room, text))
}

func (l *memLog) Submit(room, msgID string, data []byte, r stream.Receiver) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.down {
		return stream.ErrUnavailable
	}
	ack := stream.Ack{Seq: l.ids[msgID], Duplicate: true}
	if ack.Seq == 0 {
		ack = stream.Ack{Seq: l.store(room, data)}
		l.ids[msgID] = ack.Seq
	}
	l.acks = append(l.acks, func() { r.Published(ack, nil) })
	l.cond.Broadcast()
	return nil
}

// run hands out acknowledgements, in order, until ctx ends.
func (l *memLog) run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, l.cond.Broadcast)
	defer stop()
	for {
		l.mu.Lock()
		for ctx.Err() == nil && (len(l.acks) == 0 || l.heldAck) {
			l.cond.Wait()
		}
		if ctx.Err() != nil {
			l.mu.Unlock()
			return nil
		}
		next := l.acks[0]
		l.acks = l.acks[1:]
		l.mu.Unlock()
		next()
	}
}

// wait waits briefly until the read model has applied at least; under mu.
func (l *memLog) wait(atLeast uint64) (applied uint64) {
	if l.applied < atLeast {
		done := false
		t := time.AfterFunc(l.patience, func() { l.set(func() { done = true }) })
		for l.applied < atLeast && !done {
			l.cond.Wait()
		}
		t.Stop()
	}
	return min(l.applied, l.seq)
}

func (l *memLog) Messages(_ context.Context, r query.MessagesRequest) (query.Page, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.noQuery {
		return query.Page{}, stream.ErrUnavailable
	}
	l.tails++
	p := query.Page{Applied: l.wait(r.AtLeast)}
	msgs := []map[string]any{}
	for _, ev := range l.rooms[r.Room] {
		if ev.Seq > p.Applied {
			break
		}
		p.Head = ev.Seq
		if (r.Before == 0 || ev.Seq < r.Before) && ev.Seq > r.After {
			msgs = append(msgs, map[string]any{"seq": ev.Seq})
		}
	}
	switch {
	case len(msgs) <= r.Limit:
	case r.After > 0 || r.FromStart:
		msgs, p.More = msgs[:r.Limit], true
	default:
		msgs, p.More = msgs[len(msgs)-r.Limit:], true
	}
	p.Count = len(msgs)
	p.Messages, _ = json.Marshal(msgs)
	return p, nil
}

func (l *memLog) Events(_ context.Context, r query.EventsRequest) (query.EventsPage, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.noQuery {
		return query.EventsPage{}, stream.ErrUnavailable
	}
	p := query.EventsPage{Applied: l.wait(r.AtLeast)}
	for _, ev := range l.rooms[r.Room] {
		if ev.Seq > p.Applied {
			break
		}
		p.Head = ev.Seq
		if ev.Seq <= r.After || r.UpTo > 0 && ev.Seq > r.UpTo {
			continue
		}
		p.Remain++
		if len(p.Events) < r.Limit {
			p.Events = append(p.Events, query.RawEvent{Seq: ev.Seq, Prev: ev.Prev, Time: ev.Time, Data: ev.Data})
		}
	}
	p.More = p.Remain > len(p.Events)
	return p, nil
}

type storedFields struct {
	Kind, ID, UID string
	Target        uint64
}

func (l *memLog) Find(_ context.Context, r query.FindRequest) (query.Found, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.noQuery {
		return query.Found{}, stream.ErrUnavailable
	}
	l.finds++
	f := query.Found{Applied: l.wait(r.AtLeast)}
	for name, evs := range l.rooms {
		for _, ev := range evs {
			var v storedFields
			if json.Unmarshal(ev.Data, &v) != nil || v.UID != r.UID || ev.Seq > f.Applied {
				continue
			}
			f.Known = true
			if v.ID == r.ID {
				f.Seq, f.Time, f.Room = ev.Seq, ev.Time, name
			}
		}
	}
	return f, nil
}

func (l *memLog) Target(_ context.Context, r query.TargetRequest) (query.Target, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.noQuery {
		return query.Target{}, stream.ErrUnavailable
	}
	t := query.Target{Applied: l.wait(r.AtLeast)}
	for _, ev := range l.rooms[r.Room] {
		var v storedFields
		if json.Unmarshal(ev.Data, &v) != nil || ev.Seq > t.Applied {
			continue
		}
		switch {
		case v.Kind == "message" && ev.Seq == r.Seq:
			t.Exists, t.UID = true, v.UID
		case v.Kind == "delete" && v.Target == r.Seq:
			t.Deleted = true
		}
	}
	return t, nil
}

func (l *memLog) Rooms(context.Context, query.RoomsRequest) (query.RoomsPage, error) {
	return query.RoomsPage{}, nil
}

func (l *memLog) Status(context.Context) (query.Status, error) { return query.Status{}, nil }

// memFeed is one gateway's feed on a memLog.
type memFeed struct {
	l     *memLog
	mu    sync.Mutex
	rooms map[string]*memFollow
	held  bool // guarded by l.mu: nothing is delivered
}

type memFollow struct {
	sink stream.Sink
	last uint64 // guarded by l.mu
	gone bool   // guarded by l.mu
	done chan struct{}
	mu   sync.Mutex // held while the sink is called
}

func newFeed(l *memLog) *memFeed { return &memFeed{l: l, rooms: map[string]*memFollow{}} }

func (f *memFeed) Follow(_ context.Context, room string, sink stream.Sink) (uint64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.rooms[room] != nil {
		panic("followed twice: " + room)
	}
	f.l.mu.Lock()
	fo := &memFollow{sink: sink, last: f.l.head(room), done: make(chan struct{})}
	head := fo.last
	f.l.mu.Unlock()
	f.rooms[room] = fo
	go f.deliver(room, fo)
	return head, nil
}

func (f *memFeed) deliver(room string, fo *memFollow) {
	defer close(fo.done)
	for {
		f.l.mu.Lock()
		var next *stream.Stored
		for !fo.gone {
			if evs := f.l.rooms[room]; !f.held && len(evs) > 0 && evs[len(evs)-1].Seq > fo.last {
				i := len(evs) - 1
				for i > 0 && evs[i-1].Seq > fo.last {
					i--
				}
				next = evs[i]
				break
			}
			f.l.cond.Wait()
		}
		if next == nil {
			f.l.mu.Unlock()
			return
		}
		fo.last = next.Seq
		f.l.mu.Unlock()
		fo.mu.Lock()
		fo.sink.Deliver(next)
		fo.mu.Unlock()
	}
}

func (f *memFeed) Unfollow(room string) {
	f.mu.Lock()
	fo := f.rooms[room]
	delete(f.rooms, room)
	f.mu.Unlock()
	f.l.set(func() { fo.gone = true })
	<-fo.done
}

func (f *memFeed) Expect(string, uint64, bool) {}

// reset changes the log's epoch and tells every sink.
func (f *memFeed) reset(epoch string) {
	f.l.set(func() { f.l.epoch = epoch })
	f.mu.Lock()
	defer f.mu.Unlock()
	for room, fo := range f.rooms {
		f.l.mu.Lock()
		head := f.l.head(room)
		fo.last = head
		f.l.mu.Unlock()
		fo.mu.Lock()
		fo.sink.Reset(head)
		fo.mu.Unlock()
	}
}
