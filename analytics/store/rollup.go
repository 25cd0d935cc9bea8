package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// rollUpMinutes is how many minutes one pass of a roll-up computes.
const rollUpMinutes = 500

// RollUp brings the roll-ups up to a checkpoint: every minute of which the rows
// after the last pass say something is computed again. base makes versions of
// different streams grow (see Version). It returns how many minutes were
// computed.
func (s *Store) RollUp(ctx context.Context, stream string, base, checkpoint uint64) (int, error) {
	var done uint64
	err := s.scan(ctx, "SELECT max(seq) FROM {DB}.rollup_progress WHERE stream = ?", []any{stream}, &done)
	if err != nil {
		return 0, fmt.Errorf("reading the progress of roll-ups: %w", err)
	}
	if done >= checkpoint {
		return 0, nil
	}
	if s.cfg.Cluster != "" {
		// Another replica may have what this one has not fetched yet.
		for _, table := range []string{"connection_states", "connection_events"} {
			if err := s.exec(ctx, "SYSTEM SYNC REPLICA {DB}."+table+" LIGHTWEIGHT"); err != nil {
				return 0, fmt.Errorf("waiting for the replica: %w", err)
			}
		}
	}
	minutes, err := s.dirtyMinutes(ctx, stream, done, checkpoint)
	if err != nil {
		return 0, err
	}
	for rest := minutes; len(rest) > 0; {
		n := min(len(rest), rollUpMinutes)
		if err := s.recompute(ctx, rest[:n], base+checkpoint); err != nil {
			return 0, err
		}
		rest = rest[n:]
	}
	err = s.exec(ctx, "INSERT INTO {DB}.rollup_progress VALUES (?, ?, now64(3))", stream, checkpoint)
	if err != nil {
		return 0, fmt.Errorf("noting the progress of roll-ups: %w", err)
	}
	return len(minutes), nil
}

// Version is the base of versions of a stream: its creation in microseconds. A
// stream created later has greater versions as long as fewer than a million
// messages a second were stored in the earlier one.
func Version(created time.Time) uint64 { return uint64(max(created.UnixMicro(), 0)) }

// dirtyMinutes lists the minutes that rows (after, upto] say something about:
// those in which their attempts began or ended. Connections whose presumed loss
// turned out wrong have changed the minute of that, too.
func (s *Store) dirtyMinutes(ctx context.Context, stream string, after, upto uint64) ([]time.Time, error) {
	// What is about to be dropped by its age is not computed again: only the
	// roll-up has it then.
	oldest := time.Now().UTC().AddDate(0, 0, 2-s.days)
	rows, err := s.conn.Query(ctx, strings.ReplaceAll(`
WITH touched AS (
    SELECT started, conn, ts, stage FROM {DB}.connection_events WHERE stream = ? AND seq > ? AND seq <= ?)
SELECT DISTINCT minute FROM
(
    SELECT toStartOfMinute(started) AS minute FROM {DB}.connection_states
    WHERE (started, conn) IN (SELECT started, conn FROM touched)
    UNION ALL
    SELECT toStartOfMinute(lost) FROM {DB}.connection_states
    WHERE lost IS NOT NULL AND (started, conn) IN (SELECT started, conn FROM touched WHERE stage = 'closed')
    UNION ALL
    SELECT toStartOfMinute(ts) FROM touched WHERE stage = 'closed'
)
WHERE minute >= ? ORDER BY minute`, "{DB}", s.db), stream, after, upto, oldest)
	if err != nil {
		return nil, fmt.Errorf("listing minutes to roll up: %w", explain(err))
	}
	defer rows.Close()
	var list []time.Time
	for rows.Next() {
		var m time.Time
		if err := rows.Scan(&m); err != nil {
			return nil, fmt.Errorf("listing minutes to roll up: %w", err)
		}
		list = append(list, m)
	}
	return list, explainNil(rows.Err())
}

// recompute computes minutes, in order, and writes them with a version.
func (s *Store) recompute(ctx context.Context, minutes []time.Time, version uint64) error {
	list := make([]string, len(minutes))
	for i, m := range minutes {
		list[i] = fmt.Sprint(m.Unix())
	}
	fill := strings.NewReplacer(
		"{DB}", s.db,
		"{MINUTES}", "("+strings.Join(list, ", ")+")",
		"{FROM}", fmt.Sprintf("toDateTime(%d, 'UTC')", minutes[0].Unix()),
		"{UPTO}", fmt.Sprintf("toDateTime(%d, 'UTC')", minutes[len(minutes)-1].Unix()+60),
		"{VERSION}", fmt.Sprintf("toUInt64(%d)", version),
		"{PATH}", "if(upgraded_us IS NOT NULL OR path IN ('', '/ws/chat/', '/ws/echo/'), path, '(other)')",
	)
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{
		"insert_deduplicate": 0, "max_partitions_per_insert_block": 0,
	}))
	for table, query := range map[string]string{
		"attempt_minutes": attemptRollUp, "close_minutes": closeRollUp, "duration_minutes": durationRollUp,
	} {
		if err := s.conn.Exec(ctx, fill.Replace(query)); err != nil {
			return fmt.Errorf("rolling up %s: %w", table, explain(err))
		}
	}
	return nil
}

// attemptRollUp: attempts by the minute of their start, and dropped rows.
const attemptRollUp = `
INSERT INTO {DB}.attempt_minutes
SELECT m, g, p, y, o, st, e, sc, sum(a), sum(n1), sum(n2), sum(n3), sum(n4), sum(n5), sum(n6), sum(n7), sum(n8), sum(n9), sum(d), {VERSION}
FROM
(
    SELECT toStartOfMinute(started) AS m, gateway AS g, {PATH} AS p, synthetic AS y, outcome AS o,
        if(failed_stage != '', failed_stage, if(upgraded_us IS NOT NULL, 'upgraded', last_stage)) AS st, error_type AS e, status AS sc,
        count() AS a, countIf(request_us IS NOT NULL) AS n1, countIf(origin_us IS NOT NULL) AS n2, countIf(auth_us IS NOT NULL) AS n3,
        countIf(limits_us IS NOT NULL) AS n4, countIf(upgraded_us IS NOT NULL) AS n5, countIf(first_frame_us IS NOT NULL) AS n6,
        countIf(joined_us IS NOT NULL) AS n7, countIf(first_event_us IS NOT NULL) AS n8, countIf(closed IS NOT NULL) AS n9, 0 AS d
    FROM {DB}.connections WHERE started >= {FROM} AND started < {UPTO} AND toUnixTimestamp(toStartOfMinute(started)) IN {MINUTES}
    GROUP BY m, g, p, y, o, st, e, sc
    UNION ALL
    SELECT toStartOfMinute(ts) AS m, gateway, '', false, 'telemetry', 'closed', error_type, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, sum(toUInt64OrZero(error_detail))
    FROM {DB}.connection_events FINAL
    WHERE error_type = 'telemetry_dropped' AND ts >= {FROM} AND ts < {UPTO} AND toUnixTimestamp(toStartOfMinute(ts)) IN {MINUTES}
    GROUP BY m, gateway, error_type
    UNION ALL
    SELECT minute, gateway, path, synthetic, outcome, stage, error_type, status, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
    FROM {DB}.attempt_minutes FINAL
    WHERE minute >= {FROM} AND minute < {UPTO} AND toUnixTimestamp(minute) IN {MINUTES} AND attempts + dropped > 0
)
GROUP BY m, g, p, y, o, st, e, sc`

// ended finds the connections that ended in the minutes, by the rows that say
// so: connections are sorted by their start.
const ended = `(started, conn) IN (
        SELECT started, conn FROM {DB}.connection_events
        WHERE stage = 'closed' AND ts >= {FROM} AND ts < {UPTO} AND toUnixTimestamp(toStartOfMinute(ts)) IN {MINUTES})
        AND upgraded_us IS NOT NULL AND closed >= {FROM} AND closed < {UPTO} AND toUnixTimestamp(toStartOfMinute(assumeNotNull(closed))) IN {MINUTES}`

// closeRollUp: ends by the minute in which they happened.
const closeRollUp = `
INSERT INTO {DB}.close_minutes
SELECT m, g, p, y, c, i, e, sum(n), sum(f1), sum(f2), sum(b1), sum(b2), {VERSION}
FROM
(
    SELECT toStartOfMinute(assumeNotNull(closed)) AS m, gateway AS g, {PATH} AS p, synthetic AS y, close_code AS c, close_initiator AS i, error_type AS e,
        count() AS n, sum(frames_in) AS f1, sum(frames_out) AS f2, sum(bytes_in) AS b1, sum(bytes_out) AS b2
    FROM {DB}.connections WHERE ` + ended + `
    GROUP BY m, g, p, y, c, i, e
    UNION ALL
    SELECT minute, gateway, path, synthetic, close_code, close_initiator, error_type, 0, 0, 0, 0, 0
    FROM {DB}.close_minutes FINAL
    WHERE minute >= {FROM} AND minute < {UPTO} AND toUnixTimestamp(minute) IN {MINUTES} AND closes > 0
)
GROUP BY m, g, p, y, c, i, e`

// durationRollUp: durations in buckets of 2 %.
const durationRollUp = `
INSERT INTO {DB}.duration_minutes
SELECT m, k, g, p, y, c, b, sum(n), sum(u), {VERSION}
FROM
(
    SELECT m, k, g, p, y, toUInt16(0) AS c, toUInt16(if(us <= 1, 0, ceil(log(us) / log(1.02)))) AS b, count() AS n, sum(us) AS u
    FROM
    (
        SELECT toStartOfMinute(started) AS m, gateway AS g, {PATH} AS p, synthetic AS y,
            arrayJoin([('handshake', upgraded_us), ('first_frame', first_frame_us), ('joined', joined_us),
                ('first_event', first_event_us), ('rtt', toNullable(toUInt64(rtt_min_us)))]) AS kind, tupleElement(kind, 1) AS k, tupleElement(kind, 2) AS us
        FROM {DB}.connections WHERE started >= {FROM} AND started < {UPTO} AND toUnixTimestamp(toStartOfMinute(started)) IN {MINUTES}
    )
    WHERE us IS NOT NULL GROUP BY m, k, g, p, y, b
    UNION ALL
    SELECT toStartOfMinute(assumeNotNull(closed)) AS m, 'age', gateway AS g, {PATH} AS p, synthetic AS y, close_code AS c,
        toUInt16(if(age_us <= 1, 0, ceil(log(age_us) / log(1.02)))) AS b, count(), sum(age_us)
    FROM {DB}.connections WHERE ` + ended + `
    GROUP BY m, g, p, y, c, b
    UNION ALL
    SELECT minute, kind, gateway, path, synthetic, code, bucket, 0, 0
    FROM {DB}.duration_minutes FINAL
    WHERE minute >= {FROM} AND minute < {UPTO} AND toUnixTimestamp(minute) IN {MINUTES} AND connections > 0
)
GROUP BY m, k, g, p, y, c, b`
