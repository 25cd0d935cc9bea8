package main

import (
	"context"
	"runtime"
	"testing"
	"time"
)

func TestHeapIsGivenBackWhenItIsQuiet(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	for name, try := range map[string]struct {
		before, now heap
		want        bool
	}{
		"first reading":             {heap{}, heap{live: 10 * mib, objects: 30 * mib, allocated: 100 * mib}, false},
		"quiet, garbage":            {heap{allocated: 100 * mib}, heap{live: 10 * mib, objects: 20 * mib, allocated: 100 * mib}, true},
		"quiet, free":               {heap{allocated: 100 * mib}, heap{live: 10 * mib, objects: 10 * mib, free: 9 * mib, allocated: 100 * mib}, true},
		"quiet, little":             {heap{allocated: 100 * mib}, heap{live: 10 * mib, objects: 11 * mib, free: mib, allocated: 100 * mib}, false},
		"quiet, little of a large":  {heap{allocated: 100 * mib}, heap{live: 1000 * mib, objects: 1100 * mib, free: 100 * mib, allocated: 100 * mib}, false},
		"busy":                      {heap{allocated: 100 * mib}, heap{live: 10 * mib, objects: 20 * mib, allocated: 102 * mib}, false},
		"slow for its size, enough": {heap{allocated: 100 * mib}, heap{live: 1000 * mib, objects: 1300 * mib, allocated: 109 * mib}, true},
	} {
		if got := try.now.idleSince(try.before) && try.now.worthIt(); got != try.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// The readings are those of the runtime, and the watch ends with its context.
func TestHeapIsRead(t *testing.T) {
	t.Parallel()
	before := readHeap()
	kept := make([]byte, 8<<20)
	runtime.GC()
	now := readHeap()
	if now.allocated-before.allocated < 8<<20 || now.live < 8<<20 {
		t.Errorf("%+v, then %+v", before, now)
	}
	runtime.KeepAlive(kept)
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := giveMemoryBack(ctx); err != nil {
		t.Error(err)
	}
}
