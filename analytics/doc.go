// Package analytics is the role that keeps connection statistics: it runs the
// store (an embedded ClickHouse, or one that is reached by a DSN), the sink that
// fills it, and answers questions about it.
//
//	svc, err := analytics.New(analytics.Config{Dir: "data/clickhouse"}, nc)
//	go svc.Run(ctx)
//	for pattern, h := range svc.Routes(authorize) { … }
//
// A Service never stops what uses it: while there is no store, Run keeps trying,
// Status says why, and questions are answered with storage_unavailable.
//
// Where the roles run apart, the HTTP routes are served by the process with the
// analytics role; a gateway without it answers them with storage_unavailable.
// The public SQL interface are the named views of package store.
package analytics
