//go:build linux

package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestNumber(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		v      float64
		digits int
		want   string
	}{{0, 0, "0"}, {999, 0, "999"}, {1000, 0, "1,000"}, {1234567.891, 2, "1,234,567.89"}, {-1234, 0, "-1,234"}, {-123, 1, "-123.0"}, {0.456, 2, "0.46"}} {
		if got := number(c.v, true, c.digits); got != c.want {
			t.Errorf("%v: %s, want %s", c.v, got, c.want)
		}
	}
	if number(1, false, 1) != "–" {
		t.Error("a missing value is shown")
	}
}

// parsed is a run that was never carried out.
func parsed(t *testing.T, args ...string) *bench {
	t.Helper()
	b, err := parse(args, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestReport(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "results", "latest.md")
	b := parsed(t, "-scenarios", "large", "-targets", "bare,fsync,gorilla", "-out", out)
	s := b.scenarios[0]
	for name, values := range map[string][]float64{"bare": {2, 9, 1}, "fsync": {3, 3, 3}, "gorilla": {6}} {
		for _, v := range values {
			b.result(s, findTarget(name)).add("closedcpu", v)
		}
	}
	b.result(s, findTarget("gorilla")).fail("1 lost")
	var stdout strings.Builder
	if err := b.report(&stdout); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| work | bare write loop | Partyline, fsync | gorilla hub | fsync ÷ bare | fsync ÷ gorilla |",
		"| CPU µs per delivery, 1 × 5,000 closed loop | 2.00 | 3.00 | 6.00 | 1.50 | 0.50 |",
		"| 2.00 (1.00 – 9.00) | 3.00 (3.00 – 3.00) | 6.00 |",
		"FAULT large, gorilla hub: 1 lost",
	} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if err := b.verdict(); err != nil {
		t.Errorf("a fault of a peer: %v", err)
	}
	b.result(s, findTarget("fsync")).fail("1 duplicated")
	if b.verdict() == nil {
		t.Error("a fault of ours is passed over")
	}
}

func TestEveryMetricHasAPlace(t *testing.T) {
	t.Parallel()
	for _, s := range allScenarios() {
		seen := make(map[string]bool)
		for _, m := range s.metrics {
			if m.name == "" || m.title == "" || seen[m.name] {
				t.Errorf("%s: metric %q is empty or there twice", s.name, m.name)
			}
			seen[m.name] = true
		}
	}
}

func TestOrderRotates(t *testing.T) {
	t.Parallel()
	b := parsed(t, "-scenarios", "churn", "-targets", "gorilla,split,bare,fsync")
	first := make(map[string]bool)
	for rep := range 3 {
		order := b.order(b.scenarios[0], rep)
		if len(order) != 3 { // churn has nobody apart
			t.Fatalf("%d targets", len(order))
		}
		first[order[0].name] = true
	}
	if len(first) != 3 {
		t.Errorf("first were %v", first)
	}
}

func TestArgumentsAreChecked(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-scenarios", "none"}, {"-targets", "none"}, {"-repeat", "0"}, {"-chat", "0s"}, {"extra"}, {"-unknown"}} {
		if _, err := parse(args, io.Discard); err == nil {
			t.Errorf("%v was taken", args)
		}
	}
}
