// Package projections keeps the read models: it follows the log, folds its
// events into one SQLite file, and answers queries from it.
//
// Everything in the file can be computed from the log again, and it is whenever
// the file is missing, damaged, of another version, or from another log. The log
// itself is only ever read.
//
//	m, err := projections.New(projections.Config{Dir: dir, Logger: logger}, log)
//	go m.Run(ctx)
//	page, err := m.Messages(ctx, query.MessagesRequest{Room: "lobby", Limit: 50})
//
// # Promises
//
// The tables and the checkpoint (stream sequence, with time and digest of the
// event there) change in the same transaction: each event counts exactly once
// without acknowledgements. From zero, from any checkpoint, with duplicates and
// in any grouping the tables have the same contents; [Model.Verify] recomputes
// and compares them.
//
// One goroutine writes. Queries use connections of their own, each answer comes
// from one read transaction, and neither blocks the other. While the file is
// being computed from the start queries get [query.ErrUnavailable].
//
// Events are committed as they come, but at most every 20 ms or 500 events. When
// far behind transactions are large, and a load from the start builds its file
// beside the old one, without indexes until the end, and renames it over.
//
// One process at a time uses a directory; a second one is refused.
package projections
