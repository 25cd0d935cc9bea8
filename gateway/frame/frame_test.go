package frame_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"partyline/events"
	"partyline/events/stream"
	"partyline/gateway/frame"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var at = time.Date(2026, 11, 24, 9, 12, 0, 1234567, time.FixedZone("CET", 3600))

func TestServerFrames(t *testing.T) {
	t.Parallel()
	stored := &stream.Stored{Room: "lobby", Seq: 12, Prev: 10, Time: at, Data: []byte(`{"v":1,"kind":"message","text":"hi"}`)}
	people := []frame.Person{{UID: "00000000000000aa", User: `a "quoted" name`}}
	for name, got := range map[string][]byte{
		"welcome": frame.AppendWelcome(nil, &frame.WelcomeFrame{
			Conn: "c", User: "ana", UID: "00000000000000aa", Epoch: "e", ReportKey: "k", Version: "v1", Gateway: "g", Time: at,
			Heartbeat: 25 * time.Second, MaxFrameBytes: 65536, MaxText: 4000, Rooms: 100, SendsPerS: 20,
		}),
		"joined":          frame.AppendJoined(nil, &frame.JoinedFrame{Room: "lobby", ID: "j", Epoch: "e", LastSeq: 10, Members: 2, Messages: []byte(`[{"seq":10}]`), More: true}),
		"joined-empty":    frame.AppendJoined(nil, &frame.JoinedFrame{Room: "lobby", Epoch: "e", Members: 1, Messages: []byte(`[]`)}),
		"joined-replayed": frame.AppendJoined(nil, &frame.JoinedFrame{Room: "lobby", Epoch: "e", LastSeq: 10, Members: 1, Replayed: 7}),
		"joined-reset":    frame.AppendJoined(nil, &frame.JoinedFrame{Room: "lobby", Epoch: "e", Messages: []byte(`[]`), Reset: true}),
		"left":            frame.AppendLeft(nil, "lobby", "l"),
		"authed":          frame.AppendAuthed(nil, "a", at),
		"event":           frame.AppendEvent(nil, stored),
		"ack":             frame.AppendAck(nil, "m1", 12, at, false),
		"ack-duplicate":   frame.AppendAck(nil, "m1", 12, at, true),
		"history":         frame.AppendHistory(nil, "h", "lobby", []byte(`[]`), false),
		"presence":        frame.AppendPresence(nil, "lobby", people, nil, 3),
		"presence-leave":  frame.AppendPresence(nil, "lobby", nil, append(people, people...), 1),
		"presence-number": frame.AppendPresence(nil, "lobby", nil, nil, 1000),
		"typing":          frame.AppendTyping(nil, "lobby", "00000000000000aa", "ana", true),
		"receipt":         frame.AppendReceipt(nil, "lobby", 12),
		"pong":            frame.AppendPong(nil, []byte("1.5e3"), at),
		"error":           frame.AppendError(nil, events.Errorf(events.CodeRateLimited, "slow \"down\""), "m1", "lobby", 1500*time.Millisecond),
		"error-bare":      frame.AppendError(nil, events.Errorf(events.CodeBadFrame, "no"), "", "", 0),
		"bye":             frame.AppendBye(nil, "drain", 2*time.Second),
	} {
		if !json.Valid(got) {
			t.Errorf("%s is not JSON: %s", name, got)
		}
		if !strings.HasPrefix(string(got), `{"type":"`) {
			t.Errorf("%s: type is not first: %s", name, got)
		}
		golden(t, name, got)
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name+".json")
	got = append(got, '\n')
	if *update {
		if err := os.WriteFile(file, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

func TestClientFrames(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]frame.Client{
		`{"type":"join","room":"lobby"}`:                                          {Type: frame.Join, Room: "lobby", Tail: 50},
		`{"type":"join","room":"lobby","tail":0,"id":"j"}`:                        {Type: frame.Join, Room: "lobby", ID: "j"},
		`{"type":"join","room":"lobby","since":0,"epoch":"e"}`:                    {Type: frame.Join, Room: "lobby", Tail: -1, HasSince: true, Epoch: "e"},
		`{"type":"leave","room":"lobby"}`:                                         {Type: frame.Leave, Room: "lobby", Tail: -1},
		`{"type":"send","id":"m1","room":"lobby","text":"h\u00e9\ud83d\ude80"}`:   {Type: frame.Send, ID: "m1", Room: "lobby", Text: "hé🚀", Tail: -1},
		`{"type":"send","id":"m1","room":"a","text":"x","reply_to":3,"meta":{ }}`: {Type: frame.Send, ID: "m1", Room: "a", Text: "x", ReplyTo: 3, Meta: []byte("{}"), Tail: -1},
		`{"type":"send","id":"m1","room":"a","text":"x","retry":true,"more":[1]}`: {Type: frame.Send, ID: "m1", Room: "a", Text: "x", Retry: true, Tail: -1},
		`{"type":"edit","id":"e1","room":"a","target":7,"text":"x"}`:              {Type: frame.Edit, ID: "e1", Room: "a", Target: 7, Text: "x", Tail: -1},
		`{"type":"delete","id":"d1","room":"a","target":7}`:                       {Type: frame.Delete, ID: "d1", Room: "a", Target: 7, Tail: -1},
		`{"type":"react","id":"r1","room":"a","target":7,"emoji":"👍","on":false}`: {Type: frame.React, ID: "r1", Room: "a", Target: 7, Emoji: "👍", Tail: -1},
		`{"type":"read","room":"a","seq":9}`:                                      {Type: frame.Read, Room: "a", Seq: 9, Tail: -1},
		`{"type":"typing","room":"a","on":true}`:                                  {Type: frame.Typing, Room: "a", On: true, Tail: -1},
		`{"type":"history","id":"h","room":"a","before":9,"limit":200}`:           {Type: frame.History, ID: "h", Room: "a", Before: 9, Limit: 200, Tail: -1},
		`{"type":"auth","token":"x.y.z"}`:                                         {Type: frame.Auth, Token: "x.y.z", Tail: -1},
		` {"t":-1.5e3,"type":"ping"} `:                                            {Type: frame.Ping, T: []byte("-1.5e3"), Tail: -1},
	} {
		var got frame.Client
		if err, _ := frame.Decode([]byte(in), &got); err != nil {
			t.Errorf("%s: %v", in, err)
		}
		if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(frame.Client{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", in, diff)
		}
	}
}

func TestBadFrames(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 2100)
	for in, want := range map[string]events.Code{
		`{}`:                                                        events.CodeBadFrame,
		`{"type":5}`:                                                events.CodeBadFrame,
		`{"type":"dance"}`:                                          events.CodeUnknownType,
		`{"type":"join"}`:                                           events.CodeBadFrame,
		`{"type":"join","room":5}`:                                  events.CodeBadFrame,
		`{"type":"join","room":""}`:                                 events.CodeBadRoom,
		`{"type":"join","room":"A"}`:                                events.CodeBadRoom,
		`{"type":"join","room":"a.b"}`:                              events.CodeBadRoom,
		`{"type":"join","room":"a","room":"b"}`:                     events.CodeBadFrame,
		`{"type":"join","room":"a","r\u006fom":"b"}`:                events.CodeBadFrame,
		`{"type":"join","room":"a","tail":201}`:                     events.CodeBadFrame,
		`{"type":"join","room":"a","tail":-1}`:                      events.CodeBadFrame,
		`{"type":"join","room":"a","tail":1.5}`:                     events.CodeBadFrame,
		`{"type":"join","room":"a","tail":5,"since":1,"epoch":"e"}`: events.CodeBadFrame,
		`{"type":"join","room":"a","since":1}`:                      events.CodeBadFrame,
		`{"type":"join","room":"a","since":-1,"epoch":"e"}`:         events.CodeBadFrame,
		`{"type":"join","room":"a","since":18446744073709551616,"epoch":"e"}`:        events.CodeBadFrame,
		`{"type":"send","room":"a","text":"x"}`:                                      events.CodeBadFrame,
		`{"type":"send","id":"a b","room":"a","text":"x"}`:                           events.CodeBadFrame,
		`{"type":"send","id":"m","room":"a","text":""}`:                              events.CodeBadText,
		`{"type":"send","id":"m","room":"a","text":" \n"}`:                           events.CodeBadText,
		`{"type":"send","id":"m","room":"a","text":"a\u0000"}`:                       events.CodeBadText,
		`{"type":"send","id":"m","room":"a","text":"\ud800"}`:                        events.CodeBadText,
		`{"type":"send","id":"m","room":"a","text":null}`:                            events.CodeBadFrame,
		`{"type":"send","id":"m","room":"a","text":"x","meta":[]}`:                   events.CodeBadFrame,
		`{"type":"send","id":"m","room":"a","text":"x","meta":{"a":"` + long + `"}}`: events.CodeTooLarge,
		`{"type":"edit","id":"m","room":"a","target":0,"text":"x"}`:                  events.CodeBadFrame,
		`{"type":"edit","id":"m","room":"a","target":"7","text":"x"}`:                events.CodeBadFrame,
		`{"type":"react","id":"m","room":"a","target":7,"emoji":"ab","on":true}`:     events.CodeBadFrame,
		`{"type":"react","id":"m","room":"a","target":7,"emoji":"👍","on":1}`:         events.CodeBadFrame,
		`{"type":"history","id":"h","room":"a","limit":0}`:                           events.CodeBadFrame,
		`{"type":"history","id":"h","room":"a","limit":201}`:                         events.CodeBadFrame,
		`{"type":"history","id":"h","room":"a","limit":5,"before":1,"after":2}`:      events.CodeBadFrame,
		`{"type":"ping","t":"1"}`:                                                    events.CodeBadFrame,
	} {
		var f frame.Client
		err, malformed := frame.Decode([]byte(in), &f)
		if err == nil || err.Code != want || malformed {
			t.Errorf("%s: %v (malformed %v), want %s", in, err, malformed, want)
		}
	}
	for _, in := range []string{"", "null", "[]", `"a"`, "5", "{", `{"type":"ping","t":1}}`, `{"type":"ping","t":01}`, "\xff", `{"a":NaN}`} {
		var f frame.Client
		if err, malformed := frame.Decode([]byte(in), &f); err == nil || err.Code != events.CodeBadFrame || !malformed {
			t.Errorf("%q: %v, malformed %v", in, err, malformed)
		}
	}
}

// An error frame can name the id and the room of what was refused, and repeats
// nothing that is malformed.
func TestRefusedFramesKeepTheirID(t *testing.T) {
	t.Parallel()
	var f frame.Client
	frame.Decode([]byte(`{"type":"send","id":"m1","room":"lobby","text":""}`), &f)
	if f.ID != "m1" || f.Room != "lobby" {
		t.Errorf("id %q, room %q", f.ID, f.Room)
	}
	frame.Decode([]byte(`{"type":"send","id":"<b>","room":"../x","text":"a"}`), &f)
	if f.ID != "" || f.Room != "" {
		t.Errorf("id %q, room %q", f.ID, f.Room)
	}
}

func TestAppendAllocatesNothing(t *testing.T) {
	stored := &stream.Stored{Room: "lobby", Seq: 12, Prev: 10, Time: at, Data: []byte(`{"v":1}`)}
	refused := events.Errorf(events.CodeRateLimited, "slow down")
	buf := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(100, func() {
		buf = frame.AppendEvent(buf[:0], stored)
		buf = frame.AppendAck(buf, "m1", 12, at, false)
		buf = frame.AppendError(buf, refused, "m1", "lobby", time.Second)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"type":"send","id":"m1","room":"a","text":"x","reply_to":3,"meta":{"a":1}}`))
	f.Add([]byte(`{"type":"join","room":"lobby","since":5,"epoch":"e"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var c frame.Client
		err, malformed := frame.Decode(data, &c)
		if malformed && (err == nil || err.Code != events.CodeBadFrame) {
			t.Errorf("%q is malformed and %v", data, err)
		}
		if err == nil && !json.Valid(data) {
			t.Errorf("%q is not JSON", data)
		}
		if c.ID != "" && events.CheckID(c.ID) != nil || c.Room != "" && events.CheckRoom(c.Room) != nil {
			t.Errorf("%q keeps id %q, room %q", data, c.ID, c.Room)
		}
	})
}

// BenchmarkDecode reads a send frame, beside the figure of encoding/json.
func BenchmarkDecode(b *testing.B) {
	data := []byte(`{"type":"send","id":"m-0000001","room":"lobby","text":"` + strings.Repeat("a message ", 15) + `"}`)
	b.Run("frame", func(b *testing.B) {
		var f frame.Client
		b.ReportAllocs()
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			if err, _ := frame.Decode(data, &f); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encoding-json", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			var f struct{ Type, ID, Room, Text string }
			if err := json.Unmarshal(data, &f); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkAppendEvent puts stored bytes into an event frame, beside the figure
// of encoding/json.
func BenchmarkAppendEvent(b *testing.B) {
	stored := &stream.Stored{Room: "lobby", Seq: 12, Prev: 10, Time: at, Data: []byte(`{"v":1,"text":"` + strings.Repeat("x", 230) + `"}`)}
	b.Run("frame", func(b *testing.B) {
		buf := make([]byte, 0, 4096)
		b.ReportAllocs()
		for b.Loop() {
			buf = frame.AppendEvent(buf[:0], stored)
		}
		b.SetBytes(int64(len(buf)))
	})
	b.Run("encoding-json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			data, err := json.Marshal(struct {
				Type  string          `json:"type"`
				Room  string          `json:"room"`
				Seq   uint64          `json:"seq"`
				Prev  uint64          `json:"prev"`
				Time  time.Time       `json:"ts"`
				Event json.RawMessage `json:"event"`
			}{"event", stored.Room, stored.Seq, stored.Prev, stored.Time, stored.Data})
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(data)))
		}
	})
}

// A Client that is used again holds what one of its own would, whatever came
// before.
func TestClientIsUsedAgain(t *testing.T) {
	t.Parallel()
	frames := []string{
		`{"type":"send","id":"a\u0062c","room":"lobby","text":"one \"two\" \ud83d\ude00","meta":{"k": [1, 2]},"reply_to":3}`,
		`{"type":"ping","t":17}`,
		`{"type":"send","id":"d","room":"r","text":"plain"}`,
		`{"type":"join","room":"\u006c\u006f","since":4,"epoch":"e1"}`,
		`{"type":"send","id":"x y","room":"NO","text":"` + strings.Repeat(`\n`, 300) + `"}`,
		`{"type":"react","id":"e","room":"r","target":9,"emoji":"👍","on":true}`,
		`[]`,
	}
	var used frame.Client
	for i := range 3 * len(frames) {
		text := frames[(i*5)%len(frames)]
		var fresh frame.Client
		wantErr, wantBad := frame.Decode([]byte(text), &fresh)
		in := []byte(text)
		err, bad := frame.Decode(in, &used)
		clear(in) // nothing is shared with the input
		if diff := cmp.Diff(fresh, used, cmpopts.IgnoreUnexported(frame.Client{}), cmpopts.EquateEmpty()); diff != "" || bad != wantBad || (err == nil) != (wantErr == nil) {
			t.Errorf("%s: %v, %v\n%s", text, err, wantErr, diff)
		}
	}
}
