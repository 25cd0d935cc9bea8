//go:build linux

package proc

import (
	"bytes"
	"context"
	"os"
	"strconv"
	"testing"
	"time"
)

func TestParsers(t *testing.T) {
	t.Parallel()
	user, system, err := parseTimes([]byte("42 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 123 45 0 0 20 0 1 0"))
	if err != nil || user != 1230*time.Millisecond || system != 450*time.Millisecond {
		t.Errorf("times %v, %v, %v", user, system, err)
	}
	if _, _, err := parseTimes([]byte("42 (a) S 1")); err == nil {
		t.Error("a short line was taken")
	}
	pages, err := socketPages([]byte("sockets: used 9\nTCP: inuse 4 orphan 0 tw 1 alloc 5 mem 37\nUDP: inuse 0 mem 1\n"))
	if err != nil || pages != 37 {
		t.Errorf("%d pages, %v", pages, err)
	}
	if n, err := kilobytes([]byte("Rss:   12 kB\nPss:    7 kB\n"), "Pss:"); err != nil || n != 7<<10 {
		t.Errorf("%d bytes, %v", n, err)
	}
	if _, err := kilobytes(nil, "Pss:"); err == nil {
		t.Error("a missing line was found")
	}
}

// TestUsageOfThisProcess burns time and memory and looks for them.
func TestUsageOfThisProcess(t *testing.T) {
	t.Parallel()
	pid := os.Getpid()
	before, err := CPU(pid)
	if err != nil {
		t.Fatal(err)
	}
	for sum, after := 0, before; after-before < 30*time.Millisecond; sum++ {
		if after, err = CPU(pid); err != nil {
			t.Fatal(err)
		}
	}
	user, system, err := Times(pid)
	if err != nil || user+system < 10*time.Millisecond {
		t.Errorf("times %v and %v, %v", user, system, err)
	}
	m, err := ReadMemory(pid)
	if err != nil || m.RSS < 1<<20 || m.PSS < 1<<20 || m.PSS > m.RSS || m.Slab <= 0 {
		t.Errorf("memory %+v, %v", m, err)
	}
	d, err := Describe(t.TempDir())
	if err != nil || d.Cores < 1 || d.CPU == "" || d.Memory < 1<<20 || d.Files == 0 {
		t.Errorf("machine %+v, %v", d, err)
	}
}

// TestStartBindsTheChild starts a shell on one core and asks it for its own.
func TestStartBindsTheChild(t *testing.T) {
	t.Parallel()
	cpus, err := CPUs()
	if err != nil {
		t.Fatal(err)
	}
	cpu := cpus[len(cpus)-1]
	p, err := Start(t.Context(), cpu, t.TempDir()+"/log", "/bin/sh", "-c",
		"while read -r name list; do [ $name = Cpus_allowed_list: ] && echo cores $list; done < /proc/self/status; exec sleep 60")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	want := []byte("cores " + strconv.Itoa(cpu) + "\n")
	if err := p.Await(ctx, func(log []byte) bool { return bytes.Contains(log, want) }); err != nil {
		t.Error(err)
	}
	p.Stop(5 * time.Second)
	if p.Alive() {
		t.Error("it is alive after Stop")
	}
	if err := p.Await(ctx, func([]byte) bool { return false }); err == nil {
		t.Error("waiting for a process that ended succeeded")
	}
}
