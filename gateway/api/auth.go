package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"strings"
	"time"

	"partyline/events"
	"partyline/gateway/token"
)

// caller is who makes a request.
type caller struct {
	admin  bool
	claims *token.Claims // of a token of jwt mode; nil: there is none
}

// caller reads the token of a request. A wrong one is an error wherever it comes;
// without one, or with another scheme, which a proxy in front may use for itself,
// the caller is nobody.
func (a *api) caller(r *http.Request) (caller, error) {
	values := r.Header.Values("Authorization")
	if len(values) == 0 {
		return caller{}, nil
	}
	if len(values) > 1 {
		return caller{}, badRequest("there are %d Authorization headers", len(values))
	}
	scheme, given, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return caller{}, nil
	}
	from, now := a.cfg.ClientAddr(r), time.Now()
	if wait := a.wrong.blocked(from, now); wait > 0 {
		return caller{}, &problem{
			status: http.StatusTooManyRequests, code: events.CodeRateLimited,
			detail: "too many wrong tokens came from this address", retryAfter: wait,
		}
	}
	given = strings.TrimSpace(given)
	hash := sha256.Sum256([]byte(given))
	if subtle.ConstantTimeCompare(hash[:], a.token[:]) == 1 {
		return caller{admin: true}, nil
	}
	err := errWrongToken
	if a.deps.Tokens != nil {
		var claims *token.Claims
		if claims, err = a.deps.Tokens.Verify(given); err == nil {
			return caller{claims.Admin, claims}, nil
		}
	}
	switch {
	case errors.Is(err, token.ErrNotKnownYet):
		return caller{}, &problem{status: http.StatusServiceUnavailable, code: events.CodeOverloaded, detail: err.Error(), retryAfter: time.Second}
	case !errors.Is(err, token.ErrExpired): // nobody guesses one of those
		a.wrong.add(from, now)
	}
	return caller{}, err
}

var errWrongToken error = events.Errorf(events.CodeUnauthenticated, "the token is wrong")

// admin reports whether a request has the rights of the admin.
func (a *api) admin(r *http.Request) (bool, error) {
	c, err := a.caller(r)
	return c.admin, err
}

// enter refuses a request about a room that the caller may not enter: in jwt mode
// everybody needs a token, and what it does not name does not exist.
func (a *api) enter(r *http.Request, room string) (caller, error) {
	if a.deps.Tokens == nil {
		return caller{}, nil
	}
	c, err := a.holder(r)
	if err == nil && !c.admin && !c.claims.MayEnter(room) {
		err = noSuchRoom(room)
	}
	return c, err
}

// holder refuses a request without a token, in jwt mode.
func (a *api) holder(r *http.Request) (caller, error) {
	c, err := a.caller(r)
	if err == nil && !c.admin && c.claims == nil {
		err = events.Errorf(events.CodeUnauthenticated, "this server needs a token, as Authorization: Bearer")
	}
	return c, err
}

func noSuchRoom(name string) error {
	return events.Errorf(events.CodeNotFound, "nothing was said in room %q yet", name)
}

// needAdmin refuses a request without the admin token.
func (a *api) needAdmin(r *http.Request) error {
	ok, err := a.admin(r)
	if err != nil || ok {
		return err
	}
	return &problem{
		status: http.StatusUnauthorized, code: events.CodeUnauthenticated,
		detail: "this needs the admin token, as Authorization: Bearer; the server keeps it in admin.token of its data directory",
	}
}

// needModerator refuses a request of somebody who may not see what was deleted in
// a room.
func (a *api) needModerator(r *http.Request, room string) error {
	c, err := a.caller(r)
	switch {
	case err != nil || c.admin || c.claims.MayModerate(room):
		return err
	case c.claims == nil:
		return a.needAdmin(r)
	case !c.claims.MayEnter(room):
		return noSuchRoom(room)
	}
	return events.Errorf(events.CodeForbidden, "raw events need the admin token or a token that moderates room %q", room)
}

// upkeep lets the admin make a call that may take long.
func (a *api) upkeep(h http.HandlerFunc) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := a.needAdmin(r); err != nil {
			return err
		}
		rc := http.NewResponseController(w)
		// Servers that cannot do it have no deadlines.
		_ = rc.SetWriteDeadline(time.Time{})
		_ = rc.SetReadDeadline(time.Time{})
		h(w, r)
		return nil
	}
}
