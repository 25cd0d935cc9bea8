package fleet

import (
	"bytes"
	"compress/flate"
	"math/rand/v2"
	"strings"
	"testing"
)

// pack compresses as RFC 7692 says.
func pack(t *testing.T, w *flate.Writer, plain string) []byte {
	t.Helper()
	var b bytes.Buffer
	w.Reset(&b)
	if _, err := w.Write([]byte(plain)); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\x00\x00\xff\xff"))
}

func TestInflate(t *testing.T) {
	t.Parallel()
	var d inflater
	w, err := flate.NewWriter(nil, flate.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 600 { // more than the cache holds, with repetitions
		plain := strings.Repeat(string(rune('a'+rnd.IntN(26))), rnd.IntN(60)) + "end"
		for range 1 + rnd.IntN(3) {
			got, err := d.inflate(pack(t, w, plain))
			if err != nil || string(got) != plain {
				t.Fatalf("got %q, %v, want %q", got, err, plain)
			}
		}
	}
	if _, err := d.inflate([]byte{0xff, 0xff, 0xff}); err == nil {
		t.Error("garbage was inflated")
	}
	if got, err := d.inflate(pack(t, w, "after garbage")); err != nil || string(got) != "after garbage" {
		t.Errorf("got %q, %v", got, err)
	}
}
