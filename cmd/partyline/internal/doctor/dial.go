package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"
)

// address is what was seen of one address.
type address struct {
	ip    netip.Addr
	tcp   error
	tcpIn time.Duration
	tls   error
	tlsIn time.Duration
	cert  *x509.Certificate
}

func (a *address) ok(secure bool) bool { return a.tcp == nil && (!secure || a.tls == nil) }

// network is what was seen below HTTP.
type network struct {
	dns   error
	dnsIn time.Duration
	addrs []address
	proxy string // from the environment, without credentials
}

// best is the first address over which a connection can be made.
func (n *network) best(secure bool) (netip.Addr, bool) {
	for i := range n.addrs {
		if n.addrs[i].ok(secure) {
			return n.addrs[i].ip, true
		}
	}
	return netip.Addr{}, false
}

const (
	maxAddrs = 8
	stepTime = 4 * time.Second
)

// look resolves the name and tries each address.
func look(ctx context.Context, t *target) network {
	var n network
	n.proxy = proxyFor(t.ws)
	begin := time.Now()
	var ips []netip.Addr
	if ip, err := netip.ParseAddr(t.host); err == nil {
		ips = []netip.Addr{ip}
	} else {
		ctx, cancel := context.WithTimeout(ctx, stepTime)
		defer cancel()
		ips, n.dns = net.DefaultResolver.LookupNetIP(ctx, "ip", t.host)
	}
	n.dnsIn = time.Since(begin)
	if len(ips) > maxAddrs {
		ips = ips[:maxAddrs]
	}
	n.addrs = make([]address, len(ips))
	done := make(chan struct{}, len(ips))
	for i, ip := range ips {
		go func() {
			n.addrs[i] = try(ctx, t, ip.Unmap())
			done <- struct{}{}
		}()
	}
	for range ips {
		<-done
	}
	return n
}

// try opens TCP and TLS to one address.
func try(ctx context.Context, t *target, ip netip.Addr) address {
	a := address{ip: ip}
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	begin := time.Now()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(ip.String(), t.port))
	a.tcp, a.tcpIn = err, time.Since(begin)
	if err != nil {
		return a
	}
	defer conn.Close()
	if !t.secure {
		return a
	}
	begin = time.Now()
	// The chain is checked below, so that the certificate is known in any case.
	tc := tls.Client(conn, &tls.Config{ServerName: t.host, InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}) //nolint:gosec // see above
	a.tls = tc.HandshakeContext(ctx)
	a.tlsIn = time.Since(begin)
	if a.tls == nil {
		certs := tc.ConnectionState().PeerCertificates
		a.cert = certs[0]
		a.tls = verify(certs, t.host)
	}
	return a
}

func verify(certs []*x509.Certificate, host string) error {
	between := x509.NewCertPool()
	for _, c := range certs[1:] {
		between.AddCert(c)
	}
	_, err := certs[0].Verify(x509.VerifyOptions{DNSName: host, Intermediates: between})
	return err
}

// proxyFor is the proxy that the environment names for an address; libraries use
// it, this program does not.
func proxyFor(ws *url.URL) string {
	u := *ws
	u.Scheme = strings.Replace(u.Scheme, "ws", "http", 1)
	p, err := http.ProxyFromEnvironment(&http.Request{URL: &u})
	if err != nil || p == nil {
		return ""
	}
	return p.Redacted()
}

func refused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }
func reset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
func timedOut(err error) bool {
	var t net.Error
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) || errors.As(err, &t) && t.Timeout()
}
