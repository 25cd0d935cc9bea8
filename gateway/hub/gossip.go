package hub

import (
	"encoding/json"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// Subjects of core NATS between gateways; what is lost there heals.
const (
	presencePrefix = "presence."
	typingPrefix   = "typing."
	receiptPrefix  = "receipt."
	// helloSubject carries signs of life. No room has that name.
	helloSubject = presencePrefix + "_gateways"
)

const (
	gossipQueue  = 4096            // messages from other gateways that wait
	gossipPeople = 500             // people in one message
	digestEvery  = time.Minute     // how often a room's digest is repeated
	remoteMaxAge = 4 * time.Minute // what another gateway did not confirm for that long is dropped
	askPause     = 2 * time.Second // between two questions for the same state
	remotePeople = 200_000         // people of one gateway in one room, at most
	maxGossip    = 256 << 10       // bytes of a message from another gateway
)

// gossip exchanges presence, typing and receipts with other gateways.
type gossip struct {
	h     *Hub
	inbox chan *nats.Msg
	subs  []*nats.Subscription

	mu    sync.Mutex // guards what follows
	peers map[string]time.Time
	rooms map[*room][2]*nats.Subscription
}

// gossipMessage is one message about a room's people, or, on helloSubject, a
// sign of life. The digest is that of all people after it was applied.
type gossipMessage struct {
	Gateway string `json:"gw"`
	Kind    string `json:"t"` // delta, state, ask, hello
	delta
	First  bool   `json:"first,omitempty"` // state: begins anew
	More   bool   `json:"more,omitempty"`  // further parts follow; no digest yet
	Count  int    `json:"n,omitempty"`
	Digest uint64 `json:"digest,omitempty,string"`
	To     string `json:"to,omitempty"` // ask: only this gateway, "": all
}

type delta struct {
	Join  []gossipPerson `json:"join,omitempty"`
	Leave []string       `json:"leave,omitempty"`
}

type gossipPerson struct {
	UID  string `json:"uid"`
	User string `json:"user"`
}

func newGossip(h *Hub) *gossip {
	return &gossip{
		h: h, inbox: make(chan *nats.Msg, gossipQueue),
		peers: make(map[string]time.Time), rooms: make(map[*room][2]*nats.Subscription),
	}
}

func (g *gossip) subscribe() error {
	for _, subject := range []string{helloSubject, receiptPrefix + "*"} {
		sub, err := g.h.nc.ChanSubscribe(subject, g.inbox)
		if err != nil {
			g.close()
			return err
		}
		g.subs = append(g.subs, sub)
	}
	return nil
}

func (g *gossip) close() {
	for _, sub := range g.subs {
		_ = sub.Unsubscribe()
	}
	g.subs = nil
}

// follow subscribes to what other gateways say about a room.
func (g *gossip) follow(r *room) error {
	presence, err := g.h.nc.ChanSubscribe(presencePrefix+r.name, g.inbox)
	if err != nil {
		return err
	}
	typing, err := g.h.nc.ChanSubscribe(typingPrefix+r.name, g.inbox)
	if err != nil {
		_ = presence.Unsubscribe()
		return err
	}
	g.mu.Lock()
	g.rooms[r] = [2]*nats.Subscription{presence, typing}
	g.mu.Unlock()
	r.mu.Lock()
	r.people.ask = true
	r.mu.Unlock()
	g.h.wake(r)
	return nil
}

func (g *gossip) unfollow(r *room) {
	g.mu.Lock()
	subs, ok := g.rooms[r]
	delete(g.rooms, r)
	g.mu.Unlock()
	if ok {
		_ = subs[0].Unsubscribe()
		_ = subs[1].Unsubscribe()
	}
}

// receive handles what other gateways say.
func (g *gossip) receive() {
	for {
		select {
		case <-g.h.ctx.Done():
			return
		case m := <-g.inbox:
			if len(m.Data) <= maxGossip {
				g.dispatch(m)
			}
		}
	}
}

func (g *gossip) dispatch(m *nats.Msg) {
	if uid, ok := strings.CutPrefix(m.Subject, receiptPrefix); ok {
		g.h.receiptFrom(uid, m.Data)
		return
	}
	if name, ok := strings.CutPrefix(m.Subject, typingPrefix); ok {
		if r := g.h.lookup(name); r != nil {
			r.typingFrom(m.Data)
		}
		return
	}
	var msg gossipMessage
	if json.Unmarshal(m.Data, &msg) != nil || msg.Gateway == "" || msg.Gateway == g.h.cfg.Gateway {
		return
	}
	g.sawPeer(msg.Gateway)
	if m.Subject == helloSubject {
		return
	}
	if r := g.h.lookup(strings.TrimPrefix(m.Subject, presencePrefix)); r != nil {
		r.presenceFrom(&msg, time.Now())
	}
}

// sawPeer notes a sign of life. A gateway that was not known is greeted, and
// asked about every room.
func (g *gossip) sawPeer(name string) {
	g.mu.Lock()
	_, known := g.peers[name]
	if known || len(g.peers) < 4096 {
		g.peers[name] = time.Now()
	}
	g.mu.Unlock()
	if known {
		return
	}
	g.hello()
	g.eachRoom(func(r *room) { r.people.ask = true })
}

func (g *gossip) hello() {
	data, _ := json.Marshal(gossipMessage{Gateway: g.h.cfg.Gateway, Kind: "hello"})
	_ = g.h.nc.Publish(helloSubject, data)
}

func (g *gossip) hasPeers() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.peers) > 0
}

// Peers names the other gateways that gave a sign of life lately, in no order.
func (h *Hub) Peers() []string {
	h.gossip.mu.Lock()
	defer h.gossip.mu.Unlock()
	names := make([]string, 0, len(h.gossip.peers))
	for name := range h.gossip.peers {
		names = append(names, name)
	}
	return names
}

// expire forgets gateways that are silent. Their people get the same grace as
// people who left: they may be connecting elsewhere.
func (g *gossip) expire(now time.Time) {
	limit := max(3*g.h.cfg.GossipEvery, g.h.cfg.PresenceGrace)
	var dead []string
	g.mu.Lock()
	for name, seen := range g.peers {
		if now.Sub(seen) > limit {
			delete(g.peers, name)
			dead = append(dead, name)
		}
	}
	g.mu.Unlock()
	if len(dead) == 0 {
		return
	}
	g.eachRoom(func(r *room) {
		for _, name := range dead {
			r.dropRemote(name)
		}
	})
}

// eachRoom calls fn under the lock of each followed room, and wakes it.
func (g *gossip) eachRoom(fn func(*room)) {
	for i := range g.h.shards {
		for _, r := range g.h.shards[i].list() {
			r.mu.Lock()
			fn(r)
			r.mu.Unlock()
			g.h.wake(r)
		}
	}
}

// compose makes the messages of one tick; under r.mu.
func (g *gossip) compose(r *room, d delta, now time.Time) []gossipMessage {
	pr := &r.people
	var out []gossipMessage
	if pr.ask {
		pr.ask = false
		out = append(out, gossipMessage{Kind: "ask"})
	}
	if !g.hasPeers() {
		pr.sendState = false
		return out
	}
	for name, rem := range pr.remotes {
		if rem.digest != rem.sum && now.Sub(rem.asked) > askPause {
			rem.asked = now
			out = append(out, gossipMessage{Kind: "ask", To: name})
		}
	}
	if pr.sendState {
		pr.sendState = false
		pr.lastTold = now
		return append(out, split("state", r.announcement(), pr)...)
	}
	if len(d.Join)+len(d.Leave) > 0 || now.Sub(pr.lastTold) >= digestEvery {
		pr.lastTold = now
		out = append(out, split("delta", d, pr)...)
	}
	return out
}

func (r *room) announcement() delta {
	var d delta
	for _, p := range r.people.people {
		if p.announced {
			d.Join = append(d.Join, gossipPerson{p.uid, p.user})
		}
	}
	return d
}

// split cuts a delta into messages of bounded size; the last has the digest.
func split(kind string, d delta, pr *presence) []gossipMessage {
	var out []gossipMessage
	for first := true; first || len(d.Join)+len(d.Leave) > 0; first = false {
		n := min(len(d.Join), gossipPeople)
		k := min(len(d.Leave), gossipPeople-n)
		msg := gossipMessage{Kind: kind, First: first, More: true}
		msg.Join, d.Join = d.Join[:n], d.Join[n:]
		msg.Leave, d.Leave = d.Leave[:k], d.Leave[k:]
		out = append(out, msg)
	}
	last := &out[len(out)-1]
	last.More, last.Count, last.Digest = false, pr.announced, pr.digest
	return out
}

func (g *gossip) publish(room string, msgs []gossipMessage) {
	for i := range msgs {
		msgs[i].Gateway = g.h.cfg.Gateway
		data, err := json.Marshal(&msgs[i])
		if err != nil {
			continue
		}
		// Without a connection it is lost, and asked for later.
		_ = g.h.nc.Publish(presencePrefix+room, data)
	}
}
