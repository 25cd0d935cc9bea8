package main

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// reloadEvery is how often a certificate's files are looked at, at most.
const reloadEvery = 10 * time.Second

// certificate is a key pair in files that is read again when they change. Safe
// for concurrent use.
type certificate struct {
	certFile, keyFile string
	log               *slog.Logger

	mu      sync.Mutex // guards what follows
	pair    *tls.Certificate
	changed [2]time.Time // of the files when they were read
	looked  time.Time
}

// loadCertificate reads a key pair; nil without files.
func loadCertificate(key, certFile, keyFile string, log *slog.Logger) (*certificate, error) {
	if certFile == "" {
		return nil, nil
	}
	c := &certificate{certFile: certFile, keyFile: keyFile, log: log}
	if err := c.read(); err != nil {
		return nil, usageError{fmt.Errorf("%s: %w", key, err)}
	}
	return c, nil
}

// read reads the files. c.mu is held, or c is not shared yet.
func (c *certificate) read() error {
	changed, err := c.times()
	if err != nil {
		return err
	}
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return err
	}
	c.pair, c.changed, c.looked = &pair, changed, time.Now()
	return nil
}

func (c *certificate) times() (changed [2]time.Time, err error) {
	for i, name := range []string{c.certFile, c.keyFile} {
		info, err := os.Stat(name)
		if err != nil {
			return changed, err
		}
		changed[i] = info.ModTime()
	}
	return changed, nil
}

// get returns the key pair of the moment. Files that cannot be used, perhaps
// half written, are tried again later.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.looked) < reloadEvery {
		return c.pair, nil
	}
	c.looked = time.Now()
	changed, err := c.times()
	if err == nil && changed == c.changed {
		return c.pair, nil
	}
	if err == nil {
		err = c.read()
	}
	if err != nil {
		c.log.Warn("the changed certificate cannot be used; the old one stays", "file", c.certFile, "error", err)
	} else {
		c.log.Info("certificate read again", "file", c.certFile)
	}
	return c.pair, nil
}

// config is a server's TLS configuration for the protocols.
func (c *certificate) config(protocols ...string) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get, NextProtos: protocols}
}
