package conformance

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"partyline/events"
	"partyline/gateway/ws"
)

// Target is one way to reach an engine.
type Target struct {
	// Start starts an engine with this configuration on a free port.
	Start func(t testing.TB, cfg ws.Config) Server
	// HTTPServer says that net/http reads the requests: it words the refusal
	// of malformed ones itself and lets some pass.
	HTTPServer bool
	// TLS says that there is TLS.
	TLS bool
}

// Server is what Start started.
type Server struct {
	Dial   func() (net.Conn, error) // with TLS, when the target has it
	Engine ws.Engine
}

// maxMessage is the limit that the suite configures.
const maxMessage = 256 << 10

// server is a started target with the suite's handler.
type server struct {
	Server
	target Target
	app    *app
}

// start starts the target. At the end of the test the engine is shut down, and
// every session must have been closed exactly once.
func (target Target) start(t testing.TB, change func(*ws.Config)) *server {
	t.Helper()
	app := &app{ended: make(chan ws.CloseInfo, 4096)}
	cfg := ws.Config{Handler: app, MaxMessageBytes: maxMessage, MaxQueueBytes: 8 << 20, CloseTimeout: patience}
	if change != nil {
		change(&cfg)
	}
	s := &server{Server: target.Start(t, cfg), target: target, app: app}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
		defer cancel()
		if err := s.Engine.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		app.check(t)
	})
	return s
}

// Run runs the suite.
func Run(t *testing.T, target Target) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, *server){
		"framing":       testFraming,
		"violations":    testViolations,
		"fragmentation": testFragmentation,
		"text":          testText,
		"control":       testControl,
		"closing":       testClosing,
		"server close":  testServerClose,
		"handshake":     testHandshake,
		"refusals":      testRefusals,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, target.start(t, nil))
		})
	}
	t.Run("compression", func(t *testing.T) {
		t.Parallel()
		testCompression(t, target)
	})
	t.Run("time limits", func(t *testing.T) {
		t.Parallel()
		testTimeLimits(t, target)
	})
	t.Run("close races", func(t *testing.T) {
		t.Parallel()
		testCloseRaces(t, target)
	})
}

// app is the suite's handler: /echo returns every message, /text takes no binary
// messages, /bye closes when it is told a close code.
type app struct {
	ended chan ws.CloseInfo

	mu       sync.Mutex
	sessions []*session
}

// Handshake implements ws.Handler.
func (a *app) Handshake(_ context.Context, r *ws.Request) (*ws.Acceptance, *ws.Refusal) {
	s := &session{app: a, path: r.Path}
	acc := &ws.Acceptance{Session: s, Options: ws.Options{Binary: r.Path != "/text", Backpressure: true}}
	for _, offer := range r.Subprotocols() {
		if offer == ws.Subprotocol {
			acc.Subprotocol = offer
		}
	}
	switch r.Path {
	case "/echo", "/text", "/bye":
	default:
		return nil, notFound()
	}
	a.mu.Lock()
	a.sessions = append(a.sessions, s)
	a.mu.Unlock()
	return acc, nil
}

// Malformed implements ws.Handler.
func (a *app) Malformed(r *ws.Request, ref *ws.Refusal) *ws.Refusal {
	if r.Path == "/elsewhere" {
		return notFound()
	}
	return ref
}

func notFound() *ws.Refusal {
	return &ws.Refusal{
		Status: 404, Code: events.CodeNotFound, Detail: "nothing here",
		RetryAfter: 1500 * time.Millisecond, Extra: map[string]any{"hint": "<&>", "code": "overwritten"},
	}
}

// check wants every session to have been closed exactly as often as opened,
// which is at most once.
func (a *app) check(t testing.TB) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range a.sessions {
		s.mu.Lock()
		if s.opens > 1 || s.closes != s.opens || s.late {
			t.Errorf("session on %s: opened %d times, closed %d times, messages after that: %t", s.path, s.opens, s.closes, s.late)
		}
		s.mu.Unlock()
	}
}

type session struct {
	app  *app
	path string
	conn ws.Conn

	mu            sync.Mutex
	opens, closes int
	late          bool
}

// Open implements ws.Session.
func (s *session) Open(c ws.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conn = c
	s.opens++
}

// Message implements ws.Session.
func (s *session) Message(text bool, payload []byte) {
	s.mu.Lock()
	s.late = s.late || s.closes > 0 || s.opens == 0
	s.mu.Unlock()
	if s.path == "/bye" {
		last := ws.NewText([]byte("bye"))
		s.conn.Close(ws.CloseTokenExpired, strings.Repeat("ß", 80), last)
		last.Release()
		s.conn.Close(ws.CloseInternal, "second", nil)
		return
	}
	f := ws.NewBinary(payload)
	if text {
		f.Release()
		f = ws.NewText(payload)
	}
	s.conn.Send(f)
	f.Release()
}

// Closed implements ws.Session.
func (s *session) Closed(info ws.CloseInfo) {
	s.mu.Lock()
	s.closes++
	s.mu.Unlock()
	select {
	case s.app.ended <- info:
	default:
	}
}

// wantEnded waits for the next session to end and compares how it did.
func (a *app) wantEnded(t testing.TB, code int, by ws.Initiator) {
	t.Helper()
	select {
	case info := <-a.ended:
		if info.Code != code || info.Initiator != by {
			t.Fatalf("session ended with %+v, want %d by %s", info, code, by)
		}
	case <-time.After(patience):
		t.Fatal("the session did not end")
	}
}
