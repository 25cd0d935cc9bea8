package main

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"time"

	"partyline/projections"
)

// Upkeep of the read models of a running process, for the tools and for
// operators; both need the admin token.
const (
	maintainRebuild = "/api/v1/admin/rebuild"
	maintainVerify  = "/api/v1/admin/verify"
)

// maintainTimeout bounds how long a tool waits for it: hundreds of millions of
// events.
const maintainTimeout = 2 * time.Hour

// maintenance serves upkeep.
func maintenance(m *projections.Model, log *slog.Logger) map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{
		maintainRebuild: func(w http.ResponseWriter, r *http.Request) {
			if err := m.Rebuild(r.Context()); err != nil {
				log.WarnContext(r.Context(), "rebuild", "error", err)
				answerFailure(w, "the read models were not rebuilt; the server's log says why")
				return
			}
			answerJSON(w, http.StatusOK, m.Stats())
		},
		maintainVerify: func(w http.ResponseWriter, r *http.Request) {
			report, err := m.Verify(r.Context())
			if err != nil {
				log.WarnContext(r.Context(), "verify", "error", err)
				answerFailure(w, "the read models were not verified; the server's log says why")
				return
			}
			answerJSON(w, http.StatusOK, report)
		},
	}
}

func answerFailure(w http.ResponseWriter, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(http.StatusServiceUnavailable)
	_ = json.NewEncoder(w).Encode(map[string]any{ // the caller is gone; nobody to tell
		"type": "about:blank", "title": http.StatusText(http.StatusServiceUnavailable),
		"status": http.StatusServiceUnavailable, "code": "storage_unavailable", "detail": detail,
	})
}

func answerJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the caller is gone; nobody to tell
}
