package proto

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// Partyline is version 1 of Partyline's contract, docs/protocol.md. Events are
// read without a JSON parser in the one form that the server writes; everything
// else is parsed.
type Partyline struct{}

// Path is the chat route.
func (Partyline) Path(id Identity) string {
	return "/ws/chat/?user=" + id.User + "&client=" + id.Client
}

// AppendJoin joins without a tail, or continues.
func (Partyline) AppendJoin(dst []byte, room string, resume *Resume) []byte {
	if resume == nil {
		return fmt.Appendf(dst, `{"type":"join","room":"%s","tail":0}`, room)
	}
	return fmt.Appendf(dst, `{"type":"join","room":"%s","since":%d,"epoch":"%s"}`, room, resume.Since, resume.Epoch)
}

// AppendSend sends a text.
func (Partyline) AppendSend(dst []byte, room, id string, text []byte, retry bool) []byte {
	dst = append(append(dst, `{"type":"send","id":"`...), id...)
	dst = append(append(dst, `","room":"`...), room...)
	dst = append(append(dst, `","text":"`...), text...)
	if retry {
		return append(dst, `","retry":true}`...)
	}
	return append(dst, `"}`...)
}

// Acks is true.
func (Partyline) Acks() bool { return true }

// CanResume is true.
func (Partyline) CanResume() bool { return true }

// Parse reads one frame.
func (Partyline) Parse(payload []byte, events []Event) ([]Event, error) {
	kind, ok := bytes.CutPrefix(payload, []byte(`{"type":"`))
	if !ok {
		return events, syntax(payload) // type is the first member, by contract
	}
	if bytes.HasPrefix(kind, []byte(`event"`)) {
		e, err := parseEvent(payload)
		return append(events, e), err
	}
	name, _ := untilQuote(kind)
	switch string(name) {
	case "joined", "ack", "error", "bye":
		e, err := parseOther(string(name), payload)
		return append(events, e), err
	}
	return events, nil
}

// parseEvent reads an event frame; what is not a message is ignored, but for its
// numbers, since it is part of the chain.
func parseEvent(payload []byte) (e Event, err error) {
	envelope, body, ok := bytes.Cut(payload, []byte(`,"event":{`))
	if !ok {
		return e, syntax(payload)
	}
	seq, ok1 := after(envelope, []byte(`,"seq":`))
	prev, ok2 := after(envelope, []byte(`,"prev":`))
	text, ok3 := after(body, []byte(`"text":"`))
	if !ok1 || !ok2 || !ok3 || !bytes.Contains(body, []byte(`"kind":"message"`)) {
		return e, syntax(payload)
	}
	e.Kind = Message
	if e.Seq, ok1 = number(seq); ok1 {
		e.Prev, ok2 = number(prev)
	}
	e.Text, ok3 = untilQuote(text)
	if !ok1 || !ok2 || !ok3 {
		return e, syntax(payload)
	}
	return e, nil
}

func parseOther(name string, payload []byte) (Event, error) {
	var f struct {
		ID        string `json:"id"`
		Epoch     string `json:"epoch"`
		LastSeq   uint64 `json:"last_seq"`
		Replayed  *int   `json:"replayed"`
		Reset     bool   `json:"reset"`
		Duplicate bool   `json:"duplicate"`
		Code      string `json:"code"`
		After     int64  `json:"retry_after_ms"`
	}
	if err := json.Unmarshal(payload, &f); err != nil {
		return Event{}, fmt.Errorf("%w: %w", syntax(payload), err)
	}
	e := Event{Epoch: f.Epoch, Reset: f.Reset, Duplicate: f.Duplicate, ID: []byte(f.ID)}
	switch name {
	case "joined":
		e.Kind = Joined
		if f.Replayed == nil { // a replay is checked event by event from since on
			e.Seq = f.LastSeq
		}
	case "ack":
		e.Kind = Ack
	case "bye":
		e.Kind, e.Text = Bye, payload
	default:
		e.Kind, e.Text, e.After = Failed, payload, time.Duration(f.After)*time.Millisecond
		if f.Code == "storage_unavailable" || f.Code == "overloaded" {
			e.Kind = Refused
		}
	}
	return e, nil
}
