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
// when all were told or have gone by themselves, or when ctx ends. Run goes on,
// so that what is in flight is still answered.
func (h *Hub) Drain(ctx context.Context) error {
	h.draining.Store(true)
	all := h.sessions()
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	start := time.Now()
	for i, s := range all {
		due := h.cfg.DrainFor * time.Duration(i) / time.Duration(len(all))
		if s.isClosed() {
			continue
		}
		if wait := due - time.Since(start); wait > time.Millisecond {
			if err := h.awaitTurn(ctx, wait); err != nil {
				return err
			}
		}
		h.sayBye(s)
	}
	return nil
}

// awaitTurn waits, no longer than until nobody is left.
func (h *Hub) awaitTurn(ctx context.Context, wait time.Duration) error {
	t := time.NewTimer(wait)
	defer t.Stop()
	for h.stats.connections.Load() > 0 {
		select {
		case <-t.C:
			return nil
		case <-h.lastLeft: // perhaps long ago
		case <-ctx.Done():
			return context.Cause(ctx)
		}
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
