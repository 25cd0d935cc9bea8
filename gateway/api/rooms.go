package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"

	"partyline/events"
	"partyline/events/query"
)

const (
	maxPage       = 200
	defaultPage   = 50
	queryTimeout  = 5 * time.Second
	fenceTimeout  = 500 * time.Millisecond
	maxParameters = 32
)

// room is a room as REST shows it.
type room struct {
	Name        string          `json:"name"`
	Topic       string          `json:"topic,omitempty"`
	Messages    uint64          `json:"messages"`
	Events      uint64          `json:"events"`
	LastSeq     uint64          `json:"last_seq"`
	LastTS      string          `json:"last_ts"`
	LastMessage json.RawMessage `json:"last_message,omitempty"` // folded
}

func shown(r *query.Room) room {
	return room{
		Name: r.Name, Topic: r.Topic, Messages: r.Messages, Events: r.Events, LastSeq: r.LastSeq,
		LastTS: string(events.AppendTime(nil, r.LastTime)), LastMessage: r.LastMessage,
	}
}

// getRooms answers GET /api/v1/rooms?after=&limit=.
func (a *api) getRooms(w http.ResponseWriter, r *http.Request) error {
	p := params(r)
	q := query.RoomsRequest{After: p.text("after"), Limit: p.limit(defaultPage, maxPage)}
	if p.err != nil {
		return p.err
	}
	if q.After != "" {
		if err := events.CheckRoom(q.After); err != nil {
			return err
		}
	}
	page, err := a.visibleRooms(r, q)
	if err != nil {
		return err
	}
	answer := struct {
		Rooms []room `json:"rooms"`
		More  bool   `json:"more"`
	}{make([]room, 0, len(page.Rooms)), page.More}
	for i := range page.Rooms {
		answer.Rooms = append(answer.Rooms, shown(&page.Rooms[i]))
	}
	return writeJSON(w, answer)
}

// getRoom answers GET /api/v1/rooms/{room}.
func (a *api) getRoom(w http.ResponseWriter, r *http.Request) error {
	name, err := roomOf(r)
	if err != nil {
		return err
	}
	if _, err := a.enter(r, name); err != nil {
		return err
	}
	page, err := a.rooms(r.Context(), query.RoomsRequest{Name: name, AtLeast: a.fence(r.Context(), name)})
	if err != nil {
		return err
	}
	if len(page.Rooms) == 0 {
		return noSuchRoom(name)
	}
	return writeJSON(w, shown(&page.Rooms[0]))
}

// maxSkipped bounds the pages of rooms that one request looks through for those
// that the caller may see.
const maxSkipped = 50

// visibleRooms is a page of the rooms that the caller may see.
func (a *api) visibleRooms(r *http.Request, q query.RoomsRequest) (query.RoomsPage, error) {
	if a.deps.Tokens == nil {
		return a.rooms(r.Context(), q)
	}
	c, err := a.holder(r)
	if err != nil {
		return query.RoomsPage{}, err
	}
	if c.admin {
		return a.rooms(r.Context(), q)
	}
	var visible query.RoomsPage
	want := q.Limit
	q.Limit = maxPage
	for range maxSkipped {
		page, err := a.rooms(r.Context(), q)
		if err != nil {
			return visible, err
		}
		for _, room := range page.Rooms {
			if !c.claims.MayEnter(room.Name) {
				continue
			}
			if len(visible.Rooms) == want {
				visible.More = true
				return visible, nil
			}
			visible.Rooms = append(visible.Rooms, room)
		}
		if !page.More {
			break
		}
		q.After = page.Rooms[len(page.Rooms)-1].Name
	}
	return visible, nil
}

func (a *api) rooms(ctx context.Context, q query.RoomsRequest) (query.RoomsPage, error) {
	if err := a.slots.queries.enter(); err != nil {
		return query.RoomsPage{}, err
	}
	defer a.slots.queries.leave()
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	return a.deps.Query.Rooms(ctx, q)
}

// getMessages answers GET /api/v1/rooms/{room}/messages?before=&after=&limit=.
func (a *api) getMessages(w http.ResponseWriter, r *http.Request) error {
	name, err := roomOf(r)
	if err != nil {
		return err
	}
	if _, err := a.enter(r, name); err != nil {
		return err
	}
	p := params(r)
	q := query.MessagesRequest{
		Room: name, Before: p.seq("before"), After: p.seq("after"), Limit: p.limit(defaultPage, maxPage),
	}
	if p.has("before") && p.has("after") {
		p.fail("a page is before or after a sequence, not both")
	}
	q.FromStart = p.has("after") && q.After == 0
	if p.err != nil {
		return p.err
	}
	if p.has("before") && q.Before == 0 {
		q.Before = 1 // nothing comes before the first sequence
	}
	if err := a.slots.queries.enter(); err != nil {
		return err
	}
	defer a.slots.queries.leave()
	ctx, cancel := context.WithTimeout(r.Context(), queryTimeout)
	defer cancel()
	q.AtLeast = a.fence(ctx, name)
	page, err := a.deps.Query.Messages(ctx, q)
	if err != nil {
		return err
	}
	body := make([]byte, 0, len(page.Messages)+64)
	body = append(append(body, `{"messages":`...), page.Messages...)
	body = append(strconv.AppendBool(append(body, `,"more":`...), page.More), "}\n"...)
	writeBody(w, body)
	return nil
}

// fence is the sequence that an answer about a room has to cover so that nobody
// misses what was acknowledged before; 0 when the log does not tell.
func (a *api) fence(ctx context.Context, room string) uint64 {
	ctx, cancel := context.WithTimeout(ctx, fenceTimeout)
	defer cancel()
	seqs, err := a.deps.Log.LastSeqs(ctx, []string{room})
	if err != nil {
		return 0
	}
	return seqs[room]
}

// roomOf is the room in the path.
func roomOf(r *http.Request) (string, error) {
	name, err := url.PathUnescape(chi.URLParam(r, "room"))
	if err != nil {
		name = "" // no room
	}
	return name, events.CheckRoom(name)
}

// parameters reads the query of a request. err is the first thing wrong with it.
type parameters struct {
	values url.Values
	err    error
}

func params(r *http.Request) *parameters {
	values, err := url.ParseQuery(r.URL.RawQuery)
	p := &parameters{values: values}
	if err != nil || len(values) > maxParameters {
		p.fail("the query cannot be read")
	}
	return p
}

func (p *parameters) fail(format string, args ...any) {
	if p.err == nil {
		p.err = badRequest(format, args...)
	}
}

func (p *parameters) has(name string) bool { return p.values.Has(name) }

func (p *parameters) text(name string) string {
	if len(p.values[name]) > 1 {
		p.fail("%s is given twice", name)
	}
	return p.values.Get(name)
}

// seq reads a stream sequence, 0 when it is not given.
func (p *parameters) seq(name string) uint64 {
	if !p.has(name) {
		return 0
	}
	n, err := number(p.text(name))
	if err != nil {
		p.fail("%s is a sequence: an integer of at least 0", name)
	}
	return n
}

// limit reads the size of a page.
func (p *parameters) limit(def, most int) int {
	if !p.has("limit") {
		return def
	}
	n, err := number(p.text("limit"))
	if err != nil || n < 1 || n > uint64(most) {
		p.fail("limit is an integer from 1 to %d", most)
		return def
	}
	return int(n)
}

// number reads digits and nothing else.
func number(s string) (uint64, error) {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, errors.New("not a number")
		}
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("reading a number: %w", err)
	}
	return n, nil
}
