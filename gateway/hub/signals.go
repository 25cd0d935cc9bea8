package hub

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"partyline/events/stream"
	"partyline/gateway/frame"
	"partyline/gateway/ws"
)

// readBucket is the KV bucket of read markers: key uid.room, value the seq.
const readBucket = stream.ReadBucket

const (
	maxReads    = 65_536 // markers known or waiting
	typingRate  = 20     // typing frames of one room, per second
	typingBurst = 40
)

// typingMessage tells other gateways that somebody types.
type typingMessage struct {
	Gateway string `json:"gw"`
	UID     string `json:"uid"`
	User    string `json:"user"`
	On      bool   `json:"on"`
}

// receiptMessage tells other gateways how far an identity has read.
type receiptMessage struct {
	Gateway string `json:"gw"`
	Room    string `json:"room"`
	Seq     uint64 `json:"seq"`
}

// typing tells the others of a room that somebody types, here and elsewhere.
// Nothing is stored, and what is too much is dropped.
func (s *session) typing(f *frame.Client) {
	m := s.joinedRoom(f)
	if m == nil {
		return
	}
	if !m.r.sendTyping(s.id.UID, s.id.User, f.On) {
		return
	}
	data, err := json.Marshal(typingMessage{s.h.cfg.Gateway, s.id.UID, s.id.User, f.On})
	if err == nil {
		_ = s.h.nc.Publish(typingPrefix+m.r.name, data)
	}
}

// sendTyping tells the members of this gateway, except those of uid itself.
func (r *room) sendTyping(uid, user string, on bool) bool {
	buf := r.h.getBuffer()
	buf.b = frame.AppendTyping(buf.b, r.name, uid, user, on)
	f := ws.NewText(buf.b)
	r.h.putBuffer(buf)
	defer f.Release()
	r.mu.Lock()
	defer r.mu.Unlock()
	if ok, _ := r.typing.take(time.Now(), typingRate, typingBurst); !ok {
		return false
	}
	for i, m := range r.live {
		if m.s.id.UID != uid {
			r.conns[i].Send(f)
		}
	}
	return true
}

func (r *room) typingFrom(data []byte) {
	var t typingMessage
	if json.Unmarshal(data, &t) != nil || t.Gateway == r.h.cfg.Gateway || t.UID == "" {
		return
	}
	r.sendTyping(t.UID, t.User, t.On)
}

// read notes how far the identity has read.
func (s *session) read(f *frame.Client) {
	m := s.joinedRoom(f)
	if m == nil {
		return
	}
	head, _ := m.r.position()
	s.h.reads.note(s, m.r.name, min(f.Seq, head))
}

type readKey struct{ uid, room string }

// reads gathers read markers: one write and one receipt per period, identity
// and room at most. Markers only go forward.
type reads struct {
	h  *Hub
	kv jetstream.KeyValue // only used by run; nil: not opened yet

	mu    sync.Mutex // guards what follows
	known map[readKey]uint64
	dirty map[readKey]*session // who moved it last: gets no receipt
}

func newReads(h *Hub) *reads {
	return &reads{h: h, known: make(map[readKey]uint64), dirty: make(map[readKey]*session)}
}

func (rd *reads) note(s *session, room string, seq uint64) {
	key := readKey{s.id.UID, room}
	rd.mu.Lock()
	defer rd.mu.Unlock()
	if seq <= rd.known[key] {
		return
	}
	if len(rd.known) >= maxReads {
		rd.forgetClean()
	}
	if len(rd.dirty) >= maxReads {
		return
	}
	rd.known[key] = seq
	rd.dirty[key] = s
}

// forgetClean makes room; what is forgotten is read from the bucket again.
func (rd *reads) forgetClean() {
	for key := range rd.known {
		if rd.dirty[key] == nil {
			delete(rd.known, key)
		}
	}
}

// run writes markers until the hub stops, and once more then.
func (rd *reads) run() {
	tick := time.NewTicker(rd.h.cfg.ReadEvery)
	defer tick.Stop()
	for {
		select {
		case <-rd.h.ctx.Done():
			ctx, cancel := context.WithTimeout(context.WithoutCancel(rd.h.ctx), 2*time.Second)
			rd.flush(ctx)
			cancel()
			return
		case <-tick.C:
			rd.flush(rd.h.ctx)
		}
	}
}

// flush tells and writes what changed. One write is under way at a time: that
// bounds what markers can cost the storage, and under load they gather longer.
func (rd *reads) flush(ctx context.Context) {
	rd.mu.Lock()
	dirty := rd.dirty
	if len(dirty) == 0 {
		rd.mu.Unlock()
		return
	}
	rd.dirty = make(map[readKey]*session)
	seqs := make(map[readKey]uint64, len(dirty))
	for key := range dirty {
		seqs[key] = rd.known[key]
	}
	rd.mu.Unlock()
	kv, err := rd.bucket(ctx)
	if err != nil {
		rd.h.cfg.Logger.Warn("read markers are not stored", "error", err)
	}
	for key, s := range dirty {
		seq := seqs[key]
		if kv != nil {
			later, err := advance(ctx, kv, key, seq)
			if err != nil {
				kv = nil // the others of this round would wait for nothing
				rd.h.cfg.Logger.Warn("read marker not stored", "error", err)
			}
			if later >= seq {
				rd.learn(key, later)
				continue
			}
		}
		rd.h.sendReceipt(key.uid, key.room, seq, s)
		if data, err := json.Marshal(receiptMessage{rd.h.cfg.Gateway, key.room, seq}); err == nil {
			_ = rd.h.nc.Publish(receiptPrefix+key.uid, data)
		}
	}
}

// learn notes that an identity has read further, elsewhere; false: it was known.
func (rd *reads) learn(key readKey, seq uint64) bool {
	rd.mu.Lock()
	defer rd.mu.Unlock()
	if seq <= rd.known[key] {
		return false
	}
	if len(rd.known) >= maxReads {
		rd.forgetClean()
	}
	if len(rd.known) < maxReads {
		rd.known[key] = seq
	}
	return true
}

// bucket opens the bucket, once.
func (rd *reads) bucket(ctx context.Context) (jetstream.KeyValue, error) {
	if rd.kv != nil {
		return rd.kv, nil
	}
	js, err := jetstream.New(rd.h.nc)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	kv, err := js.KeyValue(ctx, readBucket)
	if err != nil {
		return nil, err
	}
	rd.kv = kv
	return kv, nil
}

// advance writes a marker, unless one is there that is as far or further; then
// it returns that one's seq.
func advance(ctx context.Context, kv jetstream.KeyValue, key readKey, seq uint64) (later uint64, err error) {
	name := key.uid + "." + key.room
	value := strconv.AppendUint(nil, seq, 10)
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	for range 3 {
		var revision uint64
		old, err := kv.Get(ctx, name)
		switch {
		case errors.Is(err, jetstream.ErrKeyNotFound):
		case err != nil:
			return 0, err
		default:
			revision = old.Revision()
			if was, err := strconv.ParseUint(string(old.Value()), 10, 64); err == nil && was >= seq {
				return was, nil
			}
		}
		if _, err = kv.Update(ctx, name, value, revision); !errors.Is(err, jetstream.ErrKeyExists) {
			return 0, err
		}
	}
	return 0, nil // somebody else keeps moving it
}

// sendReceipt tells the connections of uid on this gateway, except one.
func (h *Hub) sendReceipt(uid, room string, seq uint64, except *session) {
	for _, s := range h.sessionsOf(uid) {
		if s != except {
			s.send(func(dst []byte) []byte { return frame.AppendReceipt(dst, room, seq) })
		}
	}
}

func (h *Hub) receiptFrom(uid string, data []byte) {
	var m receiptMessage
	if json.Unmarshal(data, &m) != nil || m.Gateway == h.cfg.Gateway {
		return
	}
	if len(h.sessionsOf(uid)) > 0 && h.reads.learn(readKey{uid, m.Room}, m.Seq) {
		h.sendReceipt(uid, m.Room, m.Seq, nil)
	}
}

func (h *Hub) userShardOf(uid string) *userShard {
	return &h.users[hashUID(uid)%shardCount]
}

func (h *Hub) addSession(s *session) {
	u := h.userShardOf(s.id.UID)
	u.mu.Lock()
	u.sessions[s.id.UID] = append(u.sessions[s.id.UID], s)
	u.mu.Unlock()
}

func (h *Hub) removeSession(s *session) {
	u := h.userShardOf(s.id.UID)
	u.mu.Lock()
	defer u.mu.Unlock()
	list := u.sessions[s.id.UID]
	if i := slices.Index(list, s); i >= 0 {
		list = slices.Delete(list, i, i+1)
	}
	if len(list) == 0 {
		delete(u.sessions, s.id.UID)
	} else {
		u.sessions[s.id.UID] = list
	}
}

func (h *Hub) sessionsOf(uid string) []*session {
	u := h.userShardOf(uid)
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.sessions[uid])
}

// sessions are all of this gateway.
func (h *Hub) sessions() []*session {
	var all []*session
	for i := range h.users {
		u := &h.users[i]
		u.mu.Lock()
		for _, list := range u.sessions {
			all = append(all, list...)
		}
		u.mu.Unlock()
	}
	return all
}
