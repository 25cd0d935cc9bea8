package api

import (
	"net/http"
	"runtime"
	"runtime/metrics"
	"strconv"

	"partyline/events"
)

// getHealth answers GET /healthz: the process answers.
func (a *api) getHealth(w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, struct {
		Status string `json:"status"`
	}{"ok"})
}

// getReady answers GET /readyz: whether to send users here.
func (a *api) getReady(w http.ResponseWriter, r *http.Request) error {
	if a.deps.Draining() {
		return events.Errorf(events.CodeDraining, "the server is shutting down")
	}
	if err := a.deps.Ready(); err != nil {
		return &problem{status: http.StatusServiceUnavailable, code: events.CodeOverloaded, detail: err.Error(), retryAfter: retryAfter}
	}
	switch s := a.storage(r.Context()); {
	case !s.available || !s.hasLast:
		return events.Errorf(events.CodeStorageUnavailable, "the log cannot be reached")
	case !s.hasLag:
		return events.Errorf(events.CodeStorageUnavailable, "the read model cannot answer")
	}
	return writeJSON(w, struct {
		Status string `json:"status"`
	}{"ready"})
}

// getMetrics answers GET /metrics in the text format of Prometheus.
func (a *api) getMetrics(w http.ResponseWriter, r *http.Request) error {
	if !a.cfg.OpenMetrics {
		if err := a.needAdmin(r); err != nil {
			return err
		}
	}
	m := newMetrics()
	m.Gauge("partyline_build_info", "Constant 1, labelled with the version.", 1, "version", a.cfg.Version, "gateway", a.cfg.Gateway, "go", runtime.Version())
	m.Gauge("partyline_start_time_seconds", "When the server started, in Unix time.", float64(a.cfg.Started.UnixMilli())/1000)
	m.Gauge("partyline_ready", "Whether the server is neither draining nor without storage.", flag(!a.deps.Draining() && a.deps.Log.Available()))
	a.hubMetrics(m)
	a.storageMetrics(m, r)
	a.http.metrics(m)
	runtimeMetrics(m)
	if a.deps.Metrics != nil {
		a.deps.Metrics(m)
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	body := m.text()
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) // the peer may be gone
	return nil
}

func (a *api) hubMetrics(m *Metrics) {
	s := a.deps.Hub.Stats()
	m.Gauge("partyline_connections", "Open WebSocket connections, echo included.", float64(a.deps.Connections()))
	m.Gauge("partyline_sessions", "Open chat sessions.", float64(s.Connections))
	m.Gauge("partyline_rooms_followed", "Rooms that this gateway follows.", float64(s.Rooms))
	m.Gauge("partyline_ring_bytes", "Bytes of events kept in memory.", float64(s.RingBytes))
	m.Counter("partyline_joins_total", "Joins answered.", float64(s.Joins))
	m.Counter("partyline_deliveries_total", "Events handed to connections.", float64(s.Deliveries))
	m.Counter("partyline_replayed_total", "Events handed to connections from a replay.", float64(s.Replayed))
	m.Counter("partyline_acks_total", "Acknowledgements, by whether something new was stored.", float64(s.Stored), "duplicate", "false")
	m.Counter("partyline_acks_total", "", float64(s.Duplicates), "duplicate", "true")
	m.Counter("partyline_refused_frames_total", "Frames answered with an error.", float64(s.Refused))
}

func (a *api) storageMetrics(m *Metrics, r *http.Request) {
	s := a.storage(r.Context())
	m.Gauge("partyline_log_available", "Whether the log can be reached.", flag(s.available))
	m.Gauge("partyline_log_alarm", "Whether events are missing from the log without a recorded erasure.", flag(a.deps.Log.Alarm() != ""))
	if s.hasLast {
		m.Gauge("partyline_log_last_sequence", "Last sequence of the log.", float64(s.last))
	}
	if s.hasLag {
		m.Gauge("partyline_projection_lag_events", "Events that the read model has not applied yet.", float64(s.lag))
	}
}

func runtimeMetrics(m *Metrics) {
	samples := []metrics.Sample{
		{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/total:bytes"},
		{Name: "/gc/cycles/total:gc-cycles"}, {Name: "/sched/goroutines:goroutines"},
	}
	metrics.Read(samples)
	value := func(i int) float64 {
		if samples[i].Value.Kind() != metrics.KindUint64 {
			return 0
		}
		return float64(samples[i].Value.Uint64())
	}
	m.Gauge("go_heap_objects_bytes", "Bytes of heap objects.", value(0))
	m.Gauge("go_memory_total_bytes", "Memory mapped by the runtime.", value(1))
	m.Counter("go_gc_cycles_total", "Garbage collections.", value(2))
	m.Gauge("go_goroutines", "Goroutines.", value(3))
}

func flag(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
