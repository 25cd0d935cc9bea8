// Package eventstest helps to test against the real log: an in-process NATS
// node with the streams of Partyline, one for each test, on a directory of its
// own that goes away with the test.
//
//	bus := eventstest.New(t)
//	log := bus.Log(t)
//	seq := bus.Publish(t, "lobby", "hello")
//
// It also has what such tests need around it: Eventually, which polls with a
// deadline instead of sleeping, and Logger, which logs through the test and is
// silent after its end.
//
// Everything here fails the test instead of returning errors.
package eventstest
