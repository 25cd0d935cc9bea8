package ws_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"net/http"
	"testing"
	"time"

	"partyline/gateway/ws"
	"partyline/gateway/ws/conformance"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	for name, target := range targets(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conformance.Run(t, target)
		})
	}
}

// engines are the constructors under test.
var engines = map[string]func(ws.Config) (ws.Engine, error){
	"auto":      func(cfg ws.Config) (ws.Engine, error) { return ws.New("auto", cfg) }, // epoll on Linux
	"goroutine": ws.NewGoroutine,
}

// targets are all ways to reach both engines.
func targets(t *testing.T) map[string]conformance.Target {
	t.Helper()
	cert := certificate(t)
	all := make(map[string]conformance.Target)
	for name, engine := range engines {
		for _, secure := range []*tls.Certificate{nil, cert} {
			kind := name
			if secure != nil {
				kind += " tls"
			}
			all[kind+" listener"] = conformance.Target{TLS: secure != nil, Start: func(t testing.TB, cfg ws.Config) conformance.Server {
				return startListener(t, engine, cfg, secure)
			}}
			all[kind+" web"] = conformance.Target{HTTPServer: true, TLS: secure != nil, Start: func(t testing.TB, cfg ws.Config) conformance.Server {
				return startWeb(t, engine, cfg, secure)
			}}
		}
	}
	return all
}

// onEngines runs a test on both engines, on a plain listener.
func onEngines(t *testing.T, test func(t *testing.T, start func(testing.TB, ws.Config) conformance.Server)) {
	t.Helper()
	for name, engine := range engines {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, func(t testing.TB, cfg ws.Config) conformance.Server {
				s := startListener(t, engine, cfg, nil)
				t.Cleanup(func() { shutdown(t, s.Engine) })
				return s
			})
		})
	}
}

func listen(t testing.TB, cert *tls.Certificate) (net.Listener, func() (net.Conn, error)) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	if cert == nil {
		return ln, func() (net.Conn, error) { return net.Dial("tcp", addr) }
	}
	// What is cheapest with the race detector: tests open thousands of connections.
	client := &tls.Config{
		InsecureSkipVerify: true, ClientSessionCache: tls.NewLRUClientSessionCache(0), CurvePreferences: []tls.CurveID{tls.CurveP256},
	}
	return tls.NewListener(ln, &tls.Config{Certificates: []tls.Certificate{*cert}}), func() (net.Conn, error) {
		return tls.Dial("tcp", addr, client)
	}
}

func startListener(t testing.TB, engine func(ws.Config) (ws.Engine, error), cfg ws.Config, cert *tls.Certificate) conformance.Server {
	t.Helper()
	e, err := engine(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ln, dial := listen(t, cert)
	served := make(chan error, 1)
	go func() { served <- e.Serve(t.Context(), ln) }()
	t.Cleanup(func() {
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return conformance.Server{Dial: dial, Engine: e}
}

func startWeb(t testing.TB, engine func(ws.Config) (ws.Engine, error), cfg ws.Config, cert *tls.Certificate) conformance.Server {
	t.Helper()
	e, err := engine(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ln, dial := listen(t, cert)
	srv := &http.Server{
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { e.Upgrade(w, r, nil) }),
		ReadHeaderTimeout: cfg.HandshakeTimeout, MaxHeaderBytes: 16 << 10,
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){},
	}
	go func() { _ = srv.Serve(ln) }()
	t.Cleanup(func() { srv.Close() })
	return conformance.Server{Dial: dial, Engine: e}
}

// certificate makes a self-signed one.
func certificate(t testing.TB) *tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
