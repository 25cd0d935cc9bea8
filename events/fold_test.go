package events_test

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"partyline/events"
)

// foldStep is an event of a scenario and the seq under which it is stored.
type foldStep struct {
	seq uint64
	e   events.Event
}

func message(seq uint64, uid, text string) foldStep {
	return foldStep{seq, events.Event{Kind: events.KindMessage, ID: "m", UID: uid, User: "u", Text: text}}
}

func edit(seq, target uint64, uid, text string) foldStep {
	return foldStep{seq, events.Event{Kind: events.KindEdit, ID: "e", UID: uid, User: "u", Target: target, Text: text}}
}

func remove(seq, target uint64, uid string) foldStep {
	return foldStep{seq, events.Event{Kind: events.KindDelete, ID: "d", UID: uid, User: "u", Target: target}}
}

func react(seq, target uint64, uid, emoji string, on bool) foldStep {
	return foldStep{seq, events.Event{Kind: events.KindReact, ID: "r", UID: uid, User: "u", Target: target, Emoji: emoji, On: on}}
}

func scenarios() map[string][]foldStep {
	many := []foldStep{message(1, ana, "liked by many")}
	for i := range uint64(60) {
		many = append(many, react(2+i, 1, strings.Repeat("0", 14)+string("0123456789"[i/10])+string("0123456789"[i%10]), "👍", true))
	}
	full := message(3, ana, "full 👩🏽‍🚀 שלום")
	full.e.ReplyTo, full.e.Meta = 1, []byte(`{"a":1}`)
	return map[string][]foldStep{
		"plain":               {message(1, ana, "one"), message(2, ben, "two"), full},
		"edits":               {message(1, ana, "one"), edit(2, 1, ana, "two"), edit(3, 1, ana, "three")},
		"edit-by-another":     {message(1, ana, "one"), edit(2, 1, ben, "two"), remove(3, 1, ben)},
		"delete":              {full, react(4, 3, ben, "❤️", true), edit(5, 3, ana, "again"), remove(6, 3, ana)},
		"after-delete":        {message(1, ana, "one"), remove(2, 1, ana), edit(3, 1, ana, "two"), react(4, 1, ben, "❤️", true), remove(5, 1, ana)},
		"reactions-are-sets":  {message(1, ana, "one"), react(2, 1, ben, "❤️", true), react(3, 1, ben, "❤️", true), react(4, 1, ana, "❤️", true), react(5, 1, ana, "👍", true)},
		"reactions-taken":     {message(1, ana, "one"), react(2, 1, ben, "❤️", true), react(3, 1, ben, "❤️", false), react(4, 1, ben, "👍", false)},
		"reacted-is-bounded":  many,
		"unknown-target":      {message(2, ana, "one"), edit(3, 1, ana, "two"), react(4, 9, ben, "❤️", true), edit(5, 3, ana, "three")},
		"edit-of-later":       {edit(1, 2, ana, "early"), message(2, ana, "late")},
		"reacted-and-deleted": {message(1, ana, "one"), message(2, ben, "two"), react(3, 1, ben, "👍", true), remove(4, 2, ben)},
	}
}

// TestFoldScenarios folds each scenario and compares it with its golden file,
// which clients in other languages are tested on as well.
func TestFoldScenarios(t *testing.T) {
	t.Parallel()
	for name, steps := range scenarios() {
		golden(t, filepath.Join("fold", name+".json"), foldScenario(t, steps))
	}
}

func foldScenario(t *testing.T, steps []foldStep) []byte {
	t.Helper()
	type stored struct {
		Room  string          `json:"room"`
		Seq   uint64          `json:"seq"`
		Prev  uint64          `json:"prev"`
		TS    string          `json:"ts"`
		Event json.RawMessage `json:"event"`
	}
	var out struct {
		Events []stored          `json:"events"`
		Folded []json.RawMessage `json:"folded"`
	}
	var folded []*events.Message
	var prev uint64
	for _, s := range steps {
		s.e.Room = "lobby"
		ts := time.Date(2026, 1, 2, 3, 4, int(s.seq), 5000, time.UTC)
		out.Events = append(out.Events, stored{"lobby", s.seq, prev, string(events.AppendTime(nil, ts)), s.e.Append(nil)})
		prev = s.seq
		if s.e.Kind == events.KindMessage {
			folded = append(folded, events.NewMessage(s.seq, ts, &s.e))
			continue
		}
		for _, m := range folded {
			m.Apply(s.seq, ts, &s.e)
		}
	}
	for _, m := range folded {
		out.Folded = append(out.Folded, m.Append(nil))
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(out); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
