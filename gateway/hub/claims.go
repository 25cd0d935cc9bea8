package hub

import (
	"errors"
	"strings"
	"time"

	"partyline/events"
	"partyline/gateway/frame"
	"partyline/gateway/token"
	"partyline/gateway/ws"
)

// refresh takes a new token of the same subject. Rooms that it does not allow any
// more are left.
func (s *session) refresh(f *frame.Client) {
	old := s.claims.Load()
	if old == nil || s.h.tokens == nil {
		s.refuse(events.Errorf(events.CodeBadRequest, "this server does not use tokens"), f.ID, "")
		return
	}
	claims, err := s.h.tokens.Verify(strings.Clone(f.Token))
	switch {
	case errors.Is(err, token.ErrNotKnownYet):
		s.refuseLater(events.CodeOverloaded, err.Error(), f, time.Second)
		return
	case err != nil:
		s.refuseErr(err, f.ID, "")
		return
	case claims.Subject != old.Subject:
		s.refuse(events.Errorf(events.CodeUnauthenticated, "the token is of another subject"), f.ID, "")
		return
	}
	s.claims.Store(claims)
	s.mu.Lock()
	var lost []*member
	for _, m := range s.rooms {
		if !claims.MayEnter(m.r.name) {
			lost = append(lost, m)
		}
	}
	s.mu.Unlock()
	for _, m := range lost {
		s.leave(m, "")
	}
	s.send(func(dst []byte) []byte { return frame.AppendAuthed(dst, f.ID, claims.Expires) })
}

// closeExpired ends the connections whose token has expired.
func (h *Hub) closeExpired(now time.Time) {
	if h.tokens == nil {
		return
	}
	var expired []*session
	for i := range h.users {
		u := &h.users[i]
		u.mu.Lock()
		for _, list := range u.sessions {
			for _, s := range list {
				if s.claims.Load().Expired(now) {
					expired = append(expired, s)
				}
			}
		}
		u.mu.Unlock()
	}
	for _, s := range expired {
		f := bye("token_expired")
		s.conn.Close(ws.CloseTokenExpired, "token expired", f)
		f.Release()
	}
}
