//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"partyline/bench/proc"
)

// profileCPU begins a profile of a server of ours; end waits for it and keeps it
// under a name. Without -profile nothing happens.
func (b *bench) profileCPU(ctx context.Context, s *server, t *target, name string, d time.Duration) (end func() error) {
	if b.profiles == "" || !t.ours() {
		return func() error { return nil }
	}
	done := make(chan error, 1)
	query := fmt.Sprintf("name=cpu&seconds=%d", max(1, int(d.Seconds())))
	go func() { done <- s.profile(ctx, query, b.profileFile(t, name+".cpu")) }()
	return func() error { return <-done }
}

// profileMemory keeps the heap, the goroutines and the mappings of a server of
// ours.
func (b *bench) profileMemory(ctx context.Context, s *server, t *target, name string) error {
	if b.profiles == "" || !t.ours() {
		return nil
	}
	for query, file := range map[string]string{"name=heap": ".heap", "name=heap&debug=1": ".heap.txt", "name=goroutine&debug=1": ".goroutines.txt"} {
		if err := s.profile(ctx, query, b.profileFile(t, name+file)); err != nil {
			return err
		}
	}
	maps, err := proc.Mappings(s.main.PID())
	if err != nil {
		return err
	}
	return os.WriteFile(b.profileFile(t, name+".smaps"), maps, 0o600)
}

func (b *bench) profileFile(t *target, name string) string {
	return filepath.Join(b.profiles, t.name+"-"+name)
}

// profile asks the server for a profile, as its admin.
func (s *server) profile(ctx context.Context, query, file string) error {
	token, err := os.ReadFile(s.dir + "/data/admin.token")
	if err != nil {
		return fmt.Errorf("reading the admin token: %w", err)
	}
	note, err := os.ReadFile(s.dir + "/data/server.json")
	if err != nil {
		return fmt.Errorf("reading the server's address: %w", err)
	}
	var where struct{ HTTP string }
	if err := json.Unmarshal(note, &where); err != nil {
		return fmt.Errorf("reading the server's address: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+where.HTTP+"/api/v1/admin/profile?"+query, http.NoBody)
	if err != nil {
		return fmt.Errorf("asking for a profile: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("asking for a profile: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("asking for a profile: %s", res.Status)
	}
	data, err := io.ReadAll(res.Body)
	if err != nil {
		return fmt.Errorf("reading a profile: %w", err)
	}
	return os.WriteFile(file, data, 0o600)
}
