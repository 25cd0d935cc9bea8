package store

import (
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"

	lc "partyline/events/lifecycle"
)

// column is how one column of an insert is made of T.
type column[T any] struct {
	name  string
	typ   string
	value func(*T) any
}

// inserts describe an insert to clickhouse-go, so that it need not ask.
func describe[T any](columns []column[T]) []clickhouse.ColumnNameAndType {
	list := make([]clickhouse.ColumnNameAndType, len(columns))
	for i, c := range columns {
		list[i] = clickhouse.ColumnNameAndType{Name: c.name, Type: c.typ}
	}
	return list
}

func names[T any](columns []column[T]) string {
	list := make([]string, len(columns))
	for i, c := range columns {
		list[i] = c.name
	}
	return strings.Join(list, ", ")
}

const (
	tString    = "String"
	tLow       = "LowCardinality(String)"
	tMicros    = "DateTime64(6, 'UTC')"
	tMillis    = "DateTime64(3, 'UTC')"
	tInitiator = "Enum8('' = 0, 'client' = 1, 'server' = 2, 'network' = 3, 'timeout' = 4)"
	tTokenVia  = "Enum8('' = 0, 'query' = 1, 'header' = 2, 'subprotocol' = 3)"
	tCoarse    = "Enum8('pre_handshake' = 1, 'handshake' = 2, 'connected' = 3, 'disconnected' = 4)"
	tOutcome   = "Enum8('ok' = 1, 'refused' = 2, 'error' = 3)"
)

// low is a column of few different strings, bounded.
func low(name string, value func(*Event) string) column[Event] {
	return column[Event]{name, tLow, func(e *Event) any { return text(value(e), maxText) }}
}

// eventColumns are the columns of connection_events; stream is the same for all
// rows of a batch.
func eventColumns(stream string) []column[Event] {
	return []column[Event]{
		{"stream", tLow, func(*Event) any { return stream }},
		{"seq", "UInt64", func(e *Event) any { return e.Seq }},
		{"idx", "UInt16", func(e *Event) any { return e.Idx }},
		{"stored", tMicros, func(e *Event) any { return e.Stored }},
		{"ts", tMicros, func(e *Event) any { return e.Time }},
		{"trace", tString, func(e *Event) any { return text(e.Trace, 64) }},
		{"conn", "UUID", func(e *Event) any { return connID(e.Conn) }},
		{"started", tMillis, func(e *Event) any { return startOf(connID(e.Conn)) }},
		{"previous", "UUID", func(e *Event) any { return connID(e.Previous) }},
		low("gateway", func(e *Event) string { return e.Gateway }),
		{"stage", stageEnum, func(e *Event) any { return string(e.Stage) }},
		{"coarse_stage", tCoarse, func(e *Event) any { return lc.Coarse(e.Stage) }},
		{"outcome", tOutcome, func(e *Event) any { return string(e.Outcome) }},
		{"duration_us", "UInt64", func(e *Event) any { return micros(e.Duration) }},
		{"since_accept_us", "UInt64", func(e *Event) any { return micros(e.SinceAccept) }},
		low("error_type", func(e *Event) string { return e.ErrorType }),
		{"error_detail", tLow, func(e *Event) any { return text(e.ErrorDetail, maxError) }},
		{"params", "Array(LowCardinality(String))", func(e *Event) any { return params(e) }},
		{"token_via", tTokenVia, func(e *Event) any { return enum(e.TokenVia, "query", "header", "subprotocol") }},
		{"client_ip", "IPv6", func(e *Event) any { return address(e.ClientIP) }},
		{"client_port", "UInt16", func(e *Event) any { return e.ClientPort }},
		{"peer_ip", "IPv6", func(e *Event) any { return address(e.PeerIP) }},
		{"local_port", "UInt16", func(e *Event) any { return e.LocalPort }},
		low("family", func(e *Event) string { return family(e.ClientIP) }),
		low("host", func(e *Event) string { return e.Host }),
		low("scheme", func(e *Event) string { return e.Scheme }),
		low("path", func(e *Event) string { return canonicalPath(e.Path) }),
		low("method", func(e *Event) string { return e.Method }),
		low("http_version", func(e *Event) string { return e.HTTPVersion }),
		{"status", "UInt16", func(e *Event) any { return status(&e.Row) }},
		low("origin", func(e *Event) string { return e.Origin }),
		low("subprotocol", func(e *Event) string { return e.Subprotocol }),
		low("extensions", func(e *Event) string { return e.Extensions }),
		{"headers", "Map(LowCardinality(String), String)", func(e *Event) any { return headers(e) }},
		low("tls_version", func(e *Event) string { return e.TLSVersion }),
		low("tls_cipher", func(e *Event) string { return e.TLSCipher }),
		{"tls_resumed", "Bool", func(e *Event) any { return e.TLSResumed }},
		low("alpn", func(e *Event) string { return e.ALPN }),
		low("user_agent", func(e *Event) string { return e.UserAgent }),
		low("ua_name", func(e *Event) string { return parseAgent(e.UserAgent).name }),
		low("ua_version", func(e *Event) string { return parseAgent(e.UserAgent).version }),
		low("os", func(e *Event) string { return parseAgent(e.UserAgent).os }),
		{"proxied", "Bool", func(e *Event) any { return e.Proxied }},
		{"xff_hops", "UInt8", func(e *Event) any { return clamp8(e.XFFHops) }},
		{"close_code", "UInt16", func(e *Event) any { return clamp16(e.CloseCode) }},
		{"close_initiator", tInitiator, func(e *Event) any { return initiator(e.CloseBy) }},
		low("close_reason", func(e *Event) string { return e.CloseReason }),
		{"rtt_us", "UInt32", func(e *Event) any { return uint32(min(micros(e.RTT), 1<<32-1)) }},
		{"frames_in", "UInt64", func(e *Event) any { return e.FramesIn }},
		{"frames_out", "UInt64", func(e *Event) any { return e.FramesOut }},
		{"bytes_in", "UInt64", func(e *Event) any { return e.BytesIn }},
		{"bytes_out", "UInt64", func(e *Event) any { return e.BytesOut }},
		{"queue_peak", "UInt64", func(e *Event) any { return e.QueuePeak }},
		{"user_hash", tString, func(e *Event) any { return text(e.UserHash, 64) }},
		{"rooms", "UInt16", func(e *Event) any { return clamp16(e.Rooms) }},
		{"synthetic", "Bool", func(e *Event) any { return e.Synthetic }},
	}
}

func initiator(s string) string { return enum(s, "client", "server", "network", "timeout") }

func params(e *Event) []string {
	list := make([]string, 0, len(e.Params))
	for _, p := range e.Params[:min(len(e.Params), 16)] {
		list = append(list, text(p, 32))
	}
	return list
}

func headers(e *Event) map[string]string {
	m := make(map[string]string, len(e.Headers))
	for _, h := range e.Headers[:min(len(e.Headers), 32)] {
		m[text(h.Name, 64)] = text(h.Value, maxText)
	}
	return m
}

// reportColumns are the columns of client_report_rows.
func reportColumns(stream string) []column[Report] {
	words := func(name string, value func(*Report) string) column[Report] {
		return column[Report]{name, tLow, func(r *Report) any { return text(value(r), maxText) }}
	}
	return []column[Report]{
		{"stream", tLow, func(*Report) any { return stream }},
		{"seq", "UInt64", func(r *Report) any { return r.Seq }},
		{"stored", tMicros, func(r *Report) any { return r.Stored }},
		{"ts", tMicros, func(r *Report) any { return r.Time }},
		{"trace", tString, func(r *Report) any { return text(r.Trace, 64) }},
		words("gateway", func(r *Report) string { return r.Gateway }),
		{"verified", "Bool", func(r *Report) any { return r.Verified }},
		words("verdict", func(r *Report) string { return r.Verdict }),
		words("confidence", func(r *Report) string { return r.Confidence }),
		words("reached", func(r *Report) string { return r.Reached }),
		{"duration_us", "UInt64", func(r *Report) any { return uint64(max(r.Duration, 0)) }},
		{"close_code", "UInt16", func(r *Report) any { return clamp16(r.CloseCode) }},
		words("scheme", func(r *Report) string { return r.Scheme }),
		words("host", func(r *Report) string { return r.Host }),
		words("path", func(r *Report) string { return canonicalPath(r.Path) }),
		words("user_agent", func(r *Report) string { return r.UserAgent }),
		words("ua_name", func(r *Report) string { return parseAgent(r.UserAgent).name }),
		words("ua_version", func(r *Report) string { return parseAgent(r.UserAgent).version }),
		words("os", func(r *Report) string { return parseAgent(r.UserAgent).os }),
		{"synthetic", "Bool", func(r *Report) any { return r.Synthetic }},
		{"body", tString, func(r *Report) any { return text(string(r.Body), maxBody) }},
	}
}
