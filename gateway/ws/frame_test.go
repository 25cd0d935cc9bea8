package ws

import (
	"bytes"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

func TestFrameEncoding(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 125, 126, 65535, 65536, 600_000} {
		payload := bytes.Repeat([]byte("x"), n)
		f := NewText(payload)
		var want bytes.Buffer
		if err := ws.WriteFrame(&want, ws.NewTextFrame(payload)); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(f.bytes(), want.Bytes()) || !bytes.Equal(f.Payload(), payload) {
			t.Errorf("%d bytes are encoded differently from gobwas", n)
		}
		f.Retain().Release()
		f.Release()
	}
}

func TestReleaseTooOften(t *testing.T) {
	t.Parallel()
	f := &Frame{}
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	f.Release()
}

func TestCloseReasonIsCut(t *testing.T) {
	t.Parallel()
	f := newClose(CloseNormal, strings.Repeat("€", 100))
	defer f.Release()
	if got := string(f.Payload()[2:]); got != strings.Repeat("€", 41) {
		t.Errorf("reason %q", got)
	}
	empty := newClose(CloseNoStatus, "")
	defer empty.Release()
	if len(empty.Payload()) != 0 {
		t.Error("1005 on the wire")
	}
}
