package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"partyline/config"
	"partyline/events"
	"partyline/events/stream"
)

// replayFlags are the flags of "partyline replay" besides the settings.
type replayFlags struct {
	room  string
	from  uint64
	since time.Duration
	raw   bool
}

// replay prints a room's events: through the running server, or, when none
// runs, from the data directory itself.
func (p program) replay(ctx context.Context, args []string) error {
	var f replayFlags
	c, err := p.load("replay", args, func(set *flag.FlagSet) {
		set.StringVar(&f.room, "room", "", "room to print")
		set.Uint64Var(&f.from, "from", 0, "first sequence")
		set.DurationVar(&f.since, "since", 0, "only events of so long ago and younger")
		set.BoolVar(&f.raw, "raw", false, "print the events as JSON, a line each")
	})
	if err != nil {
		return err
	}
	if err := events.CheckRoom(f.room); err != nil {
		return usageError{fmt.Errorf("--room: %w", err)}
	}
	out := bufio.NewWriter(p.stdout)
	show := func(line replayLine) error { return line.write(out, f.raw) }
	if note, ok := runningServer(ctx, dataDir(c.DataDir)); ok {
		err = replayFromServer(ctx, c, note, f, show)
	} else {
		err = p.replayFromDisk(ctx, c, f, show)
	}
	return errors.Join(err, out.Flush())
}

// replayLine is one event as REST and "replay --raw" give it.
type replayLine struct {
	Room  string          `json:"room"`
	Seq   uint64          `json:"seq"`
	Prev  uint64          `json:"prev"`
	TS    string          `json:"ts"`
	Event json.RawMessage `json:"event"`
}

func (l replayLine) write(w io.Writer, raw bool) error {
	if raw {
		_, err := fmt.Fprintf(w, `{"room":%q,"seq":%d,"prev":%d,"ts":%q,"event":%s}`+"\n", l.Room, l.Seq, l.Prev, l.TS, l.Event)
		return err
	}
	var e events.Event
	if err := events.Decode(l.Event, &e); err != nil {
		_, err := fmt.Fprintf(w, "%s %d (unreadable: %v)\n", l.TS, l.Seq, err)
		return err
	}
	_, err := fmt.Fprintf(w, "%s %d %s: %s\n", l.TS, l.Seq, printable(e.User), describe(&e))
	return err
}

// describe says in a line what an event did.
func describe(e *events.Event) string {
	switch e.Kind {
	case events.KindMessage:
		return printable(e.Text)
	case events.KindEdit:
		return fmt.Sprintf("[edit of %d] %s", e.Target, printable(e.Text))
	case events.KindDelete:
		return fmt.Sprintf("[deleted %d]", e.Target)
	case events.KindReact:
		if e.On {
			return fmt.Sprintf("[%s on %d]", e.Emoji, e.Target)
		}
		return fmt.Sprintf("[%s taken from %d]", e.Emoji, e.Target)
	case events.KindRoom:
		return fmt.Sprintf("[topic] %s", printable(e.Topic))
	}
	return fmt.Sprintf("[%s]", printable(string(e.Kind)))
}

// printable escapes what could move a terminal's cursor or reorder its text;
// letters of every script and emoji stay as they are.
func printable(s string) string {
	out := make([]rune, 0, len(s))
	for _, r := range s {
		if r == '\u200d' || strconv.IsPrint(r) { // joins the parts of an emoji
			out = append(out, r)
			continue
		}
		quoted := strconv.QuoteRuneToASCII(r)
		out = append(out, []rune(quoted[1:len(quoted)-1])...)
	}
	return string(out)
}

// replayFromServer pages through the raw events of the REST API.
func replayFromServer(ctx context.Context, c config.Config, note serverNote, f replayFlags, show func(replayLine) error) error {
	token, err := dataDir(c.DataDir).token(c.AdminToken)
	if err != nil {
		return err
	}
	const page = 1000
	var after time.Time
	if f.since > 0 {
		after = time.Now().Add(-f.since)
	}
	for from := f.from; ; {
		query := url.Values{"from": {strconv.FormatUint(from, 10)}, "limit": {strconv.Itoa(page)}}
		n, last, err := showPage(ctx, note, token, "/api/v1/rooms/"+f.room+"/events?"+query.Encode(), after, show)
		if err != nil || n < page {
			return err
		}
		from = last + 1
	}
}

func showPage(ctx context.Context, note serverNote, token, path string, after time.Time, show func(replayLine) error) (n int, last uint64, err error) {
	body, err := askServer(ctx, note, token, http.MethodGet, path)
	if err != nil {
		return 0, 0, err
	}
	defer body.Close()
	lines := json.NewDecoder(body)
	for {
		var line replayLine
		switch err := lines.Decode(&line); {
		case errors.Is(err, io.EOF):
			return n, last, nil
		case err != nil:
			return n, last, fmt.Errorf("reading the server's answer: %w", err)
		}
		n, last = n+1, line.Seq
		if ts, err := time.Parse(time.RFC3339Nano, line.TS); err == nil && ts.Before(after) {
			continue
		}
		if err := show(line); err != nil {
			return n, last, err
		}
	}
}

// replayFromDisk opens the log of a stopped server.
func (p program) replayFromDisk(ctx context.Context, c config.Config, f replayFlags, show func(replayLine) error) error {
	options := stream.ReplayOptions{Room: f.room, From: f.from}
	if f.since > 0 {
		options.Since = time.Now().Add(-f.since)
	}
	return p.withLog(ctx, c, func(ctx context.Context, log *stream.Log) error {
		return log.Replay(ctx, options, func(ev *stream.Stored) error {
			return show(replayLine{
				Room: ev.Room, Seq: ev.Seq, Prev: ev.Prev,
				TS: string(events.AppendTime(nil, ev.Time)), Event: ev.Data,
			})
		})
	})
}
