package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"partyline/config"
	"partyline/gateway/token"
)

// verifier makes what verifies tokens; nil in open mode.
func (s *server) verifier() (*token.Verifier, error) {
	c := s.cfg
	if c.AuthMode != "jwt" {
		return nil, nil
	}
	cfg := token.Config{
		Secret: []byte(c.JWTSecret), JWKSURL: c.JWTKeySetURL,
		Issuer: c.JWTIssuer, Audience: c.JWTAudience, Leeway: c.JWTLeeway, Logger: s.log.With("component", "tokens"),
	}
	if c.JWTPublicKeyFile != "" {
		var err error
		if cfg.PublicKey, err = os.ReadFile(c.JWTPublicKeyFile); err != nil {
			return nil, usageError{fmt.Errorf("auth.jwt.public-key-file: %w", err)}
		}
	}
	v, err := token.New(cfg)
	if err != nil {
		return nil, usageError{err}
	}
	return v, nil
}

// token prints a token for somebody, under the shared secret of the settings.
func (p program) token(_ context.Context, args []string) error {
	var r token.Request
	var rooms, moderate string
	c, err := p.load("token", args, func(f *flag.FlagSet) {
		f.StringVar(&r.Subject, "sub", "", "whom the token is for: the subject")
		f.StringVar(&r.Name, "name", "", "name to show; empty: the subject")
		f.StringVar(&rooms, "rooms", "", "rooms to enter, such as a,team-* or *")
		f.StringVar(&moderate, "moderate", "", "rooms whose raw events may be read")
		f.BoolVar(&r.Admin, "admin", false, "as good as the admin token")
		f.DurationVar(&r.TTL, "ttl", time.Hour, "how long it is valid")
	})
	if err != nil {
		return err
	}
	if err := canSign(c, r); err != nil {
		return usageError{err}
	}
	r.Rooms, r.Moderate = list(rooms), list(moderate)
	r.Issuer, r.Audience, r.Now = c.JWTIssuer, c.JWTAudience, time.Now()
	signed, err := token.Sign([]byte(c.JWTSecret), r)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(p.stdout, signed)
	return err
}

func canSign(c config.Config, r token.Request) error {
	switch {
	case c.JWTSecret == "":
		return errors.New("tokens are made under auth.jwt.secret; with a public key or key set, whoever has the private key makes them")
	case r.Subject == "":
		return errors.New("--sub is needed")
	case r.TTL <= 0:
		return errors.New("--ttl is above 0")
	}
	return nil
}

// list splits a list at commas; "" is none.
func list(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}
