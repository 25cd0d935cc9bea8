package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"partyline/config"
)

// Exit codes of every command.
const (
	exitOK     = 0
	exitFailed = 1 // failure while running
	exitUsage  = 2 // wrong use or configuration
)

// program is one run of the binary as a value, so that tests can make one.
type program struct {
	args    []string
	environ []string
	stdout  io.Writer
	stderr  io.Writer
	signals <-chan os.Signal
	version string
}

// command is a subcommand.
type command struct {
	name string
	args string // shown in the usage line
	help string // one line
	run  func(p program, ctx context.Context, args []string) error
}

func commands() []command {
	return []command{
		{"serve", "[flags]", "run the server (all roles, or those of --roles)", program.serve},
		{"status", "[flags]", "show the status of the running server", program.status},
		{"replay", "--room ROOM [--from SEQ] [--since DURATION] [--raw]", "print a room's events from the log", program.replay},
		{"rebuild", "[flags]", "build the read models again from the log", program.rebuild},
		{"verify", "[flags]", "compare the read models with the log; exit 1 on a difference", program.verify},
		{"sql", "QUERY | --file FILE | --list  [--format table|json|csv]", "run read-only SQL on the statistics of the running server", program.sql},
		{"analytics", "install [--file ARCHIVE] [--dir DIR]", "install the library of the embedded ClickHouse", program.analytics},
		{"doctor", "URL [--origin O] [--http BASE] [--token T] [--idle D] [--stream] [--json]", "say why a WebSocket cannot connect; exit 1 on a critical finding", program.doctor},
		{"demo-faults", "[FAULT] [--listen ADDR] [--to ADDR]", "put a fault in front of a running server, to watch it named", program.demoFaults},
		{"token", "--sub S [--name N] [--rooms a,team-*] [--moderate a] [--admin] [--ttl 1h]", "make a token under auth.jwt.secret", program.token},
		{"check-config", "[flags]", "check the configuration and print the effective one", program.checkConfig},
		{"version", "", "print the version", program.printVersion},
	}
}

// usageError is a wrong use of the program: exit code 2.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

// run executes the command and returns the exit code.
func (p program) run(ctx context.Context) int {
	if len(p.args) == 0 {
		p.usage(p.stderr)
		return exitUsage
	}
	name, args := p.args[0], p.args[1:]
	if name == "help" || name == "-h" || name == "--help" {
		p.usage(p.stdout)
		return exitOK
	}
	for _, c := range commands() {
		if c.name == name {
			return p.exitCode(c, c.run(p, ctx, args))
		}
	}
	fmt.Fprintf(p.stderr, "partyline: no command %q\n\n", name)
	p.usage(p.stderr)
	return exitUsage
}

func (p program) exitCode(c command, err error) int {
	var usage usageError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprintf(p.stdout, "usage: partyline %s %s\n\n%s\n\nsettings:\n", c.name, c.args, c.help)
		config.Usage(p.stdout)
		return exitOK
	case errors.As(err, &usage):
		fmt.Fprintf(p.stderr, "partyline %s: wrong use or configuration:\n%s\n", c.name, indent(err.Error()))
		return exitUsage
	default:
		fmt.Fprintf(p.stderr, "partyline %s: %v\n", c.name, err)
		return exitFailed
	}
}

func (p program) usage(w io.Writer) {
	fmt.Fprintln(w, "usage: partyline COMMAND [flags]")
	fmt.Fprintln(w)
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-13s %s\n", c.name, c.help)
	}
	fmt.Fprintln(w, "\n\"partyline COMMAND --help\" lists the settings of a command.")
}

// load reads the settings for a command that takes no further arguments.
func (p program) load(name string, args []string, flags func(*flag.FlagSet)) (config.Config, error) {
	c, rest, err := config.Load(config.Source{Name: name, Args: args, Environ: p.environ, Flags: flags})
	if errors.Is(err, flag.ErrHelp) {
		return c, err
	}
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("unexpected argument %q", rest[0])
	}
	if err != nil {
		return c, usageError{err}
	}
	return c, nil
}

func (p program) checkConfig(_ context.Context, args []string) error {
	c, err := p.load("check-config", args, nil)
	if err != nil {
		return err
	}
	return c.Write(p.stdout)
}

func (p program) printVersion(context.Context, []string) error {
	_, err := fmt.Fprintln(p.stdout, "partyline", p.version)
	return err
}
