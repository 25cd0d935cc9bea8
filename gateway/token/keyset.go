package token

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
)

const (
	readEvery   = 15 * time.Minute // the key set
	readAgain   = 30 * time.Second // no sooner, for a key that is not in it
	retryAfter  = 5 * time.Second  // a failure
	readTimeout = 10 * time.Second
	maxKeySet   = 1 << 20 // bytes
)

// errUnknownKey is the end of a token whose key is not in the set.
var errUnknownKey = errors.New("unknown key")

// keySet is a set of keys that is read from a URL.
type keySet struct {
	url    string
	client *http.Client
	log    *slog.Logger
	keys   atomic.Pointer[keyfunc.Keyfunc] // nil: not read yet
	asked  atomic.Pointer[time.Time]       // when the set was asked for last
	wanted chan struct{}                   // a token named a key that is not in the set
}

func newKeySet(url string, client *http.Client, log *slog.Logger) *keySet {
	if client == nil {
		client = &http.Client{Timeout: readTimeout}
	}
	return &keySet{url: url, client: client, log: log, wanted: make(chan struct{}, 1)}
}

// key is the key of a token. One that is not in the set makes the set be read
// again, unless that was done just now.
func (s *keySet) key(t *jwt.Token) (any, error) {
	known := s.keys.Load()
	if known == nil {
		return nil, ErrNotKnownYet
	}
	key, err := (*known).Keyfunc(t)
	if err == nil {
		return key, nil
	}
	if time.Since(*s.asked.Load()) < readAgain {
		return nil, errUnknownKey
	}
	select {
	case s.wanted <- struct{}{}:
	default: // it is being read
	}
	return nil, ErrNotKnownYet
}

// Run reads the key set of [Config].JWKSURL, now and from time to time, until
// ctx ends. Without one there is nothing to do.
func (v *Verifier) Run(ctx context.Context) error {
	if v.set == nil {
		<-ctx.Done()
		return nil
	}
	for {
		pause := readEvery
		if err := v.set.read(ctx); err != nil && ctx.Err() == nil {
			v.set.log.WarnContext(ctx, "keys for tokens cannot be read; those known before stay valid", "error", err)
			pause = retryAfter
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-v.set.wanted:
		case <-ctx.Done():
			timer.Stop()
			return nil
		}
		timer.Stop()
	}
}

func (s *keySet) read(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	now := time.Now()
	s.asked.Store(&now)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, http.NoBody)
	if err != nil {
		return fmt.Errorf("asking for the key set: %w", err)
	}
	req.Header.Set("Accept", "application/json")
	resp, err := s.client.Do(req)
	if err != nil {
		return fmt.Errorf("asking for the key set: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("asking for the key set: status %d", resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxKeySet+1))
	if err != nil {
		return fmt.Errorf("reading the key set: %w", err)
	}
	if len(body) > maxKeySet {
		return fmt.Errorf("reading the key set: more than %d bytes", maxKeySet)
	}
	find, err := keyfunc.NewJWKSetJSON(json.RawMessage(body))
	if err != nil {
		return fmt.Errorf("reading the key set: %w", err)
	}
	s.keys.Store(&find)
	return nil
}
