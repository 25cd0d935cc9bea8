package proto

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"
	"time"
)

func parse(t *testing.T, p Protocol, payload string) []Event {
	t.Helper()
	events, err := p.Parse([]byte(payload), nil)
	if err != nil {
		t.Fatal(err)
	}
	return events
}

func TestPartyline(t *testing.T) {
	t.Parallel()
	p := Partyline{}
	e := parse(t, p, `{"type":"event","room":"r0001","seq":1234,"prev":17,"ts":"2026-01-02T03:04:05.678901Z","event":{"v":1,"kind":"message","id":"n1","room":"r0001","uid":"00","user":"u1","text":"hello there"}}`)
	if len(e) != 1 || e[0].Kind != Message || e[0].Seq != 1234 || e[0].Prev != 17 || string(e[0].Text) != "hello there" {
		t.Errorf("event: %+v", e)
	}
	e = parse(t, p, `{"type":"joined","room":"r0001","epoch":"abc","last_seq":9,"members":3,"messages":[],"more":true}`)
	if len(e) != 1 || e[0].Kind != Joined || e[0].Seq != 9 || e[0].Epoch != "abc" {
		t.Errorf("joined: %+v", e)
	}
	e = parse(t, p, `{"type":"joined","room":"r0001","epoch":"abc","last_seq":9,"members":3,"replayed":2}`)
	if len(e) != 1 || e[0].Kind != Joined || e[0].Seq != 0 {
		t.Errorf("joined with a replay: %+v", e)
	}
	e = parse(t, p, `{"type":"ack","id":"n1","seq":5,"ts":"2026-01-02T03:04:05.678901Z","duplicate":true}`)
	if len(e) != 1 || e[0].Kind != Ack || !e[0].Duplicate || string(e[0].ID) != "n1" {
		t.Errorf("ack: %+v", e)
	}
	if e = parse(t, p, `{"type":"error","code":"rate_limited","message":"x"}`); len(e) != 1 || e[0].Kind != Failed {
		t.Errorf("error: %+v", e)
	}
	e = parse(t, p, `{"type":"error","code":"storage_unavailable","message":"x","id":"n7","retry_after_ms":1500}`)
	if len(e) != 1 || e[0].Kind != Refused || e[0].After != 1500*time.Millisecond || string(e[0].ID) != "n7" {
		t.Errorf("refusal: %+v", e)
	}
	if e = parse(t, p, `{"type":"presence","room":"r0001","members":3}`); len(e) != 0 {
		t.Errorf("presence: %+v", e)
	}
	for _, bad := range []string{``, `{"room":"x","type":"event"}`, `{"type":"event","room":"r"}`,
		`{"type":"event","room":"r","seq":x,"prev":1,"event":{"kind":"message","text":"a"}}`} {
		if _, err := p.Parse([]byte(bad), nil); !errors.Is(err, ErrSyntax) {
			t.Errorf("%s: %v", bad, err)
		}
	}
	for _, frame := range [][]byte{
		p.AppendJoin(nil, "r", nil), p.AppendJoin(nil, "r", &Resume{Since: 7, Epoch: "e"}),
		p.AppendSend(nil, "r", "i", []byte("text"), false), p.AppendSend(nil, "r", "i", []byte("text"), true),
	} {
		if !json.Valid(frame) {
			t.Errorf("not JSON: %s", frame)
		}
	}
}

func TestPlain(t *testing.T) {
	t.Parallel()
	e := parse(t, Plain{}, "j\nfirst\nsecond")
	if len(e) != 3 || e[0].Kind != Joined || string(e[1].Text) != "first" || string(e[2].Text) != "second" {
		t.Errorf("got %+v", e)
	}
}

func TestCentrifuge(t *testing.T) {
	t.Parallel()
	p := Centrifuge{}
	e := parse(t, p, `{"id":1,"connect":{"client":"x"}}`+"\n"+`{"id":2,"subscribe":{}}`+"\n"+`{}`+"\n"+
		`{"push":{"channel":"r","pub":{"data":"hello"}}}`+"\n"+`{"id":3,"publish":{}}`+"\n"+`{"id":3,"error":{"code":100}}`)
	want := []Kind{Joined, Answer, Message, Ack, Failed}
	if len(e) != len(want) {
		t.Fatalf("got %+v", e)
	}
	for i, k := range want {
		if e[i].Kind != k {
			t.Errorf("event %d is %+v", i, e[i])
		}
	}
	if string(e[2].Text) != "hello" {
		t.Errorf("text %q", e[2].Text)
	}
	for line := range bytes.SplitSeq(append(append(p.AppendJoin(nil, "r", nil), '\n'), p.AppendSend(nil, "r", "", []byte("x"), false)...), []byte{'\n'}) {
		if !json.Valid(line) {
			t.Errorf("not JSON: %s", line)
		}
	}
}
