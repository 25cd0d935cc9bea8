package lifecycle

import (
	"encoding/json"
	"errors"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"
)

// fullRow has something in every column.
func fullRow(t *testing.T) Row {
	t.Helper()
	r := Row{
		Time: time.UnixMicro(1_764_264_000_123_456).UTC(), ClientIP: netip.MustParseAddr("192.0.2.0"),
		PeerIP: netip.MustParseAddr("2001:db8::"), Headers: []Header{{"Via", `1.1 "proxy"`}, {"Upgrade", "websocket"}},
		Params: []string{"user", "trace"}, Proxied: true, Synthetic: true, TLSResumed: true,
	}
	v := reflect.ValueOf(&r).Elem()
	for i := range v.NumField() {
		f := v.Field(i)
		switch f.Kind() {
		case reflect.String:
			f.SetString(v.Type().Field(i).Name + " \"\\\n<é>\u2028")
		case reflect.Int, reflect.Int64:
			f.SetInt(int64(1000 * (i + 1)))
		case reflect.Uint16, reflect.Uint64:
			f.SetUint(uint64(i + 1))
		default:
		}
		if f.IsZero() {
			t.Fatalf("%s is empty", v.Type().Field(i).Name)
		}
	}
	return r
}

func TestRowsComeBack(t *testing.T) {
	t.Parallel()
	full := fullRow(t)
	zoned := Row{Time: time.UnixMicro(1).UTC(), ClientIP: netip.MustParseAddr("fe80::1%eth0"), Stage: StageAccept, Outcome: OK}
	var batch []byte
	for _, r := range []*Row{&full, {Time: time.UnixMicro(0).UTC()}, &zoned} {
		var err error
		if batch, err = Append(batch, r); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Decode(batch)
	if err != nil || len(got) != 3 || !reflect.DeepEqual(got[0], full) || got[2].ClientIP != zoned.ClientIP {
		t.Fatalf("%v\n%s\n%+v", err, batch, got)
	}
}

// The encoder writes what encoding/json would, member by member.
func TestEncoderAgreesWithTheDecoder(t *testing.T) {
	t.Parallel()
	full := fullRow(t)
	line, err := Append(nil, &full)
	if err != nil {
		t.Fatal(err)
	}
	var w wireRow
	dec := json.NewDecoder(strings.NewReader(string(line)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&w); err != nil {
		t.Fatal(err)
	}
	plain, err := json.Marshal(w)
	if err != nil {
		t.Fatal(err)
	}
	var ours, theirs map[string]any
	if err := errors.Join(json.Unmarshal(line, &ours), json.Unmarshal(plain, &theirs)); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(ours, theirs) {
		t.Errorf("%s\n%s", line, plain)
	}
}

func TestTextThatIsNotUTF8IsReplaced(t *testing.T) {
	t.Parallel()
	line, err := Append(nil, &Row{UserAgent: "a\xffb", Stage: "\xfe", Params: []string{"\xfd"}})
	if err != nil {
		t.Fatal(err)
	}
	rows, err := Decode(line)
	if err != nil || rows[0].UserAgent != "a\ufffdb" || rows[0].Stage != "\ufffd" || rows[0].Params[0] != "\ufffd" {
		t.Errorf("%v, %s", err, line)
	}
}

func TestLineWithTheColumnsOfItsConnection(t *testing.T) {
	t.Parallel()
	base := fullRow(t)
	base.Conn = "one"
	other := Row{Conn: "two", Path: "/other"}
	batch, _ := Append(nil, &base)
	batch, _ = Append(batch, &other)
	step := Step{Time: time.UnixMicro(7).UTC(), Stage: StageJoined, Outcome: OK, SinceAccept: time.Second}
	batch = AppendEnd(AppendSame(AppendStep(batch, &step), "one"))
	batch = AppendEnd(AppendSame(AppendStep(batch, &step), ""))
	rows, err := Decode(batch)
	if err != nil || len(rows) != 4 {
		t.Fatalf("%v\n%s", err, batch)
	}
	want := step.Row(&base)
	for _, got := range rows[2:] {
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
	}
	for _, conn := range []string{"one", ""} {
		orphan := AppendEnd(AppendSame(AppendStep(nil, &step), conn))
		if _, err := Decode(orphan); !errors.Is(err, ErrBatch) {
			t.Errorf("%q without a line before it: %v", conn, err)
		}
	}
}

func TestPackedBatchComesBack(t *testing.T) {
	t.Parallel()
	full := fullRow(t)
	var batch []byte
	for range 100 {
		batch, _ = Append(batch, &full)
	}
	packed := Pack([]byte("before"), batch)[len("before"):]
	got, err := Decode(packed)
	if err != nil || len(got) != 100 || !reflect.DeepEqual(got[99], full) || len(packed) > len(batch)/4 {
		t.Errorf("%v, %d rows, %d bytes of %d", err, len(got), len(packed), len(batch))
	}
	for name, bad := range map[string][]byte{
		"cut":    packed[:len(packed)/2],
		"a bomb": Pack(nil, make([]byte, MaxBatchBytes+1)),
		"empty":  {packedMark},
	} {
		if _, err := Decode(bad); !errors.Is(err, ErrBatch) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if rows, err := Decode(Pack(nil, nil)); err != nil || len(rows) != 0 {
		t.Errorf("nothing: %v, %v", rows, err)
	}
}

func TestAppendAllocatesNothing(t *testing.T) {
	row := fullRow(t)
	buf := make([]byte, 0, 8<<10)
	if n := testing.AllocsPerRun(100, func() { buf, _ = Append(buf[:0], &row) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkAppend(b *testing.B) {
	row := Row{
		Time: time.Now(), Conn: "01936c1e-7c3c-7000-8000-000000000000", Gateway: "host-abcdefgh", Stage: StageUpgraded, Outcome: OK,
		ClientIP: netip.MustParseAddr("192.0.2.0"), PeerIP: netip.MustParseAddr("192.0.2.0"), Host: "localhost:8001", Path: "/ws/chat/",
		UserAgent: "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36", Headers: []Header{{"Upgrade", "websocket"}, {"Connection", "Upgrade"}},
	}
	buf := make([]byte, 0, 8<<10)
	b.ReportAllocs()
	for b.Loop() {
		buf, _ = Append(buf[:0], &row)
	}
}
