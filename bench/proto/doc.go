// Package proto has the protocols of the measured servers, as the load generator
// speaks them: Partyline's contract, the plain one of the peers, and
// Centrifugo's JSON protocol.
package proto
