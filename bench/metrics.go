//go:build linux

package main

import (
	"slices"

	"partyline/bench/stat"
)

// metric is one figure of a scenario.
type metric struct {
	name   string
	title  string
	digits int  // after the point
	table  bool // belongs to the table at the top
}

// result is what the repetitions of one scenario on one target gave.
type result struct {
	scenario *scenario
	target   *target
	values   map[string][]float64 // by metric
	faults   []string             // of deliveries, and errors
}

// add notes one value.
func (r *result) add(name string, value float64) { r.values[name] = append(r.values[name], value) }

// fail notes that something went wrong.
func (r *result) fail(text string) { r.faults = append(r.faults, text) }

// median returns the median of a metric, and whether there is one.
func (r *result) median(name string) (float64, bool) {
	if r == nil || len(r.values[name]) == 0 {
		return 0, false
	}
	return stat.Median(r.values[name]), true
}

// span is the smallest and largest value.
func (r *result) span(name string) (lo, hi float64) {
	return slices.Min(r.values[name]), slices.Max(r.values[name])
}

// result finds or makes the place for a scenario's results on a target.
func (b *bench) result(s *scenario, t *target) *result {
	if r := b.find(s, t); r != nil {
		return r
	}
	r := &result{scenario: s, target: t, values: make(map[string][]float64)}
	b.results = append(b.results, r)
	return r
}

func (b *bench) find(s *scenario, t *target) *result {
	for _, r := range b.results {
		if r.scenario.name == s.name && r.target.name == t.name {
			return r
		}
	}
	return nil
}
