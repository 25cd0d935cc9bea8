// Package fleet drives thousands of client connections against one server: it
// connects and joins them, lets them chat at a fixed rate or in a closed loop,
// cuts them and brings them back, and checks every delivery meanwhile.
//
// Everything happens on the goroutine that calls the methods. Latency counts
// from the moment at which a message was meant to be sent, so that a server (or
// a generator) that stalls is charged for all messages of the stall
// (coordinated omission).
package fleet
