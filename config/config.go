package config

import (
	"time"
)

// Config holds every setting. The key tag is its name, the doc tag what it
// means, and secret marks values that are masked when shown.
type Config struct {
	DataDir string   `key:"data-dir" doc:"everything the embedded parts store"`
	Roles   []string `key:"roles" doc:"parts to run: all, or any of gateway, storage, projector, analytics"`

	HTTPAddr        string   `key:"http.addr" doc:"web UI, REST, and WebSocket on the web port"`
	HTTPPublicHosts []string `key:"http.public-hosts" doc:"host names under which the service is reached, with or without port"`
	WSAddr          string   `key:"ws.addr" doc:"dedicated WebSocket listener; empty: none"`
	HTTPTLSCert     string   `key:"http.tls.cert" doc:"certificate chain (PEM) of the web port; empty: no TLS"`
	HTTPTLSKey      string   `key:"http.tls.key" doc:"its private key (PEM); both are read again when they change"`
	WSTLSCert       string   `key:"ws.tls.cert" doc:"certificate chain of ws.addr; empty: that of the web port"`
	WSTLSKey        string   `key:"ws.tls.key" doc:"its private key"`
	TrustedProxies  []string `key:"trusted-proxies" doc:"addresses and networks whose X-Forwarded-For is believed"`
	WSPublicURL     string   `key:"ws.public-url" doc:"WebSocket URL that the page connects to; empty: its own origin"`
	AdminAddr       string   `key:"admin.addr" doc:"listener of /metrics, /healthz and /readyz alone, without TLS and token; empty: the web port has them"`
	AdminToken      string   `key:"admin.token" secret:"true" doc:"token for admin calls; empty: generated into data-dir/admin.token"`
	Origins         []string `key:"origins" doc:"allowed origins besides the same host: exact, https://*.example.org, null, or *"`

	AuthMode         string        `key:"auth.mode" doc:"who may take which name: open (anybody any), jwt (by token)"`
	JWTSecret        string        `key:"auth.jwt.secret" secret:"true" doc:"shared secret of HS256 tokens, 32 bytes or more"`
	JWTPublicKeyFile string        `key:"auth.jwt.public-key-file" doc:"public key or certificate (PEM) of RS256 or ES256 tokens"`
	JWTKeySetURL     string        `key:"auth.jwt.jwks-url" doc:"key set (RFC 7517) of RS256 and ES256 tokens, read every 15 minutes"`
	JWTIssuer        string        `key:"auth.jwt.issuer" doc:"iss that tokens have to name; empty: any"`
	JWTAudience      string        `key:"auth.jwt.audience" doc:"aud that tokens have to name; empty: any"`
	JWTLeeway        time.Duration `key:"auth.jwt.leeway" doc:"difference of clocks that is forgiven"`

	NATSURL       string `key:"nats.url" secret:"url" doc:"external NATS or the storage process; empty: embedded"`
	NATSCreds     string `key:"nats.creds" doc:"credentials file for nats.url"`
	NATSListen    string `key:"nats.listen" doc:"address at which the embedded node lets other processes connect; empty: none"`
	NATSUsersFile string `key:"nats.users-file" doc:"users that may connect to nats.listen"`

	NATSInsecure bool `key:"nats.insecure" doc:"let nats.listen be reached beyond this machine without TLS"`

	Durability string `key:"storage.durability" doc:"when a message counts as acknowledged: fsync, interval, os"`

	Engine            string        `key:"gateway.engine" doc:"how connections are served: auto, epoll (event loops, Linux), goroutine"`
	Compression       string        `key:"gateway.compression" doc:"permessage-deflate where clients offer it: on, off"`
	MaxConnections    int           `key:"gateway.max-connections" doc:"open connections; 0: by the limit of open files"`
	MaxHandshakes     int           `key:"gateway.max-handshakes" doc:"handshakes in progress"`
	HandshakeTimeout  time.Duration `key:"gateway.handshake-timeout" doc:"time from accept to 101"`
	MaxFrameBytes     Size          `key:"gateway.max-frame-bytes" doc:"longest message from a client"`
	MaxOutboundBytes  Size          `key:"gateway.max-outbound-bytes" doc:"outbound queue of a connection; beyond: closed as slow consumer"`
	Heartbeat         time.Duration `key:"gateway.heartbeat" doc:"silence after which the server pings"`
	MaxReplay         int           `key:"gateway.max-replay" doc:"events that a resume may replay; beyond: reset"`
	PresenceNames     int           `key:"gateway.presence-names" doc:"members up to which presence carries names"`
	PresenceGrace     time.Duration `key:"gateway.presence-grace" doc:"time without connections after which a user leaves"`
	SendsPerSecond    int           `key:"gateway.sends-per-second" doc:"storing frames of a connection, burst twice that; 0: unlimited"`
	ConnectsPerSecond int           `key:"gateway.connects-per-second-per-ip" doc:"connection attempts of an address, burst four times that; 0: unlimited"`
	Drain             time.Duration `key:"gateway.drain" doc:"spread of closes at shutdown"`

	EchoLimits           string        `key:"echo.limits" doc:"bounds of /ws/echo/: on, off"`
	ClickHouseDSN        string        `key:"clickhouse.dsn" secret:"url" doc:"external ClickHouse, clickhouse:// or https://; empty: embedded"`
	ClickHouseCluster    string        `key:"clickhouse.cluster" doc:"cluster of clickhouse.dsn, for replicated tables; empty: none"`
	ClickHouseConsoleDSN string        `key:"clickhouse.console-dsn" secret:"url" doc:"read-only user of clickhouse.dsn for the SQL console, http:// or https://; empty: no console there"`
	AnalyticsMode        string        `key:"analytics.mode" doc:"statistics: auto (server with clickhouse.dsn, else embedded), embedded, server, off"`
	AnalyticsConsole     string        `key:"analytics.console" doc:"SQL console for admins: auto (where it is safe), off"`
	AnalyticsRetention   time.Duration `key:"analytics.retention" doc:"how long single connections are kept, at least 96h; roll-ups stay a year"`
	AnalyticsLibrary     string        `key:"analytics.library" doc:"path of libchdb for the embedded ClickHouse; empty: searched, else installed in the background"`

	IPPrivacy   string        `key:"analytics.ip-privacy" doc:"addresses in telemetry: off (whole), truncate, hash"`
	Reports     string        `key:"analytics.client-reports" doc:"reports of failed attempts by the page: ask (the person), on, off"`
	DedupWindow time.Duration `key:"storage.dedup-window" doc:"how long the log itself remembers message ids"`
	LogLevel    string        `key:"log.level" doc:"debug, info, warn, error"`
	LogFormat   string        `key:"log.format" doc:"text, json; empty: text on a terminal, else json"`
}

// Default returns the settings of a machine that was told nothing.
func Default() Config {
	return Config{
		DataDir:            "./data",
		Roles:              []string{"all"},
		HTTPAddr:           "localhost:8000",
		WSAddr:             "localhost:8001",
		AuthMode:           "open",
		JWTLeeway:          30 * time.Second,
		Durability:         "fsync",
		Engine:             "auto",
		Compression:        "on",
		MaxHandshakes:      512,
		HandshakeTimeout:   10 * time.Second,
		MaxFrameBytes:      64 << 10,
		MaxOutboundBytes:   1 << 20,
		Heartbeat:          25 * time.Second,
		MaxReplay:          10000,
		PresenceNames:      200,
		PresenceGrace:      75 * time.Second,
		SendsPerSecond:     20,
		ConnectsPerSecond:  50,
		Drain:              20 * time.Second,
		EchoLimits:         "on",
		IPPrivacy:          "truncate",
		Reports:            "ask",
		DedupWindow:        2 * time.Minute,
		LogLevel:           "info",
		AnalyticsMode:      "auto",
		AnalyticsConsole:   "auto",
		AnalyticsRetention: 30 * 24 * time.Hour,
	}
}
