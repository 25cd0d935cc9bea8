package api

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"partyline/events/eventstest"
	"partyline/events/query"
	"partyline/events/stream"
	"partyline/gateway/admission"
	"partyline/gateway/hub"
	"partyline/gateway/lifecycle"
	"partyline/projections"
)

const adminToken = "a-token-of-the-administrator"

// fixture is the handler on a real log, read model and hub.
type fixture struct {
	t        *testing.T
	url      string
	api      *api
	bus      *eventstest.Bus
	recorder *lifecycle.Recorder
}

func setup(t *testing.T, change ...func(*Deps)) *fixture {
	t.Helper()
	fx := &fixture{t: t, bus: eventstest.New(t)}
	l := fx.bus.Log(t)
	logger := eventstest.Logger(t)

	projector, err := stream.NewLog(fx.bus.ConnectAs(t, stream.RoleProjector), stream.LogConfig{Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	if err := projector.Open(eventstest.Context(t)); err != nil {
		t.Fatal(err)
	}
	model, err := projections.New(projections.Config{Dir: t.TempDir(), Logger: logger}, projector)
	if err != nil {
		t.Fatal(err)
	}
	eventstest.Go(t, model.Run)
	serving := fx.bus.ConnectAs(t, stream.RoleProjector)
	eventstest.Go(t, func(ctx context.Context) error { return query.Serve(ctx, serving, model, logger) })
	backend := query.NewClient(fx.bus.Connect(t), 0)

	publisher, err := stream.NewPublisher(l, stream.PublisherConfig{Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	feed, err := stream.NewFeed(l, stream.FeedConfig{Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	h, err := hub.New(hub.Config{Logger: logger, Gateway: "gw"},
		hub.Deps{Log: l, Publisher: publisher, Feed: feed, Query: backend, NATS: fx.bus.Connect(t)})
	if err != nil {
		t.Fatal(err)
	}
	fx.recorder = lifecycle.New(lifecycle.Config{Gateway: "gw", HashKey: l.Secret}, l.StoreConn, logger)
	traces, err := lifecycle.NewTraces(lifecycle.TracesConfig{Gateway: "gw", Peers: h.Peers, Logger: logger}, fx.recorder, fx.bus.Connect(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, run := range []func(context.Context) error{publisher.Run, feed.Run, fx.recorder.Run, h.Run} {
		eventstest.Go(t, run)
	}
	policy, err := admission.NewPolicy([]string{"chat.example.org"}, "", []string{"8000"}, []string{"https://app.example.org"})
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{Version: "v0", Gateway: "gw", AdminToken: adminToken, Logger: logger}
	deps := Deps{
		Query: backend, Log: l, Policy: policy, Hub: h, Traces: traces,
		UI: fstest.MapFS{
			"index.html":       {Data: []byte("<!doctype html><title>Partyline</title>")},
			"assets/app-1a.js": {Data: []byte("export {}" + strings.Repeat(" ", 2000))},
			".placeholder":     {Data: []byte("hidden")},
		},
		Admin: map[string]http.HandlerFunc{"/api/v1/admin/rebuild": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusOK)
		}},
	}
	for _, fn := range change {
		fn(&deps)
	}
	if fx.api, err = newAPI(cfg, deps); err != nil {
		t.Fatal(err)
	}
	handler, err := New(cfg, deps)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	fx.url = server.URL
	eventstest.Eventually(t, eventstest.Patience, func() bool {
		_, err := backend.Status(t.Context())
		return err == nil
	})
	return fx
}

// answer is a response that was read.
type answer struct {
	*http.Response
	body string
}

// ask makes a request; headers are pairs of name and value.
func (fx *fixture) ask(method, path, body string, headers ...string) answer {
	fx.t.Helper()
	ctx, cancel := context.WithTimeout(fx.t.Context(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, fx.url+path, strings.NewReader(body))
	if err != nil {
		fx.t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "Host" {
			req.Host = headers[i+1]
			continue
		}
		req.Header.Add(headers[i], headers[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		fx.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		fx.t.Fatalf("%s %s: %v", method, path, err)
	}
	return answer{resp, string(data)}
}

func (fx *fixture) get(path string, headers ...string) answer {
	fx.t.Helper()
	return fx.ask(http.MethodGet, path, "", headers...)
}
