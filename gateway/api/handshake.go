package api

import (
	"net/http"
	"strings"

	"partyline/events"
	"partyline/gateway/admission"
	"partyline/gateway/ws"
)

// handshakeAnswer is the outcome of a dry run (wire contract, detail 8).
type handshakeAnswer struct {
	Decision string      `json:"decision"` // accept, refuse
	Status   int         `json:"status"`   // 101: accepted
	Code     events.Code `json:"code,omitempty"`
	Rule     string      `json:"rule"` // a kind of rule, never a pattern
}

const (
	maxOrigin = 300 // bytes of parameters
	maxPath   = 512
)

// getHandshake answers GET /api/v1/diagnostics/handshake?origin=&path=: what an
// upgrade with these would get. Nothing is opened, and nothing counted but the
// question itself.
func (a *api) getHandshake(w http.ResponseWriter, r *http.Request) error {
	if a.deps.Admission == nil {
		return &problem{status: http.StatusNotFound, code: events.CodeNotFound, detail: "this process is no gateway"}
	}
	if err := allow(a.diagnosis.probes, a.cfg.ClientAddr(r), "dry runs"); err != nil {
		return err
	}
	query := r.URL.Query()
	origin, path := query.Get("origin"), query.Get("path")
	if path == "" {
		path = "/ws/chat/"
	}
	switch {
	case len(query["origin"]) > 1 || len(query["path"]) > 1:
		return badRequest("origin and path may be given once")
	case query.Has("token"):
		return badRequest("a token is sent as Authorization: Bearer only")
	case len(origin) > maxOrigin || strings.ContainsAny(origin, "\r\n\x00"):
		return badRequest("origin has at most %d bytes and no control characters", maxOrigin)
	case len(path) > maxPath || path[0] != '/' || strings.ContainsAny(path, "?#\r\n\x00"):
		return badRequest("path begins with /, has at most %d bytes and no query", maxPath)
	}
	return writeJSON(w, handshakeOf(a.deps.Admission.DryRun(wouldBe(r, origin, path, query.Has("origin")))))
}

// wouldBe is the upgrade that is asked about: from the same peer, to the same
// host, with a client key and name as a client has them.
func wouldBe(r *http.Request, origin, path string, hasOrigin bool) *ws.Request {
	req := ws.FromHTTP(r)
	req.Method, req.Target, req.Path, req.RawQuery, req.Proto = http.MethodGet, path, path, "", "HTTP/1.1"
	req.Headers = []ws.HeaderField{
		{Name: "Upgrade", Value: "websocket"}, {Name: "Connection", Value: "Upgrade"}, {Name: "Sec-WebSocket-Version", Value: "13"},
	}
	if token := r.Header.Get("Authorization"); token != "" {
		req.Headers = append(req.Headers, ws.HeaderField{Name: "Authorization", Value: token})
	}
	if hasOrigin {
		req.Headers = append(req.Headers, ws.HeaderField{Name: "Origin", Value: origin})
	}
	return req
}

func handshakeOf(d admission.Decision) handshakeAnswer {
	if d.Refusal == nil {
		return handshakeAnswer{Decision: "accept", Status: http.StatusSwitchingProtocols, Rule: d.Rule}
	}
	return handshakeAnswer{Decision: "refuse", Status: d.Refusal.Status, Code: d.Refusal.Code, Rule: d.Rule}
}
