package ws

import (
	"bytes"
	"compress/flate"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// squeeze compresses as a client does, with any level and a flush inside.
func squeeze(t testing.TB, payload []byte, level int) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, level)
	if err != nil {
		t.Fatal(err)
	}
	half := len(payload) / 2
	_, _ = w.Write(payload[:half])
	_ = w.Flush()
	_, _ = w.Write(payload[half:])
	_ = w.Flush()
	return bytes.TrimSuffix(b.Bytes(), deflateTail)
}

// expand inflates in pieces of at most step bytes.
func expand(in []byte, step, limit int) ([]byte, *violation) {
	z := newInflater(limit)
	defer z.release()
	for part := range slices.Chunk(in, step) {
		if v := z.write(part); v != nil {
			return nil, v
		}
	}
	if v := z.finish(); v != nil {
		return nil, v
	}
	if z.out == nil {
		return nil, nil
	}
	return z.out.b[:z.n], nil
}

// refExpand is the same with the standard library.
func refExpand(in []byte, limit int) ([]byte, error) {
	r := flate.NewReader(io.MultiReader(bytes.NewReader(in), bytes.NewReader(deflateTail), bytes.NewReader([]byte{1, 0, 0, 0xff, 0xff})))
	out, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
	if err == nil && len(out) > limit {
		err = errors.New("too big")
	}
	return out, err
}

func TestInflate(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 40_000)
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	for _, payload := range [][]byte{
		nil, []byte("a"), []byte("Hello"), bytes.Repeat([]byte("abc"), 10_000), noise,
		[]byte(strings.Repeat(`{"type":"event","room":"lobby","seq":123}`, 50)), noise[:70],
		bytes.Repeat(noise[:30_000], 2),
	} {
		for _, level := range []int{flate.HuffmanOnly, flate.NoCompression, flate.BestSpeed, flate.BestCompression} {
			in := squeeze(t, payload, level)
			for _, step := range []int{1, 7, 8, 1000, len(in) + 1} {
				got, v := expand(in, step, len(payload))
				if v != nil || !bytes.Equal(got, payload) {
					t.Fatalf("level %d, %d bytes in steps of %d: %d bytes and %v", level, len(payload), step, len(got), v)
				}
			}
			if len(payload) > 0 {
				if _, v := expand(in, 100, len(payload)-1); v != tooBig {
					t.Fatalf("level %d: one byte over the limit: %v", level, v)
				}
			}
		}
	}
}

// TestInflateExamples are those of RFC 7692 section 7.2.3.
func TestInflateExamples(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"\xf2\x48\xcd\xc9\xc9\x07\x00":                         "Hello", // 7.2.3.1
		"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00":         "Hello", // 7.2.3.3: stored
		"\xf3\x48\xcd\xc9\xc9\x07\x00\x00":                     "Hello", // 7.2.3.4: BFINAL
		"\xf3\x48\xcd\xc9\xc9\x07\x00":                         "Hello", // the same without the empty block
		"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00": "Hello", // 7.2.3.5: two blocks
		"\x00": "", // 7.2.3.6
		"":     "",
	} {
		got, v := expand([]byte(in), 1, 5)
		if string(got) != want || v != nil {
			t.Errorf("%x: %q, %v", in, got, v)
		}
	}
	for _, in := range []string{"\x06", "\xf2\x48", "\x00\x05\x00\xfa\xfe", "\x05\xff\xff\xff\xff", "\x62\x00\x02"} {
		if got, v := expand([]byte(in), 1, 1000); v == nil {
			t.Errorf("%x gave %q", in, got)
		}
	}
}

func FuzzInflate(f *testing.F) {
	for _, level := range []int{flate.HuffmanOnly, 0, 1, 9} {
		f.Add(squeeze(f, []byte(strings.Repeat("some text, some more text ", 40)), level), uint8(3))
	}
	f.Add([]byte("\xf3\x48\xcd\xc9\xc9\x07\x00"), uint8(1))
	f.Fuzz(func(t *testing.T, in []byte, step uint8) {
		const limit = 5000
		got, v := expand(in, int(step)+1, limit)
		whole, other := expand(in, len(in)+1, limit)
		if !bytes.Equal(got, whole) || v != other {
			t.Fatalf("in pieces %d bytes and %v, whole %d and %v", len(got), v, len(whole), other)
		}
		// The standard library ends at a final block, and accepts codes without an
		// end of block: compare only where both go to the end.
		want, err := refExpand(in, limit)
		if v == nil && err == nil && !bytes.HasPrefix(got, want) {
			t.Fatalf("got %x, want %x", got, want)
		}
	})
}

func TestNegotiate(t *testing.T) {
	t.Parallel()
	const plain = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
	for offer, want := range map[string]string{
		"permessage-deflate":                              plain,
		"Permessage-Deflate; client_max_window_bits":      plain,
		"permessage-deflate; client_max_window_bits=10":   plain,
		`permessage-deflate; server_max_window_bits="12"`: plain + "; server_max_window_bits=12",
		"permessage-deflate;server_max_window_bits=8":     plain + "; server_max_window_bits=8",
		plain: plain,
		"x-webkit-deflate-frame, permessage-deflate":                                                 plain,
		"permessage-deflate; unknown, permessage-deflate":                                            plain,
		"permessage-deflate; server_max_window_bits=7, permessage-deflate; server_max_window_bits=9": plain + "; server_max_window_bits=9",
		"permessage-deflate\npermessage-deflate; server_max_window_bits=9":                           plain,
		"other\npermessage-deflate":                                                                  plain,
		`foo; a="b, permessage-deflate; c"`:                                                          "",
		"permessage-deflate; server_max_window_bits":                                                 "",
		"permessage-deflate; server_max_window_bits=":                                                "",
		"permessage-deflate; server_max_window_bits=16":                                              "",
		"permessage-deflate; server_max_window_bits=08":                                              "",
		"permessage-deflate; server_max_window_bits=1e1":                                             "",
		"permessage-deflate; client_max_window_bits=7":                                               "",
		"permessage-deflate; client_max_window_bits=":                                                "",
		"permessage-deflate; client_no_context_takeover=1":                                           "",
		"permessage-deflate; server_no_context_takeover; server_no_context_takeover":                 "",
		"permessage-deflate; client_max_window_bits; client_max_window_bits=9":                       "",
		"permessage-deflate;":                                                                        "",
		"permessage-deflate; ; x":                                                                    "",
		"":                                                                                           "",
		";":                                                                                          "",
		`"`:                                                                                          "",
	} {
		req := &Request{}
		for line := range strings.SplitSeq(offer, "\n") {
			req.Headers = append(req.Headers, HeaderField{"Sec-WebSocket-Extensions", line})
		}
		got := ""
		if d := negotiate(req); d != nil {
			got = d.answer
		}
		if got != want {
			t.Errorf("%q is answered %q, want %q", offer, got, want)
		}
	}
}

// TestPackedOnce: the compressed form is made once, fits the receiver's window,
// and lives as long as somebody needs it.
func TestPackedOnce(t *testing.T) {
	t.Parallel()
	payload := []byte(strings.Repeat(`{"type":"event","room":"lobby"}`, 30))
	f := NewText(payload)
	forms := make([]*Frame, 8)
	var wg sync.WaitGroup
	for i := range forms {
		wg.Go(func() { forms[i] = f.packed(1 << 15).Retain() })
	}
	wg.Wait()
	if f.packed(512) != f {
		t.Error("a window of 512 bytes got a form that may need more")
	}
	f.Release()
	z := forms[0]
	got, v := expand(z.Payload(), 100, len(payload))
	if z.bytes()[0] != 0xc1 || v != nil || !bytes.Equal(got, payload) || z.size() >= len(payload)/2 {
		t.Errorf("first byte %x, %d bytes, %v", z.bytes()[0], z.size(), v)
	}
	for _, form := range forms {
		if form != z {
			t.Error("made more than once")
		}
		form.Release()
	}
	for _, short := range []*Frame{NewText([]byte("short")), NewBinary(noise(5000)), newControl(opPing, make([]byte, 125))} {
		if short.packed(1<<15) != short {
			t.Errorf("%d bytes were compressed", short.size())
		}
		short.Release()
	}
}

// TestJoin: joined frames leave as each of them would, compressed where that is
// agreed.
func TestJoin(t *testing.T) {
	t.Parallel()
	parts := []*Frame{
		NewText([]byte("short")), NewText([]byte(strings.Repeat("long ", 100))), NewBinary(noise(70_000)), NewText(nil),
	}
	j := Join(parts...)
	var plain, packed []byte
	for _, p := range parts {
		plain = append(plain, p.bytes()...)
		packed = append(packed, p.packed(1<<15).bytes()...)
		p.Release()
	}
	if !bytes.Equal(j.bytes(), plain) || j.count() != len(parts) {
		t.Errorf("%d bytes in %d frames, want %d bytes", j.size(), j.count(), len(plain))
	}
	if z := j.packed(1 << 15); !bytes.Equal(z.bytes(), packed) || z.count() != len(parts) || z.packed(1<<15) != j.packed(1<<15) {
		t.Errorf("%d bytes in %d frames when compressed, want %d bytes", z.size(), z.count(), len(packed))
	}
	if j.packed(512) != j {
		t.Error("a small window got a form that may need more")
	}
	j.Release()
	noisy := NewBinary(noise(1000))
	same := Join(noisy, noisy)
	if same.packed(1<<15) != same {
		t.Error("nothing is compressed, and still it is another frame")
	}
	noisy.Release()
	same.Release()
}

func noise(n int) []byte {
	random := rand.New(rand.NewPCG(3, 4))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	return b
}

func BenchmarkCompress(b *testing.B) {
	event := `{"type":"event","room":"lobby","seq":123456,"prev":123455,"ts":"2026-11-27T10:00:00.123456Z","event":{"v":1,"kind":"message","id":"01J9ZC2V7Q","room":"lobby","uid":"0123456789abcdef","user":"alice","text":"` +
		strings.Repeat("the quick brown fox jumps over the lazy dog. ", 20)
	for _, n := range []int{200, 300, 1000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			f := NewText([]byte(event[:n]))
			defer f.Release()
			b.ReportAllocs()
			size := 0
			for b.Loop() {
				z := compress(f)
				if z == nil {
					b.Fatal("not shorter")
				}
				size = z.size()
				z.Release()
			}
			b.ReportMetric(float64(size)/float64(n), "ratio")
		})
	}
}
