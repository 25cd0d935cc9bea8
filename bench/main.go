//go:build linux

package main

import (
	"context"
	"crypto/x509"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"partyline/bench/proc"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	b, err := parse(args, stderr)
	if err != nil {
		return 2
	}
	if err := b.all(ctx, stdout); err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return 1
	}
	return 0
}

// bench is one run of some scenarios on some targets.
type bench struct {
	server    string // path of Partyline's binary
	data      string // where servers keep data
	out       string // file of the results, empty: none
	profiles  string // directory of profiles, empty: none
	repeat    int
	scenarios []*scenario
	targets   map[string]bool
	size      sizes
	chat      time.Duration
	progress  io.Writer

	generatorCPU, serverCPU int
	dir                     string          // of this run
	keys                    map[string]bool // settings that the binary knows
	roots                   *x509.CertPool  // of the certificate, once made
	version                 string
	machine                 proc.Machine
	began                   time.Time
	results                 []*result
	runs                    int
}

// parse reads the command line.
func parse(args []string, stderr io.Writer) (*bench, error) {
	b := &bench{progress: stderr, size: fullSizes(), targets: make(map[string]bool)}
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.StringVar(&b.server, "server", "../bin/partyline", "binary to measure")
	fs.StringVar(&b.data, "data", "", "directory for the data of servers; its disk decides about fsync (default: a temporary one)")
	fs.StringVar(&b.out, "out", "", "file to write the results to")
	fs.StringVar(&b.profiles, "profile", "", "existing directory for profiles of Partyline in the scenario rooms: of the storm, of memory, of the chat")
	fs.IntVar(&b.repeat, "repeat", 3, "repetitions; figures are medians")
	fs.DurationVar(&b.chat, "chat", 20*time.Second, "how long the 15,000 connections chat")
	connections := fs.Int("connections", 0, "connections of the scenario fifteen, a multiple of ten (default: 15,000, or 1,000 with -quick)")
	quick := fs.Bool("quick", false, "small and short: shows that everything works, not how fast it is")
	scenarios := fs.String("scenarios", strings.Join(scenarioNames(), ","), "what to run")
	targets := fs.String("targets", strings.Join(targetNames(), ","), "whom to run it on")
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	if *quick {
		b.size = quickSizes()
	}
	if *connections != 0 {
		b.size.connections = *connections
	}
	err := b.choose(*scenarios, *targets)
	if err == nil && (b.size.connections < b.size.perRoom || b.size.connections%b.size.perRoom != 0 || fs.NArg() > 0 || b.repeat < 1 || b.chat < time.Second) {
		err = fmt.Errorf("wrong arguments: %v", fs.Args())
	}
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
	}
	return b, err
}

func (b *bench) choose(scenarios, targets string) error {
	for name := range strings.SplitSeq(scenarios, ",") {
		s := findScenario(name)
		if s == nil {
			return fmt.Errorf("no scenario %q; there are %s", name, strings.Join(scenarioNames(), ", "))
		}
		b.scenarios = append(b.scenarios, s)
	}
	for name := range strings.SplitSeq(targets, ",") {
		if findTarget(name) == nil {
			return fmt.Errorf("no target %q; there are %s", name, strings.Join(targetNames(), ", "))
		}
		b.targets[name] = true
	}
	return nil
}

// all prepares, runs everything, and reports.
func (b *bench) all(ctx context.Context, stdout io.Writer) error {
	if err := b.prepare(ctx); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	for rep := range b.repeat {
		for _, s := range b.scenarios {
			if rep > 0 && s.once {
				continue
			}
			for _, t := range b.order(s, rep) {
				b.one(ctx, s, t)
				if err := ctx.Err(); err != nil {
					return err
				}
			}
		}
	}
	if err := b.report(stdout); err != nil {
		return err
	}
	return b.verdict()
}

func (b *bench) prepare(ctx context.Context) (err error) {
	// The generator's own memory is small and short-lived; collecting it less
	// often keeps it from showing in latencies.
	debug.SetGCPercent(400)
	b.began = time.Now()
	if b.dir, err = os.MkdirTemp(b.data, "partyline-bench-"); err != nil {
		return fmt.Errorf("making a directory: %w", err)
	}
	if b.machine, err = proc.Describe(b.dir); err != nil {
		return err
	}
	if err := b.build(ctx); err != nil {
		return err
	}
	if b.generatorCPU, b.serverCPU, err = proc.Split(); err != nil {
		return err
	}
	return proc.Pin(b.generatorCPU)
}

// order is the targets of a scenario, beginning with another one in each
// repetition, so that nobody always comes first.
func (b *bench) order(s *scenario, rep int) []*target {
	var chosen []*target
	for _, t := range allTargets() {
		if b.targets[t.name] && s.suits(t) {
			chosen = append(chosen, t)
		}
	}
	if len(chosen) == 0 {
		return nil
	}
	k := rep % len(chosen)
	return append(chosen[k:len(chosen):len(chosen)], chosen[:k]...)
}
