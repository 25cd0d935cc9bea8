// Package embedded runs ClickHouse as a sandboxed, supervised child process of
// the same binary (ADR 0005).
//
// A Server finds the library libchdb, which is ClickHouse, or installs it in the
// background, starts the child, and restarts it with growing delays when it
// ends. What uses it sees clickhouse-go options whose Dial reaches whatever
// child runs at that moment, so a connection pool outlives any number of
// restarts:
//
//	server, err := embedded.New(embedded.Config{Dir: "data/clickhouse"})
//	go server.Run(ctx)
//	conn, err := clickhouse.Open(server.Options())
//
// The binary has to hand its hidden subcommand ChildCommand to Child before it
// does anything else. The child listens on a loopback port behind a secret
// header; it ends when its standard input ends, and so never outlives the
// process that started it. On Linux it is confined by Landlock to its own
// directories and has no outgoing TCP; Sandbox says how far that holds.
//
// Build tag nochdb leaves the child out, for static binaries.
package embedded
