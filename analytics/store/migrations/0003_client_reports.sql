CREATE TABLE IF NOT EXISTS {{.DB}}.client_report_rows {{.OnCluster}}
(
    stream LowCardinality(String) CODEC(ZSTD(1)),
    seq UInt64 CODEC(DoubleDelta, ZSTD(1)),
    stored DateTime64(6, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    ts DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    trace String CODEC(ZSTD(1)),
    gateway LowCardinality(String) CODEC(ZSTD(1)),
    verified Bool CODEC(ZSTD(1)),
    verdict LowCardinality(String) CODEC(ZSTD(1)),
    confidence LowCardinality(String) CODEC(ZSTD(1)),
    reached LowCardinality(String) CODEC(ZSTD(1)),
    duration_us UInt64 CODEC(ZSTD(1)),
    close_code UInt16 CODEC(ZSTD(1)),
    scheme LowCardinality(String) CODEC(ZSTD(1)),
    host LowCardinality(String) CODEC(ZSTD(1)),
    path LowCardinality(String) CODEC(ZSTD(1)),
    user_agent LowCardinality(String) CODEC(ZSTD(1)),
    ua_name LowCardinality(String) CODEC(ZSTD(1)),
    ua_version LowCardinality(String) CODEC(ZSTD(1)),
    os LowCardinality(String) CODEC(ZSTD(1)),
    synthetic Bool CODEC(ZSTD(1)),
    body String CODEC(ZSTD(3)),
    INDEX trace_filter trace TYPE bloom_filter(0.01) GRANULARITY 2
)
ENGINE = {{.Engine "ReplacingMergeTree" ""}}
PARTITION BY toDate(stored)
ORDER BY (stream, seq)
TTL toDateTime(stored) + toIntervalDay({{.RetentionDays}})
SETTINGS ttl_only_drop_parts = 1
COMMENT 'Storage of client_reports; query that view instead.';

CREATE VIEW IF NOT EXISTS {{.DB}}.client_reports {{.OnCluster}}
(
    ts DateTime64(6, 'UTC') COMMENT 'when a gateway received the report [timestamp]',
    trace String COMMENT 'id of the attempt that the report is about',
    gateway String COMMENT 'gateway that received it [service.instance.id]',
    verified Bool COMMENT 'whether it carried the report key of an earlier welcome; others never enter a rate',
    verdict String COMMENT 'cause that the client''s diagnosis names',
    confidence String COMMENT 'proved, likely or unknown',
    reached String COMMENT 'last step that the client saw succeed',
    duration_us UInt64 COMMENT 'microseconds that the attempt took',
    close_code UInt16 COMMENT 'close code that the client saw',
    scheme String COMMENT 'ws or wss [url.scheme]',
    host String COMMENT '[server.address]',
    path String COMMENT '[url.path]',
    user_agent String COMMENT '[user_agent.original]',
    ua_name String COMMENT '[user_agent.name]',
    ua_version String COMMENT '[user_agent.version]',
    os String COMMENT '[user_agent.os.name]',
    synthetic Bool COMMENT 'made by a diagnostic tool [user_agent.synthetic.type]',
    body String COMMENT 'the report as JSON, redacted'
)
AS SELECT ts, trace, gateway, verified, verdict, confidence, reached, duration_us, close_code, scheme, host, path,
    user_agent, ua_name, ua_version, os, synthetic, body
FROM {{.DB}}.client_report_rows FINAL
COMMENT 'What clients tell of their own attempts, also of those that never arrived.';
