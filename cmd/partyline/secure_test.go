package main_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// TestTLS serves both listeners with TLS: the page names secure addresses, both
// WebSockets open, plain HTTP is told so, and the tools still find the server.
func TestTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key, pool := throwAway(t)
	p := serve(t, "--data-dir", dir, "--http-tls-cert", cert, "--http-tls-key", key)
	trust := &tls.Config{RootCAs: pool}
	client := http.Client{Timeout: patience, Transport: &http.Transport{TLSClientConfig: trust.Clone(), ForceAttemptHTTP2: true}}
	defer client.CloseIdleConnections()
	resp, err := client.Get("https://" + p.http + "/chat/status/")
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if resp.ProtoMajor != 2 || !strings.Contains(string(body), `"wss://`+p.ws+`/ws/chat/"`) || strings.Contains(string(body), `"ws://`) {
		t.Errorf("status over %s: %s", resp.Proto, body)
	}
	for _, addr := range []string{p.ws, p.http} {
		dialer := ws.Dialer{TLSConfig: trust, Protocols: []string{"partyline.v1"}, Timeout: patience}
		conn, early, _, err := dialer.Dial(context.Background(), "wss://"+addr+"/ws/chat/")
		if err != nil {
			t.Errorf("wss at %s: %v", addr, err)
			continue
		}
		conn.SetDeadline(time.Now().Add(patience))
		var r io.Reader = conn
		if early != nil {
			r = io.MultiReader(early, conn)
		}
		welcome, err := wsutil.ReadServerText(struct {
			io.Reader
			io.Writer
		}{r, conn})
		if err != nil || !strings.HasPrefix(string(welcome), `{"type":"welcome"`) {
			t.Errorf("wss at %s: %s, %v", addr, welcome, err)
		}
		conn.Close()
	}
	plain, err := http.Get("http://" + p.ws + "/ws/chat/")
	if err != nil {
		t.Fatal(err)
	}
	body, _ = io.ReadAll(plain.Body)
	plain.Body.Close()
	if plain.StatusCode != 400 || !strings.Contains(string(body), "wss://") {
		t.Errorf("plain HTTP on the TLS listener: %s %s", plain.Status, body)
	}
	if out, errs, code := run(t, "status", "--data-dir", dir); code != 0 || !strings.Contains(out, `"status":"ok"`) {
		t.Errorf("status: %d %s%s", code, out, errs)
	}
	if code := p.terminate(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// throwAway makes a certificate for 127.0.0.1 that only the pool trusts.
func throwAway(t *testing.T) (certFile, keyFile string, pool *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, block := range map[string]*pem.Block{
		certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: private},
	} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool = x509.NewCertPool()
	pool.AppendCertsFromPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return certFile, keyFile, pool
}
