-- One row per stage of a connection attempt, exactly as the stream has it.
-- Partitioned by the day of storage in the stream, so that one insert is one
-- part: its parts would not be atomic together. The key is the place in the
-- stream, which grows with time; the index on ts finds times.
CREATE TABLE IF NOT EXISTS partyline.connection_events 
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
    stage Enum8('' = 0, 'accept' = 1, 'tls' = 2, 'request' = 3, 'origin' = 4, 'auth' = 5, 'limits' = 6, 'upgraded' = 7, 'first_frame' = 8, 'joined' = 9, 'first_event' = 10, 'ping' = 11, 'closing' = 12, 'closed' = 13) COMMENT 'step of the attempt' CODEC(ZSTD(1)),
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
ENGINE = ReplacingMergeTree()
PARTITION BY toDate(stored)
ORDER BY (stream, seq, idx)
TTL toDateTime(stored) + toIntervalDay(30)
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000
COMMENT 'One row per stage of a connection attempt.';

-- One row per attempt, folded from its stages. Every column is an aggregate that
-- a repeated row does not change, so writing a batch again is harmless. The key
-- follows from the id of the attempt alone, so that all its rows meet in one
-- partition.
CREATE TABLE IF NOT EXISTS partyline.connection_states 
(
    started DateTime64(3, 'UTC') COMMENT 'when the attempt began, from its id' CODEC(Delta, ZSTD(1)),
    conn UUID CODEC(ZSTD(1)),
    trace SimpleAggregateFunction(max, String) CODEC(ZSTD(1)),
    previous SimpleAggregateFunction(max, UUID) CODEC(ZSTD(1)),
    gateway SimpleAggregateFunction(max, LowCardinality(String)) CODEC(ZSTD(1)),
    result SimpleAggregateFunction(max, Enum8('ok' = 0, 'error' = 1, 'refused' = 2)) CODEC(ZSTD(1)),
    failed_stage SimpleAggregateFunction(max, Enum8('' = 0, 'accept' = 1, 'tls' = 2, 'request' = 3, 'origin' = 4, 'auth' = 5, 'limits' = 6, 'upgraded' = 7, 'first_frame' = 8, 'joined' = 9, 'first_event' = 10, 'ping' = 11, 'closing' = 12, 'closed' = 13)) CODEC(ZSTD(1)),
    error_type SimpleAggregateFunction(max, LowCardinality(String)) CODEC(ZSTD(1)),
    error_detail SimpleAggregateFunction(max, LowCardinality(String)) CODEC(ZSTD(1)),
    status SimpleAggregateFunction(max, UInt16) CODEC(ZSTD(1)),
    tls_us SimpleAggregateFunction(min, Nullable(UInt64)) CODEC(ZSTD(1)),
    request_us SimpleAggregateFunction(min, Nullable(UInt64)) CODEC(ZSTD(1)),
    origin_us SimpleAggregateFunction(min, Nullable(UInt64)) CODEC(ZSTD(1)),
    auth_us SimpleAggregateFunction(min, Nullable(UInt64)) CODEC(ZSTD(1)),
    limits_us SimpleAggregateFunction(min, Nullable(UInt64)) CODEC(ZSTD(1)),
    upgraded_us SimpleAggregateFunction(min, Nullable(UInt64)) CODEC(ZSTD(1)),
    first_frame_us SimpleAggregateFunction(min, Nullable(UInt64)) CODEC(ZSTD(1)),
    joined_us SimpleAggregateFunction(min, Nullable(UInt64)) CODEC(ZSTD(1)),
    first_event_us SimpleAggregateFunction(min, Nullable(UInt64)) CODEC(ZSTD(1)),
    closing_us SimpleAggregateFunction(min, Nullable(UInt64)) CODEC(ZSTD(1)),
    closed_us SimpleAggregateFunction(min, Nullable(UInt64)) CODEC(ZSTD(1)),
    closed SimpleAggregateFunction(min, Nullable(DateTime64(6, 'UTC'))) CODEC(ZSTD(1)),
    lost_us SimpleAggregateFunction(min, Nullable(UInt64)) CODEC(ZSTD(1)),
    lost SimpleAggregateFunction(min, Nullable(DateTime64(6, 'UTC'))) CODEC(ZSTD(1)),
    close_code SimpleAggregateFunction(max, UInt16) CODEC(ZSTD(1)),
    close_initiator SimpleAggregateFunction(max, Enum8('' = 0, 'client' = 1, 'server' = 2, 'network' = 3, 'timeout' = 4)) CODEC(ZSTD(1)),
    close_reason SimpleAggregateFunction(max, LowCardinality(String)) CODEC(ZSTD(1)),
    rtt_min_us SimpleAggregateFunction(min, Nullable(UInt32)) CODEC(ZSTD(1)),
    rtt_max_us SimpleAggregateFunction(max, UInt32) CODEC(ZSTD(1)),
    token_via SimpleAggregateFunction(max, Enum8('' = 0, 'query' = 1, 'header' = 2, 'subprotocol' = 3)) CODEC(ZSTD(1)),
    client_ip SimpleAggregateFunction(max, IPv6) CODEC(ZSTD(1)),
    client_port SimpleAggregateFunction(max, UInt16) CODEC(ZSTD(1)),
    peer_ip SimpleAggregateFunction(max, IPv6) CODEC(ZSTD(1)),
    local_port SimpleAggregateFunction(max, UInt16) CODEC(ZSTD(1)),
    family SimpleAggregateFunction(max, LowCardinality(String)) CODEC(ZSTD(1)),
    host SimpleAggregateFunction(max, LowCardinality(String)) CODEC(ZSTD(1)),
    scheme SimpleAggregateFunction(max, LowCardinality(String)) CODEC(ZSTD(1)),
    path SimpleAggregateFunction(max, LowCardinality(String)) CODEC(ZSTD(1)),
    method SimpleAggregateFunction(max, LowCardinality(String)) CODEC(ZSTD(1)),
    http_version SimpleAggregateFunction(max, LowCardinality(String)) CODEC(ZSTD(1)),
    origin SimpleAggregateFunction(max, LowCardinality(String)) CODEC(ZSTD(1)),
    subprotocol SimpleAggregateFunction(max, LowCardinality(String)) CODEC(ZSTD(1)),
    extensions SimpleAggregateFunction(max, LowCardinality(String)) CODEC(ZSTD(1)),
    tls_version SimpleAggregateFunction(max, LowCardinality(String)) CODEC(ZSTD(1)),
    tls_cipher SimpleAggregateFunction(max, LowCardinality(String)) CODEC(ZSTD(1)),
    tls_resumed SimpleAggregateFunction(max, Bool) CODEC(ZSTD(1)),
    alpn SimpleAggregateFunction(max, LowCardinality(String)) CODEC(ZSTD(1)),
    user_agent SimpleAggregateFunction(max, LowCardinality(String)) CODEC(ZSTD(1)),
    ua_name SimpleAggregateFunction(max, LowCardinality(String)) CODEC(ZSTD(1)),
    ua_version SimpleAggregateFunction(max, LowCardinality(String)) CODEC(ZSTD(1)),
    os SimpleAggregateFunction(max, LowCardinality(String)) CODEC(ZSTD(1)),
    proxied SimpleAggregateFunction(max, Bool) CODEC(ZSTD(1)),
    xff_hops SimpleAggregateFunction(max, UInt8) CODEC(ZSTD(1)),
    frames_in SimpleAggregateFunction(max, UInt64) CODEC(ZSTD(1)),
    frames_out SimpleAggregateFunction(max, UInt64) CODEC(ZSTD(1)),
    bytes_in SimpleAggregateFunction(max, UInt64) CODEC(ZSTD(1)),
    bytes_out SimpleAggregateFunction(max, UInt64) CODEC(ZSTD(1)),
    queue_peak SimpleAggregateFunction(max, UInt64) CODEC(ZSTD(1)),
    user_hash SimpleAggregateFunction(max, String) CODEC(ZSTD(1)),
    rooms SimpleAggregateFunction(max, UInt16) CODEC(ZSTD(1)),
    synthetic SimpleAggregateFunction(max, Bool) CODEC(ZSTD(1)),

    INDEX trace_filter trace TYPE bloom_filter(0.01) GRANULARITY 2
)
ENGINE = AggregatingMergeTree()
PARTITION BY toDate(started)
ORDER BY (started, conn)
TTL toDateTime(started) + toIntervalDay(30)
SETTINGS ttl_only_drop_parts = 1
COMMENT 'Storage of connections; query that view instead.';

CREATE VIEW IF NOT EXISTS partyline.connections 
(
    started DateTime64(3, 'UTC') COMMENT 'when the TCP connection was accepted',
    conn UUID COMMENT 'id of the attempt [session.id]',
    trace String COMMENT 'id chosen by the client',
    previous UUID COMMENT 'attempt of which this one is the resumption [session.previous_id]',
    gateway String COMMENT 'gateway incarnation [service.instance.id]',
    outcome LowCardinality(String) COMMENT 'succeeded (101 was answered), refused, failed (an error before 101), abandoned (ended before 101 without an error), pending',
    last_stage LowCardinality(String) COMMENT 'the furthest stage that was passed',
    failed_stage LowCardinality(String) COMMENT 'the stage that refused or failed, empty for none',
    error_type String COMMENT 'code of the wire contract, or gateway_lost [error.type]',
    error_detail String COMMENT 'fixed text [error.message]',
    status UInt16 COMMENT 'HTTP status answered [http.response.status_code]',
    tls_us Nullable(UInt64) COMMENT 'microseconds from accept to the end of the TLS handshake; NULL: not passed, as in the next nine',
    request_us Nullable(UInt64) COMMENT 'to the parsed request',
    origin_us Nullable(UInt64) COMMENT 'to the allowed origin',
    auth_us Nullable(UInt64) COMMENT 'to the known identity',
    limits_us Nullable(UInt64) COMMENT 'to the passed limits',
    upgraded_us Nullable(UInt64) COMMENT 'to the written 101: the handshake as the server sees it',
    first_frame_us Nullable(UInt64) COMMENT 'to the first frame of the client',
    joined_us Nullable(UInt64) COMMENT 'to the first joined room',
    first_event_us Nullable(UInt64) COMMENT 'to the first event that was delivered',
    closing_us Nullable(UInt64) COMMENT 'to the first Close frame',
    closed_us Nullable(UInt64) COMMENT 'to the end',
    closed Nullable(DateTime64(6, 'UTC')) COMMENT 'when it ended; NULL: it is open',
    age_us Nullable(UInt64) COMMENT 'microseconds from 101 to the end: how old the connection became',
    close_code UInt16 COMMENT 'WebSocket close code; 1006 when the gateway died',
    close_initiator LowCardinality(String) COMMENT 'client, server, network, timeout',
    close_reason String COMMENT 'text of the close',
    rtt_min_us Nullable(UInt32) COMMENT 'fastest ping in microseconds',
    rtt_max_us UInt32 COMMENT 'slowest ping in microseconds, 0 for none',
    token_via LowCardinality(String) COMMENT 'how a token was sent',
    client_ip IPv6 COMMENT 'masked address [client.address]',
    client_port UInt16 COMMENT '[client.port]',
    peer_ip IPv6 COMMENT 'masked address of the TCP peer [network.peer.address]',
    local_port UInt16 COMMENT '[network.local.port]',
    family String COMMENT 'ipv4 or ipv6 [network.type]',
    host String COMMENT '[server.address]',
    scheme String COMMENT 'ws or wss [url.scheme]',
    path String COMMENT '[url.path]',
    method String COMMENT '[http.request.method]',
    http_version String COMMENT '[network.protocol.version]',
    origin String COMMENT '[http.request.header.origin]',
    subprotocol String COMMENT 'selected subprotocol',
    extensions String COMMENT 'extensions offered',
    tls_version String COMMENT '[tls.protocol.version]',
    tls_cipher String COMMENT '[tls.cipher]',
    tls_resumed Bool COMMENT '[tls.resumed]',
    alpn String COMMENT '[tls.next_protocol]',
    user_agent String COMMENT '[user_agent.original]',
    ua_name String COMMENT '[user_agent.name]',
    ua_version String COMMENT '[user_agent.version]',
    os String COMMENT '[user_agent.os.name]',
    proxied Bool COMMENT 'whether the request names a proxy',
    xff_hops UInt8 COMMENT 'entries of X-Forwarded-For',
    frames_in UInt64 COMMENT 'frames received',
    frames_out UInt64 COMMENT 'frames sent',
    bytes_in UInt64 COMMENT 'payload bytes received',
    bytes_out UInt64 COMMENT 'payload bytes sent',
    queue_peak UInt64 COMMENT 'longest outbound queue in bytes',
    user_hash String COMMENT '[user.id]',
    rooms UInt16 COMMENT 'rooms joined',
    synthetic Bool COMMENT 'made by a diagnostic tool [user_agent.synthetic.type]'
)
AS SELECT
    s.started AS started, s.conn AS conn, s.trace AS trace, s.previous AS previous, s.gateway AS gateway,
    multiIf(s.upgraded_us IS NOT NULL, 'succeeded', s.result = 'refused', 'refused', s.result = 'error', 'failed',
        s.closed IS NOT NULL OR s.lost IS NOT NULL, 'abandoned', 'pending') AS outcome,
    multiIf(s.first_event_us IS NOT NULL, 'first_event', s.joined_us IS NOT NULL, 'joined',
        s.first_frame_us IS NOT NULL, 'first_frame', s.upgraded_us IS NOT NULL, 'upgraded',
        s.limits_us IS NOT NULL, 'limits', s.auth_us IS NOT NULL, 'auth', s.origin_us IS NOT NULL, 'origin',
        s.request_us IS NOT NULL, 'request', s.tls_us IS NOT NULL, 'tls', 'accept') AS last_stage,
    if(s.result = 'ok', '', toString(s.failed_stage)) AS failed_stage,
    if(s.closed IS NULL AND s.lost IS NOT NULL, 'gateway_lost', s.error_type) AS error_type,
    s.error_detail AS error_detail, s.status AS status,
    s.tls_us AS tls_us, s.request_us AS request_us, s.origin_us AS origin_us, s.auth_us AS auth_us,
    s.limits_us AS limits_us, s.upgraded_us AS upgraded_us, s.first_frame_us AS first_frame_us,
    s.joined_us AS joined_us, s.first_event_us AS first_event_us, s.closing_us AS closing_us,
    if(s.closed IS NULL, s.lost_us, s.closed_us) AS closed_us,
    if(s.closed IS NULL, s.lost, s.closed) AS closed,
    if(closed_us < s.upgraded_us, 0, closed_us - s.upgraded_us) AS age_us,
    if(s.closed IS NULL AND s.lost IS NOT NULL, 1006, s.close_code) AS close_code,
    if(s.closed IS NULL AND s.lost IS NOT NULL, 'server', toString(s.close_initiator)) AS close_initiator,
    s.close_reason AS close_reason, s.rtt_min_us AS rtt_min_us, s.rtt_max_us AS rtt_max_us,
    toString(s.token_via) AS token_via, s.client_ip AS client_ip, s.client_port AS client_port,
    s.peer_ip AS peer_ip, s.local_port AS local_port, s.family AS family, s.host AS host, s.scheme AS scheme,
    s.path AS path, s.method AS method, s.http_version AS http_version, s.origin AS origin,
    s.subprotocol AS subprotocol, s.extensions AS extensions, s.tls_version AS tls_version,
    s.tls_cipher AS tls_cipher, s.tls_resumed AS tls_resumed, s.alpn AS alpn, s.user_agent AS user_agent,
    s.ua_name AS ua_name, s.ua_version AS ua_version, s.os AS os, s.proxied AS proxied, s.xff_hops AS xff_hops,
    s.frames_in AS frames_in, s.frames_out AS frames_out, s.bytes_in AS bytes_in, s.bytes_out AS bytes_out,
    s.queue_peak AS queue_peak, s.user_hash AS user_hash, s.rooms AS rooms, s.synthetic AS synthetic
FROM partyline.connection_states AS s FINAL
COMMENT 'One row per connection attempt: the table to query.';

CREATE TABLE IF NOT EXISTS partyline.client_report_rows 
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
ENGINE = ReplacingMergeTree()
PARTITION BY toDate(stored)
ORDER BY (stream, seq)
TTL toDateTime(stored) + toIntervalDay(30)
SETTINGS ttl_only_drop_parts = 1
COMMENT 'Storage of client_reports; query that view instead.';

CREATE VIEW IF NOT EXISTS partyline.client_reports 
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
FROM partyline.client_report_rows FINAL
COMMENT 'What clients tell of their own attempts, also of those that never arrived.';

-- Minute roll-ups. They are recomputed, never incremented: a minute of which
-- something new is known is computed from the connections again, and its rows
-- with the higher version replace the older ones. Combinations that vanished are
-- overwritten by zeros.
CREATE TABLE IF NOT EXISTS partyline.attempt_minutes 
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
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(minute)
ORDER BY (minute, gateway, path, synthetic, outcome, stage, error_type, status)
TTL minute + toIntervalYear(1)
SETTINGS ttl_only_drop_parts = 1
COMMENT 'Attempts by the minute in which they began.';

CREATE TABLE IF NOT EXISTS partyline.close_minutes 
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
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(minute)
ORDER BY (minute, gateway, path, synthetic, close_code, close_initiator, error_type)
TTL minute + toIntervalYear(1)
SETTINGS ttl_only_drop_parts = 1
COMMENT 'Ends of connections by the minute in which they happened.';

-- Durations as counts in buckets of 2 % width, which add up over any range:
-- bucket = ceil(log(x)/log(1.02)), x in microseconds, and its middle is at most
-- 1 % away from x.
CREATE TABLE IF NOT EXISTS partyline.duration_minutes 
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
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(minute)
ORDER BY (minute, kind, gateway, path, synthetic, code, bucket)
TTL minute + toIntervalYear(1)
SETTINGS ttl_only_drop_parts = 1
COMMENT 'Durations by minute, in buckets.';

CREATE TABLE IF NOT EXISTS partyline.rollup_progress 
(
    stream LowCardinality(String) COMMENT 'identity of the stream CONN',
    seq UInt64 COMMENT 'the roll-ups contain everything up to here',
    at DateTime64(3, 'UTC') COMMENT 'when that was known'
)
ENGINE = ReplacingMergeTree(seq)
ORDER BY stream
COMMENT 'How far the roll-ups are.';

-- The named views: the public SQL interface. They answer from roll-ups where the
-- page needs them.

CREATE VIEW IF NOT EXISTS partyline.v_summary 
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
        FROM partyline.attempt_minutes AS m FINAL WHERE minute >= {since:DateTime('UTC')} AND minute < {until:DateTime('UTC')} AND NOT synthetic
    AND ({path:String} = '' OR path = {path:String}) AND ({gateway:String} = '' OR gateway = {gateway:String})),
    closes AS (SELECT sum(m.closes) AS closes, sumIf(m.closes, close_code NOT IN (1000, 1001)) AS abnormal,
        sum(m.frames_in) AS frames_in, sum(m.frames_out) AS frames_out, sum(m.bytes_in) AS bytes_in, sum(m.bytes_out) AS bytes_out
        FROM partyline.close_minutes AS m FINAL WHERE minute >= {since:DateTime('UTC')} AND minute < {until:DateTime('UTC')} AND NOT synthetic
    AND ({path:String} = '' OR path = {path:String}) AND ({gateway:String} = '' OR gateway = {gateway:String})),
    handshakes AS (SELECT sum(connections) AS n, sum(sum_us) AS us, quantilesExactWeighted(0.5, 0.95, 0.99)(bucket, connections) AS q
        FROM partyline.duration_minutes FINAL WHERE kind = 'handshake' AND minute >= {since:DateTime('UTC')} AND minute < {until:DateTime('UTC')} AND NOT synthetic
    AND ({path:String} = '' OR path = {path:String}) AND ({gateway:String} = '' OR gateway = {gateway:String})),
    ages AS (SELECT sum(connections) AS n, sum(sum_us) AS us, quantilesExactWeighted(0.5)(bucket, connections) AS q
        FROM partyline.duration_minutes FINAL WHERE kind = 'age' AND minute >= {since:DateTime('UTC')} AND minute < {until:DateTime('UTC')} AND NOT synthetic
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

CREATE VIEW IF NOT EXISTS partyline.v_funnel 
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
    FROM partyline.attempt_minutes FINAL WHERE minute >= {since:DateTime('UTC')} AND minute < {until:DateTime('UTC')} AND NOT synthetic
    AND ({path:String} = '' OR path = {path:String}) AND ({gateway:String} = '' OR gateway = {gateway:String})
)
ORDER BY position
COMMENT 'How far attempts come: one row per stage, in order.';

CREATE VIEW IF NOT EXISTS partyline.v_errors 
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
FROM partyline.attempt_minutes FINAL
WHERE (outcome IN ('refused', 'failed', 'abandoned') OR error_type != '') AND attempts > 0 AND minute >= {since:DateTime('UTC')} AND minute < {until:DateTime('UTC')} AND NOT synthetic
    AND ({path:String} = '' OR path = {path:String}) AND ({gateway:String} = '' OR gateway = {gateway:String})
GROUP BY error, stage, status, outcome ORDER BY failures DESC, error, stage, status
COMMENT 'Why attempts and connections failed, most frequent first.';

CREATE VIEW IF NOT EXISTS partyline.v_close_codes 
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
FROM partyline.close_minutes AS m FINAL WHERE m.closes > 0 AND minute >= {since:DateTime('UTC')} AND minute < {until:DateTime('UTC')} AND NOT synthetic
    AND ({path:String} = '' OR path = {path:String}) AND ({gateway:String} = '' OR gateway = {gateway:String})
GROUP BY close_code, close_initiator, error_type ORDER BY closes DESC, close_code, close_initiator
COMMENT 'How connections ended, most frequent first.';

CREATE VIEW IF NOT EXISTS partyline.v_durations 
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
FROM partyline.duration_minutes FINAL WHERE connections > 0 AND minute >= {since:DateTime('UTC')} AND minute < {until:DateTime('UTC')} AND NOT synthetic
    AND ({path:String} = '' OR path = {path:String}) AND ({gateway:String} = '' OR gateway = {gateway:String})
GROUP BY kind ORDER BY indexOf(['handshake', 'first_frame', 'joined', 'first_event', 'rtt', 'age'], kind)
COMMENT 'Durations by kind, with quantiles that are at most 1 % off.';

CREATE VIEW IF NOT EXISTS partyline.v_series 
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
    FROM partyline.attempt_minutes FINAL WHERE minute >= {since:DateTime('UTC')} AND minute < {until:DateTime('UTC')} AND NOT synthetic
    AND ({path:String} = '' OR path = {path:String}) AND ({gateway:String} = '' OR gateway = {gateway:String}) GROUP BY t
    UNION ALL
    SELECT toStartOfInterval(minute, toIntervalSecond({step:UInt32}), 'UTC') AS t, 0, 0, 0, 0, 0, 0, sum(closes), sumIf(closes, close_code NOT IN (1000, 1001)), 0, 0
    FROM partyline.close_minutes FINAL WHERE minute >= {since:DateTime('UTC')} AND minute < {until:DateTime('UTC')} AND NOT synthetic
    AND ({path:String} = '' OR path = {path:String}) AND ({gateway:String} = '' OR gateway = {gateway:String}) GROUP BY t
    UNION ALL
    SELECT toStartOfInterval(minute, toIntervalSecond({step:UInt32}), 'UTC') AS t, 0, 0, 0, 0, 0, 0, 0, 0, sum(connections), sum(sum_us)
    FROM partyline.duration_minutes FINAL WHERE kind = 'handshake' AND minute >= {since:DateTime('UTC')} AND minute < {until:DateTime('UTC')} AND NOT synthetic
    AND ({path:String} = '' OR path = {path:String}) AND ({gateway:String} = '' OR gateway = {gateway:String}) GROUP BY t
)
GROUP BY t HAVING attempts + closes > 0 ORDER BY t
COMMENT 'Attempts and ends over time; takes step, the seconds of a point, too. Points without anything are left out.';

CREATE VIEW IF NOT EXISTS partyline.v_by_path 
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
    FROM partyline.attempt_minutes FINAL WHERE minute >= {since:DateTime('UTC')} AND minute < {until:DateTime('UTC')} AND NOT synthetic
    AND ({path:String} = '' OR path = {path:String}) AND ({gateway:String} = '' OR gateway = {gateway:String}) GROUP BY path
    UNION ALL
    SELECT path, 0, 0, 0, sum(closes), sumIf(closes, close_code NOT IN (1000, 1001)), 0, 0
    FROM partyline.close_minutes FINAL WHERE minute >= {since:DateTime('UTC')} AND minute < {until:DateTime('UTC')} AND NOT synthetic
    AND ({path:String} = '' OR path = {path:String}) AND ({gateway:String} = '' OR gateway = {gateway:String}) GROUP BY path
    UNION ALL
    SELECT path, 0, 0, 0, 0, 0, sum(connections), sum(sum_us)
    FROM partyline.duration_minutes FINAL WHERE kind = 'handshake' AND minute >= {since:DateTime('UTC')} AND minute < {until:DateTime('UTC')} AND NOT synthetic
    AND ({path:String} = '' OR path = {path:String}) AND ({gateway:String} = '' OR gateway = {gateway:String}) GROUP BY path
)
GROUP BY path HAVING attempts + closes > 0 ORDER BY attempts DESC, path
COMMENT 'Attempts and ends by path.';

CREATE VIEW IF NOT EXISTS partyline.v_by_gateway 
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
    FROM partyline.attempt_minutes FINAL WHERE minute >= {since:DateTime('UTC')} AND minute < {until:DateTime('UTC')} AND NOT synthetic
    AND ({path:String} = '' OR path = {path:String}) AND ({gateway:String} = '' OR gateway = {gateway:String}) GROUP BY gateway
    UNION ALL
    SELECT gateway, 0, 0, 0, sum(closes), sumIf(closes, close_code NOT IN (1000, 1001)), 0, 0
    FROM partyline.close_minutes FINAL WHERE minute >= {since:DateTime('UTC')} AND minute < {until:DateTime('UTC')} AND NOT synthetic
    AND ({path:String} = '' OR path = {path:String}) AND ({gateway:String} = '' OR gateway = {gateway:String}) GROUP BY gateway
    UNION ALL
    SELECT gateway, 0, 0, 0, 0, 0, sum(connections), sum(sum_us)
    FROM partyline.duration_minutes FINAL WHERE kind = 'handshake' AND minute >= {since:DateTime('UTC')} AND minute < {until:DateTime('UTC')} AND NOT synthetic
    AND ({path:String} = '' OR path = {path:String}) AND ({gateway:String} = '' OR gateway = {gateway:String}) GROUP BY gateway
)
GROUP BY gateway HAVING attempts + closes > 0 ORDER BY attempts DESC, gateway
COMMENT 'Attempts and ends by gateway incarnation.';

CREATE VIEW IF NOT EXISTS partyline.v_survival 
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
    FROM partyline.duration_minutes FINAL WHERE kind = 'age' AND connections > 0 AND minute >= {since:DateTime('UTC')} AND minute < {until:DateTime('UTC')} AND NOT synthetic
    AND ({path:String} = '' OR path = {path:String}) AND ({gateway:String} = '' OR gateway = {gateway:String}) GROUP BY bucket
)
GROUP BY bucket ORDER BY bucket
COMMENT 'Survival of connection ages: of the connections that ended in the range, which share became older than age_s. Cliffs are the work of time-outs.';

CREATE VIEW IF NOT EXISTS partyline.v_reconnects 
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
    FROM partyline.connections
    WHERE started < {until:DateTime('UTC')} + toIntervalDay(1) AND started >= {since:DateTime('UTC')} - toIntervalDay(1)
        AND outcome = 'succeeded' AND user_hash != '' AND NOT synthetic
)
WHERE closed >= {since:DateTime('UTC')} AND closed < {until:DateTime('UTC')}
    AND ({path:String} = '' OR path = {path:String}) AND ({gateway:String} = '' OR gateway = {gateway:String})
GROUP BY close_code, close_initiator ORDER BY ends DESC, close_code
COMMENT 'How people come back after a connection ended, by how it ended. Counts what has a user hash; looks one day ahead.';

CREATE VIEW IF NOT EXISTS partyline.v_attempts 
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
FROM partyline.connections WHERE started >= {since:DateTime('UTC')} AND started < {until:DateTime('UTC')} AND NOT synthetic
    AND ({path:String} = '' OR path = {path:String}) AND ({gateway:String} = '' OR gateway = {gateway:String}) ORDER BY started DESC, conn DESC
COMMENT 'Connection attempts, latest first, one row each. Add a LIMIT.';

CREATE VIEW IF NOT EXISTS partyline.v_client_reports 
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
        r.trace IN (SELECT trace FROM partyline.connection_states WHERE trace != '' AND started >= {since:DateTime('UTC')} - toIntervalDay(1)) AS arrived
    FROM partyline.client_reports AS r
    WHERE ts >= {since:DateTime('UTC')} AND ts < {until:DateTime('UTC')} AND NOT synthetic
        AND ({path:String} = '' OR path = {path:String}) AND ({gateway:String} = '' OR gateway = {gateway:String})
)
GROUP BY verdict, verified ORDER BY reports DESC, verdict
COMMENT 'What clients report, by verdict, and how many of these attempts never arrived here.';
