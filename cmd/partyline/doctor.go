package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"time"

	"partyline/cmd/partyline/internal/doctor"
)

// errUnhealthy is the end of a diagnosis with a critical finding.
var errUnhealthy = errors.New("the connection does not work")

const maxIdle = 300 * time.Second

// doctor diagnoses an address from the terminal.
func (p program) doctor(ctx context.Context, args []string) error {
	var o doctor.Options
	flags := flag.NewFlagSet("doctor", flag.ContinueOnError)
	flags.SetOutput(p.stderr)
	flags.StringVar(&o.Origin, "origin", "", "send this Origin, as a page of it would")
	flags.StringVar(&o.HTTP, "http", "", "address of the API, when it is not on the same port")
	flags.StringVar(&o.Token, "token", "", "token for the chat")
	flags.DurationVar(&o.Idle, "idle", 0, "keep a quiet connection that long, at most 300s")
	asJSON := flags.Bool("json", false, "print the report as JSON")
	url, rest := "", args
	if len(args) > 0 && args[0] != "" && args[0][0] != '-' {
		url, rest = args[0], args[1:]
	}
	if err := flags.Parse(rest); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return usageError{err}
	}
	if url == "" && flags.NArg() == 1 {
		url = flags.Arg(0)
	} else if flags.NArg() > 0 {
		return usageError{fmt.Errorf("unexpected argument %q", flags.Arg(0))}
	}
	if url == "" || o.Idle < 0 || o.Idle > maxIdle {
		return usageError{errors.New("an address is needed, such as ws://localhost:8001/ws/chat/; --idle is at most 300s")}
	}
	report, err := doctor.Run(ctx, url, o)
	if err != nil {
		return usageError{err}
	}
	if *asJSON {
		enc := json.NewEncoder(p.stdout)
		enc.SetIndent("", "  ")
		err = enc.Encode(report)
	} else {
		err = report.Print(p.stdout, terminal(p.stdout))
	}
	if err == nil && report.Failed() {
		err = errUnhealthy
	}
	return err
}
