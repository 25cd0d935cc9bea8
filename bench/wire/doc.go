// Package wire is the client's side of WebSocket (RFC 6455) as the load
// generator needs it: cheap, on plain byte slices, and strict about what a
// server may send.
package wire
