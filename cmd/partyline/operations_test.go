package main_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// With admin.addr operations have a listener of their own, and the web port has
// them no more.
func TestOperationsElsewhere(t *testing.T) {
	t.Parallel()
	p := serve(t, "--data-dir", t.TempDir(), "--admin-addr", "127.0.0.1:0")
	ask := func(addr, path string) (int, string) {
		t.Helper()
		resp, err := http.Get("http://" + addr + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body)
	}
	for _, path := range []string{"/metrics", "/healthz", "/readyz"} {
		if status, body := ask(p.admin, path); status != http.StatusOK {
			t.Errorf("%s there: %d %s", path, status, body)
		}
		if status, _ := ask(p.http, path); status != http.StatusNotFound {
			t.Errorf("%s on the web port: %d", path, status)
		}
	}
	if _, body := ask(p.admin, "/metrics"); !strings.Contains(body, "partyline_ready 1") {
		t.Errorf("metrics: %.300s", body)
	}
	for _, path := range []string{"/", "/api/v1/rooms", "/ws/chat/"} {
		if status, _ := ask(p.admin, path); status != http.StatusNotFound {
			t.Errorf("%s there: %d", path, status)
		}
	}
}
