// Package stream is the log: the streams, the embedded NATS node that keeps
// them, the publisher that stores events, and the ways to read.
//
// # Writing
//
// A [Publisher] stores events of one room in the order of their submission,
// each once, and acknowledges an event when it is as durable as the log
// promises (ADR 0003, ADR 0007). With an embedded [Node] that means: after an
// fsync that covers it, shared by everything that was stored meanwhile.
//
// # Reading
//
// A [Feed] follows rooms live: growing sequences without holes, each event
// once, whatever the bus loses. [Log.Replay] reads the whole stream or a room
// from any point, [Log.Fill] a part of a room.
//
// # Epoch
//
// [Log.Epoch] names the life of the log. It changes when sequences may mean
// other events than before: after a restore, or after a power cut that may have
// taken back what was seen. Readers then start anew.
//
// To test against this package use events/eventstest, which runs a real node
// in-process.
package stream
