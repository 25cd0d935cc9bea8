package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Has reports whether the process runs a role.
func (c Config) Has(role string) bool {
	return slices.Contains(c.Roles, "all") || slices.Contains(c.Roles, role)
}

// Validate returns every problem of the settings, each with its key.
func (c Config) Validate() []error {
	var v validator
	v.oneOf("storage.durability", c.Durability, "fsync", "interval", "os")
	v.oneOf("gateway.engine", c.Engine, "auto", "epoll", "goroutine")
	v.oneOf("gateway.compression", c.Compression, "on", "off")
	v.oneOf("echo.limits", c.EchoLimits, "on", "off")
	v.oneOf("analytics.ip-privacy", c.IPPrivacy, "off", "truncate", "hash")
	v.oneOf("analytics.client-reports", c.Reports, "ask", "on", "off")
	v.oneOf("log.level", c.LogLevel, "debug", "info", "warn", "error")
	v.oneOf("log.format", c.LogFormat, "", "text", "json")
	v.analytics(c)
	v.roles(c)
	v.addresses(c)
	v.auth(c)
	v.nats(c)
	v.origins(c.Origins)
	v.limits(c)
	return v.problems
}

type validator struct{ problems []error }

func (v *validator) addf(key, format string, args ...any) {
	v.problems = append(v.problems, fmt.Errorf("%s: %s", key, fmt.Sprintf(format, args...)))
}

func (v *validator) oneOf(key, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		v.addf(key, "%q is not one of %s", value, strings.Join(slices.DeleteFunc(allowed, func(s string) bool { return s == "" }), ", "))
	}
}

// minRetention is longer than the log keeps telemetry.
const minRetention = 96 * time.Hour

func (v *validator) analytics(c Config) {
	v.oneOf("analytics.mode", c.AnalyticsMode, "auto", "embedded", "server", "off")
	v.oneOf("analytics.console", c.AnalyticsConsole, "auto", "off")
	if c.AnalyticsRetention < minRetention {
		v.addf("analytics.retention", "%s is less than %s", c.AnalyticsRetention, minRetention)
	}
	switch {
	case c.AnalyticsMode == "server" && c.ClickHouseDSN == "":
		v.addf("clickhouse.dsn", "is needed by analytics.mode=server")
	case c.AnalyticsMode == "embedded" && c.ClickHouseDSN != "":
		v.addf("analytics.mode", "is embedded although clickhouse.dsn is set")
	case c.ClickHouseDSN == "" && (c.ClickHouseCluster != "" || c.ClickHouseConsoleDSN != ""):
		v.addf("clickhouse.dsn", "is needed by clickhouse.cluster and clickhouse.console-dsn")
	}
}

func (v *validator) roles(c Config) {
	if len(c.Roles) == 0 {
		v.addf("roles", "is empty")
	}
	for _, r := range c.Roles {
		v.oneOf("roles", r, "all", "gateway", "storage", "projector", "analytics")
	}
	if c.DataDir == "" {
		v.addf("data-dir", "is empty")
	}
}

func (v *validator) addresses(c Config) {
	v.address("http.addr", c.HTTPAddr, false)
	v.pair("http.tls", c.HTTPTLSCert, c.HTTPTLSKey)
	v.pair("ws.tls", c.WSTLSCert, c.WSTLSKey)
	for _, p := range c.TrustedProxies {
		_, err := netip.ParsePrefix(p)
		if _, err2 := netip.ParseAddr(p); err != nil && err2 != nil {
			v.addf("trusted-proxies", "%q is neither an address nor a network such as 10.0.0.0/8", p)
		}
	}
	v.address("ws.addr", c.WSAddr, true)
	v.address("admin.addr", c.AdminAddr, true)
	v.address("nats.listen", c.NATSListen, true)
	for _, h := range c.HTTPPublicHosts {
		if strings.ContainsAny(h, "/@? ") || h == "" {
			v.addf("http.public-hosts", "%q is not a host name", h)
		}
	}
	if c.WSPublicURL != "" {
		u, err := url.Parse(c.WSPublicURL)
		if err != nil || u.Host == "" || (u.Scheme != "ws" && u.Scheme != "wss") {
			v.addf("ws.public-url", "%q is not a ws:// or wss:// URL", c.WSPublicURL)
		}
	}
	if c.AdminToken != "" && len(c.AdminToken) < 16 {
		v.addf("admin.token", "is shorter than 16 characters")
	}
}

// pair: a certificate needs its key, and the other way round.
func (v *validator) pair(key, cert, private string) {
	if (cert == "") != (private == "") {
		v.addf(key, "needs both cert and key")
	}
}

func (v *validator) address(key, addr string, optional bool) {
	if addr == "" {
		if !optional {
			v.addf(key, "is empty")
		}
		return
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		v.addf(key, "%q is not host:port", addr)
		return
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil {
		v.addf(key, "port %q is not a number from 0 to 65535", port)
	} else if strconv.FormatUint(n, 10) != port {
		v.addf(key, "port %q is not written plainly", port)
	}
}

// auth: jwt mode needs exactly one kind of key.
func (v *validator) auth(c Config) {
	v.oneOf("auth.mode", c.AuthMode, "open", "jwt")
	keys := 0
	for _, set := range []string{c.JWTSecret, c.JWTPublicKeyFile, c.JWTKeySetURL} {
		if set != "" {
			keys++
		}
	}
	switch {
	case c.AuthMode == "jwt" && keys != 1:
		v.addf("auth.mode", "jwt needs exactly one of auth.jwt.secret, auth.jwt.public-key-file and auth.jwt.jwks-url")
	case c.AuthMode == "open" && keys > 0:
		v.addf("auth.mode", "open ignores the keys of auth.jwt; set jwt")
	}
	if c.JWTSecret != "" && len(c.JWTSecret) < 32 {
		v.addf("auth.jwt.secret", "is shorter than 32 bytes")
	}
	if c.JWTKeySetURL != "" {
		u, err := url.Parse(c.JWTKeySetURL)
		if err != nil || u.Host == "" || u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
			v.addf("auth.jwt.jwks-url", "%q is not an https:// URL (http:// only on this machine): whoever answers there makes tokens", c.JWTKeySetURL)
		}
	}
	v.between("auth.jwt.leeway", c.JWTLeeway, 0, 10*time.Minute)
}

func (v *validator) nats(c Config) {
	storage := c.Has("storage") && c.NATSURL == ""
	if !c.Has("storage") && c.NATSURL == "" {
		v.addf("nats.url", "is needed by roles without storage")
	}
	if slices.Contains(c.Roles, "storage") && c.NATSURL != "" {
		v.addf("nats.url", "contradicts role storage, which is the embedded node")
	}
	if c.NATSListen != "" && c.NATSUsersFile == "" {
		v.addf("nats.listen", "needs nats.users-file: a listener without credentials lets anybody read and write")
	}
	if c.NATSUsersFile != "" && c.NATSListen == "" {
		v.addf("nats.users-file", "has no effect without nats.listen")
	}
	if c.NATSListen != "" && !storage {
		v.addf("nats.listen", "has no effect without the embedded node")
	}
	if host, _, err := net.SplitHostPort(c.NATSListen); err == nil && !loopback(host) && !c.NATSInsecure {
		v.addf("nats.listen", "%q is reachable beyond this machine and speaks no TLS: tunnel it, or accept that with nats.insecure", c.NATSListen)
	}
	if c.NATSCreds != "" && c.NATSURL == "" {
		v.addf("nats.creds", "has no effect without nats.url")
	}
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

func (v *validator) origins(origins []string) {
	for _, o := range origins {
		if o == "*" || o == "null" {
			continue
		}
		u, err := url.Parse(strings.Replace(o, "*.", "", 1))
		if err != nil || u.Host == "" || u.Scheme == "" || u.Path != "" || u.RawQuery != "" || u.User != nil || strings.Contains(u.Host, "*") {
			v.addf("origins", "%q is not an origin such as https://chat.example.org or https://*.example.org", o)
		}
	}
}

func (v *validator) limits(c Config) {
	v.atLeast("gateway.max-connections", c.MaxConnections, 0)
	v.atLeast("gateway.max-handshakes", c.MaxHandshakes, 1)
	v.atLeast("gateway.max-replay", c.MaxReplay, 0)
	v.atLeast("gateway.presence-names", c.PresenceNames, 0)
	v.atLeast("gateway.sends-per-second", c.SendsPerSecond, 0)
	v.atLeast("gateway.connects-per-second-per-ip", c.ConnectsPerSecond, 0)
	v.between("gateway.handshake-timeout", c.HandshakeTimeout, 100*time.Millisecond, 5*time.Minute)
	v.between("gateway.heartbeat", c.Heartbeat, time.Second, time.Hour)
	v.between("gateway.presence-grace", c.PresenceGrace, 0, time.Hour)
	v.between("gateway.drain", c.Drain, 0, time.Hour)
	v.between("storage.dedup-window", c.DedupWindow, 100*time.Millisecond, time.Hour)
	if c.MaxFrameBytes < 1<<10 || c.MaxFrameBytes > 16<<20 {
		v.addf("gateway.max-frame-bytes", "%s is not between 1KiB and 16MiB", c.MaxFrameBytes)
	}
	if c.MaxOutboundBytes < 512<<10 || c.MaxOutboundBytes > 1<<30 {
		v.addf("gateway.max-outbound-bytes", "%s is not between 512KiB and 1GiB", c.MaxOutboundBytes)
	}
}

func (v *validator) atLeast(key string, n, least int) {
	if n < least {
		v.addf(key, "%d is less than %d", n, least)
	}
}

func (v *validator) between(key string, d, least, most time.Duration) {
	if d < least || d > most {
		v.addf(key, "%s is not between %s and %s", d, least, most)
	}
}
