package main_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// A server in jwt mode, as its users meet it: tokens made on the command line,
// refusals with words, and the program's own commands still work.
func TestTokenMode(t *testing.T) {
	t.Parallel()
	settings := []string{"--auth-mode", "jwt", "--auth-jwt-secret", "0123456789abcdef0123456789abcdef", "--auth-jwt-audience", "chat"}
	dir := t.TempDir()
	p := serve(t, append([]string{"--data-dir", dir}, settings...)...)
	sign := func(args ...string) string {
		t.Helper()
		out, errs, code := run(t, append(append([]string{"token"}, settings...), args...)...)
		if code != 0 {
			t.Fatalf("token: exit %d: %s", code, errs)
		}
		return strings.TrimSpace(out)
	}
	dial := func(protocols ...string) (*chatClient, error) {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		dialer := ws.Dialer{Protocols: append([]string{"partyline.v1"}, protocols...)}
		conn, early, _, err := dialer.Dial(ctx, "ws://"+p.ws+"/ws/chat/?user=eve")
		if err != nil {
			return nil, err
		}
		t.Cleanup(func() { conn.Close() })
		c := &chatClient{conn: conn, reader: conn}
		if early != nil {
			c.reader = io.MultiReader(early, conn)
		}
		return c, nil
	}
	for name, protocols := range map[string][]string{
		"none": nil, "garbage": {"bearer.x"},
		"other audience": {"bearer." + strings.TrimSpace(mustRun(t, "token", "--auth-mode", "jwt", "--auth-jwt-secret", "0123456789abcdef0123456789abcdef", "--sub", "u1"))},
	} {
		var status ws.StatusError
		if _, err := dial(protocols...); !errors.As(err, &status) || int(status) != http.StatusUnauthorized {
			t.Errorf("%s: %v, want 401", name, err)
		}
	}
	c, err := dial("bearer." + sign("--sub", "u1", "--name", "Ana", "--rooms", "lobby"))
	if err != nil {
		t.Fatal(err)
	}
	if w, err := c.await("welcome", nil); err != nil || !strings.Contains(string(w.Raw), `"user":"Ana"`) || !strings.Contains(string(w.Raw), `"sub":"u1"`) {
		t.Errorf("welcome %s, %v", w.Raw, err)
	}
	if _, err := c.ask(map[string]any{"type": "join", "room": "lobby", "id": "j"}, "joined"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.ask(map[string]any{"type": "send", "room": "lobby", "id": "m1", "text": "hello"}, "ack"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.ask(map[string]any{"type": "join", "room": "secret", "id": "j"}, "joined"); err == nil || !strings.Contains(err.Error(), "not_found") {
		t.Errorf("a room without a grant: %v", err)
	}
	if out := mustRun(t, "replay", "--data-dir", dir, "--room", "lobby"); !strings.Contains(out, "hello") {
		t.Errorf("replay: %s", out)
	}
	if log := p.output(); strings.Contains(log, "bearer") || strings.Contains(log, "eyJ") {
		t.Error("a token is in the log")
	}
	if code := p.terminate(); code != 0 {
		t.Errorf("exit %d", code)
	}
}

func mustRun(t *testing.T, args ...string) string {
	t.Helper()
	out, errs, code := run(t, args...)
	if code != 0 {
		t.Fatalf("partyline %v: exit %d: %s", args, code, errs)
	}
	return out
}
