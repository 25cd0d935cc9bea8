package store

import (
	"net/netip"
	"time"

	"github.com/google/uuid"

	lc "partyline/events/lifecycle"
)

// state is what a batch says about one attempt. Every member is folded in a way
// that a repetition does not change: the least or the greatest of what is known.
type state struct {
	id       uuid.UUID
	row      lc.Row // the greatest of each described column
	result   string
	failed   string
	offsets  map[lc.Stage]uint64
	closed   *time.Time
	closedUS *uint64
	lost     *time.Time
	lostUS   *uint64
	rttMin   *uint32
	rttMax   uint32
}

// rank orders results: a refusal says more than an error.
func rank(o lc.Outcome) int {
	switch o {
	case lc.Refused:
		return 2
	case lc.Failed:
		return 1
	}
	return 0
}

// fold makes one state for each attempt of a batch, in the order of their first
// rows. Rows about a gateway itself have no attempt.
func fold(events []Event) []*state {
	var order []*state
	byID := map[uuid.UUID]*state{}
	for i := range events {
		id := connID(events[i].Conn)
		if id == uuid.Nil {
			continue
		}
		st := byID[id]
		if st == nil {
			st = &state{id: id, result: string(lc.OK), offsets: map[lc.Stage]uint64{}}
			byID[id] = st
			order = append(order, st)
		}
		st.add(&events[i].Row)
	}
	return order
}

// add folds one row.
func (st *state) add(r *lc.Row) {
	lost := r.Stage == lc.StageClosed && r.ErrorType == lc.TypeLost
	st.describe(r)
	switch {
	case lost:
		least(&st.lost, r.Time, time.Time.Before)
		least(&st.lostUS, micros(r.SinceAccept), before[uint64])
		return
	case r.Stage == lc.StageClosed:
		least(&st.closed, r.Time, time.Time.Before)
		least(&st.closedUS, micros(r.SinceAccept), before[uint64])
		st.row.CloseCode = max(st.row.CloseCode, r.CloseCode)
		if initiatorRank(r.CloseBy) > initiatorRank(st.row.CloseBy) {
			st.row.CloseBy = r.CloseBy
		}
		st.row.CloseReason = max(st.row.CloseReason, r.CloseReason)
	case r.Stage == lc.StagePing:
		us := uint32(min(micros(r.RTT), 1<<32-1))
		least(&st.rttMin, us, before[uint32])
		st.rttMax = max(st.rttMax, us)
	case r.Outcome == lc.OK:
		us := micros(r.SinceAccept)
		if old, ok := st.offsets[r.Stage]; !ok || us < old {
			st.offsets[r.Stage] = us
		}
	}
	if r.Outcome != lc.OK {
		if rank(r.Outcome) > rank(lc.Outcome(st.result)) {
			st.result = string(r.Outcome)
		}
		if stageRank(r.Stage) > stageRank(lc.Stage(st.failed)) {
			st.failed = string(r.Stage)
		}
	}
	st.row.ErrorType = max(st.row.ErrorType, r.ErrorType)
	st.row.ErrorDetail = max(st.row.ErrorDetail, text(r.ErrorDetail, maxError))
	st.row.Status = max(st.row.Status, int(status(r)))
}

// describe folds the columns that every row repeats.
func (st *state) describe(r *lc.Row) {
	b := &st.row
	for _, f := range []struct {
		to   *string
		from string
	}{
		{&b.Trace, r.Trace}, {&b.Previous, r.Previous}, {&b.Gateway, r.Gateway}, {&b.Host, r.Host}, {&b.Scheme, r.Scheme},
		{&b.Path, r.Path}, {&b.Method, r.Method}, {&b.HTTPVersion, r.HTTPVersion}, {&b.Origin, r.Origin},
		{&b.Subprotocol, r.Subprotocol}, {&b.Extensions, r.Extensions}, {&b.TLSVersion, r.TLSVersion},
		{&b.TLSCipher, r.TLSCipher}, {&b.ALPN, r.ALPN}, {&b.UserAgent, r.UserAgent}, {&b.UserHash, r.UserHash},
		{&b.TokenVia, r.TokenVia},
	} {
		*f.to = max(*f.to, f.from)
	}
	for _, f := range []struct {
		to   *uint64
		from uint64
	}{
		{&b.FramesIn, r.FramesIn}, {&b.FramesOut, r.FramesOut}, {&b.BytesIn, r.BytesIn},
		{&b.BytesOut, r.BytesOut}, {&b.QueuePeak, r.QueuePeak},
	} {
		*f.to = max(*f.to, f.from)
	}
	b.ClientIP, b.PeerIP = later(b.ClientIP, r.ClientIP), later(b.PeerIP, r.PeerIP)
	b.ClientPort, b.LocalPort = max(b.ClientPort, r.ClientPort), max(b.LocalPort, r.LocalPort)
	b.XFFHops, b.Rooms = max(b.XFFHops, r.XFFHops), max(b.Rooms, r.Rooms)
	b.Proxied, b.Synthetic, b.TLSResumed = b.Proxied || r.Proxied, b.Synthetic || r.Synthetic, b.TLSResumed || r.TLSResumed
}

func later(a, b netip.Addr) netip.Addr {
	if a.Less(b) {
		return b
	}
	return a
}

func before[T uint32 | uint64](a, b T) bool { return a < b }

// least keeps the lesser of what is known.
func least[T any](known **T, v T, less func(T, T) bool) {
	if *known == nil || less(v, **known) {
		*known = &v
	}
}

// stageRank is the place of a stage in the life of an attempt, as its enum has it.
func stageRank(s lc.Stage) int {
	for i, known := range []lc.Stage{
		lc.StageAccept, lc.StageTLS, lc.StageRequest, lc.StageOrigin, lc.StageAuth, lc.StageLimits, lc.StageUpgraded,
		lc.StageFirstFrame, lc.StageJoined, lc.StageFirstEvent, lc.StagePing, lc.StageClosing, lc.StageClosed,
	} {
		if s == known {
			return i + 1
		}
	}
	return 0
}

func initiatorRank(s string) int {
	for i, known := range []string{"client", "server", "network", "timeout"} {
		if s == known {
			return i + 1
		}
	}
	return 0
}

// stateColumns are the columns of connection_states.
func stateColumns() []column[state] {
	words := func(name string, value func(*lc.Row) string) column[state] {
		return column[state]{name, tLow, func(s *state) any { return text(value(&s.row), maxText) }}
	}
	offset := func(name string, stage lc.Stage) column[state] {
		return column[state]{name, "Nullable(UInt64)", func(s *state) any {
			if us, ok := s.offsets[stage]; ok {
				return &us
			}
			return (*uint64)(nil)
		}}
	}
	return []column[state]{
		{"started", tMillis, func(s *state) any { return startOf(s.id) }},
		{"conn", "UUID", func(s *state) any { return s.id }},
		{"trace", tString, func(s *state) any { return text(s.row.Trace, 64) }},
		{"previous", "UUID", func(s *state) any { return connID(s.row.Previous) }},
		words("gateway", func(r *lc.Row) string { return r.Gateway }),
		{"result", "Enum8('ok' = 0, 'error' = 1, 'refused' = 2)", func(s *state) any { return s.result }},
		{"failed_stage", stageEnum, func(s *state) any { return s.failed }},
		words("error_type", func(r *lc.Row) string { return r.ErrorType }),
		words("error_detail", func(r *lc.Row) string { return r.ErrorDetail }),
		{"status", "UInt16", func(s *state) any { return clamp16(s.row.Status) }},
		offset("tls_us", lc.StageTLS), offset("request_us", lc.StageRequest), offset("origin_us", lc.StageOrigin),
		offset("auth_us", lc.StageAuth), offset("limits_us", lc.StageLimits), offset("upgraded_us", lc.StageUpgraded),
		offset("first_frame_us", lc.StageFirstFrame), offset("joined_us", lc.StageJoined),
		offset("first_event_us", lc.StageFirstEvent), offset("closing_us", lc.StageClosing),
		{"closed_us", "Nullable(UInt64)", func(s *state) any { return s.closedUS }},
		{"closed", "Nullable(DateTime64(6, 'UTC'))", func(s *state) any { return s.closed }},
		{"lost_us", "Nullable(UInt64)", func(s *state) any { return s.lostUS }},
		{"lost", "Nullable(DateTime64(6, 'UTC'))", func(s *state) any { return s.lost }},
		{"close_code", "UInt16", func(s *state) any { return clamp16(s.row.CloseCode) }},
		{"close_initiator", tInitiator, func(s *state) any { return initiator(s.row.CloseBy) }},
		words("close_reason", func(r *lc.Row) string { return r.CloseReason }),
		{"rtt_min_us", "Nullable(UInt32)", func(s *state) any { return s.rttMin }},
		{"rtt_max_us", "UInt32", func(s *state) any { return s.rttMax }},
		{"token_via", tTokenVia, func(s *state) any { return enum(s.row.TokenVia, "query", "header", "subprotocol") }},
		{"client_ip", "IPv6", func(s *state) any { return address(s.row.ClientIP) }},
		{"client_port", "UInt16", func(s *state) any { return s.row.ClientPort }},
		{"peer_ip", "IPv6", func(s *state) any { return address(s.row.PeerIP) }},
		{"local_port", "UInt16", func(s *state) any { return s.row.LocalPort }},
		words("family", func(r *lc.Row) string { return family(r.ClientIP) }),
		words("host", func(r *lc.Row) string { return r.Host }),
		words("scheme", func(r *lc.Row) string { return r.Scheme }),
		words("path", func(r *lc.Row) string { return canonicalPath(r.Path) }),
		words("method", func(r *lc.Row) string { return r.Method }),
		words("http_version", func(r *lc.Row) string { return r.HTTPVersion }),
		words("origin", func(r *lc.Row) string { return r.Origin }),
		words("subprotocol", func(r *lc.Row) string { return r.Subprotocol }),
		words("extensions", func(r *lc.Row) string { return r.Extensions }),
		words("tls_version", func(r *lc.Row) string { return r.TLSVersion }),
		words("tls_cipher", func(r *lc.Row) string { return r.TLSCipher }),
		{"tls_resumed", "Bool", func(s *state) any { return s.row.TLSResumed }},
		words("alpn", func(r *lc.Row) string { return r.ALPN }),
		words("user_agent", func(r *lc.Row) string { return r.UserAgent }),
		words("ua_name", func(r *lc.Row) string { return parseAgent(r.UserAgent).name }),
		words("ua_version", func(r *lc.Row) string { return parseAgent(r.UserAgent).version }),
		words("os", func(r *lc.Row) string { return parseAgent(r.UserAgent).os }),
		{"proxied", "Bool", func(s *state) any { return s.row.Proxied }},
		{"xff_hops", "UInt8", func(s *state) any { return clamp8(s.row.XFFHops) }},
		{"frames_in", "UInt64", func(s *state) any { return s.row.FramesIn }},
		{"frames_out", "UInt64", func(s *state) any { return s.row.FramesOut }},
		{"bytes_in", "UInt64", func(s *state) any { return s.row.BytesIn }},
		{"bytes_out", "UInt64", func(s *state) any { return s.row.BytesOut }},
		{"queue_peak", "UInt64", func(s *state) any { return s.row.QueuePeak }},
		{"user_hash", tString, func(s *state) any { return text(s.row.UserHash, 64) }},
		{"rooms", "UInt16", func(s *state) any { return clamp16(s.row.Rooms) }},
		{"synthetic", "Bool", func(s *state) any { return s.row.Synthetic }},
	}
}
