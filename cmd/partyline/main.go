// Command partyline is the chat server and its tools; see "partyline help".
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"partyline/analytics/embedded"
)

// version is set by the linker.
var version = "unknown"

func main() {
	os.Exit(execute())
}

func execute() int {
	if len(os.Args) > 1 && os.Args[1] == embedded.ChildCommand {
		return embedded.Child(os.Args[2:])
	}
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	return program{
		args:    os.Args[1:],
		environ: os.Environ(),
		stdout:  os.Stdout,
		stderr:  os.Stderr,
		signals: signals,
		version: version,
	}.run(context.Background())
}
