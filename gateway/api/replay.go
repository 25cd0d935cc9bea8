package api

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"partyline/events"
	"partyline/events/stream"
)

const (
	maxEvents     = 1000
	replayTimeout = time.Minute
)

// getEvents answers GET /api/v1/rooms/{room}/events?from=&limit=: the room's raw
// events as the log holds them, a line each. An answer that cannot be completed
// is cut, so that nobody takes it for the whole page.
func (a *api) getEvents(w http.ResponseWriter, r *http.Request) error {
	name, err := roomOf(r)
	if err != nil {
		return err
	}
	if err := a.needModerator(r, name); err != nil {
		return err
	}
	p := params(r)
	from, limit := p.seq("from"), p.limit(maxEvents, maxEvents)
	if p.err != nil {
		return p.err
	}
	if err := a.slots.replays.enter(); err != nil {
		return err
	}
	defer a.slots.replays.leave()
	ctx, cancel := context.WithTimeout(r.Context(), replayTimeout)
	defer cancel()
	page := &eventPage{w: w, rc: http.NewResponseController(w), limit: limit}
	err = a.deps.Log.Replay(ctx, stream.ReplayOptions{Room: name, From: from}, page.add)
	switch {
	case err == nil || errors.Is(err, errPageFull):
		page.begin()
		return nil
	case page.began:
		a.log.WarnContext(r.Context(), "raw events were cut", "room", name, "events", page.n, "error", err)
		panic(http.ErrAbortHandler)
	case errors.Is(err, stream.ErrGone):
		return badRequest("the log ends before sequence %d", from)
	}
	return err
}

// errPageFull ends a replay.
var errPageFull = errors.New("page is full")

// eventPage writes raw events as lines. The replay calls it from one goroutine
// while the handler waits.
type eventPage struct {
	w     http.ResponseWriter
	rc    *http.ResponseController
	limit int
	n     int
	began bool
	line  []byte
}

func (p *eventPage) begin() {
	if !p.began {
		p.began = true
		p.w.Header().Set("Content-Type", "application/x-ndjson")
		p.w.WriteHeader(http.StatusOK)
	}
}

func (p *eventPage) add(ev *stream.Stored) error {
	if p.n == p.limit {
		return errPageFull
	}
	p.begin()
	b := p.line[:0]
	b = append(b, `{"room":"`...)
	b = append(b, ev.Room...) // needs no escapes, see events.CheckRoom
	b = strconv.AppendUint(append(b, `","seq":`...), ev.Seq, 10)
	b = strconv.AppendUint(append(b, `,"prev":`...), ev.Prev, 10)
	b = events.AppendTime(append(b, `,"ts":"`...), ev.Time)
	b = append(append(append(b, `","event":`...), ev.Data...), "}\n"...)
	p.line = b
	// A reader that takes something is waited for.
	_ = p.rc.SetWriteDeadline(time.Now().Add(writeTimeout))
	if _, err := p.w.Write(b); err != nil {
		return err
	}
	p.n++
	if p.n == p.limit {
		return errPageFull
	}
	return nil
}
