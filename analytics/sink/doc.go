// Package sink moves connection telemetry from stream CONN into the store, each
// row exactly once, and keeps the roll-ups up to date.
//
// Any number of sinks may run: the stream's consumer has one pinned reader, and
// the others wait for it to fall silent. Pinning only elects; what makes a
// second writer harmless is the store's compare-and-set (package store). While
// the store is away, telemetry waits in the stream, and nothing else notices.
//
// The sink also writes the end of connections whose gateway died without one: a
// gateway that has been silent for a while, while the sink was up to date, is
// dead. Those rows go through the stream like all others.
package sink
