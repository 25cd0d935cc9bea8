package hub

import (
	"context"
	"math/rand/v2"
	"time"

	"partyline/gateway/frame"
	"partyline/gateway/ws"
)

// Clients are told to come back after a time between these two, so that they do
// not all meet the other gateways at once.
const (
	reconnectFrom = 500 * time.Millisecond
	reconnectTo   = 5 * time.Second
)

// Drain closes every connection with bye and 1001, in random order, spread over
// Config.DrainFor; sessions that open meanwhile are closed at once. It returns
// when all were told, or when ctx ends. Run goes on, so that what is in flight
// is still answered.
func (h *Hub) Drain(ctx context.Context) error {
	h.draining.Store(true)
	var all []*session
	for i := range h.users {
		u := &h.users[i]
		u.mu.Lock()
		for _, list := range u.sessions {
			all = append(all, list...)
		}
		u.mu.Unlock()
	}
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	start := time.Now()
	for i, s := range all {
		due := h.cfg.DrainFor * time.Duration(i) / time.Duration(len(all))
		if wait := due - time.Since(start); wait > time.Millisecond && !sleep(ctx, wait) {
			return context.Cause(ctx)
		}
		h.sayBye(s)
	}
	return nil
}

// SlowFrame makes what a slow consumer is told before it is closed, for
// [ws.Options].
func (h *Hub) SlowFrame() *ws.Frame { return bye("slow_consumer") }

func bye(reason string) *ws.Frame {
	after := reconnectFrom + rand.N(reconnectTo-reconnectFrom)
	return ws.NewText(frame.AppendBye(nil, reason, after))
}

func (h *Hub) sayBye(s *session) {
	f := bye("drain")
	s.conn.Close(ws.CloseGoingAway, "server draining", f)
	f.Release()
}
