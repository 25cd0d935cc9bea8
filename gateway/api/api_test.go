package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"partyline/events/eventstest"
	lc "partyline/events/lifecycle"
)

var asAdmin = []string{"Authorization", "Bearer " + adminToken}

func TestHistoryOverREST(t *testing.T) {
	t.Parallel()
	fx := setup(t)
	fx.bus.Publish(t, "lobby", "one", "two", "three")
	last := fx.bus.Publish(t, "kitchen", "soup")
	var page struct {
		Messages []struct {
			Seq  uint64
			Text string
		}
		More bool
	}
	for path, want := range map[string]string{
		"?limit=2":         "[two three] true",
		"?before=3":        "[one two] false",
		"?after=1&limit=1": "[two] true",
		"?after=0":         "[one two three] false",
		"?before=0":        "[] false",
		"?after=3":         "[] false",
		"":                 "[one two three] false",
	} {
		a := fx.get("/api/v1/rooms/lobby/messages" + path)
		page.Messages = nil
		if err := json.Unmarshal([]byte(a.body), &page); a.StatusCode != 200 || err != nil {
			t.Errorf("%s: %s %s", path, a.Status, a.body)
			continue
		}
		texts := []string{}
		for _, m := range page.Messages {
			texts = append(texts, m.Text)
		}
		if got := fmt.Sprint(texts, page.More); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	// The list of rooms has no fence: it is as new as the read model.
	eventstest.Eventually(t, eventstest.Patience, func() bool { return fx.get("/api/v1/rooms/kitchen").StatusCode == 200 })
	if a := fx.get("/api/v1/rooms?limit=1"); !strings.Contains(a.body, `"name":"kitchen"`) || !strings.Contains(a.body, `"more":true`) {
		t.Errorf("rooms: %s", a.body)
	}
	if a := fx.get("/api/v1/rooms?after=kitchen"); !strings.Contains(a.body, `"name":"lobby"`) || strings.Contains(a.body, "kitchen") {
		t.Errorf("rooms after kitchen: %s", a.body)
	}
	a := fx.get("/api/v1/rooms/lobby/events?from=2", asAdmin...)
	lines := strings.Split(strings.TrimSpace(a.body), "\n")
	if a.Header.Get("Content-Type") != "application/x-ndjson" || len(lines) != 2 || !strings.HasPrefix(lines[0], `{"room":"lobby","seq":2,"prev":1,"ts":"`) {
		t.Errorf("raw events: %v\n%s", a.Header, a.body)
	}
	if a := fx.get(fmt.Sprintf("/api/v1/rooms/lobby/events?from=%d", last+2), asAdmin...); a.StatusCode != 400 {
		t.Errorf("raw events beyond the log: %s %s", a.Status, a.body)
	}
}

func TestSendFromABackend(t *testing.T) {
	t.Parallel()
	fx := setup(t)
	send := func(key, body string) answer {
		return fx.ask(http.MethodPost, "/api/v1/rooms/lobby/messages", body,
			append(asAdmin, "Content-Type", "application/json", "Idempotency-Key", key)...)
	}
	var first answer
	eventstest.Eventually(t, eventstest.Patience, func() bool { // the publisher is starting
		first = send("order-1", `{"text":"shipped","user":"shop"}`)
		return first.StatusCode != 503
	})
	if first.StatusCode != 200 || !strings.Contains(first.body, `"seq":1,`) || strings.Contains(first.body, "duplicate") {
		t.Fatalf("%s %s", first.Status, first.body)
	}
	again := send("order-1", `{"text":"shipped","user":"shop"}`)
	if again.body != strings.Replace(first.body, "}", `,"duplicate":true}`, 1) {
		t.Errorf("the same key again: %s, first %s", again.body, first.body)
	}
	// Read your writes: the answer covers what was acknowledged.
	if a := fx.get("/api/v1/rooms/lobby/messages"); !strings.Contains(a.body, `"user":"shop","text":"shipped"`) || strings.Count(a.body, `"seq"`) != 1 {
		t.Errorf("history: %s", a.body)
	}
	for body, want := range map[string]string{
		`{"text":""}`:              "400 bad_text",
		`{"text":"a\u0000"}`:       "400 bad_text",
		`{"text":"\ud800"}`:        "400 bad_text",
		`{"text":5}`:               "400 bad_request",
		`{"user":"x"}`:             "400 bad_request",
		`{"text":"x","user":"  "}`: "400 bad_request",
		`{"text":"x","text":"y"}`:  "400 bad_request",
		`[]`:                       "400 bad_request",
		``:                         "400 bad_request",
		`{"text":"x","meta":{"a":"` + strings.Repeat("m", 3000) + `"}}`: "413 too_large",
		`{"text":"` + strings.Repeat("x", 70000) + `"}`:                 "413 request_too_large",
	} {
		if got := problemText(t, send("other", body)); got != want {
			t.Errorf("%.60s: %s, want %s", body, got, want)
		}
	}
}

// problemText is the status and code of a problem document, which has to be one.
func problemText(t *testing.T, a answer) string {
	t.Helper()
	var p struct {
		Type, Title, Detail, Code string
		Status                    int
	}
	if err := json.Unmarshal([]byte(a.body), &p); err != nil || a.Header.Get("Content-Type") != "application/problem+json" {
		return fmt.Sprintf("%d without a problem document: %.100s", a.StatusCode, a.body)
	}
	if p.Status != a.StatusCode || p.Type == "" || p.Title == "" || p.Detail == "" {
		t.Errorf("incomplete problem document: %s", a.body)
	}
	return fmt.Sprintf("%d %s", a.StatusCode, p.Code)
}

func TestBadRequests(t *testing.T) {
	t.Parallel()
	fx := setup(t)
	fx.bus.Publish(t, "lobby", "one")
	for _, c := range []struct {
		method, path, want string
		headers            []string
	}{
		{"GET", "/nothing", "404 not_found", nil},
		{"GET", "/index.html", "404 not_found", nil}, // only "/" is the page
		{"GET", "/.placeholder", "404 not_found", nil},
		{"GET", "/ws/chat/", "404 not_found", nil}, // this process has no gateway
		{"GET", "/api/v1/rooms/UPPER", "400 bad_room", nil},
		{"GET", "/api/v1/rooms/a%2fb/messages", "400 bad_room", nil},
		{"GET", "/api/v1/rooms/..%2f..%2fetc/messages", "400 bad_room", nil},
		{"GET", "/api/v1/rooms/empty", "404 not_found", nil},
		{"GET", "/api/v1/rooms?limit=0", "400 bad_request", nil},
		{"GET", "/api/v1/rooms?limit=201", "400 bad_request", nil},
		{"GET", "/api/v1/rooms?limit=1&limit=2", "400 bad_request", nil},
		{"GET", "/api/v1/rooms?after=A", "400 bad_room", nil},
		{"GET", "/api/v1/rooms/lobby/messages?before=1&after=1", "400 bad_request", nil},
		{"GET", "/api/v1/rooms/lobby/messages?before=-1", "400 bad_request", nil},
		{"GET", "/api/v1/rooms/lobby/messages?before=18446744073709551616", "400 bad_request", nil},
		{"GET", "/api/v1/rooms/lobby/messages?limit=%zz", "400 bad_request", nil},
		{"GET", "/api/v1/rooms/lobby/events", "401 unauthenticated", nil},
		{"GET", "/api/v1/rooms/lobby/events", "401 unauthenticated", []string{"Authorization", "Bearer wrong"}},
		{"GET", "/api/v1/rooms/lobby/events?limit=1001", "400 bad_request", asAdmin},
		{"GET", "/api/v1/diagnostics/trace/short", "400 bad_request", nil},
		{"GET", "/api/v1/diagnostics/trace/0123456789abcdef", "404 not_found", nil},
		{"GET", "/metrics", "401 unauthenticated", nil},
		{"DELETE", "/api/v1/rooms/lobby", "405 bad_method", nil},
		{"POST", "/chat/status/", "405 bad_method", nil},
		{"POST", "/api/v1/rooms/lobby/messages", "401 unauthenticated", nil},
		{"POST", "/api/v1/rooms/lobby/messages", "415 bad_request", asAdmin},
		{"POST", "/api/v1/rooms/lobby/messages", "415 bad_request", append([]string{"Content-Type", "text/plain"}, asAdmin...)},
		{"POST", "/api/v1/rooms/lobby/messages", "400 bad_request", append([]string{"Content-Type", "application/json", "Idempotency-Key", "a b"}, asAdmin...)},
		{"POST", "/api/v1/admin/rebuild", "401 unauthenticated", nil},
		{"GET", "/chat/status/", "421 bad_host", []string{"Host", "evil.example"}},
		{"GET", "/", "421 bad_host", []string{"Host", "evil.example:8000"}},
		{"GET", "/chat/status/", "431 request_too_large", []string{"X-Padding", strings.Repeat("x", 20000)}},
	} {
		if got := problemText(t, fx.ask(c.method, c.path, "", c.headers...)); got != c.want {
			t.Errorf("%s %s %v: %s, want %s", c.method, c.path, c.headers, got, c.want)
		}
	}
	if a := fx.ask(http.MethodPost, "/api/v1/admin/rebuild", "", asAdmin...); a.StatusCode != 200 {
		t.Errorf("upkeep by the admin: %s %s", a.Status, a.body)
	}
}

func TestWrongTokensAreLimited(t *testing.T) {
	t.Parallel()
	fx := setup(t)
	wrong := []string{"Authorization", "Bearer wrong"}
	for i := range maxWrongTokens {
		if got := problemText(t, fx.get("/chat/status/", wrong...)); got != "401 unauthenticated" {
			t.Fatalf("wrong token %d: %s", i, got)
		}
	}
	a := fx.get("/chat/status/", asAdmin...)
	if got := problemText(t, a); got != "429 rate_limited" || a.Header.Get("Retry-After") == "" {
		t.Errorf("after %d wrong tokens: %s, %v", maxWrongTokens, got, a.Header)
	}
	if a := fx.get("/chat/status/"); a.StatusCode != 200 {
		t.Errorf("without a token: %s", a.Status)
	}
}

func TestCrossOrigin(t *testing.T) {
	t.Parallel()
	fx := setup(t)
	for _, c := range []struct{ path, origin, want string }{
		{"/chat/status/", "https://evil.example", "*"},
		{"/api/v1/diagnostics/trace/0123456789abcdef", "null", "*"},
		{"/api/v1/rooms", "https://app.example.org", "https://app.example.org"},
		{"/api/v1/rooms", "https://evil.example", ""},
		{"/api/v1/rooms", "null", ""},
		{"/metrics", "https://app.example.org", ""},
	} {
		a := fx.get(c.path, "Origin", c.origin)
		if got := a.Header.Get("Access-Control-Allow-Origin"); got != c.want || a.Header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s for %s: allowed %q, want %q", c.path, c.origin, got, c.want)
		}
	}
	preflight := fx.ask(http.MethodOptions, "/api/v1/rooms/lobby/messages", "", "Origin", "https://app.example.org",
		"Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization,idempotency-key")
	if preflight.StatusCode != 204 || preflight.Header.Get("Access-Control-Max-Age") != "600" ||
		!strings.Contains(preflight.Header.Get("Access-Control-Allow-Headers"), "Idempotency-Key") {
		t.Errorf("preflight: %s %v", preflight.Status, preflight.Header)
	}
	if a := fx.get("/chat/status/", "Origin", "https://evil.example"); strings.Contains(a.body, `"connections"`) {
		t.Errorf("another origin is told the number of connections: %s", a.body)
	}
	if a := fx.get("/chat/status/"); strings.Contains(a.body, "stream_last_seq") {
		t.Errorf("a stranger is told sequences: %s", a.body)
	}
}

func TestThePage(t *testing.T) {
	t.Parallel()
	fx := setup(t)
	a := fx.get("/")
	csp := a.Header.Get("Content-Security-Policy")
	host := strings.TrimPrefix(fx.url, "http://")
	if a.StatusCode != 200 || !strings.HasPrefix(a.body, "<!doctype html>") || !strings.Contains(csp, "connect-src 'self' ws://"+host) ||
		strings.Contains(csp, "unsafe-eval") || a.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("page: %s, policy %s", a.Status, csp)
	}
	if again := fx.get("/", "If-None-Match", a.Header.Get("Etag")); again.StatusCode != 304 {
		t.Errorf("unchanged page: %s", again.Status)
	}
	script := fx.get("/assets/app-1a.js", "Accept-Encoding", "gzip")
	if script.Header.Get("Content-Encoding") != "gzip" || !strings.Contains(script.Header.Get("Cache-Control"), "immutable") || len(script.body) > 500 {
		t.Errorf("script: %v", script.Header)
	}
	if head := fx.ask(http.MethodHead, "/", ""); head.StatusCode != 200 || head.body != "" {
		t.Errorf("HEAD: %s %q", head.Status, head.body)
	}
}

func TestTraceTellsStrangersNothingPrivate(t *testing.T) {
	t.Parallel()
	fx := setup(t)
	attempt := fx.recorder.Begin(netip.MustParseAddrPort("192.0.2.7:4711"), netip.MustParseAddrPort("127.0.0.1:8001"))
	attempt.Describe(func(r *lc.Row) {
		r.Trace, r.Host, r.Origin, r.UserAgent = "0123456789abcdef", "secret-host", "https://secret.example", "secret-agent"
		r.Headers = []lc.Header{{Name: "Upgrade", Value: "websocket"}, {Name: "Via", Value: "secret-proxy"}}
	})
	attempt.Stage(lc.StageRequest)
	attempt.Refuse(lc.StageOrigin, 403, "origin_refused", "no rule allows this Origin")
	attempt.Close(0, "server", "refused")
	a := fx.get("/api/v1/diagnostics/trace/0123456789abcdef")
	if a.StatusCode != 200 || !strings.Contains(a.body, `"stage":"origin","outcome":"refused"`) || !strings.Contains(a.body, `"complete":true`) {
		t.Errorf("trace: %s %s", a.Status, a.body)
	}
	if strings.Contains(a.body, "secret") || strings.Contains(a.body, "192.0.2") {
		t.Errorf("a stranger is told who it was: %s", a.body)
	}
	if a := fx.get("/api/v1/diagnostics/trace/0123456789abcdef", asAdmin...); !strings.Contains(a.body, "secret-host") || strings.Contains(a.body, "192.0.2.7") {
		t.Errorf("the admin is told: %s", a.body)
	}
}
