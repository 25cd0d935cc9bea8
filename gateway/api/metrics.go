package api

import (
	"bytes"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/go-chi/chi/v5"
)

// Metrics gathers samples in the text format of Prometheus (version 0.0.4).
// Samples of one name share its help and type, those of the first call. Not safe
// for concurrent use.
type Metrics struct {
	order    []string
	families map[string]*bytes.Buffer
}

func newMetrics() *Metrics { return &Metrics{families: make(map[string]*bytes.Buffer)} }

// Counter adds a sample of something that only grows; its name ends in _total.
// labels are names and values in turn.
func (m *Metrics) Counter(name, help string, value float64, labels ...string) {
	m.add(name, help, "counter", value, labels)
}

// Gauge adds a sample of something that goes up and down.
func (m *Metrics) Gauge(name, help string, value float64, labels ...string) {
	m.add(name, help, "gauge", value, labels)
}

func (m *Metrics) add(name, help, kind string, value float64, labels []string) {
	b := m.families[name]
	if b == nil {
		b = new(bytes.Buffer)
		m.families[name] = b
		m.order = append(m.order, name)
		b.WriteString("# HELP " + name + " " + strings.NewReplacer(`\`, `\\`, "\n", `\n`).Replace(help) + "\n")
		b.WriteString("# TYPE " + name + " " + kind + "\n")
	}
	b.WriteString(name)
	escape := strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
	for i := 0; i+1 < len(labels); i += 2 {
		b.WriteByte("{,"[min(i, 1)])
		b.WriteString(labels[i] + `="` + escape.Replace(strings.ToValidUTF8(labels[i+1], "?")) + `"`)
	}
	if len(labels) > 1 {
		b.WriteByte('}')
	}
	b.WriteString(" " + strconv.FormatFloat(value, 'g', -1, 64) + "\n")
}

func (m *Metrics) text() []byte {
	var out []byte
	for _, name := range m.order {
		out = append(out, m.families[name].Bytes()...)
	}
	return out
}

// httpCounters counts answers by route and class of status. Safe for concurrent
// use.
type httpCounters struct {
	mu     sync.Mutex
	counts map[[2]string]uint64 // route pattern, status class: few of each
}

// count wraps a router; it must be its first middleware.
func (c *httpCounters) count(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		cw := &countingWriter{ResponseWriter: w}
		defer func() {
			route := chi.RouteContext(r.Context()).RoutePattern()
			c.add(route, cw.class())
		}()
		next.ServeHTTP(cw, r)
	})
}

func (c *httpCounters) add(route, class string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts == nil {
		c.counts = make(map[[2]string]uint64)
	}
	c.counts[[2]string{route, class}]++
}

func (c *httpCounters) metrics(m *Metrics) {
	c.mu.Lock()
	defer c.mu.Unlock()
	keys := make([][2]string, 0, len(c.counts))
	for key := range c.counts {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b [2]string) int {
		return strings.Compare(a[0]+" "+a[1], b[0]+" "+b[1])
	})
	for _, key := range keys {
		m.Counter("partyline_http_requests_total", "Requests of the web port other than WebSockets, by route and class of status.",
			float64(c.counts[key]), "route", key[0], "status", key[1])
	}
}

// countingWriter remembers the status of an answer.
type countingWriter struct {
	http.ResponseWriter
	status int // 0: nothing was answered
}

// Unwrap is for http.ResponseController.
func (w *countingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (w *countingWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *countingWriter) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

func (w *countingWriter) class() string {
	if w.status == 0 {
		return "none"
	}
	return strconv.Itoa(w.status/100) + "xx"
}
