package events_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"partyline/events"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares got with a file of testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
			t.Fatal(err)
		}
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

const (
	ana = "00000000000000aa"
	ben = "00000000000000bb"
)

// samples has one event of each kind, as version 1 writes it.
func samples() map[string]events.Event {
	return map[string]events.Event{
		"message": {Kind: events.KindMessage, ID: "m1", Room: "lobby", UID: ana, User: "ana", Text: "hi"},
		"message-full": {
			Kind: events.KindMessage, ID: "m2", Room: "lobby", UID: ben, User: "Бен 🚀",
			Text: "\"quoted\" \\ <b>&amp;</b>\n\tשלום e\u0301 \u2028 👩🏽‍🚀", ReplyTo: 41, Meta: []byte(`{"a":[1,2],"b":{"c":null}}`),
		},
		"edit":      {Kind: events.KindEdit, ID: "e1", Room: "lobby", UID: ana, User: "ana", Target: 41, Text: "hello"},
		"delete":    {Kind: events.KindDelete, ID: "d1", Room: "lobby", UID: ana, User: "ana", Target: 41},
		"react-on":  {Kind: events.KindReact, ID: "r1", Room: "lobby", UID: ben, User: "ben", Target: 41, Emoji: "❤️", On: true},
		"react-off": {Kind: events.KindReact, ID: "r2", Room: "lobby", UID: ben, User: "ben", Target: 41, Emoji: "❤️"},
		"room":      {Kind: events.KindRoom, ID: "t1", Room: "lobby", UID: ana, User: "ana", Topic: "everything"},
		"erase":     {Kind: events.KindErase, ID: "x1", Room: "lobby", Seqs: []uint64{7, 18446744073709551615}},
	}
}

func TestEventsAreWrittenAsEver(t *testing.T) {
	t.Parallel()
	for name, e := range samples() {
		golden(t, filepath.Join("v1", name+".json"), append(e.Append(nil), '\n'))
	}
}

// Every payload ever written is read, and written the same again.
func TestStoredEventsAreRead(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/v*/*.json")
	if err != nil || len(files) < len(samples()) {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		data = bytes.TrimSpace(data)
		var e events.Event
		if err := events.Decode(data, &e); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		if again := e.Append(nil); !bytes.Equal(again, data) {
			t.Errorf("%s is written again as\n%s", file, again)
		}
	}
}

func TestUnknownPasses(t *testing.T) {
	t.Parallel()
	var e events.Event
	err := events.Decode([]byte(`{"v":7,"kind":"poll","id":"p1","options":["a",{"b":1}],"user":"ana"}`), &e)
	if err != nil || e.V != 7 || e.Kind != "poll" || e.User != "ana" {
		t.Errorf("%+v, %v", e, err)
	}
}

func TestWhatIsNoEvent(t *testing.T) {
	t.Parallel()
	for _, data := range []string{
		"", "null", "[]", "{}", `{"v":1}`, `{"kind":"message"}`, `{"v":1,"kind":"message"} x`,
		`{"v":1,"kind":"message","kind":"edit"}`, `{"v":"1","kind":"message"}`, `{"v":1,"kind":"message","text":5}`,
		`{"v":1,"kind":"message","target":-1}`, `{"v":1,"kind":"message","meta":[]}`, `{"v":1,"kind":"message","text":"\ud800"}`,
		"{\"v\":1,\"kind\":\"message\",\"text\":\"\xff\"}", `{"v":1,"kind":"react","on":1}`, `{"v":1,"kind":"erase","seqs":[1.5]}`,
	} {
		var e events.Event
		if err := events.Decode([]byte(data), &e); err == nil {
			t.Errorf("%q is read as %+v", data, e)
		}
	}
}

func code(err error) events.Code {
	var e *events.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

func TestChecks(t *testing.T) {
	t.Parallel()
	family := "👨‍👩‍👧‍👦"
	for _, tt := range []struct {
		name  string
		check func(string) error
		good  []string
		bad   []string
		code  events.Code
	}{
		{
			"room", events.CheckRoom,
			[]string{"a", "0", "lobby", "a_b-c", strings.Repeat("r", 64)},
			[]string{"", "-a", "_a", "Lobby", "a.b", "a*", ">", "a b", "ä", "a\x00", strings.Repeat("r", 65)}, events.CodeBadRoom,
		},
		{
			"id", events.CheckID,
			[]string{"a", "A_z-9", strings.Repeat("i", 64)},
			[]string{"", " ", "a.b", "ä", strings.Repeat("i", 65)}, events.CodeBadFrame,
		},
		{
			"client", events.CheckClientKey,
			[]string{strings.Repeat("k", 16), strings.Repeat("k", 64)},
			[]string{"", strings.Repeat("k", 15), strings.Repeat("k", 65), strings.Repeat("=", 20)}, events.CodeBadRequest,
		},
		{
			"text", events.CheckText,
			[]string{"a", " a ", "a\n\tb", "\u202eabc", strings.Repeat("🚀", 4000), "\ufeff.", "a\u2028b"},
			[]string{"", " ", "\n\t\u3000", "a\x00", "a\r\n", "\x1b[31m", "a\u0085", "\xff", "a\xed\xa0\x80", strings.Repeat("a", 4001)}, events.CodeBadText,
		},
		{
			"emoji", events.CheckEmoji,
			[]string{"❤️", "👍🏽", family, "🇨🇭", "1️⃣", "x", "é", "e\u0301"},
			[]string{"", " ", "👍👍", "ab", "\x00", "e" + strings.Repeat("\u0301", 16), "\xff"}, events.CodeBadFrame,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, s := range tt.good {
				if err := tt.check(s); err != nil {
					t.Errorf("%+q: %v", s, err)
				}
			}
			for _, s := range tt.bad {
				if err := tt.check(s); code(err) != tt.code {
					t.Errorf("%+q: %v, want %s", s, err, tt.code)
				}
			}
		})
	}
}

func TestNormalizeUser(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"ana": "ana", " ana ": "ana", "Zoe\u0308": "Zo\u00eb", "Бен": "Бен", "محمد": "محمد", "नेहा": "नेहा",
		"👩🏽‍🚀 neo": "👩🏽‍🚀 neo", "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f": "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
		strings.Repeat("n", 32): strings.Repeat("n", 32),
	} {
		if got, err := events.NormalizeUser(in); got != want || err != nil {
			t.Errorf("%+q: %+q, %v, want %+q", in, got, err, want)
		}
	}
	for _, in := range []string{
		"", " ", "\u3000", "a\x00", "a\nb", "a\u202eb", "a\u200bb", "a\u200db", "a\u2066b", "\u200d", "\ufeffana", "a\u00adb",
		"\u3164", "\u2800", "\u0301", "a\u2028b", strings.Repeat("n", 33), "\xff", "\ue000",
	} {
		if got, err := events.NormalizeUser(in); code(err) != events.CodeBadRequest {
			t.Errorf("%+q: %+q, %v, want bad_request", in, got, err)
		}
	}
}

func TestCompactMeta(t *testing.T) {
	t.Parallel()
	got, err := events.CompactMeta(nil, []byte("{ \"a b\" : [ 1 , \"x  y\" ] }"))
	if err != nil || string(got) != `{"a b":[1,"x  y"]}` {
		t.Errorf("%s, %v", got, err)
	}
	large := []byte(`{"a":"` + strings.Repeat("x", events.MaxMetaBytes) + `"}`)
	if _, err := events.CompactMeta(nil, large); code(err) != events.CodeTooLarge {
		t.Errorf("%v, want too_large", err)
	}
	if _, err := events.CompactMeta(nil, []byte(`{"a":1,"a":2}`)); code(err) != events.CodeBadFrame {
		t.Errorf("%v, want bad_frame", err)
	}
}

func TestIdentities(t *testing.T) {
	t.Parallel()
	secret := []byte("0123456789abcdef0123456789abcdef")
	uid := events.UID(secret, "ana", "key")
	if len(uid) != 16 || uid != events.UID(secret, "ana", "key") {
		t.Errorf("uid %q", uid)
	}
	for _, other := range []string{
		events.UID(secret, "an", "akey"), events.UID(secret, "ana", "kez"), events.UID(secret[1:], "ana", "key"),
		events.MsgID(secret, "ana", "key")[:16],
	} {
		if other == uid {
			t.Errorf("another identity has uid %s too", uid)
		}
	}
	if name := events.GuestName(); len(name) != 12 || !strings.HasPrefix(name, "guest-") {
		t.Errorf("guest name %q", name)
	}
}

func TestTables(t *testing.T) {
	t.Parallel()
	data, err := json.MarshalIndent(events.CloseCodes(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "close-codes.json", append(data, '\n'))
}

func TestAppendAllocatesNothing(t *testing.T) {
	e := samples()["message-full"]
	m := events.NewMessage(7, time.Unix(1, 0), &e)
	buf := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(100, func() { buf = m.Append(e.Append(buf[:0])) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzDecode(f *testing.F) {
	for _, e := range samples() {
		f.Add(e.Append(nil))
	}
	f.Add([]byte(`{"v":1,"kind":"message","meta":{"a":[{}]},"text":"\u00e9"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var e, again events.Event
		if events.Decode(data, &e) != nil {
			return
		}
		if !json.Valid(data) {
			t.Errorf("%q is not JSON", data)
		}
		written := e.Append(nil)
		if err := events.Decode(written, &again); err != nil || !bytes.Equal(again.Append(nil), written) {
			t.Errorf("%q is written as %q and read as %+v, %v", data, written, again, err)
		}
	})
}

func FuzzNormalizeUser(f *testing.F) {
	f.Add("Zoe\u0308 👩🏽‍🚀")
	f.Fuzz(func(t *testing.T, s string) {
		name, err := events.NormalizeUser(s)
		if err != nil {
			return
		}
		if again, err := events.NormalizeUser(name); again != name || err != nil || utf8.RuneCountInString(name) > events.MaxUserRunes {
			t.Errorf("%+q is %+q, then %+q, %v", s, name, again, err)
		}
	})
}

func FuzzCheckText(f *testing.F) {
	f.Add("hello\n")
	f.Fuzz(func(t *testing.T, s string) {
		if events.CheckText(s) == nil && (!utf8.ValidString(s) || strings.TrimSpace(s) == "" || strings.ContainsRune(s, 0)) {
			t.Errorf("%+q is a text", s)
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	e := samples()["message"]
	e.Text = strings.Repeat("a message of a hundred and fifty bytes ", 4)[:150]
	b.Run("events", func(b *testing.B) {
		buf := make([]byte, 0, 1024)
		b.ReportAllocs()
		for b.Loop() {
			buf = e.Append(buf[:0])
		}
		b.SetBytes(int64(len(buf)))
	})
	b.Run("encoding-json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := json.Marshal(&e); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	e := samples()["message"]
	e.Text = strings.Repeat("a message of a hundred and fifty bytes ", 4)[:150]
	data := e.Append(nil)
	b.Run("events", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			if err := events.Decode(data, &e); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encoding-json", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			var e events.Event
			if err := json.Unmarshal(data, &e); err != nil {
				b.Fatal(err)
			}
		}
	})
}
