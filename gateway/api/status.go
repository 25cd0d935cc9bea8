package api

import (
	"context"
	"net/http"
	"sync"
	"time"

	"partyline/events"
	"partyline/events/stream"
)

// What the status says; see the contract.
type (
	statusAnswer struct {
		Status    string          `json:"status"` // ok, degraded, draining
		Version   string          `json:"version"`
		Gateway   string          `json:"gateway"`
		Epoch     string          `json:"epoch"`
		Time      string          `json:"time"`
		UptimeS   int64           `json:"uptime_s"`
		WebSocket statusWebSocket `json:"websocket"`
		Storage   statusStorage   `json:"storage"`
		Analytics statusAnalytics `json:"analytics"`
		// ClientReports says whether the page may send reports of failed attempts:
		// ask (the person), on, off.
		ClientReports string `json:"client_reports"`
		Auth          string `json:"auth"` // open, jwt: whether a client needs a token
	}
	statusWebSocket struct {
		URLs        []string `json:"urls"`
		Path        string   `json:"path"`
		Connections *int     `json:"connections,omitempty"`
		Draining    bool     `json:"draining"`
	}
	statusStorage struct {
		NATS          string            `json:"nats"` // connected, disconnected
		Durability    stream.Durability `json:"durability"`
		StreamLastSeq *uint64           `json:"stream_last_seq,omitempty"`
		ProjectionLag *uint64           `json:"projection_lag"` // events; null: not known
		Alarm         bool              `json:"alarm"`
		AlarmDetail   string            `json:"alarm_detail,omitempty"`
	}
	statusAnalytics struct {
		Mode string  `json:"mode"`
		OK   bool    `json:"ok"`
		Lag  float64 `json:"lag"`
	}
)

const (
	statusFresh   = 500 * time.Millisecond // how long strangers share one look at storage
	statusTimeout = time.Second
)

// storageState is one look at storage.
type storageState struct {
	at        time.Time
	last      uint64
	hasLast   bool
	lag       uint64
	hasLag    bool
	available bool
}

// statusCache keeps the last look, because anybody may ask for the status. Safe
// for concurrent use.
type statusCache struct {
	mu   sync.Mutex // held while looking: others wait for the same look
	last storageState
}

// storage looks at storage, or remembers.
func (a *api) storage(ctx context.Context) storageState {
	c := &a.status
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.last.at.IsZero() && time.Since(c.last.at) < statusFresh {
		return c.last
	}
	// Whoever asks first may go away; the others want the answer.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), statusTimeout)
	defer cancel()
	s := storageState{available: a.deps.Log.Available()}
	if s.available {
		if last, err := a.deps.Log.LastSeq(ctx); err == nil {
			s.last, s.hasLast = last, true
		}
	}
	if model, err := a.deps.Query.Status(ctx); err == nil {
		s.lag, s.hasLag = max(model.Last, s.last, model.Applied)-model.Applied, true
	}
	s.at = time.Now()
	c.last = s
	return s
}

func (s *storageState) ok() bool { return s.available && s.hasLast && s.hasLag }

// getStatus answers GET /chat/status/.
func (a *api) getStatus(w http.ResponseWriter, r *http.Request) error {
	admin, err := a.admin(r)
	if err != nil {
		return err
	}
	s := a.storage(r.Context())
	ans := statusAnswer{
		Status: "ok", Version: a.cfg.Version, Gateway: a.cfg.Gateway, Epoch: a.deps.Log.Epoch(),
		Time:    string(events.AppendTime(nil, time.Now())),
		UptimeS: int64(time.Since(a.cfg.Started) / time.Second),
		WebSocket: statusWebSocket{
			URLs: a.cfg.WSURLs(r.Host), Path: "/ws/chat/", Draining: a.deps.Draining(),
		},
		Storage: statusStorage{
			NATS: "connected", Durability: a.deps.Log.Durability(), Alarm: a.deps.Log.Alarm() != "",
		},
	}
	if ans.WebSocket.URLs == nil {
		ans.WebSocket.URLs = []string{}
	}
	if !s.available {
		ans.Storage.NATS = "disconnected"
	}
	if s.hasLag {
		ans.Storage.ProjectionLag = &s.lag
	}
	store := a.deps.Analytics()
	ans.Analytics = statusAnalytics(store)
	ans.ClientReports = a.clientReports()
	if ans.Auth = "open"; a.deps.Tokens != nil {
		ans.Auth = "jwt"
	}
	switch {
	case ans.WebSocket.Draining:
		ans.Status = "draining"
	case !s.ok() || ans.Storage.Alarm:
		ans.Status = "degraded"
	}
	if _, ours := a.origin(r); ours || admin {
		n := a.deps.Connections()
		ans.WebSocket.Connections = &n
	}
	if admin {
		ans.Storage.AlarmDetail = a.deps.Log.Alarm()
		if s.hasLast {
			ans.Storage.StreamLastSeq = &s.last
		}
	}
	w.Header().Add("Vary", "Origin, Authorization")
	return writeJSON(w, ans)
}
