-- Minute roll-ups. They are recomputed, never incremented: a minute of which
-- something new is known is computed from the connections again, and its rows
-- with the higher version replace the older ones. Combinations that vanished are
-- overwritten by zeros.
CREATE TABLE IF NOT EXISTS {{.DB}}.attempt_minutes {{.OnCluster}}
(
    minute DateTime('UTC') COMMENT 'minute in which the attempts began' CODEC(DoubleDelta, ZSTD(1)),
    gateway LowCardinality(String) COMMENT 'gateway incarnation' CODEC(ZSTD(1)),
    path LowCardinality(String) COMMENT 'path, "(other)" for paths that never led to an upgrade' CODEC(ZSTD(1)),
    synthetic Bool COMMENT 'made by a diagnostic tool' CODEC(ZSTD(1)),
    outcome LowCardinality(String) COMMENT 'as in connections' CODEC(ZSTD(1)),
    stage LowCardinality(String) COMMENT 'the stage that refused or failed, else the last one passed before 101' CODEC(ZSTD(1)),
    error_type LowCardinality(String) COMMENT 'code' CODEC(ZSTD(1)),
    status UInt16 COMMENT 'HTTP status' CODEC(ZSTD(1)),
    attempts UInt64 COMMENT 'attempts' CODEC(T64, ZSTD(1)),
    request UInt64 COMMENT 'of them passed this stage, as in the next eight' CODEC(T64, ZSTD(1)),
    origin UInt64 CODEC(T64, ZSTD(1)),
    auth UInt64 CODEC(T64, ZSTD(1)),
    limits UInt64 CODEC(T64, ZSTD(1)),
    upgraded UInt64 CODEC(T64, ZSTD(1)),
    first_frame UInt64 CODEC(T64, ZSTD(1)),
    joined UInt64 CODEC(T64, ZSTD(1)),
    first_event UInt64 CODEC(T64, ZSTD(1)),
    closed UInt64 CODEC(T64, ZSTD(1)),
    dropped UInt64 COMMENT 'stage rows that a gateway had to drop' CODEC(T64, ZSTD(1)),
    version UInt64 COMMENT 'place in the stream up to which the row is complete' CODEC(ZSTD(1))
)
ENGINE = {{.Engine "ReplacingMergeTree" "version"}}
PARTITION BY toYYYYMM(minute)
ORDER BY (minute, gateway, path, synthetic, outcome, stage, error_type, status)
TTL minute + toIntervalYear(1)
SETTINGS ttl_only_drop_parts = 1
COMMENT 'Attempts by the minute in which they began.';

CREATE TABLE IF NOT EXISTS {{.DB}}.close_minutes {{.OnCluster}}
(
    minute DateTime('UTC') COMMENT 'minute in which the connections ended' CODEC(DoubleDelta, ZSTD(1)),
    gateway LowCardinality(String) COMMENT 'gateway incarnation' CODEC(ZSTD(1)),
    path LowCardinality(String) COMMENT 'path' CODEC(ZSTD(1)),
    synthetic Bool COMMENT 'made by a diagnostic tool' CODEC(ZSTD(1)),
    close_code UInt16 COMMENT 'WebSocket close code' CODEC(ZSTD(1)),
    close_initiator LowCardinality(String) COMMENT 'client, server, network, timeout' CODEC(ZSTD(1)),
    error_type LowCardinality(String) COMMENT 'code' CODEC(ZSTD(1)),
    closes UInt64 COMMENT 'connections that had been upgraded' CODEC(T64, ZSTD(1)),
    frames_in UInt64 COMMENT 'frames received by them' CODEC(T64, ZSTD(1)),
    frames_out UInt64 COMMENT 'frames sent to them' CODEC(T64, ZSTD(1)),
    bytes_in UInt64 COMMENT 'payload bytes received' CODEC(T64, ZSTD(1)),
    bytes_out UInt64 COMMENT 'payload bytes sent' CODEC(T64, ZSTD(1)),
    version UInt64 COMMENT 'place in the stream up to which the row is complete' CODEC(ZSTD(1))
)
ENGINE = {{.Engine "ReplacingMergeTree" "version"}}
PARTITION BY toYYYYMM(minute)
ORDER BY (minute, gateway, path, synthetic, close_code, close_initiator, error_type)
TTL minute + toIntervalYear(1)
SETTINGS ttl_only_drop_parts = 1
COMMENT 'Ends of connections by the minute in which they happened.';

-- Durations as counts in buckets of 2 % width, which add up over any range:
-- bucket = ceil(log(x)/log(1.02)), x in microseconds, and its middle is at most
-- 1 % away from x.
CREATE TABLE IF NOT EXISTS {{.DB}}.duration_minutes {{.OnCluster}}
(
    minute DateTime('UTC') COMMENT 'minute of the start; of the end for kind age' CODEC(DoubleDelta, ZSTD(1)),
    kind LowCardinality(String) COMMENT 'handshake (accept to 101), first_frame, joined, first_event (all from accept), rtt (fastest ping), age (101 to the end)' CODEC(ZSTD(1)),
    gateway LowCardinality(String) COMMENT 'gateway incarnation' CODEC(ZSTD(1)),
    path LowCardinality(String) COMMENT 'path' CODEC(ZSTD(1)),
    synthetic Bool COMMENT 'made by a diagnostic tool' CODEC(ZSTD(1)),
    code UInt16 COMMENT 'close code for kind age, else 0' CODEC(ZSTD(1)),
    bucket UInt16 COMMENT 'bucket of the duration' CODEC(ZSTD(1)),
    connections UInt64 COMMENT 'connections in the bucket' CODEC(T64, ZSTD(1)),
    sum_us UInt64 COMMENT 'sum of their durations in microseconds' CODEC(T64, ZSTD(1)),
    version UInt64 COMMENT 'place in the stream up to which the row is complete' CODEC(ZSTD(1))
)
ENGINE = {{.Engine "ReplacingMergeTree" "version"}}
PARTITION BY toYYYYMM(minute)
ORDER BY (minute, kind, gateway, path, synthetic, code, bucket)
TTL minute + toIntervalYear(1)
SETTINGS ttl_only_drop_parts = 1
COMMENT 'Durations by minute, in buckets.';

CREATE TABLE IF NOT EXISTS {{.DB}}.rollup_progress {{.OnCluster}}
(
    stream LowCardinality(String) COMMENT 'identity of the stream CONN',
    seq UInt64 COMMENT 'the roll-ups contain everything up to here',
    at DateTime64(3, 'UTC') COMMENT 'when that was known'
)
ENGINE = {{.Engine "ReplacingMergeTree" "seq"}}
ORDER BY stream
COMMENT 'How far the roll-ups are.';
