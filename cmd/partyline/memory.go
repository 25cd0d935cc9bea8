package main

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// Go's collector lets the heap grow to twice of what is alive, and keeps that
// from the system even when nothing is allocated any more: after a storm of
// connections an idle server would hold the memory of the storm. So when there
// is little to do and much to give back, it is given back.
const (
	memoryTick  = time.Second
	quietRate   = 1 << 20 // bytes allocated per tick, or a hundredth of the heap
	quietShare  = 100
	worthGiving = 4 << 20 // bytes of garbage and free spans, or a quarter of the heap
	worthShare  = 4
)

// giveMemoryBack watches the heap until ctx ends. A collection costs about a
// millisecond for each MiB that is alive; the rate bounds how often there is
// one: at least 25 ticks pass until a quiet server has a quarter of its heap to
// give back again.
func giveMemoryBack(ctx context.Context) error {
	tick := time.NewTicker(memoryTick)
	defer tick.Stop()
	var before heap
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		now := readHeap()
		if now.idleSince(before) && now.worthIt() {
			debug.FreeOSMemory()
			now = readHeap()
		}
		before = now
	}
}

// heap is what is known of the Go heap, in bytes.
type heap struct {
	live      uint64 // found by the latest collection
	objects   uint64 // live, and allocated since
	free      uint64 // kept from the system
	allocated uint64 // ever
}

func readHeap() heap {
	samples := [...]metrics.Sample{
		{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/free:bytes"}, {Name: "/gc/heap/allocs:bytes"},
	}
	metrics.Read(samples[:])
	var v [len(samples)]uint64
	for i := range samples {
		if samples[i].Value.Kind() == metrics.KindUint64 {
			v[i] = samples[i].Value.Uint64()
		}
	}
	return heap{live: v[0], objects: v[1], free: v[2], allocated: v[3]}
}

// idleSince reports whether little was allocated since an earlier reading.
func (h heap) idleSince(earlier heap) bool {
	return earlier.allocated > 0 && h.allocated-earlier.allocated < max(quietRate, h.live/quietShare)
}

// worthIt reports whether there is much to give back.
func (h heap) worthIt() bool {
	return h.free+h.objects-min(h.live, h.objects) > max(worthGiving, h.live/worthShare)
}
