//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"partyline/bench/proc"
)

// errFaults is returned when a delivery went wrong or a run failed.
var errFaults = errors.New("there were faults, see above")

// report prints the table and writes the results.
func (b *bench) report(stdout io.Writer) error {
	var table strings.Builder
	b.table(&table)
	fmt.Fprintln(stdout)
	fmt.Fprint(stdout, aligned(table.String()))
	b.faults(stdout)
	if b.out == "" {
		return nil
	}
	var page strings.Builder
	b.page(&page, table.String())
	if err := os.MkdirAll(filepath.Dir(b.out), 0o755); err != nil {
		return fmt.Errorf("writing results: %w", err)
	}
	if err := os.WriteFile(b.out, []byte(page.String()), 0o644); err != nil {
		return fmt.Errorf("writing results: %w", err)
	}
	fmt.Fprintf(stdout, "\nwritten to %s\n", b.out)
	return nil
}

// verdict is an error when anything went wrong for Partyline.
func (b *bench) verdict() error {
	for _, r := range b.results {
		if r.target.ours() && len(r.faults) > 0 {
			return errFaults
		}
	}
	return nil
}

func (b *bench) faults(w io.Writer) {
	for _, r := range b.results {
		for _, fault := range r.faults {
			fmt.Fprintf(w, "FAULT %s, %s: %s\n", r.scenario.name, r.target.title, fault)
		}
	}
}

// chosen are the targets of this run.
func (b *bench) chosen() (targets []*target) {
	for _, t := range allTargets() {
		if b.targets[t.name] {
			targets = append(targets, t)
		}
	}
	return targets
}

// subject is the target whose ratios are shown, reference those they refer to.
const subject = "fsync"

func (b *bench) references() (refs []*target) {
	if !b.targets[subject] {
		return nil
	}
	for _, t := range b.chosen() {
		if !t.ours() {
			refs = append(refs, t)
		}
	}
	return refs
}

// table writes the metrics that matter most, with ratios, as Markdown.
func (b *bench) table(w io.Writer) {
	head, line := []string{"work"}, []string{"---"}
	for _, t := range b.chosen() {
		head, line = append(head, t.title), append(line, "--:")
	}
	for _, t := range b.references() {
		head, line = append(head, "fsync ÷ "+t.name), append(line, "--:")
	}
	row(w, head)
	row(w, line)
	for _, s := range b.scenarios {
		for _, m := range s.metrics {
			if m.table {
				b.tableRow(w, s, m)
			}
		}
	}
}

func (b *bench) tableRow(w io.Writer, s *scenario, m metric) {
	cells, any := []string{m.title}, false
	for _, t := range b.chosen() {
		v, ok := b.find(s, t).median(m.name)
		any = any || ok
		cells = append(cells, number(v, ok, m.digits))
	}
	if !any {
		return
	}
	ours, ok := b.find(s, findTarget(subject)).median(m.name)
	for _, t := range b.references() {
		theirs, ok2 := b.find(s, t).median(m.name)
		cells = append(cells, number(ours/theirs, ok && ok2 && theirs != 0, 2))
	}
	row(w, cells)
}

func row(w io.Writer, cells []string) { fmt.Fprintf(w, "| %s |\n", strings.Join(cells, " | ")) }

func number(v float64, ok bool, digits int) string {
	if !ok {
		return "–"
	}
	text := strconv.FormatFloat(v, 'f', digits, 64)
	whole, fraction, _ := strings.Cut(text, ".")
	for i := len(whole) - 3; i > 0 && whole[i-1] != '-'; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if digits == 0 {
		return whole
	}
	return whole + "." + fraction
}

// aligned pads the cells of a Markdown table for a terminal.
func aligned(table string) string {
	var rows [][]string
	var widths []int
	for line := range strings.Lines(table) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "| "), " | ")
		rows = append(rows, cells)
		for i, c := range cells {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], len([]rune(c)))
		}
	}
	var out strings.Builder
	for r, cells := range rows {
		for i, c := range cells {
			pad := strings.Repeat(" ", widths[i]-len([]rune(c)))
			switch {
			case r == 1:
				out.WriteString(strings.Repeat("-", widths[i]))
			case i == 0:
				out.WriteString(c + pad)
			default:
				out.WriteString(pad + c)
			}
			out.WriteString("  ")
		}
		out.WriteByte('\n')
	}
	return out.String()
}

// page writes everything as Markdown.
func (b *bench) page(w io.Writer, table string) {
	fmt.Fprintf(w, "# Results of `make bench`\n\nMade by a program, see `bench/README.md`; do not edit.\n\n")
	b.describe(w)
	fmt.Fprintf(w, "\n## Summary\n\nMedians of %d repetitions; \"fsync ÷ x\" is Partyline with fsync divided by x.\n\n%s", b.repeat, table)
	fmt.Fprintf(w, "\n## Faults\n\nEvery delivery of every run was checked for loss, repetition, order and content.\n\n")
	var faults strings.Builder
	b.faults(&faults)
	if faults.Len() == 0 {
		faults.WriteString("None.\n")
	}
	fmt.Fprint(w, faults.String())
	for _, s := range b.scenarios {
		b.raw(w, s)
	}
}

func (b *bench) describe(w io.Writer) {
	m := b.machine
	cores := fmt.Sprintf("server on core %d, generator on core %d", b.serverCPU, b.generatorCPU)
	if b.serverCPU < 0 {
		cores = "one core only: server and generator share it, the figures say little"
	}
	fmt.Fprintf(w, "- Date: %s; took %.0f s\n", b.began.UTC().Format(time.DateOnly), time.Since(b.began).Seconds())
	fmt.Fprintf(w, "- Machine: %s, %d cores, %.1f GiB, Linux %s; %s\n", m.CPU, m.Cores, float64(m.Memory)/(1<<30), m.Kernel, cores)
	fmt.Fprintf(w, "- Load before: %s; load after: %s\n", m.Load, proc.LoadAverage())
	fmt.Fprintf(w, "- Data: %s; open files: %d\n", m.DataDir, m.Files)
	fmt.Fprintf(w, "- Partyline: %s; %s\n", b.version, m.Go)
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, d := range info.Deps {
			if strings.HasSuffix(d.Path, "/x/sys") {
				fmt.Fprintf(w, "- Generator: %s %s\n", d.Path, d.Version)
			}
		}
	}
	for _, line := range peerVersions() {
		fmt.Fprintf(w, "- Peer: %s\n", line)
	}
	fmt.Fprintf(w, "- Texts of %d bytes; warm-up %v, measured %v\n", textSize, b.size.warm, b.size.measure)
	if b.size != fullSizes() {
		fmt.Fprintf(w, "- **Quick run: smaller fleets and short times. Not for comparison.**\n")
	}
	for _, t := range b.chosen() {
		fmt.Fprintf(w, "- **%s**: %s\n", t.title, t.about)
	}
}

// peerVersions reads them from the module file.
func peerVersions() (lines []string) {
	data, err := os.ReadFile("go.mod")
	if err != nil {
		return []string{err.Error()}
	}
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		for _, name := range []string{"centrifugal/centrifuge ", "gorilla/websocket ", "lxzan/gws "} {
			if strings.HasPrefix(line, "github.com/"+name) {
				lines = append(lines, line)
			}
		}
	}
	return lines
}

// raw writes all metrics of a scenario, with the extremes of the repetitions.
func (b *bench) raw(w io.Writer, s *scenario) {
	fmt.Fprintf(w, "\n## %s\n\n%s.\n\n", strings.ToUpper(s.title[:1])+s.title[1:], strings.ToUpper(s.about[:1])+s.about[1:])
	var targets []*target
	for _, t := range b.chosen() {
		if r := b.find(s, t); r != nil && len(r.values) > 0 {
			targets = append(targets, t)
		}
	}
	if len(targets) == 0 {
		fmt.Fprintf(w, "No figures: this binary or the targets of this run do not support it, or all runs failed.\n")
		return
	}
	head, line := []string{"median (lowest – highest)"}, []string{"---"}
	for _, t := range targets {
		head, line = append(head, t.title), append(line, "--:")
	}
	row(w, head)
	row(w, line)
	for _, m := range s.metrics {
		cells, any := []string{m.title}, false
		for _, t := range targets {
			r := b.find(s, t)
			v, ok := r.median(m.name)
			any = any || ok
			cell := number(v, ok, m.digits)
			if ok && len(r.values[m.name]) > 1 {
				lo, hi := r.span(m.name)
				cell += " (" + number(lo, true, m.digits) + " – " + number(hi, true, m.digits) + ")"
			}
			cells = append(cells, cell)
		}
		if any {
			row(w, cells)
		}
	}
}
