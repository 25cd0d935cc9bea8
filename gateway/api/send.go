package api

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"partyline/events"
	"partyline/events/jsonscan"
	"partyline/gateway/hub"
)

const (
	// defaultSender is the name shown for messages of the admin token that name
	// nobody.
	defaultSender = "admin"
	sendTimeout   = 15 * time.Second
)

// postMessage answers POST /api/v1/rooms/{room}/messages: a backend says
// something.
func (a *api) postMessage(w http.ResponseWriter, r *http.Request) error {
	name, err := roomOf(r)
	if err != nil {
		return err
	}
	c, err := a.sender(r, name)
	if err != nil {
		return err
	}
	key, err := idempotencyKey(r)
	if err != nil {
		return err
	}
	req, err := readMessage(r)
	if err != nil {
		return err
	}
	if err := speakFor(&req, c); err != nil {
		return err
	}
	if a.deps.Draining() {
		return events.Errorf(events.CodeDraining, "the server is shutting down")
	}
	if err := a.slots.sends.enter(); err != nil {
		return err
	}
	defer a.slots.sends.leave()
	ctx, cancel := context.WithTimeout(r.Context(), sendTimeout)
	defer cancel()
	req.Room, req.ID = name, key
	res, err := a.deps.Hub.Send(ctx, req)
	if err != nil {
		return err
	}
	return writeJSON(w, struct {
		Seq       uint64 `json:"seq"`
		TS        string `json:"ts"`
		Duplicate bool   `json:"duplicate,omitempty"`
	}{res.Seq, string(events.AppendTime(nil, res.Time)), res.Duplicate})
}

// sender refuses a request of somebody who may not send to a room.
func (a *api) sender(r *http.Request, room string) (caller, error) {
	if a.deps.Tokens == nil {
		return caller{admin: true}, a.needAdmin(r)
	}
	return a.enter(r, room)
}

// speakFor says whose message it is: the admin speaks for whom it names, a holder
// of a token for itself.
func speakFor(req *hub.SendRequest, c caller) error {
	switch {
	case req.User != "" && !c.admin:
		return badRequest("user is for the admin token; a message is always that of the token's subject")
	case req.User == "" && c.claims != nil:
		req.User, req.Sub = c.claims.Name, c.claims.Subject
	case req.User == "":
		req.User = defaultSender
	}
	return nil
}

// idempotencyKey is the key of a request, "" without one.
func idempotencyKey(r *http.Request) (string, error) {
	switch values := r.Header.Values("Idempotency-Key"); {
	case len(values) == 0:
		return "", nil
	case len(values) > 1 || events.CheckID(values[0]) != nil:
		return "", badRequest("Idempotency-Key has 1 to 64 characters of A-Z, a-z, 0-9, _ and -")
	default:
		return values[0], nil
	}
}

// readMessage reads and checks a body.
func readMessage(r *http.Request) (hub.SendRequest, error) {
	var req hub.SendRequest
	if err := needJSON(r); err != nil {
		return req, err
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return req, events.Errorf(events.CodeRequestTooLarge, "the body may have %d bytes", maxBody)
		}
		return req, badRequest("the body did not arrive")
	}
	var s jsonscan.Scanner
	s.Reset(body)
	s.AllowSurrogates()
	hasText := false
	for s.Next() {
		if err := readMember(&req, string(s.Key()), s.Value()); err != nil {
			return req, err
		}
		hasText = hasText || string(s.Key()) == "text"
	}
	if s.Err() != nil {
		return req, badRequest("the body is not a usable JSON object: %v", s.Err())
	}
	if !hasText {
		return req, badRequest("the body needs text")
	}
	return req, nil
}

// readMember takes one member of the body; unknown ones are ignored.
func readMember(req *hub.SendRequest, key string, v jsonscan.Value) (err error) {
	ok := true
	switch key {
	case "text":
		if v.Surrogate {
			return events.Errorf(events.CodeBadText, "the text has half a surrogate pair")
		}
		if req.Text, ok = text(v); ok {
			err = events.CheckText(req.Text)
		}
	case "user":
		if req.User, ok = text(v); ok && !v.Surrogate {
			req.User, err = events.NormalizeUser(req.User)
		}
		ok = ok && !v.Surrogate
	case "reply_to":
		req.ReplyTo, ok = v.Uint64()
	case "meta":
		if ok = v.Kind == jsonscan.Object; ok {
			req.Meta, err = events.CompactMeta(nil, v.Raw)
		}
	}
	if !ok {
		return badRequest("member %q has a wrong type", key)
	}
	return err
}

func text(v jsonscan.Value) (string, bool) {
	b, ok := v.Text(nil)
	return string(b), ok
}

// needJSON refuses what is not declared as JSON: forms can be sent by any page
// without asking.
func needJSON(r *http.Request) error {
	kind, options, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	charset, named := options["charset"]
	if err == nil && kind == "application/json" && (!named || strings.EqualFold(charset, "utf-8")) {
		return nil
	}
	return &problem{
		status: http.StatusUnsupportedMediaType, code: events.CodeBadRequest,
		detail: "the body has to be application/json, in UTF-8",
	}
}
