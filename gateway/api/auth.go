package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"
	"time"

	"partyline/events"
)

// admin reports whether a request carries the admin token. A wrong token is an
// error wherever it comes; without one, or with another scheme, which a proxy in
// front may use for itself, it is nobody's.
func (a *api) admin(r *http.Request) (bool, error) {
	values := r.Header.Values("Authorization")
	if len(values) == 0 {
		return false, nil
	}
	if len(values) > 1 {
		return false, badRequest("there are %d Authorization headers", len(values))
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return false, nil
	}
	from, now := a.cfg.ClientAddr(r), time.Now()
	if wait := a.wrong.blocked(from, now); wait > 0 {
		return false, &problem{
			status: http.StatusTooManyRequests, code: events.CodeRateLimited,
			detail: "too many wrong tokens came from this address", retryAfter: wait,
		}
	}
	hash := sha256.Sum256([]byte(strings.TrimSpace(token)))
	if subtle.ConstantTimeCompare(hash[:], a.token[:]) == 1 {
		return true, nil
	}
	a.wrong.add(from, now)
	return false, &problem{status: http.StatusUnauthorized, code: events.CodeUnauthenticated, detail: "the token is wrong"}
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
