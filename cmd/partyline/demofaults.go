package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"

	"partyline/cmd/partyline/internal/faults"
)

// demoFaults puts a fault in front of a running server until it is interrupted.
func (p program) demoFaults(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("demo-faults", flag.ContinueOnError)
	flags.SetOutput(p.stderr)
	listen := flags.String("listen", "127.0.0.1:8090", "address to listen on; a loopback address")
	to := flags.String("to", "127.0.0.1:8000", "address of the running server")
	name, rest := "", args
	if len(args) > 0 && args[0] != "" && args[0][0] != '-' {
		name, rest = args[0], args[1:]
	}
	if err := flags.Parse(rest); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return usageError{err}
	}
	if flags.NArg() > 0 {
		return usageError{fmt.Errorf("unexpected argument %q", flags.Arg(0))}
	}
	for _, f := range faults.All() {
		if name == "" {
			fmt.Fprintf(p.stdout, "%-18s %s\n", f.Name, f.Says)
		} else if f.Name == name {
			return p.inject(ctx, *listen, *to, f)
		}
	}
	if name != "" {
		return usageError{fmt.Errorf("no fault %q; without a name they are listed", name)}
	}
	return nil
}

func (p program) inject(ctx context.Context, listen, to string, f faults.Fault) error {
	addr, err := net.ResolveTCPAddr("tcp", listen)
	if err != nil || !addr.IP.IsLoopback() {
		return usageError{errors.New("--listen takes a loopback address, such as 127.0.0.1:8090")}
	}
	if _, _, err := net.SplitHostPort(to); err != nil {
		return usageError{errors.New("--to takes host:port")}
	}
	l, err := net.ListenTCP("tcp", addr)
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	fmt.Fprintf(p.stdout, "%s: http://%s/ in front of %s; Ctrl-C ends it\npartyline doctor ws://%[2]s/ws/chat/   should name %s\n", f.Says, l.Addr(), to, f.Finding)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		select {
		case <-p.signals:
			stop()
		case <-ctx.Done():
		}
	}()
	return faults.Serve(ctx, l, to, f)
}
