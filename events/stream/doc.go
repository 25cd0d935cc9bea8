// Package stream is the log: streams, the embedded NATS node, the publisher,
// and the ways to read.
package stream
