package admission

import (
	"crypto/rand"
	"net/url"
	"strings"

	"partyline/events"
	"partyline/gateway/hub"
	"partyline/gateway/ws"
)

// opening is what the request of a chat connection asks for.
type opening struct {
	user, client string // "": not given
	token        string // "": not given
	subprotocol  string // to be selected
}

// parseOpening reads and checks the parameters of a chat connection.
func parseOpening(r *ws.Request) (opening, *ws.Refusal) {
	var o opening
	query, err := url.ParseQuery(r.RawQuery)
	if err != nil {
		return o, badRequest("malformed query string")
	}
	for _, name := range []string{"user", "client", "token", "trace", "diag"} {
		if len(query[name]) > 1 {
			return o, badRequest("the parameter " + name + " is given twice")
		}
	}
	offers := map[string]string{}
	private := false
	for _, offer := range r.Subprotocols() {
		if offer == ws.Subprotocol {
			o.subprotocol = offer
			continue
		}
		for _, name := range []string{"bearer", "trace", "client"} {
			value, ok := strings.CutPrefix(offer, name+".")
			if !ok {
				continue
			}
			if before, twice := offers[name]; twice && before != value {
				return o, badRequest("two subprotocols " + name + ". that differ")
			}
			offers[name], private = value, true
		}
	}
	if private && o.subprotocol == "" {
		return o, badRequest("who offers the subprotocols bearer., trace. or client. has to offer " + ws.Subprotocol + " too")
	}
	if _, ref := either(query, offers, "trace", "trace", events.CheckTrace); ref != nil {
		return o, ref
	}
	var ref *ws.Refusal
	if o.client, ref = either(query, offers, "client", "client", events.CheckClientKey); ref != nil {
		return o, ref
	}
	if o.token, ref = findToken(r, query, offers); ref != nil {
		return o, ref
	}
	if !query.Has("user") {
		return o, nil
	}
	if o.user, err = events.NormalizeUser(query.Get("user")); err != nil {
		return o, refusalOf(err)
	}
	return o, nil
}

// either returns a parameter that may come in the query or as a subprotocol.
func either(query url.Values, offers map[string]string, offer, name string, check func(string) error) (string, *ws.Refusal) {
	offered, ok := offers[offer]
	value := query.Get(name)
	switch {
	case ok && query.Has(name) && offered != value:
		return "", badRequest("query and subprotocol name two different values of " + name)
	case ok:
		value = offered
	case !query.Has(name):
		return "", nil
	}
	if err := check(value); err != nil {
		return "", refusalOf(err)
	}
	return value, nil
}

// findToken returns the token, which may come in three places.
func findToken(r *ws.Request, query url.Values, offers map[string]string) (string, *ws.Refusal) {
	found, ref := either(query, offers, "bearer", "token", func(string) error { return nil })
	if ref != nil {
		return "", ref
	}
	values := r.Values("Authorization")
	if len(values) > 1 {
		return "", badRequest("more than one Authorization header")
	}
	if len(values) == 0 {
		return found, nil
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return found, nil // a proxy in front may use it for itself
	}
	if token = strings.TrimSpace(token); found != "" && token != found {
		return "", badRequest("two different tokens are given in two places")
	}
	return token, nil
}

// identity is who the connection speaks for, in open mode. Without a key of its own it is
// somebody new.
func (o opening) identity(secret []byte) hub.Identity {
	known := o.client != ""
	if !known {
		o.client = rand.Text()
	}
	if o.user == "" {
		o.user = events.GuestName()
	}
	return hub.Identity{UID: events.UID(secret, o.user, o.client), User: o.user, Known: known}
}
