-- One row per stage of a connection attempt, exactly as the stream has it.
-- Partitioned by the day of storage in the stream, so that one insert is one
-- part: its parts would not be atomic together. The key is the place in the
-- stream, which grows with time; the index on ts finds times.
CREATE TABLE IF NOT EXISTS {{.DB}}.connection_events {{.OnCluster}}
(
    stream LowCardinality(String) COMMENT 'identity of the stream CONN, which changes when it is created anew' CODEC(ZSTD(1)),
    seq UInt64 COMMENT 'stream sequence of the message that brought the row; with stream and idx the idempotency key' CODEC(DoubleDelta, ZSTD(1)),
    idx UInt16 COMMENT 'place of the row in its message' CODEC(T64, ZSTD(1)),
    stored DateTime64(6, 'UTC') COMMENT 'when the stream stored the message' CODEC(DoubleDelta, ZSTD(1)),
    ts DateTime64(6, 'UTC') COMMENT 'when the stage was passed [timestamp]' CODEC(Delta, ZSTD(1)),
    trace String COMMENT 'id of the attempt chosen by the client, empty for none' CODEC(ZSTD(1)),
    conn UUID COMMENT 'id of the attempt (UUIDv7), zero for rows about the gateway itself [session.id]' CODEC(ZSTD(1)),
    started DateTime64(3, 'UTC') COMMENT 'when the attempt began, from its id' CODEC(Delta, ZSTD(1)),
    previous UUID COMMENT 'attempt of which this one is the resumption [session.previous_id]' CODEC(ZSTD(1)),
    gateway LowCardinality(String) COMMENT 'gateway incarnation [service.instance.id]' CODEC(ZSTD(1)),
    stage {{.StageEnum}} COMMENT 'step of the attempt' CODEC(ZSTD(1)),
    coarse_stage Enum8('pre_handshake' = 1, 'handshake' = 2, 'connected' = 3, 'disconnected' = 4) COMMENT 'the four steps of the coarse view' CODEC(ZSTD(1)),
    outcome Enum8('ok' = 1, 'refused' = 2, 'error' = 3) COMMENT 'how the stage went' CODEC(ZSTD(1)),
    duration_us UInt64 COMMENT 'microseconds since the previous stage' CODEC(T64, ZSTD(1)),
    since_accept_us UInt64 COMMENT 'microseconds since the TCP connection was accepted' CODEC(T64, ZSTD(1)),
    error_type LowCardinality(String) COMMENT 'code of the wire contract; gateway_lost and telemetry_dropped are made by the telemetry itself [error.type]' CODEC(ZSTD(1)),
    error_detail LowCardinality(String) COMMENT 'one of a fixed set of texts, at most 120 bytes [error.message]' CODEC(ZSTD(1)),
    params Array(LowCardinality(String)) COMMENT 'names of known query parameters, never values' CODEC(ZSTD(1)),
    token_via Enum8('' = 0, 'query' = 1, 'header' = 2, 'subprotocol' = 3) COMMENT 'how a token was sent' CODEC(ZSTD(1)),
    client_ip IPv6 COMMENT 'address of the client, masked by analytics.ip-privacy [client.address]' CODEC(ZSTD(1)),
    client_port UInt16 COMMENT 'port of the client [client.port]' CODEC(ZSTD(1)),
    peer_ip IPv6 COMMENT 'address of the TCP peer, which may be a proxy, masked [network.peer.address]' CODEC(ZSTD(1)),
    local_port UInt16 COMMENT 'port of the listener [network.local.port]' CODEC(T64, ZSTD(1)),
    family LowCardinality(String) COMMENT 'ipv4 or ipv6 [network.type]' CODEC(ZSTD(1)),
    host LowCardinality(String) COMMENT 'Host header [server.address]' CODEC(ZSTD(1)),
    scheme LowCardinality(String) COMMENT 'ws or wss [url.scheme]' CODEC(ZSTD(1)),
    path LowCardinality(String) COMMENT 'request path without the query [url.path]' CODEC(ZSTD(1)),
    method LowCardinality(String) COMMENT 'request method [http.request.method]' CODEC(ZSTD(1)),
    http_version LowCardinality(String) COMMENT 'HTTP version of the request [network.protocol.version]' CODEC(ZSTD(1)),
    status UInt16 COMMENT 'HTTP status answered, 101 for an upgrade, 0 for none [http.response.status_code]' CODEC(T64, ZSTD(1)),
    origin LowCardinality(String) COMMENT 'Origin header [http.request.header.origin]' CODEC(ZSTD(1)),
    subprotocol LowCardinality(String) COMMENT 'selected subprotocol' CODEC(ZSTD(1)),
    extensions LowCardinality(String) COMMENT 'extensions offered' CODEC(ZSTD(1)),
    headers Map(LowCardinality(String), String) COMMENT 'allow-listed request headers [http.request.header.*]' CODEC(ZSTD(1)),
    tls_version LowCardinality(String) COMMENT 'TLS version, empty without [tls.protocol.version]' CODEC(ZSTD(1)),
    tls_cipher LowCardinality(String) COMMENT 'cipher suite [tls.cipher]' CODEC(ZSTD(1)),
    tls_resumed Bool COMMENT 'whether the TLS session was resumed [tls.resumed]' CODEC(ZSTD(1)),
    alpn LowCardinality(String) COMMENT 'protocol chosen by ALPN [tls.next_protocol]' CODEC(ZSTD(1)),
    user_agent LowCardinality(String) COMMENT 'User-Agent header [user_agent.original]' CODEC(ZSTD(1)),
    ua_name LowCardinality(String) COMMENT 'browser or program [user_agent.name]' CODEC(ZSTD(1)),
    ua_version LowCardinality(String) COMMENT 'its major version [user_agent.version]' CODEC(ZSTD(1)),
    os LowCardinality(String) COMMENT 'operating system of the client [user_agent.os.name]' CODEC(ZSTD(1)),
    proxied Bool COMMENT 'whether the request names a proxy' CODEC(ZSTD(1)),
    xff_hops UInt8 COMMENT 'entries of X-Forwarded-For' CODEC(ZSTD(1)),
    close_code UInt16 COMMENT 'WebSocket close code, 0 when none was sent' CODEC(T64, ZSTD(1)),
    close_initiator Enum8('' = 0, 'client' = 1, 'server' = 2, 'network' = 3, 'timeout' = 4) COMMENT 'who ended it' CODEC(ZSTD(1)),
    close_reason LowCardinality(String) COMMENT 'text of the close' CODEC(ZSTD(1)),
    rtt_us UInt32 COMMENT 'round trip of a ping in microseconds, 0 for other stages' CODEC(T64, ZSTD(1)),
    frames_in UInt64 COMMENT 'frames received; told with stage closed, like the next four' CODEC(T64, ZSTD(1)),
    frames_out UInt64 COMMENT 'frames sent' CODEC(T64, ZSTD(1)),
    bytes_in UInt64 COMMENT 'payload bytes received' CODEC(T64, ZSTD(1)),
    bytes_out UInt64 COMMENT 'payload bytes sent' CODEC(T64, ZSTD(1)),
    queue_peak UInt64 COMMENT 'longest outbound queue in bytes' CODEC(T64, ZSTD(1)),
    user_hash String COMMENT 'salted hash of the identity [user.id]' CODEC(ZSTD(1)),
    rooms UInt16 COMMENT 'rooms joined' CODEC(T64, ZSTD(1)),
    synthetic Bool COMMENT 'made by a diagnostic tool; statistics leave it out [user_agent.synthetic.type]' CODEC(ZSTD(1)),

    INDEX ts_range ts TYPE minmax GRANULARITY 1,
    INDEX conn_filter conn TYPE bloom_filter(0.01) GRANULARITY 2,
    INDEX trace_filter trace TYPE bloom_filter(0.01) GRANULARITY 2
)
ENGINE = {{.Engine "ReplacingMergeTree" ""}}
PARTITION BY toDate(stored)
ORDER BY (stream, seq, idx)
TTL toDateTime(stored) + toIntervalDay({{.RetentionDays}})
SETTINGS ttl_only_drop_parts = 1{{.DedupWindow}}
COMMENT 'One row per stage of a connection attempt.';
