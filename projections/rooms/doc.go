// Package rooms is the read model of rooms: their names, small numbers that
// stand for the names in other tables, counts, topics and last events.
//
// A [Writer] belongs to the one connection that writes; the queries run on any
// connection, within a transaction of the caller.
package rooms
