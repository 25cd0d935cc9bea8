// Package history is the read model of what was said: every event as it was
// stored, by room and sequence; messages with their edits, deletions and
// reactions folded in; and what an identity stored under which id.
//
// Events are appended in the order of the log with small integer columns, since
// locality of pages and width of indexes decide the speed. Prev of an event is
// not stored: it is the room's previous row, also after an erasure. Ids are
// looked up by a 64-bit hash and compared with the row. A message without
// changes is rendered from its event; only changed messages have a row of their
// own, and reactions one each.
//
// The fold rules are those of [events.Message]; this package only keeps their
// state in tables. A [Writer] belongs to the one connection that writes; the
// queries run on any connection, within a transaction of the caller.
package history
