// Command gws is a chat hub on lxzan/gws: its own listener instead of net/http,
// which is the cheapest way that the library offers, and its Broadcaster, which
// builds a frame once for all members and writes from a queue of each
// connection. The queue has no bound: a slow reader costs memory, nobody is
// dropped.
package main

import (
	"os"
	"sync"

	"github.com/lxzan/gws"

	"partyline/bench/peers/peer"
)

func main() {
	l, err := peer.Listen()
	if err != nil {
		os.Exit(peer.Exit(err))
	}
	h := &handler{rooms: make(map[string]*room)}
	srv := gws.NewServer(h, &gws.ServerOption{ReadMaxPayloadSize: peer.MaxMessage, ReadBufferSize: 1024, CheckUtf8Enabled: true})
	os.Exit(peer.Exit(srv.RunListener(l)))
}

type handler struct {
	gws.BuiltinEventHandler
	mu    sync.RWMutex // guards rooms
	rooms map[string]*room
}

// room keeps its members in a slice; each knows its place, so that leaving
// costs O(1).
type room struct {
	mu      sync.Mutex
	members []*member
}

type member struct {
	conn  *gws.Conn
	room  *room
	index int
}

const memberKey = "member"

func (h *handler) room(name string) *room {
	h.mu.RLock()
	r := h.rooms[name]
	h.mu.RUnlock()
	if r != nil {
		return r
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if r = h.rooms[name]; r == nil {
		r = new(room)
		h.rooms[name] = r
	}
	return r
}

func find(c *gws.Conn) *member {
	v, _ := c.Session().Load(memberKey)
	m, _ := v.(*member)
	return m
}

// OnClose takes a member out of its room.
func (h *handler) OnClose(c *gws.Conn, _ error) {
	m := find(c)
	if m == nil {
		return
	}
	r := m.room
	r.mu.Lock()
	defer r.mu.Unlock()
	end := len(r.members) - 1
	r.members[end].index = m.index
	r.members[m.index] = r.members[end]
	r.members[end] = nil
	r.members = r.members[:end]
}

// OnPing answers.
func (h *handler) OnPing(c *gws.Conn, payload []byte) { _ = c.WritePong(payload) }

// OnMessage joins or broadcasts. The lock of the room gives all members the same
// order.
func (h *handler) OnMessage(c *gws.Conn, message *gws.Message) {
	defer message.Close()
	data := message.Bytes()
	if len(data) == 0 {
		return
	}
	m := find(c)
	if data[0] == 'j' && m == nil {
		m = &member{conn: c, room: h.room(string(data[1:]))}
		c.Session().Store(memberKey, m)
		m.room.mu.Lock()
		defer m.room.mu.Unlock()
		m.index = len(m.room.members)
		m.room.members = append(m.room.members, m)
		c.WriteAsync(gws.OpcodeText, []byte("j"), nil)
		return
	}
	if m == nil {
		return
	}
	// The frame outlives the message's buffer.
	b := gws.NewBroadcaster(gws.OpcodeText, append([]byte(nil), data...))
	defer b.Close()
	m.room.mu.Lock()
	defer m.room.mu.Unlock()
	for _, to := range m.room.members {
		_ = b.Broadcast(to.conn) // a closed one is taken out by OnClose
	}
}
