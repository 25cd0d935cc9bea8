package token

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"

	"partyline/events"
)

const (
	minSecret  = 32      // bytes of a shared secret: as long as the hash (RFC 7518 section 3.2)
	maxToken   = 8 << 10 // bytes of a token
	maxSubject = 255     // bytes
	maxGrants  = 1000    // entries of rooms, and of moderate
)

// Config says which tokens are accepted. Exactly one of Secret, PublicKey and
// JWKSURL is set.
type Config struct {
	Secret    []byte // of HS256, at least 32 bytes
	PublicKey []byte // PEM: a public key or certificate, RSA (2,048 bits or more) or P-256
	JWKSURL   string // of a key set

	Issuer   string        // iss has to be this; "": anything
	Audience string        // aud has to contain this; "": anything
	Leeway   time.Duration // by which clocks may differ

	Client *http.Client // for JWKSURL; nil: one with a time limit
	Logger *slog.Logger // nil: discard
}

// Verifier verifies tokens. It is safe for concurrent use.
type Verifier struct {
	parser *jwt.Parser
	leeway time.Duration
	key    jwt.Keyfunc
	set    *keySet // nil without JWKSURL
}

// New makes a verifier. One with a JWKSURL accepts nothing before Run has read
// the keys.
func New(cfg Config) (*Verifier, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	v := &Verifier{leeway: cfg.Leeway}
	var algorithms []string
	switch {
	case countSet(len(cfg.Secret) > 0, len(cfg.PublicKey) > 0, cfg.JWKSURL != "") != 1:
		return nil, errors.New("token: exactly one of secret, public key and key set is needed")
	case len(cfg.Secret) > 0:
		if len(cfg.Secret) < minSecret {
			return nil, fmt.Errorf("token: the secret has %d bytes, HS256 needs at least %d", len(cfg.Secret), minSecret)
		}
		algorithms = []string{"HS256"}
		v.key = func(*jwt.Token) (any, error) { return cfg.Secret, nil }
	case len(cfg.PublicKey) > 0:
		key, algorithm, err := parsePublicKey(cfg.PublicKey)
		if err != nil {
			return nil, err
		}
		algorithms = []string{algorithm}
		v.key = func(*jwt.Token) (any, error) { return key, nil }
	default:
		v.set = newKeySet(cfg.JWKSURL, cfg.Client, cfg.Logger)
		algorithms = []string{"RS256", "ES256"}
		v.key = v.set.key
	}
	options := []jwt.ParserOption{
		jwt.WithValidMethods(algorithms), jwt.WithExpirationRequired(), jwt.WithLeeway(cfg.Leeway), jwt.WithStrictDecoding(),
	}
	if cfg.Issuer != "" {
		options = append(options, jwt.WithIssuer(cfg.Issuer))
	}
	if cfg.Audience != "" {
		options = append(options, jwt.WithAudience(cfg.Audience))
	}
	v.parser = jwt.NewParser(options...)
	return v, nil
}

func countSet(all ...bool) int {
	n := 0
	for _, set := range all {
		if set {
			n++
		}
	}
	return n
}

// parsePublicKey reads the first key or certificate of a PEM file.
func parsePublicKey(data []byte) (key any, algorithm string, err error) {
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, "", errors.New("token: the public key is not in PEM")
	}
	switch block.Type {
	case "CERTIFICATE":
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, "", fmt.Errorf("token: reading the certificate: %w", err)
		}
		key = cert.PublicKey
	case "RSA PUBLIC KEY":
		if key, err = x509.ParsePKCS1PublicKey(block.Bytes); err != nil {
			return nil, "", fmt.Errorf("token: reading the public key: %w", err)
		}
	default:
		if key, err = x509.ParsePKIXPublicKey(block.Bytes); err != nil {
			return nil, "", fmt.Errorf("token: reading the public key: %w", err)
		}
	}
	switch k := key.(type) {
	case *rsa.PublicKey:
		if k.N.BitLen() < 2048 {
			return nil, "", fmt.Errorf("token: an RSA key of %d bits is too short", k.N.BitLen())
		}
		return k, "RS256", nil
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P256() {
			return k, "ES256", nil
		}
	}
	return nil, "", errors.New("token: the public key is neither RSA nor P-256")
}

// Claims are what a verified token says. They do not change. Nil stands for open
// mode, in which everybody may read and write every room, for ever.
type Claims struct {
	Subject string // 1 to 255 bytes
	Name    string // to show; normalised
	Expires time.Time
	Admin   bool // as good as the admin token

	rooms, moderate []string
	leeway          time.Duration
}

// Sub is the subject, "" of nil.
func (c *Claims) Sub() string {
	if c == nil {
		return ""
	}
	return c.Subject
}

// Expired reports whether the token has expired, as Verify would judge it.
func (c *Claims) Expired(now time.Time) bool { return c != nil && !now.Before(c.Expires.Add(c.leeway)) }

// MayEnter reports whether the holder may join a room, read and write there.
func (c *Claims) MayEnter(room string) bool {
	return c == nil || c.Admin || matches(c.rooms, room) || matches(c.moderate, room)
}

// MayModerate reports whether the holder may read the raw events of a room, with
// what was deleted; in open mode nobody may.
func (c *Claims) MayModerate(room string) bool {
	return c != nil && (c.Admin || matches(c.moderate, room))
}

// matches reports whether a room is in a list of names and prefixes ("team-*").
func matches(grants []string, room string) bool {
	return slices.ContainsFunc(grants, func(g string) bool {
		if prefix, ok := strings.CutSuffix(g, "*"); ok {
			return strings.HasPrefix(room, prefix)
		}
		return g == room
	})
}

// ErrNotKnownYet says that the keys were not read yet, or that a token's key may
// have been published just now and the set is being read: ask again in a second.
var ErrNotKnownYet = errors.New("the keys for tokens are being read")

// ErrExpired is the end of a good token that has expired.
var ErrExpired = refused("the token has expired")

// payload is the body of a token.
type payload struct {
	jwt.RegisteredClaims

	Name     string   `json:"name"`
	Rooms    []string `json:"rooms"`
	Moderate []string `json:"moderate"`
	Admin    bool     `json:"admin"`
}

// Verify checks a token. Errors are *events.Error with the code unauthenticated
// and words for the holder, or ErrNotKnownYet.
func (v *Verifier) Verify(token string) (*Claims, error) {
	if token == "" {
		return nil, refused("this server needs a token")
	}
	if len(token) > maxToken {
		return nil, refused("a token has at most %d bytes", maxToken)
	}
	var p payload
	if _, err := v.parser.ParseWithClaims(token, &p, v.key); err != nil {
		return nil, explain(err, &p)
	}
	if n := len(p.Subject); n == 0 || n > maxSubject || !utf8.ValidString(p.Subject) {
		return nil, refused("the token's subject (sub) has to have 1 to %d bytes", maxSubject)
	}
	if len(p.Rooms) > maxGrants || len(p.Moderate) > maxGrants {
		return nil, refused("the token grants more than %d rooms", maxGrants)
	}
	return &Claims{
		Subject: p.Subject, Name: shownName(p.Name, p.Subject), Expires: p.ExpiresAt.Time, Admin: p.Admin,
		rooms: p.Rooms, moderate: p.Moderate, leeway: v.leeway,
	}, nil
}

// shownName is the first of them that can be shown, or else a guest's.
func shownName(names ...string) string {
	for _, name := range names {
		if shown, err := events.NormalizeUser(name); err == nil {
			return shown
		}
	}
	return events.GuestName()
}

// explain says what is wrong with a token, without a word of it.
func explain(err error, p *payload) error {
	switch {
	case errors.Is(err, ErrNotKnownYet):
		return ErrNotKnownYet
	case errors.Is(err, jwt.ErrTokenMalformed):
		return refused("this is not a JSON Web Token")
	case errors.Is(err, errUnknownKey):
		return refused("the token's key is not among those of auth.jwt.jwks-url")
	case errors.Is(err, jwt.ErrTokenSignatureInvalid), errors.Is(err, jwt.ErrTokenUnverifiable):
		return refused("the token's signature or algorithm does not fit the key of this server")
	case errors.Is(err, jwt.ErrTokenExpired):
		return ErrExpired
	case errors.Is(err, jwt.ErrTokenNotValidYet), errors.Is(err, jwt.ErrTokenUsedBeforeIssued):
		return refused("the token is not valid yet: its clock is ahead of this server's")
	case errors.Is(err, jwt.ErrTokenRequiredClaimMissing) && p.ExpiresAt == nil:
		return refused("the token needs the claim exp")
	case errors.Is(err, jwt.ErrTokenRequiredClaimMissing) && len(p.Audience) == 0, errors.Is(err, jwt.ErrTokenInvalidAudience):
		return refused("the token is for another audience")
	case errors.Is(err, jwt.ErrTokenRequiredClaimMissing), errors.Is(err, jwt.ErrTokenInvalidIssuer):
		return refused("the token is from another issuer")
	}
	return refused("the token is not acceptable")
}

func refused(format string, args ...any) error {
	return events.Errorf(events.CodeUnauthenticated, format, args...)
}

// Sign makes a token under a shared secret, for tests, scripts and the command
// line.
func Sign(secret []byte, c Request) (string, error) {
	if len(secret) < minSecret {
		return "", fmt.Errorf("token: the secret has %d bytes, HS256 needs at least %d", len(secret), minSecret)
	}
	p := payload{
		RegisteredClaims: jwt.RegisteredClaims{
			Subject: c.Subject, Issuer: c.Issuer, IssuedAt: jwt.NewNumericDate(c.Now), ExpiresAt: jwt.NewNumericDate(c.Now.Add(c.TTL)),
		},
		Name: c.Name, Rooms: c.Rooms, Moderate: c.Moderate, Admin: c.Admin,
	}
	if c.Audience != "" {
		p.Audience = jwt.ClaimStrings{c.Audience}
	}
	signed, err := jwt.NewWithClaims(jwt.SigningMethodHS256, p).SignedString(secret)
	if err != nil {
		return "", fmt.Errorf("signing a token: %w", err)
	}
	return signed, nil
}

// Request is what a token is to say.
type Request struct {
	Subject, Name    string
	Issuer, Audience string
	Rooms, Moderate  []string
	Admin            bool
	Now              time.Time
	TTL              time.Duration
}
