// Package events defines what happens in Partyline: the event types, their JSON
// codec, the validation of everything that clients choose, the rules by which
// events fold into messages, and the codes of the wire contract.
//
// An [Event] is encoded once, by the gateway that received it; these bytes are
// stored, sent to members and replayed unchanged (ADR 0002). [Decode] reads
// payloads of every version ever written; kinds, members and versions that it
// does not know pass.
//
// Package events is the leaf of the dependency tree: everybody imports it, and
// it imports nobody. Only its sub-package stream knows NATS. All functions are
// safe for concurrent use.
package events
