-- The named views: the public SQL interface. They answer from roll-ups where the
-- page needs them.

CREATE VIEW IF NOT EXISTS {{.DB}}.v_summary {{.OnCluster}}
(
    total UInt64 COMMENT 'connection attempts that began in the range',
    succeeded UInt64 COMMENT 'of them answered with 101',
    failed UInt64 COMMENT 'refused, errors and abandoned together',
    refused UInt64 COMMENT 'refused with an HTTP status',
    errors UInt64 COMMENT 'ended by an error before 101',
    abandoned UInt64 COMMENT 'ended before 101 without an error',
    pending UInt64 COMMENT 'not decided yet',
    success_rate Float64 COMMENT 'succeeded / (total - pending), 0 to 1',
    joined UInt64 COMMENT 'reached a room',
    closes UInt64 COMMENT 'connections that ended in the range',
    abnormal_closes UInt64 COMMENT 'of them with a code other than 1000 and 1001',
    handshake_avg_us Float64 COMMENT 'mean microseconds from accept to 101',
    handshake_p50_us Float64 COMMENT 'median, at most 1 % off, as all quantiles',
    handshake_p95_us Float64 COMMENT '95th percentile',
    handshake_p99_us Float64 COMMENT '99th percentile',
    age_avg_us Float64 COMMENT 'mean microseconds from 101 to the end, of connections that ended in the range',
    age_p50_us Float64 COMMENT 'median of it',
    frames_in UInt64 COMMENT 'frames received by connections that ended',
    frames_out UInt64 COMMENT 'frames sent',
    bytes_in UInt64 COMMENT 'payload bytes received',
    bytes_out UInt64 COMMENT 'payload bytes sent',
    rows_dropped UInt64 COMMENT 'stage rows that gateways had to drop: statistics are complete while it is 0'
)
AS WITH
    attempts AS (SELECT sum(m.attempts) AS total, sumIf(m.attempts, outcome = 'succeeded') AS succeeded,
        sumIf(m.attempts, outcome = 'refused') AS refused, sumIf(m.attempts, outcome = 'failed') AS errors,
        sumIf(m.attempts, outcome = 'abandoned') AS abandoned, sumIf(m.attempts, outcome = 'pending') AS pending,
        sum(m.joined) AS joined, sum(m.dropped) AS dropped
        FROM {{.DB}}.attempt_minutes AS m FINAL WHERE minute >= {since:DateTime('UTC')} AND minute < {until:DateTime('UTC')} AND NOT synthetic
    AND ({path:String} = '' OR path = {path:String}) AND ({gateway:String} = '' OR gateway = {gateway:String})),
    closes AS (SELECT sum(m.closes) AS closes, sumIf(m.closes, close_code NOT IN (1000, 1001)) AS abnormal,
        sum(m.frames_in) AS frames_in, sum(m.frames_out) AS frames_out, sum(m.bytes_in) AS bytes_in, sum(m.bytes_out) AS bytes_out
        FROM {{.DB}}.close_minutes AS m FINAL WHERE minute >= {since:DateTime('UTC')} AND minute < {until:DateTime('UTC')} AND NOT synthetic
    AND ({path:String} = '' OR path = {path:String}) AND ({gateway:String} = '' OR gateway = {gateway:String})),
    handshakes AS (SELECT sum(connections) AS n, sum(sum_us) AS us, quantilesExactWeighted(0.5, 0.95, 0.99)(bucket, connections) AS q
        FROM {{.DB}}.duration_minutes FINAL WHERE kind = 'handshake' AND minute >= {since:DateTime('UTC')} AND minute < {until:DateTime('UTC')} AND NOT synthetic
    AND ({path:String} = '' OR path = {path:String}) AND ({gateway:String} = '' OR gateway = {gateway:String})),
    ages AS (SELECT sum(connections) AS n, sum(sum_us) AS us, quantilesExactWeighted(0.5)(bucket, connections) AS q
        FROM {{.DB}}.duration_minutes FINAL WHERE kind = 'age' AND minute >= {since:DateTime('UTC')} AND minute < {until:DateTime('UTC')} AND NOT synthetic
    AND ({path:String} = '' OR path = {path:String}) AND ({gateway:String} = '' OR gateway = {gateway:String}))
SELECT
    attempts.total AS total, attempts.succeeded AS succeeded,
    attempts.refused + attempts.errors + attempts.abandoned AS failed,
    attempts.refused AS refused, attempts.errors AS errors, attempts.abandoned AS abandoned, attempts.pending AS pending,
    if(total = pending, 0, succeeded / (total - pending)) AS success_rate,
    attempts.joined AS joined, closes.closes AS closes, closes.abnormal AS abnormal_closes,
    if(handshakes.n = 0, 0, handshakes.us / handshakes.n) AS handshake_avg_us,
    if(handshakes.n = 0, 0, pow(1.02, handshakes.q[1] - 0.5)) AS handshake_p50_us,
    if(handshakes.n = 0, 0, pow(1.02, handshakes.q[2] - 0.5)) AS handshake_p95_us,
    if(handshakes.n = 0, 0, pow(1.02, handshakes.q[3] - 0.5)) AS handshake_p99_us,
    if(ages.n = 0, 0, ages.us / ages.n) AS age_avg_us,
    if(ages.n = 0, 0, pow(1.02, ages.q[1] - 0.5)) AS age_p50_us,
    closes.frames_in AS frames_in, closes.frames_out AS frames_out, closes.bytes_in AS bytes_in, closes.bytes_out AS bytes_out,
    attempts.dropped AS rows_dropped
FROM attempts CROSS JOIN closes CROSS JOIN handshakes CROSS JOIN ages
COMMENT 'Totals of a time range, one row. All views take since, until, path and gateway; an empty path or gateway means all.';

CREATE VIEW IF NOT EXISTS {{.DB}}.v_funnel {{.OnCluster}}
(
    position UInt8 COMMENT 'order',
    stage String COMMENT 'stage',
    coarse_stage String COMMENT 'coarse stage',
    passed UInt64 COMMENT 'attempts that passed it',
    share Float64 COMMENT 'passed / all attempts',
    ended_here UInt64 COMMENT 'attempts without 101 that this stage refused, or that came no further'
)
AS SELECT
    tupleElement(step, 1) AS position, tupleElement(step, 2) AS stage, tupleElement(step, 3) AS coarse_stage, tupleElement(step, 4) AS passed,
    if(total = 0, 0, passed / total) AS share, tupleElement(step, 5) AS ended_here
FROM
(
    SELECT sum(attempts) AS total, arrayJoin([
        (1, 'accept', 'pre_handshake', sum(attempts), sumIf(attempts, NOT (outcome IN ('succeeded', 'pending')) AND stage IN ('accept', 'tls'))),
        (2, 'request', 'pre_handshake', sum(request), sumIf(attempts, NOT (outcome IN ('succeeded', 'pending')) AND stage = 'request')),
        (3, 'origin', 'handshake', sum(origin), sumIf(attempts, NOT (outcome IN ('succeeded', 'pending')) AND stage = 'origin')),
        (4, 'auth', 'handshake', sum(auth), sumIf(attempts, NOT (outcome IN ('succeeded', 'pending')) AND stage = 'auth')),
        (5, 'limits', 'handshake', sum(limits), sumIf(attempts, NOT (outcome IN ('succeeded', 'pending')) AND stage = 'limits')),
        (6, 'upgraded', 'handshake', sum(upgraded), sumIf(attempts, NOT (outcome IN ('succeeded', 'pending')) AND stage = 'upgraded')),
        (7, 'first_frame', 'connected', sum(first_frame), 0),
        (8, 'joined', 'connected', sum(joined), 0),
        (9, 'first_event', 'connected', sum(first_event), 0),
        (10, 'closed', 'disconnected', sum(closed), 0)]) AS step
    FROM {{.DB}}.attempt_minutes FINAL WHERE minute >= {since:DateTime('UTC')} AND minute < {until:DateTime('UTC')} AND NOT synthetic
    AND ({path:String} = '' OR path = {path:String}) AND ({gateway:String} = '' OR gateway = {gateway:String})
)
ORDER BY position
COMMENT 'How far attempts come: one row per stage, in order.';

CREATE VIEW IF NOT EXISTS {{.DB}}.v_errors {{.OnCluster}}
(
    error String COMMENT 'code of the wire contract, gateway_lost, or abandoned [error.type]',
    stage String COMMENT 'the stage that refused or failed',
    status UInt16 COMMENT 'HTTP status answered',
    outcome String COMMENT 'refused, failed, abandoned; succeeded when it failed after 101',
    failures UInt64 COMMENT 'attempts',
    share Float64 COMMENT 'of all failures in the range',
    first_minute DateTime('UTC') COMMENT 'first of them',
    last_minute DateTime('UTC') COMMENT 'last of them'
)
AS SELECT if(error_type = '', outcome, error_type) AS error, stage, status, outcome, sum(attempts) AS failures,
    failures / sum(failures) OVER () AS share, min(minute) AS first_minute, max(minute) AS last_minute
FROM {{.DB}}.attempt_minutes FINAL
WHERE (outcome IN ('refused', 'failed', 'abandoned') OR error_type != '') AND attempts > 0 AND minute >= {since:DateTime('UTC')} AND minute < {until:DateTime('UTC')} AND NOT synthetic
    AND ({path:String} = '' OR path = {path:String}) AND ({gateway:String} = '' OR gateway = {gateway:String})
GROUP BY error, stage, status, outcome ORDER BY failures DESC, error, stage, status
COMMENT 'Why attempts and connections failed, most frequent first.';

CREATE VIEW IF NOT EXISTS {{.DB}}.v_close_codes {{.OnCluster}}
(
    close_code UInt16 COMMENT 'WebSocket close code; 0: none was exchanged',
    close_initiator String COMMENT 'client, server, network, timeout',
    error_type String COMMENT 'code, empty for none [error.type]',
    closes UInt64 COMMENT 'connections',
    share Float64 COMMENT 'of all ends in the range',
    bytes_out UInt64 COMMENT 'payload bytes sent to them',
    first_minute DateTime('UTC') COMMENT 'first of them',
    last_minute DateTime('UTC') COMMENT 'last of them'
)
AS SELECT close_code, close_initiator, error_type, sum(m.closes) AS closes, closes / sum(closes) OVER () AS share,
    sum(m.bytes_out) AS bytes_out, min(minute) AS first_minute, max(minute) AS last_minute
FROM {{.DB}}.close_minutes AS m FINAL WHERE m.closes > 0 AND minute >= {since:DateTime('UTC')} AND minute < {until:DateTime('UTC')} AND NOT synthetic
    AND ({path:String} = '' OR path = {path:String}) AND ({gateway:String} = '' OR gateway = {gateway:String})
GROUP BY close_code, close_initiator, error_type ORDER BY closes DESC, close_code, close_initiator
COMMENT 'How connections ended, most frequent first.';

CREATE VIEW IF NOT EXISTS {{.DB}}.v_durations {{.OnCluster}}
(
    kind String COMMENT 'handshake, first_frame, joined, first_event (all from accept), rtt (fastest ping), age (101 to the end)',
    n UInt64 COMMENT 'connections',
    avg_us Float64 COMMENT 'mean in microseconds',
    p50_us Float64 COMMENT 'median',
    p75_us Float64 COMMENT '75th percentile',
    p90_us Float64 COMMENT '90th percentile',
    p95_us Float64 COMMENT '95th percentile',
    p99_us Float64 COMMENT '99th percentile',
    max_us Float64 COMMENT 'longest'
)
AS SELECT kind, sum(connections) AS n, sum(sum_us) / n AS avg_us,
    pow(1.02, quantileExactWeighted(0.5)(bucket, connections) - 0.5) AS p50_us, pow(1.02, quantileExactWeighted(0.75)(bucket, connections) - 0.5) AS p75_us, pow(1.02, quantileExactWeighted(0.9)(bucket, connections) - 0.5) AS p90_us,
    pow(1.02, quantileExactWeighted(0.95)(bucket, connections) - 0.5) AS p95_us, pow(1.02, quantileExactWeighted(0.99)(bucket, connections) - 0.5) AS p99_us, pow(1.02, max(bucket) - 0.5) AS max_us
FROM {{.DB}}.duration_minutes FINAL WHERE connections > 0 AND minute >= {since:DateTime('UTC')} AND minute < {until:DateTime('UTC')} AND NOT synthetic
    AND ({path:String} = '' OR path = {path:String}) AND ({gateway:String} = '' OR gateway = {gateway:String})
GROUP BY kind ORDER BY indexOf(['handshake', 'first_frame', 'joined', 'first_event', 'rtt', 'age'], kind)
COMMENT 'Durations by kind, with quantiles that are at most 1 % off.';

CREATE VIEW IF NOT EXISTS {{.DB}}.v_series {{.OnCluster}}
(
    t DateTime('UTC') COMMENT 'start of the point',
    attempts UInt64 COMMENT 'attempts that began',
    succeeded UInt64 COMMENT 'of them answered with 101',
    refused UInt64 COMMENT 'refused',
    failed UInt64 COMMENT 'ended by an error before 101',
    abandoned UInt64 COMMENT 'ended before 101 without an error',
    joined UInt64 COMMENT 'reached a room',
    closes UInt64 COMMENT 'connections that ended',
    abnormal_closes UInt64 COMMENT 'of them with a code other than 1000 and 1001',
    handshake_avg_us Float64 COMMENT 'mean microseconds from accept to 101'
)
AS SELECT t, sum(a) AS attempts, sum(s) AS succeeded, sum(r) AS refused, sum(f) AS failed, sum(ab) AS abandoned, sum(j) AS joined,
    sum(c) AS closes, sum(ac) AS abnormal_closes, if(sum(hn) = 0, 0, sum(hus) / sum(hn)) AS handshake_avg_us
FROM
(
    SELECT toStartOfInterval(minute, toIntervalSecond({step:UInt32}), 'UTC') AS t, sum(attempts) AS a, sumIf(attempts, outcome = 'succeeded') AS s,
        sumIf(attempts, outcome = 'refused') AS r, sumIf(attempts, outcome = 'failed') AS f, sumIf(attempts, outcome = 'abandoned') AS ab,
        sum(joined) AS j, 0 AS c, 0 AS ac, 0 AS hn, 0 AS hus
    FROM {{.DB}}.attempt_minutes FINAL WHERE minute >= {since:DateTime('UTC')} AND minute < {until:DateTime('UTC')} AND NOT synthetic
    AND ({path:String} = '' OR path = {path:String}) AND ({gateway:String} = '' OR gateway = {gateway:String}) GROUP BY t
    UNION ALL
    SELECT toStartOfInterval(minute, toIntervalSecond({step:UInt32}), 'UTC') AS t, 0, 0, 0, 0, 0, 0, sum(closes), sumIf(closes, close_code NOT IN (1000, 1001)), 0, 0
    FROM {{.DB}}.close_minutes FINAL WHERE minute >= {since:DateTime('UTC')} AND minute < {until:DateTime('UTC')} AND NOT synthetic
    AND ({path:String} = '' OR path = {path:String}) AND ({gateway:String} = '' OR gateway = {gateway:String}) GROUP BY t
    UNION ALL
    SELECT toStartOfInterval(minute, toIntervalSecond({step:UInt32}), 'UTC') AS t, 0, 0, 0, 0, 0, 0, 0, 0, sum(connections), sum(sum_us)
    FROM {{.DB}}.duration_minutes FINAL WHERE kind = 'handshake' AND minute >= {since:DateTime('UTC')} AND minute < {until:DateTime('UTC')} AND NOT synthetic
    AND ({path:String} = '' OR path = {path:String}) AND ({gateway:String} = '' OR gateway = {gateway:String}) GROUP BY t
)
GROUP BY t HAVING attempts + closes > 0 ORDER BY t
COMMENT 'Attempts and ends over time; takes step, the seconds of a point, too. Points without anything are left out.';

CREATE VIEW IF NOT EXISTS {{.DB}}.v_by_path {{.OnCluster}}
(
    path String COMMENT 'path, "(other)" for paths that never led to an upgrade [url.path]',
    attempts UInt64 COMMENT 'attempts that began',
    succeeded UInt64 COMMENT 'answered with 101',
    failed UInt64 COMMENT 'refused, failed or abandoned',
    success_rate Float64 COMMENT 'succeeded / (succeeded + failed)',
    closes UInt64 COMMENT 'connections that ended',
    abnormal_closes UInt64 COMMENT 'of them with a code other than 1000 and 1001',
    handshake_avg_us Float64 COMMENT 'mean microseconds from accept to 101'
)
AS SELECT path, sum(att) AS attempts, sum(suc) AS succeeded, sum(bad) AS failed,
    if(succeeded + failed = 0, 0, succeeded / (succeeded + failed)) AS success_rate, sum(c) AS closes, sum(ac) AS abnormal_closes,
    if(sum(hn) = 0, 0, sum(hus) / sum(hn)) AS handshake_avg_us
FROM
(
    SELECT path, sum(attempts) AS att, sumIf(attempts, outcome = 'succeeded') AS suc,
        sumIf(attempts, outcome IN ('refused', 'failed', 'abandoned')) AS bad, 0 AS c, 0 AS ac, 0 AS hn, 0 AS hus
    FROM {{.DB}}.attempt_minutes FINAL WHERE minute >= {since:DateTime('UTC')} AND minute < {until:DateTime('UTC')} AND NOT synthetic
    AND ({path:String} = '' OR path = {path:String}) AND ({gateway:String} = '' OR gateway = {gateway:String}) GROUP BY path
    UNION ALL
    SELECT path, 0, 0, 0, sum(closes), sumIf(closes, close_code NOT IN (1000, 1001)), 0, 0
    FROM {{.DB}}.close_minutes FINAL WHERE minute >= {since:DateTime('UTC')} AND minute < {until:DateTime('UTC')} AND NOT synthetic
    AND ({path:String} = '' OR path = {path:String}) AND ({gateway:String} = '' OR gateway = {gateway:String}) GROUP BY path
    UNION ALL
    SELECT path, 0, 0, 0, 0, 0, sum(connections), sum(sum_us)
    FROM {{.DB}}.duration_minutes FINAL WHERE kind = 'handshake' AND minute >= {since:DateTime('UTC')} AND minute < {until:DateTime('UTC')} AND NOT synthetic
    AND ({path:String} = '' OR path = {path:String}) AND ({gateway:String} = '' OR gateway = {gateway:String}) GROUP BY path
)
GROUP BY path HAVING attempts + closes > 0 ORDER BY attempts DESC, path
COMMENT 'Attempts and ends by path.';

CREATE VIEW IF NOT EXISTS {{.DB}}.v_by_gateway {{.OnCluster}}
(
    gateway String COMMENT 'gateway incarnation [service.instance.id]',
    attempts UInt64 COMMENT 'attempts that began',
    succeeded UInt64 COMMENT 'answered with 101',
    failed UInt64 COMMENT 'refused, failed or abandoned',
    success_rate Float64 COMMENT 'succeeded / (succeeded + failed)',
    closes UInt64 COMMENT 'connections that ended',
    abnormal_closes UInt64 COMMENT 'of them with a code other than 1000 and 1001',
    handshake_avg_us Float64 COMMENT 'mean microseconds from accept to 101'
)
AS SELECT gateway, sum(att) AS attempts, sum(suc) AS succeeded, sum(bad) AS failed,
    if(succeeded + failed = 0, 0, succeeded / (succeeded + failed)) AS success_rate, sum(c) AS closes, sum(ac) AS abnormal_closes,
    if(sum(hn) = 0, 0, sum(hus) / sum(hn)) AS handshake_avg_us
FROM
(
    SELECT gateway, sum(attempts) AS att, sumIf(attempts, outcome = 'succeeded') AS suc,
        sumIf(attempts, outcome IN ('refused', 'failed', 'abandoned')) AS bad, 0 AS c, 0 AS ac, 0 AS hn, 0 AS hus
    FROM {{.DB}}.attempt_minutes FINAL WHERE minute >= {since:DateTime('UTC')} AND minute < {until:DateTime('UTC')} AND NOT synthetic
    AND ({path:String} = '' OR path = {path:String}) AND ({gateway:String} = '' OR gateway = {gateway:String}) GROUP BY gateway
    UNION ALL
    SELECT gateway, 0, 0, 0, sum(closes), sumIf(closes, close_code NOT IN (1000, 1001)), 0, 0
    FROM {{.DB}}.close_minutes FINAL WHERE minute >= {since:DateTime('UTC')} AND minute < {until:DateTime('UTC')} AND NOT synthetic
    AND ({path:String} = '' OR path = {path:String}) AND ({gateway:String} = '' OR gateway = {gateway:String}) GROUP BY gateway
    UNION ALL
    SELECT gateway, 0, 0, 0, 0, 0, sum(connections), sum(sum_us)
    FROM {{.DB}}.duration_minutes FINAL WHERE kind = 'handshake' AND minute >= {since:DateTime('UTC')} AND minute < {until:DateTime('UTC')} AND NOT synthetic
    AND ({path:String} = '' OR path = {path:String}) AND ({gateway:String} = '' OR gateway = {gateway:String}) GROUP BY gateway
)
GROUP BY gateway HAVING attempts + closes > 0 ORDER BY attempts DESC, gateway
COMMENT 'Attempts and ends by gateway incarnation.';

CREATE VIEW IF NOT EXISTS {{.DB}}.v_survival {{.OnCluster}}
(
    age_s Float64 COMMENT 'age in seconds, at most 1 % off',
    ended UInt64 COMMENT 'connections that ended at this age',
    surviving Float64 COMMENT 'share of all that became older',
    ended_by_network UInt64 COMMENT 'of the ended ones those with a code other than 1000 and 1001'
)
AS SELECT pow(1.02, bucket - 0.5) / 1e6 AS age_s, sum(c) AS ended, 1 - sum(ended) OVER (ORDER BY bucket) / sum(ended) OVER () AS surviving,
    sum(n) AS ended_by_network
FROM
(
    SELECT bucket, sum(connections) AS c, sumIf(connections, NOT (code IN (1000, 1001))) AS n
    FROM {{.DB}}.duration_minutes FINAL WHERE kind = 'age' AND connections > 0 AND minute >= {since:DateTime('UTC')} AND minute < {until:DateTime('UTC')} AND NOT synthetic
    AND ({path:String} = '' OR path = {path:String}) AND ({gateway:String} = '' OR gateway = {gateway:String}) GROUP BY bucket
)
GROUP BY bucket ORDER BY bucket
COMMENT 'Survival of connection ages: of the connections that ended in the range, which share became older than age_s. Cliffs are the work of time-outs.';

CREATE VIEW IF NOT EXISTS {{.DB}}.v_reconnects {{.OnCluster}}
(
    close_code UInt16 COMMENT 'how the earlier connection ended',
    close_initiator String COMMENT 'who ended it',
    ends UInt64 COMMENT 'ends of connections',
    back_in_5s UInt64 COMMENT 'followed by another of the same user within 5 s; negative gaps, of overlapping connections, count',
    back_in_60s UInt64 COMMENT 'within 60 s',
    back_in_5min UInt64 COMMENT 'within 5 minutes',
    never UInt64 COMMENT 'not within the range and a day',
    median_gap_s Nullable(Float64) COMMENT 'median seconds until the next'
)
AS SELECT close_code, close_initiator, count() AS ends, countIf(gap_s <= 5) AS back_in_5s, countIf(gap_s <= 60) AS back_in_60s,
    countIf(gap_s <= 300) AS back_in_5min, countIf(gap_s IS NULL) AS never, quantileExact(0.5)(gap_s) AS median_gap_s
FROM
(
    SELECT closed, close_code, close_initiator, path, gateway, synthetic,
        dateDiff('millisecond', closed, leadInFrame(toNullable(toDateTime64(started, 6, 'UTC'))) OVER (PARTITION BY user_hash ORDER BY started ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING)) / 1000 AS gap_s
    FROM {{.DB}}.connections
    WHERE started < {until:DateTime('UTC')} + toIntervalDay(1) AND started >= {since:DateTime('UTC')} - toIntervalDay(1)
        AND outcome = 'succeeded' AND user_hash != '' AND NOT synthetic
)
WHERE closed >= {since:DateTime('UTC')} AND closed < {until:DateTime('UTC')}
    AND ({path:String} = '' OR path = {path:String}) AND ({gateway:String} = '' OR gateway = {gateway:String})
GROUP BY close_code, close_initiator ORDER BY ends DESC, close_code
COMMENT 'How people come back after a connection ended, by how it ended. Counts what has a user hash; looks one day ahead.';

CREATE VIEW IF NOT EXISTS {{.DB}}.v_attempts {{.OnCluster}}
(
    started DateTime64(3, 'UTC') COMMENT 'as in connections, like all columns here',
    conn UUID COMMENT '[session.id]',
    trace String,
    gateway String,
    outcome String,
    last_stage String,
    failed_stage String,
    error_type String COMMENT '[error.type]',
    error_detail String COMMENT '[error.message]',
    status UInt16 COMMENT '[http.response.status_code]',
    path String COMMENT '[url.path]',
    origin String,
    ua_name String COMMENT '[user_agent.name]',
    os String,
    family String COMMENT '[network.type]',
    tls_version String,
    http_version String,
    proxied Bool,
    upgraded_us Nullable(UInt64),
    joined_us Nullable(UInt64),
    closed Nullable(DateTime64(6, 'UTC')),
    age_us Nullable(UInt64),
    close_code UInt16,
    close_initiator String,
    close_reason String,
    rtt_min_us Nullable(UInt32),
    frames_in UInt64,
    frames_out UInt64,
    bytes_in UInt64,
    bytes_out UInt64,
    client_ip IPv6 COMMENT '[client.address]',
    user_hash String COMMENT '[user.id]',
    rooms UInt16
)
AS SELECT started, conn, trace, gateway, outcome, last_stage, failed_stage, error_type, error_detail, status, path, origin, ua_name, os, family,
    tls_version, http_version, proxied, upgraded_us, joined_us, closed, age_us, close_code, close_initiator, close_reason, rtt_min_us,
    frames_in, frames_out, bytes_in, bytes_out, client_ip, user_hash, rooms
FROM {{.DB}}.connections WHERE started >= {since:DateTime('UTC')} AND started < {until:DateTime('UTC')} AND NOT synthetic
    AND ({path:String} = '' OR path = {path:String}) AND ({gateway:String} = '' OR gateway = {gateway:String}) ORDER BY started DESC, conn DESC
COMMENT 'Connection attempts, latest first, one row each. Add a LIMIT.';

CREATE VIEW IF NOT EXISTS {{.DB}}.v_client_reports {{.OnCluster}}
(
    verdict String COMMENT 'cause that the client names',
    verified Bool COMMENT 'whether they carried a report key',
    reports UInt64 COMMENT 'reports',
    never_arrived UInt64 COMMENT 'of them about attempts that no gateway saw',
    attempts UInt64 COMMENT 'different attempts'
)
AS SELECT verdict, verified, count() AS reports, countIf(NOT arrived) AS never_arrived, uniqExact(trace) AS attempts
FROM
(
    SELECT r.verdict AS verdict, r.verified AS verified, r.trace AS trace,
        r.trace IN (SELECT trace FROM {{.DB}}.connection_states WHERE trace != '' AND started >= {since:DateTime('UTC')} - toIntervalDay(1)) AS arrived
    FROM {{.DB}}.client_reports AS r
    WHERE ts >= {since:DateTime('UTC')} AND ts < {until:DateTime('UTC')} AND NOT synthetic
        AND ({path:String} = '' OR path = {path:String}) AND ({gateway:String} = '' OR gateway = {gateway:String})
)
GROUP BY verdict, verified ORDER BY reports DESC, verdict
COMMENT 'What clients report, by verdict, and how many of these attempts never arrived here.';
