package hub

import (
	"context"
	"errors"
	"hash/maphash"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"partyline/events"
	"partyline/events/query"
	"partyline/gateway/frame"
	"partyline/gateway/token"
	"partyline/gateway/ws"
)

const shardCount = 64

// Hub connects sessions to rooms. It is safe for concurrent use.
//
// Lock order: shard.mu, then room.mu, then one of the leaves (session.mu,
// Hub.activeMu, userShard.mu, acked.mu); no two leaves together. Nothing that
// waits runs under a lock. Under room.mu is ws.Conn.Send to one member, or to the
// few of a small room, which never waits; what a large room sends goes through its
// outbox.
type Hub struct {
	cfg       Config
	log       Log
	publisher Publisher
	feed      Feed
	query     query.Backend
	nc        *nats.Conn
	tokens    *token.Verifier // nil: open mode

	ctx  context.Context // of everything that runs on behalf of sessions
	stop context.CancelFunc
	seed maphash.Seed

	shards    [shardCount]shard
	users     [shardCount]userShard
	acked     *acked
	reads     *reads
	gossip    *gossip
	expensive chan struct{} // slots of joins that ask the read model
	lookups   chan struct{} // slots of look-ups of ids

	ringBytes atomic.Int64
	tailBytes atomic.Int64
	stats     counters
	inline    int       // members up to which a room needs no outbox
	buffers   sync.Pool // of *buffer
	clients   sync.Pool // of *frame.Client

	activeMu sync.Mutex
	active   map[*room]struct{} // rooms with presence work to do at the next tick

	lifeMu   sync.Mutex // guards stopped, and adding to wg before it
	stopped  bool
	wg       sync.WaitGroup
	draining atomic.Bool
	lastLeft chan struct{} // told when the number of connections becomes 0
}

// shard holds the rooms of one part of the name space.
type shard struct {
	mu    sync.Mutex
	rooms map[string]*room
}

// userShard holds the sessions of one part of the identities.
type userShard struct {
	mu       sync.Mutex
	sessions map[string][]*session // by uid
}

// New makes a hub. It does no I/O and starts nothing; joins succeed while Run
// runs.
func New(cfg Config, deps Deps) (*Hub, error) {
	if err := cfg.setDefaults(); err != nil {
		return nil, err
	}
	if err := deps.validate(); err != nil {
		return nil, err
	}
	h := &Hub{
		cfg: cfg, log: deps.Log, publisher: deps.Publisher, feed: deps.Feed,
		query: deps.Query, nc: deps.NATS, tokens: deps.Tokens,
		seed:      maphash.MakeSeed(),
		inline:    inlineMembers,
		acked:     newAcked(cfg.AckedIDs),
		expensive: make(chan struct{}, cfg.ExpensiveJoin),
		lookups:   make(chan struct{}, maxLookups),
		active:    make(map[*room]struct{}),
		lastLeft:  make(chan struct{}, 1),
	}
	h.buffers.New = newBuffer
	h.clients.New = func() any { return new(frame.Client) }
	h.ctx, h.stop = context.WithCancel(context.Background())
	for i := range h.shards {
		h.shards[i].rooms = make(map[string]*room)
		h.users[i].sessions = make(map[string][]*session)
	}
	h.reads = newReads(h)
	h.gossip = newGossip(h)
	return h, nil
}

// Run serves the hub until ctx ends; it returns after everything that it or its
// sessions started has ended. Connections are the engine's: drain them before.
func (h *Hub) Run(ctx context.Context) error {
	if err := h.gossip.subscribe(); err != nil {
		return err
	}
	h.spawn(h.gossip.receive)
	h.spawn(h.maintain)
	h.spawn(h.reads.run)
	<-ctx.Done()
	h.lifeMu.Lock()
	h.stopped = true
	h.lifeMu.Unlock()
	h.stop()
	h.wg.Wait()
	h.unfollowAll()
	return nil
}

// spawn runs fn in a goroutine that Run waits for; false: the hub has stopped.
func (h *Hub) spawn(fn func()) bool {
	h.lifeMu.Lock()
	defer h.lifeMu.Unlock()
	if h.stopped {
		return false
	}
	h.wg.Add(1)
	go func() {
		defer h.wg.Done()
		fn()
	}()
	return true
}

func (h *Hub) shardOf(name string) *shard {
	return &h.shards[maphash.String(h.seed, name)%shardCount]
}

// acquire returns the room, followed, and holds it: the caller owes a release.
func (h *Hub) acquire(ctx context.Context, name string) (*room, error) {
	sh := h.shardOf(name)
	for {
		sh.mu.Lock()
		r := sh.rooms[name]
		if r != nil && r.closing {
			sh.mu.Unlock()
			select {
			case <-r.gone:
				continue
			case <-ctx.Done():
				return nil, unavailable(ctx.Err())
			}
		}
		if r == nil {
			name = strings.Clone(name) // it may be a part of a frame
			r = newRoom(h, name)
			if !h.spawn(func() { h.follow(sh, r) }) {
				sh.mu.Unlock()
				return nil, errUnavailable
			}
			sh.rooms[name] = r
		}
		r.holds++
		sh.mu.Unlock()
		select {
		case <-r.ready:
		case <-ctx.Done():
			h.release(r)
			return nil, unavailable(ctx.Err())
		}
		if r.err != nil {
			h.release(r)
			return nil, unavailable(r.err)
		}
		return r, nil
	}
}

// lookup returns the room when it is followed.
func (h *Hub) lookup(name string) *room {
	sh := h.shardOf(name)
	sh.mu.Lock()
	r := sh.rooms[name]
	sh.mu.Unlock()
	if r == nil || !r.followedNow() {
		return nil
	}
	return r
}

func (h *Hub) release(r *room) {
	sh := h.shardOf(r.name)
	sh.mu.Lock()
	r.holds--
	r.idleSince = time.Now()
	sh.mu.Unlock()
}

// follow subscribes to a new room. Deliveries may come before Follow returned;
// they only raise the head.
func (h *Hub) follow(sh *shard, r *room) {
	ctx, cancel := context.WithTimeout(h.ctx, followTimeout)
	defer cancel()
	// The ring covers nothing until the head is known.
	r.mu.Lock()
	r.ring.floor = unknownFloor
	r.mu.Unlock()
	head, err := h.feed.Follow(ctx, r.name, r)
	if err == nil {
		r.followed(head)
		if err = h.gossip.follow(r); err != nil {
			h.feed.Unfollow(r.name)
			h.ringBytes.Add(int64(-r.clear()))
		}
	}
	if err != nil {
		r.err = err
		sh.mu.Lock()
		delete(sh.rooms, r.name)
		sh.mu.Unlock()
		close(r.gone)
	}
	close(r.ready)
}

// followed sets where the ring begins. What was delivered meanwhile comes after
// head; if the ring dropped some of it already, it begins there.
func (r *room) followed(head uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ring.floor == unknownFloor {
		r.ring.floor = head
	}
	r.head = max(r.head, head)
}

// unknownFloor is the floor of a ring whose room is not followed yet: it covers
// nothing.
const unknownFloor = ^uint64(0)

// followedNow reports whether following succeeded.
func (r *room) followedNow() bool {
	select {
	case <-r.ready:
		return r.err == nil
	default:
		return false
	}
}

func (r *room) clear() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ring.clear(r.head)
}

// unfollow lets go of rooms that nobody needs any more.
func (h *Hub) unfollow(r *room) {
	h.gossip.unfollow(r)
	h.feed.Unfollow(r.name)
	r.mu.Lock()
	h.ringBytes.Add(int64(-r.ring.clear(r.head)))
	r.dropTails()
	r.mu.Unlock()
	sh := h.shardOf(r.name)
	sh.mu.Lock()
	delete(sh.rooms, r.name)
	sh.mu.Unlock()
	close(r.gone)
}

func (h *Hub) unfollowAll() {
	for i := range h.shards {
		for _, r := range h.shards[i].list() {
			<-r.ready
			if r.err == nil {
				h.unfollow(r)
			}
		}
	}
	h.gossip.close()
}

func (s *shard) list() []*room {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]*room, 0, len(s.rooms))
	for _, r := range s.rooms {
		out = append(out, r)
	}
	return out
}

func (h *Hub) enterExpensive(ctx context.Context) error {
	select {
	case h.expensive <- struct{}{}:
		return nil
	case <-ctx.Done():
		return unavailable(ctx.Err())
	}
}

func (h *Hub) leaveExpensive() { <-h.expensive }

// errUnavailable is what a client is told while storage cannot answer.
var errUnavailable = events.Errorf(events.CodeStorageUnavailable, "storage cannot answer at the moment; try again")

// unavailable turns a failure of storage into what the client is told, keeping
// what the contract has a code for.
func unavailable(err error) error {
	if e, ok := errors.AsType[*events.Error](err); ok {
		return e
	}
	return errUnavailable
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// Stats is a snapshot of a hub's counters, since it was made unless said
// otherwise.
type Stats struct {
	Connections int    // now
	Rooms       int    // followed now
	RingBytes   int64  // in memory now
	Joins       uint64 // joined frames sent
	Deliveries  uint64 // event frames handed to connections
	Replayed    uint64 // of these, read page by page
	Stored      uint64 // acks for something new
	Duplicates  uint64 // acks for something that had been stored
	Refused     uint64 // error frames
}

type counters struct {
	connections                  atomic.Int64
	joins, deliveries, replayed  atomic.Uint64
	stored, duplicates, refusals atomic.Uint64
}

// Stats returns the counters of the moment.
func (h *Hub) Stats() Stats {
	s := Stats{
		Connections: int(h.stats.connections.Load()),
		RingBytes:   h.ringBytes.Load(),
		Joins:       h.stats.joins.Load(),
		Deliveries:  h.stats.deliveries.Load(),
		Replayed:    h.stats.replayed.Load(),
		Stored:      h.stats.stored.Load(),
		Duplicates:  h.stats.duplicates.Load(),
		Refused:     h.stats.refusals.Load(),
	}
	for i := range h.shards {
		h.shards[i].mu.Lock()
		s.Rooms += len(h.shards[i].rooms)
		h.shards[i].mu.Unlock()
	}
	return s
}

// Identity is who a connection speaks for; admission has checked it.
type Identity struct {
	UID  string // public id, 16 hex digits
	User string // the name shown
	// Known says that the client came with its own key or token: something may
	// be stored under this identity already, and what it sends in the first
	// LookupWindow is looked up before it is published.
	Known bool
	// Claims are what the identity's token says; nil in open mode: everything is
	// allowed.
	Claims *token.Claims
}

// NewSession makes the session of one accepted connection.
func (h *Hub) NewSession(id Identity) ws.Session {
	id.User = strings.Clone(id.User) // not a part of the request head
	s := &session{h: h, id: id}
	s.claims.Store(id.Claims)
	s.known.Store(id.Known)
	return s
}
