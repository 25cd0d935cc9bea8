package token_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"

	"partyline/events"
	"partyline/events/eventstest"
	"partyline/gateway/token"
)

const secret = "0123456789abcdef0123456789abcdef"

func claims(change func(jwt.MapClaims)) jwt.MapClaims {
	c := jwt.MapClaims{"sub": "u1", "exp": time.Now().Add(time.Hour).Unix(), "rooms": []string{"a", "team-*"}}
	if change != nil {
		change(c)
	}
	return c
}

func sign(t *testing.T, method jwt.SigningMethod, key any, kid string, c jwt.Claims) string {
	t.Helper()
	made := jwt.NewWithClaims(method, c)
	if kid != "" {
		made.Header["kid"] = kid
	}
	s, err := made.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func verifier(t *testing.T, cfg token.Config) *token.Verifier {
	t.Helper()
	v, err := token.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// wantRefused: the code is unauthenticated and the words contain part.
func wantRefused(t *testing.T, v *token.Verifier, raw, part string) {
	t.Helper()
	_, err := v.Verify(raw)
	e, ok := errors.AsType[*events.Error](err)
	if !ok || e.Code != events.CodeUnauthenticated || !strings.Contains(e.Message, part) {
		t.Errorf("got %v, want unauthenticated with %q", err, part)
	}
}

func TestClaims(t *testing.T) {
	t.Parallel()
	v := verifier(t, token.Config{Secret: []byte(secret)})
	exp := time.Now().Add(time.Hour).Truncate(time.Second)
	raw, err := token.Sign([]byte(secret), token.Request{
		Subject: "u1", Name: "Jose\u0301", Rooms: []string{"a", "team-*"}, Moderate: []string{"b"}, Now: exp.Add(-time.Hour), TTL: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	c, err := v.Verify(raw)
	if err != nil || c.Subject != "u1" || c.Name != "José" || !c.Expires.Equal(exp) || c.Admin {
		t.Fatalf("%+v, %v", c, err)
	}
	for room, want := range map[string][2]bool{ // enter, moderate
		"a": {true, false}, "team-1": {true, false}, "team-": {true, false}, "b": {true, true},
		"ab": {}, "tea": {}, "c": {},
	} {
		if got := [2]bool{c.MayEnter(room), c.MayModerate(room)}; got != want {
			t.Errorf("room %s: %v, want %v", room, got, want)
		}
	}
	everything, err := v.Verify(sign(t, jwt.SigningMethodHS256, []byte(secret), "", claims(func(c jwt.MapClaims) {
		c["admin"], c["name"] = true, "\u202ebad"
		delete(c, "rooms")
	})))
	if err != nil || !everything.Admin || !everything.MayModerate("x") || everything.Name != "u1" {
		t.Errorf("admin: %+v, %v", everything, err)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	v := verifier(t, token.Config{Secret: []byte(secret), Issuer: "me", Audience: "chat", Leeway: 30 * time.Second})
	good := func(c jwt.MapClaims) { c["iss"], c["aud"] = "me", []string{"other", "chat"} }
	hs := func(change func(jwt.MapClaims)) string {
		return sign(t, jwt.SigningMethodHS256, []byte(secret), "", claims(func(c jwt.MapClaims) {
			good(c)
			if change != nil {
				change(c)
			}
		}))
	}
	if _, err := v.Verify(hs(func(c jwt.MapClaims) { c["exp"] = time.Now().Add(-20 * time.Second).Unix() })); err != nil {
		t.Errorf("within the leeway: %v", err)
	}
	none, err := jwt.NewWithClaims(jwt.SigningMethodNone, claims(good)).SignedString(jwt.UnsafeAllowNoneSignatureType)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	whole := hs(nil)
	for name, c := range map[string]struct{ raw, part string }{
		"nothing":         {"", "needs a token"},
		"no JWT":          {"hello", "not a JSON Web Token"},
		"three nothings":  {"..", "not a JSON Web Token"},
		"too long":        {strings.Repeat("a", 9000), "at most"},
		"changed":         {strings.Replace(whole, ".", ".e30", 1), "not a JSON Web Token"},
		"other signature": {whole[:len(whole)-10] + strings.Repeat("A", 10), "signature"},
		"algorithm none":  {none, "signature or algorithm"},
		"other algorithm": {sign(t, jwt.SigningMethodRS256, rsaKey, "", claims(good)), "signature or algorithm"},
		"HS512":           {sign(t, jwt.SigningMethodHS512, []byte(secret), "", claims(good)), "signature or algorithm"},
		"other secret":    {sign(t, jwt.SigningMethodHS256, []byte("x"+secret), "", claims(good)), "signature"},
		"expired":         {hs(func(c jwt.MapClaims) { c["exp"] = time.Now().Add(-time.Minute).Unix() }), "has expired"},
		"no exp":          {hs(func(c jwt.MapClaims) { delete(c, "exp") }), "exp"},
		"not yet":         {hs(func(c jwt.MapClaims) { c["nbf"] = time.Now().Add(time.Hour).Unix() }), "not valid yet"},
		"audience":        {hs(func(c jwt.MapClaims) { c["aud"] = "mail" }), "another audience"},
		"no audience":     {hs(func(c jwt.MapClaims) { delete(c, "aud") }), "another audience"},
		"no issuer":       {hs(func(c jwt.MapClaims) { delete(c, "iss") }), "another issuer"},
		"issuer":          {hs(func(c jwt.MapClaims) { c["iss"] = "you" }), "another issuer"},
		"no subject":      {hs(func(c jwt.MapClaims) { delete(c, "sub") }), "subject"},
		"long subject":    {hs(func(c jwt.MapClaims) { c["sub"] = strings.Repeat("x", 256) }), "subject"},
		"rooms no list":   {hs(func(c jwt.MapClaims) { c["rooms"] = "a" }), "not a JSON Web Token"},
		"too many rooms":  {hs(func(c jwt.MapClaims) { c["moderate"] = make([]string, 1001) }), "grants more than"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantRefused(t, v, c.raw, c.part)
		})
	}
}

func TestPublicKey(t *testing.T) {
	t.Parallel()
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&ecKey.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	v := verifier(t, token.Config{PublicKey: public})
	if _, err := v.Verify(sign(t, jwt.SigningMethodES256, ecKey, "", claims(nil))); err != nil {
		t.Errorf("ES256: %v", err)
	}
	// The classic confusion: the public key taken for a shared secret.
	wantRefused(t, v, sign(t, jwt.SigningMethodHS256, public, "", claims(nil)), "signature or algorithm")
}

func TestNew(t *testing.T) {
	t.Parallel()
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	weakPEM := pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(&weak.PublicKey)})
	for name, cfg := range map[string]token.Config{
		"nothing":      {},
		"two":          {Secret: []byte(secret), JWKSURL: "http://localhost/"},
		"short secret": {Secret: []byte(secret[1:])},
		"no PEM":       {PublicKey: []byte("hello")},
		"no key":       {PublicKey: pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte("x")})},
		"weak RSA":     {PublicKey: weakPEM},
	} {
		if _, err := token.New(cfg); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// keyServer serves a key set that can be changed.
type keyServer struct {
	body  atomic.Pointer[[]byte] // nil: an error
	asked atomic.Int32
}

func (s *keyServer) RoundTrip(*http.Request) (*http.Response, error) {
	s.asked.Add(1)
	rec := httptest.NewRecorder()
	if body := s.body.Load(); body != nil {
		_, _ = rec.Write(*body)
	} else {
		rec.WriteHeader(http.StatusBadGateway)
	}
	return rec.Result(), nil
}

func (s *keyServer) serve(t *testing.T, keys map[string]*rsa.PrivateKey) {
	t.Helper()
	store := jwkset.NewMemoryStorage()
	for kid, key := range keys {
		jwk, err := jwkset.NewJWKFromKey(&key.PublicKey, jwkset.JWKOptions{Metadata: jwkset.JWKMetadataOptions{KID: kid, ALG: jwkset.AlgRS256}})
		if err != nil {
			t.Fatal(err)
		}
		if err := store.KeyWrite(context.Background(), jwk); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := store.JSONPublic(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	body := []byte(raw)
	s.body.Store(&body)
}

// Keys rotate: a token under a new key makes the set be read again, and tokens
// under unknown keys do not make a flood of questions, whether they are answered
// or not.
func TestKeySetRotates(t *testing.T) {
	t.Parallel()
	first, second := newRSA(t), newRSA(t)
	synctest.Test(t, func(t *testing.T) {
		server := &keyServer{}
		v := verifier(t, token.Config{JWKSURL: "http://keys.example/", Client: &http.Client{Transport: server}})
		old := sign(t, jwt.SigningMethodRS256, first, "k1", claims(func(c jwt.MapClaims) { c["exp"] = time.Now().Add(48 * time.Hour).Unix() }))
		fresh := sign(t, jwt.SigningMethodRS256, second, "k2", claims(func(c jwt.MapClaims) { c["exp"] = time.Now().Add(48 * time.Hour).Unix() }))
		if _, err := v.Verify(old); !errors.Is(err, token.ErrNotKnownYet) {
			t.Errorf("before anything was read: %v", err)
		}
		stop := eventstest.Go(t, v.Run)
		synctest.Wait()
		server.serve(t, map[string]*rsa.PrivateKey{"k1": first})
		wait(6 * time.Second) // it failed once
		if _, err := v.Verify(old); err != nil {
			t.Errorf("after the set was read: %v", err)
		}
		wantRefused(t, v, fresh, "not among those")
		server.serve(t, map[string]*rsa.PrivateKey{"k2": second})
		wait(time.Minute)
		if _, err := v.Verify(fresh); !errors.Is(err, token.ErrNotKnownYet) {
			t.Errorf("a new key: %v", err)
		}
		synctest.Wait()
		if _, err := v.Verify(fresh); err != nil {
			t.Errorf("the new key once it was read: %v", err)
		}
		wantRefused(t, v, old, "not among those")
		server.body.Store(nil) // from now on there is no answer
		before := server.asked.Load()
		for range 300 {
			_, _ = v.Verify(old)
			wait(100 * time.Millisecond)
		}
		if n := server.asked.Load() - before; n > 3 {
			t.Errorf("%d questions within 30 s", n)
		}
		if _, err := v.Verify(fresh); err != nil {
			t.Errorf("while the server of keys fails: %v", err)
		}
		stop()
	})
}

// wait lets the bubble's clock go on.
func wait(d time.Duration) { <-time.After(d) }

func newRSA(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestKeySetHostile(t *testing.T) {
	t.Parallel()
	shared, err := json.Marshal(map[string]any{"keys": []map[string]string{{"kty": "oct", "kid": "k", "k": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"}}})
	if err != nil {
		t.Fatal(err)
	}
	for name, body := range map[string][]byte{
		"no JSON": []byte("<html>"), "endless": []byte(strings.Repeat(" ", 2<<20)), "a shared secret": shared,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				server := &keyServer{}
				server.body.Store(&body)
				v := verifier(t, token.Config{JWKSURL: "http://keys.example/", Client: &http.Client{Transport: server}})
				stop := eventstest.Go(t, v.Run)
				synctest.Wait()
				if _, err := v.Verify(sign(t, jwt.SigningMethodHS256, []byte(secret), "k", claims(nil))); err == nil {
					t.Error("accepted")
				}
				stop()
			})
		})
	}
}
