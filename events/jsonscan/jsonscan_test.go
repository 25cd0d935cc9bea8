package jsonscan_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"partyline/events/jsonscan"
)

func scan(data string) (members map[string]jsonscan.Value, err error) {
	members = map[string]jsonscan.Value{}
	var s jsonscan.Scanner
	s.Reset([]byte(data))
	for s.Next() {
		members[string(s.Key())] = s.Value()
	}
	return members, s.Err()
}

func TestMembers(t *testing.T) {
	t.Parallel()
	got, err := scan(" { \"s\" : \"a\\u00e9\\ud83d\\ude80\\n\" , \"n\":12,\"f\":-0.5e+3,\"b\":true,\"z\":null,\"o\":{\"x\":[1, {\"y\":\"\\\"\"}]},\"a\":[ 1,2 ] } ")
	if err != nil || len(got) != 7 {
		t.Fatalf("%d members, %v", len(got), err)
	}
	if text, ok := got["s"].Text(nil); !ok || string(text) != "aé🚀\n" {
		t.Errorf("s is %q", text)
	}
	if n, ok := got["n"].Uint64(); !ok || n != 12 {
		t.Errorf("n is %d", n)
	}
	if _, ok := got["f"].Uint64(); ok || got["f"].Kind != jsonscan.Number {
		t.Error("f is an integer")
	}
	if b, ok := got["b"].Bool(); !b || !ok {
		t.Error("b is not true")
	}
	if list, ok := got["a"].AppendUint64s(nil); !ok || len(list) != 2 || list[1] != 2 {
		t.Errorf("a is %v", list)
	}
	if o := got["o"].AppendCompact(nil); string(o) != `{"x":[1,{"y":"\""}]}` {
		t.Errorf("o is %s", o)
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat(`{"a":`, 40) + "1" + strings.Repeat("}", 40)
	var wide strings.Builder
	wide.WriteString(`{"a":1`)
	for i := range 600 {
		wide.WriteString(`,"` + strings.Repeat("b", i+1) + `":1`)
	}
	wide.WriteString("}")
	for data, want := range map[string]error{
		"": jsonscan.ErrSyntax, "[]": jsonscan.ErrSyntax, "{": jsonscan.ErrSyntax, "{}x": jsonscan.ErrSyntax, `{"a"}`: jsonscan.ErrSyntax,
		`{"a":1,}`: jsonscan.ErrSyntax, `{a:1}`: jsonscan.ErrSyntax, `{"a":01}`: jsonscan.ErrSyntax, `{"a":+1}`: jsonscan.ErrSyntax,
		"{\"a\":\"\n\"}": jsonscan.ErrSyntax, `{"a":"\x"}`: jsonscan.ErrSyntax, `{"a":tru}`: jsonscan.ErrSyntax, `{"a":[1,]}`: jsonscan.ErrSyntax,
		"{\"a\":\"\xff\"}": jsonscan.ErrUTF8, `{"a":1,"a":1}`: jsonscan.ErrDuplicate, `{"a":1,"\u0061":1}`: jsonscan.ErrDuplicate,
		`{"o":{"a":1,"a":1}}`: jsonscan.ErrDuplicate, `{"a":"\udc00"}`: jsonscan.ErrSurrogate, `{"\ud800":1}`: jsonscan.ErrSurrogate,
		deep: jsonscan.ErrDepth, wide.String(): jsonscan.ErrMembers,
	} {
		if _, err := scan(data); !errors.Is(err, want) {
			t.Errorf("%.40q: %v, want %v", data, err, want)
		}
	}
}

func TestScanAllocatesNothing(t *testing.T) {
	data := []byte(`{"type":"send","id":"m1","room":"lobby","text":"hello","meta":{"a":{"b":[1,2]}}}`)
	var s jsonscan.Scanner
	if n := testing.AllocsPerRun(100, func() {
		s.Reset(data)
		for s.Next() { // scanning is the work
		}
	}); n != 0 || s.Err() != nil {
		t.Errorf("%v allocations, %v", n, s.Err())
	}
}

// FuzzScanner compares with encoding/json, which accepts more: what the scanner
// accepts is JSON and means the same.
func FuzzScanner(f *testing.F) {
	f.Add([]byte(`{"a":"\u00e9\n","b":[1,{"c":null}],"d":18446744073709551615}`))
	f.Add([]byte(`{"a":{"b":"\ud83d\ude80"}} `))
	f.Fuzz(func(t *testing.T, data []byte) {
		var s jsonscan.Scanner
		s.Reset(data)
		got := map[string]jsonscan.Value{}
		for s.Next() {
			got[string(s.Key())] = s.Value()
		}
		if s.Err() != nil {
			return
		}
		var want map[string]json.RawMessage
		if err := json.Unmarshal(data, &want); err != nil || len(want) != len(got) {
			t.Fatalf("%q: encoding/json has %d members, not %d, %v", data, len(want), len(got), err)
		}
		for key, v := range got {
			if !bytes.Equal(bytes.TrimSpace(want[key]), v.Raw) {
				t.Errorf("%q: member %q is %q, not %q", data, key, v.Raw, want[key])
			}
			var text string
			if b, ok := v.Text(nil); ok && (json.Unmarshal(v.Raw, &text) != nil || text != string(b)) {
				t.Errorf("%q: member %q means %q, not %q", data, key, b, text)
			}
			if !json.Valid(v.AppendCompact(nil)) {
				t.Errorf("%q: member %q is not JSON when compacted", data, key)
			}
		}
	})
}

func FuzzAppendString(f *testing.F) {
	f.Add("a\"b\\c\n\x01\u2028<>&🚀")
	f.Fuzz(func(t *testing.T, s string) {
		var back string
		written := jsonscan.AppendString(nil, s)
		if utf8.ValidString(s) && (json.Unmarshal(written, &back) != nil || back != s) {
			t.Errorf("%q is written as %q", s, written)
		}
	})
}
