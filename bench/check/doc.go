// Package check finds what a server lost, repeated, reordered or sent to the
// wrong room, while it is measured.
//
// Every text carries a [Stamp]: room, sender, the sender's running number and
// the time at which it was meant to be sent. A [Member] follows one connection
// in one room. Three independent checks are made of each delivery: the numbers
// of each sender grow by one; where the server gives sequence numbers, each
// event names its predecessor and that is the event seen last; and the order
// over all senders, as a hash, must be that of the other members.
package check
