// Package query is the contract between those who ask the read models
// (gateways) and those who keep them (projectors), and its transport: requests
// and answers over NATS, so that both may run in different processes.
//
// A projector runs [Serve] with its [Backend]; any number of projectors may do
// so, each request reaches one of them (queue group). A gateway uses [NewClient],
// which is a [Backend] too: in one process the two can also be joined directly.
//
// # Subjects
//
// One subject per operation, and nothing else is used:
//
//	partyline.query.v1.messages
//	partyline.query.v1.events
//	partyline.query.v1.find
//	partyline.query.v1.target
//	partyline.query.v1.rooms
//	partyline.query.v1.status
//
// A gateway needs permission to publish on partyline.query.v1.> and to subscribe
// to its inbox; a projector needs to subscribe to partyline.query.v1.> and to
// publish on the inboxes of gateways.
//
// # Overload and failure
//
// A server works on a bounded number of requests at a time and refuses further
// ones at once; a client sees that, a time-out and the absence of projectors
// alike as [ErrUnavailable]. Each request is given up after two seconds.
//
// Requests are JSON. Answers are binary (lengths and numbers as uvarints), so
// that folded messages and raw events stay the bytes they are.
package query
