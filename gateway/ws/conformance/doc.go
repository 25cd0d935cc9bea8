// Package conformance checks a WebSocket engine against RFC 6455 and the wire
// contract, from outside, over a real socket, with a client of its own that can
// break every rule. Every engine, on every kind of listener, with and without
// TLS, runs the same suite:
//
//	conformance.Run(t, conformance.Target{Start: start})
//
// What Start starts is stopped by its own cleanup. Allowed differences are
// fields of [Target].
package conformance
