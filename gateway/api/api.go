package api

import (
	"context"
	"crypto/sha256"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"partyline/events"
	"partyline/events/query"
	"partyline/events/stream"
	"partyline/gateway/hub"
	"partyline/gateway/lifecycle"
	"partyline/gateway/token"
	"partyline/gateway/ws"
)

// Config configures the handler.
type Config struct {
	Version string // of the program
	Gateway string // name of this gateway
	// AdminToken is needed by admin calls; required.
	AdminToken string
	// WSURLs lists the addresses of the chat WebSocket for a page that reached
	// us as host ("localhost:8000"); nil: none besides the web port's own.
	WSURLs func(host string) []string
	// ClientAddr tells who made a request; nil: the peer of the connection.
	ClientAddr func(*http.Request) netip.Addr
	Started    time.Time    // zero: when New was called
	Logger     *slog.Logger // nil: discard
	// OpenMetrics serves /metrics without a token: the listener is reachable
	// from this machine alone, or meant for operations.
	OpenMetrics bool
	// ClientReports says whether the page may send reports of failed attempts:
	// "ask" (the person), "on", "off"; empty: off. It is told in the status; the
	// reports themselves go to Deps.Reports.
	ClientReports string
	// NoOperations leaves out /metrics, /healthz and /readyz, because they are
	// served elsewhere by NewOperations.
	NoOperations bool
}

// Log is what the API needs of [stream.Log].
type Log interface {
	Epoch() string
	Durability() stream.Durability
	Available() bool
	Alarm() string
	LastSeq(ctx context.Context) (uint64, error)
	LastSeqs(ctx context.Context, rooms []string) (map[string]uint64, error)
	Replay(ctx context.Context, o stream.ReplayOptions, fn func(*stream.Stored) error) error
}

// Policy decides which hosts and origins are ours.
type Policy interface {
	// Host returns nil when a request with this Host header may be answered.
	Host(host string) *ws.Refusal
	// Origin reports whether pages of an origin may read what host answers, and
	// the kind of rule that decides.
	Origin(origin, host string) (rule string, ok bool)
}

// Hub is what the API needs of [hub.Hub].
type Hub interface {
	Stats() hub.Stats
	Send(ctx context.Context, r hub.SendRequest) (hub.SendResult, error)
}

// Traces finds what gateways remember of connection attempts.
type Traces interface {
	Find(ctx context.Context, trace string) lifecycle.Found
}

// Deps are the parts that the API shows. They stay the caller's.
type Deps struct {
	Query  query.Backend // required
	Log    Log           // required
	Policy Policy        // required
	// Hub and Traces are those of this process's gateway; nil: it has none, and
	// what needs them is refused.
	Hub    Hub
	Traces Traces

	// WebSocket gets every request under /ws/ and answers it alone: policy,
	// recording and refusals are its own. nil: such paths are not found.
	WebSocket http.Handler
	// UI is the page, with index.html at its root; nil: there is none. Its
	// files must not change.
	UI fs.FS

	Connections func() int  // open WebSocket connections; nil: none
	Draining    func() bool // nil: never
	// Ready adds a reason not to be ready, besides draining and storage; it is
	// told to whoever asks. nil: none.
	Ready func() error
	// Analytics describes the store of statistics; nil: it is off.
	Analytics func() Analytics
	// Statistics answers the calls of the analytics role: diagnostics, summary,
	// series and, for the admin alone, SQL. It is told whether the caller is the
	// admin. nil: this process has none, and such calls are refused.
	Statistics func(w http.ResponseWriter, r *http.Request, admin bool)
	// Admission answers dry runs; nil: there is no gateway here.
	Admission Admission
	// Posture describes the set-up for /api/v1/diagnostics/security; nil: it is
	// not told.
	Posture func() Posture
	// Reports keeps what clients tell of their attempts, and Secret is the
	// deployment's secret, by which their keys are checked; nil: none are kept.
	Reports Reports
	Secret  func() []byte
	// Tokens verifies those of jwt mode; nil: open mode.
	Tokens *token.Verifier
	// Help has a page <code>.md for each finding of the diagnosis; nil: none.
	Help fs.FS
	// Admin are further calls by path: POST, with the admin token, and without
	// the usual time limits, for upkeep that takes long. nil: none.
	Admin map[string]http.HandlerFunc
	// Metrics adds metrics of other parts; nil: none.
	Metrics func(*Metrics)
}

// Analytics is what the status says about the store of statistics.
type Analytics struct {
	Mode string  // off, embedded, server
	OK   bool    //
	Lag  float64 // seconds
}

// api is the handler's state. It is safe for concurrent use.
type api struct {
	cfg   Config
	deps  Deps
	log   *slog.Logger
	token [sha256.Size]byte // hash of the admin token
	wrong *strikes          // wrong tokens by address
	lost  *strikes          // unknown traces by address

	diagnosis diagnosis
	slots     slots
	status    statusCache
	page      *page
	http      httpCounters
}

// New makes the handler of the web port.
func New(cfg Config, deps Deps) (http.Handler, error) {
	a, err := newAPI(cfg, deps)
	if err != nil {
		return nil, err
	}
	if a.page, err = newPage(deps.UI); err != nil {
		return nil, err
	}
	router := a.router()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if deps.WebSocket != nil && (r.URL.Path == "/ws" || strings.HasPrefix(r.URL.Path, "/ws/")) {
			deps.WebSocket.ServeHTTP(w, r)
			return
		}
		router.ServeHTTP(w, r)
	}), nil
}

// NewOperations makes the handler of a listener for operations alone: /metrics,
// /healthz and /readyz.
func NewOperations(cfg Config, deps Deps) (http.Handler, error) {
	a, err := newAPI(cfg, deps)
	if err != nil {
		return nil, err
	}
	r := chi.NewRouter()
	a.common(r)
	a.operations(r)
	return r, nil
}

func newAPI(cfg Config, deps Deps) (*api, error) {
	switch {
	case cfg.AdminToken == "":
		return nil, errors.New("api: AdminToken is empty")
	case deps.Query == nil || deps.Log == nil || deps.Policy == nil:
		return nil, errors.New("api: a dependency is missing")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.WSURLs == nil {
		cfg.WSURLs = func(string) []string { return nil }
	}
	if cfg.ClientAddr == nil {
		cfg.ClientAddr = peer
	}
	if cfg.Started.IsZero() {
		cfg.Started = time.Now()
	}
	if deps.Hub == nil {
		deps.Hub = noGateway{}
	}
	if deps.Traces == nil {
		deps.Traces = noGateway{}
	}
	if deps.Connections == nil {
		deps.Connections = func() int { return 0 }
	}
	if deps.Draining == nil {
		deps.Draining = func() bool { return false }
	}
	if deps.Ready == nil {
		deps.Ready = func() error { return nil }
	}
	if deps.Analytics == nil {
		deps.Analytics = func() Analytics { return Analytics{Mode: "off"} }
	}
	return &api{
		cfg: cfg, deps: deps, log: cfg.Logger,
		token: sha256.Sum256([]byte(cfg.AdminToken)),
		wrong: newStrikes(maxWrongTokens, time.Minute),
		lost:  newStrikes(maxUnknownTraces, time.Minute),
		slots: newSlots(), diagnosis: newDiagnosis(),
	}, nil
}

// noGateway stands for the gateway of a process that has none.
type noGateway struct{}

func (noGateway) Stats() hub.Stats { return hub.Stats{} }

func (noGateway) Send(context.Context, hub.SendRequest) (hub.SendResult, error) {
	return hub.SendResult{}, events.Errorf(events.CodeStorageUnavailable, "this process is no gateway")
}

func (noGateway) Find(context.Context, string) lifecycle.Found { return lifecycle.Found{} }

// peer is the address of the connection's other end.
func peer(r *http.Request) netip.Addr {
	a, _ := netip.ParseAddrPort(r.RemoteAddr) // zero when it is none
	return a.Addr().Unmap()
}

// common installs what every route has.
func (a *api) common(r chi.Router) {
	r.Use(a.http.count, a.recover, a.basics, middleware.GetHead)
	r.NotFound(a.notFound)
	r.MethodNotAllowed(a.badMethod)
}

// router installs the routes of the web port.
func (a *api) router() chi.Router {
	r := chi.NewRouter()
	a.common(r)
	if !a.cfg.NoOperations {
		a.operations(r)
	}
	a.page.routes(r, a)
	r.Get("/help/{code}", a.handle(a.getHelp))
	r.Group(func(r chi.Router) {
		r.Use(a.open)
		a.both(r, "/chat/status/", a.getStatus)
		a.both(r, "/chat/status", a.getStatus)
		a.openDiagnostics(r)
	})
	r.Group(func(r chi.Router) {
		r.Use(a.listed)
		a.both(r, "/api/v1/openapi.json", a.getOpenAPI)
		a.both(r, "/api/v1/close-codes", a.getCloseCodes)
		a.both(r, "/api/v1/diagnostics/security", a.getSecurity)
		a.both(r, "/api/v1/rooms", a.getRooms)
		a.both(r, "/api/v1/rooms/{room}", a.getRoom)
		a.both(r, "/api/v1/rooms/{room}/messages", a.getMessages)
		a.both(r, "/api/v1/rooms/{room}/events", a.getEvents)
		r.Post("/api/v1/rooms/{room}/messages", a.handle(a.postMessage))
		a.both(r, "/chat/diagnostics/", a.statistics)
		a.both(r, "/chat/diagnostics", a.statistics)
		a.both(r, "/api/v1/analytics/summary", a.statistics)
		a.both(r, "/api/v1/analytics/series", a.statistics)
		r.Post("/api/v1/analytics/query", a.handle(a.console))
		for path, h := range a.deps.Admin {
			r.Post(path, a.handle(a.upkeep(h)))
		}
	})
	return r
}

// both serves GET (and so HEAD) with h, and lets OPTIONS reach the middleware
// that answers preflights.
func (a *api) both(r chi.Router, path string, h func(http.ResponseWriter, *http.Request) error) {
	r.Get(path, a.handle(h))
	r.Options(path, a.badMethod)
}

// operations installs the routes for operations.
func (a *api) operations(r chi.Router) {
	r.Get("/healthz", a.handle(a.getHealth))
	r.Get("/readyz", a.handle(a.getReady))
	r.Get("/metrics", a.handle(a.getMetrics))
}
