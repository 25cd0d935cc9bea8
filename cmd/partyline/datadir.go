package main

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// dataDir is where a process keeps what it owns: the log (nats/), the read
// models (projections/), the admin token, and a note of the running server.
type dataDir string

func (d dataDir) nats() string        { return filepath.Join(string(d), "nats") }
func (d dataDir) projections() string { return filepath.Join(string(d), "projections") }
func (d dataDir) clickhouse() string  { return filepath.Join(string(d), "clickhouse") }
func (d dataDir) tokenFile() string   { return filepath.Join(string(d), "admin.token") }
func (d dataDir) serverFile() string  { return filepath.Join(string(d), "server.json") }

// prepare creates the directory and proves that it can be written.
func (d dataDir) prepare() error {
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return fmt.Errorf("creating the data directory: %w", err)
	}
	probe, err := os.CreateTemp(string(d), ".probe-*")
	if err != nil {
		return fmt.Errorf("the data directory %s cannot be written: %w", d, err)
	}
	name := probe.Name()
	if err := errors.Join(probe.Close(), os.Remove(name)); err != nil {
		return fmt.Errorf("the data directory %s cannot be written: %w", d, err)
	}
	return nil
}

// token returns the configured admin token, else the one kept in the directory,
// which it makes at the first start.
func (d dataDir) token(configured string) (string, error) {
	if configured != "" {
		return configured, nil
	}
	data, err := os.ReadFile(d.tokenFile())
	if err == nil {
		token := strings.TrimSpace(string(data))
		if len(token) < 16 {
			return "", fmt.Errorf("%s holds no token of at least 16 characters; remove it to get a new one", d.tokenFile())
		}
		return token, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("reading the admin token: %w", err)
	}
	var raw [24]byte
	if _, err := rand.Read(raw[:]); err != nil {
		return "", fmt.Errorf("making the admin token: %w", err)
	}
	token := hex.EncodeToString(raw[:])
	if err := os.WriteFile(d.tokenFile(), []byte(token+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("keeping the admin token: %w", err)
	}
	return token, nil
}

// serverNote tells the tools where the running server answers.
type serverNote struct {
	PID  int    `json:"pid"`
	HTTP string `json:"http"` // host:port
	TLS  bool   `json:"tls,omitempty"`
}

func (d dataDir) noteServer(n serverNote) error {
	data, err := json.Marshal(n)
	if err != nil {
		return fmt.Errorf("encoding the server note: %w", err)
	}
	if err := os.WriteFile(d.serverFile(), append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("writing the server note: %w", err)
	}
	return nil
}

// server reads the note of the running server; false when there is none.
func (d dataDir) server() (serverNote, bool) {
	var n serverNote
	data, err := os.ReadFile(d.serverFile())
	if err != nil || json.Unmarshal(data, &n) != nil || n.HTTP == "" {
		return serverNote{}, false
	}
	return n, true
}
