// Package store keeps connection telemetry in ClickHouse: the schema and its
// migrations, the writes of the sink, and the roll-ups. It knows clickhouse-go
// options and nothing of where they lead: an embedded child, a server, or a
// cluster.
//
// # Exactly once
//
// A batch is a contiguous run of stream messages. It is written in two steps:
// first everything that a repetition does not change (connection_states, whose
// columns are idempotent aggregates, and reports, keyed by their place in the
// stream), then the stage rows as one block of one partition, with a
// deduplication token made of the stream's identity and the first sequence. The
// largest sequence among the stage rows is the checkpoint, so the last insert is
// a compare-and-set: of two writers that start at the same checkpoint one is
// dropped, and both read back where to go on. A crash at any moment leaves
// either the checkpoint behind what is idempotent, or nothing to do.
//
// Roll-ups are computed from connections for whole minutes, with the checkpoint
// as version; rows of a higher version replace older ones, so a repetition
// changes nothing either.
package store
