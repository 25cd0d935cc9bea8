package api

import (
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"partyline/events"
	lc "partyline/events/lifecycle"
)

// traceAnswer is what the gateways remember of a trace.
type traceAnswer struct {
	Trace    string  `json:"trace"`
	Stages   []stage `json:"stages"`
	Complete bool    `json:"complete"` // every gateway was asked and answered
	Asked    int     `json:"gateways_asked"`
	Answered int     `json:"gateways_answered"`
}

// stage is a row of connection_events, with the names of its columns. Those of
// the second part are shown to the admin alone.
type stage struct {
	Stage       lc.Stage   `json:"stage"`
	Outcome     lc.Outcome `json:"outcome"`
	TS          string     `json:"ts"`
	Conn        string     `json:"conn"`
	Gateway     string     `json:"gateway"`
	Duration    int64      `json:"duration_us"`
	SinceAccept int64      `json:"since_accept_us"`
	Status      int        `json:"status,omitempty"`
	ErrorType   string     `json:"error_type,omitempty"`
	ErrorDetail string     `json:"error_detail,omitempty"`
	Scheme      string     `json:"scheme,omitempty"`
	Path        string     `json:"path,omitempty"`
	Method      string     `json:"method,omitempty"`
	HTTPVersion string     `json:"http_version,omitempty"`
	Arrived     []string   `json:"arrived,omitempty"` // which upgrade headers did
	Params      []string   `json:"params,omitempty"`
	TokenVia    string     `json:"token_via,omitempty"`
	Subprotocol string     `json:"subprotocol,omitempty"`
	Extensions  string     `json:"extensions,omitempty"`
	CloseCode   int        `json:"close_code,omitempty"`
	CloseBy     string     `json:"close_initiator,omitempty"`
	CloseReason string     `json:"close_reason,omitempty"`
	RTT         int64      `json:"rtt_us,omitempty"`
	FramesIn    uint64     `json:"frames_in,omitempty"`
	FramesOut   uint64     `json:"frames_out,omitempty"`
	BytesIn     uint64     `json:"bytes_in,omitempty"`
	BytesOut    uint64     `json:"bytes_out,omitempty"`
	QueuePeak   uint64     `json:"queue_peak,omitempty"`
	Synthetic   bool       `json:"synthetic,omitempty"`

	*private
}

// private are the columns that say who connected, and how it got here.
type private struct {
	ClientIP   string            `json:"client_ip,omitempty"` // masked
	ClientPort uint16            `json:"client_port,omitempty"`
	PeerIP     string            `json:"peer_ip,omitempty"` // masked
	LocalPort  uint16            `json:"local_port,omitempty"`
	Host       string            `json:"host,omitempty"`
	Origin     string            `json:"origin,omitempty"`
	Headers    map[string]string `json:"headers,omitempty"` // allow-listed
	UserAgent  string            `json:"user_agent,omitempty"`
	Proxied    bool              `json:"proxied,omitempty"`
	XFFHops    int               `json:"xff_hops,omitempty"`
	UserHash   string            `json:"user_hash,omitempty"`
	Rooms      int               `json:"rooms,omitempty"`
}

// getTrace answers GET /api/v1/diagnostics/trace/{trace}.
func (a *api) getTrace(w http.ResponseWriter, r *http.Request) error {
	trace := chi.URLParam(r, "trace")
	if err := events.CheckTrace(trace); err != nil {
		return err
	}
	admin, err := a.admin(r)
	if err != nil {
		return err
	}
	from := a.cfg.ClientAddr(r)
	if wait := a.lost.blocked(from, time.Now()); wait > 0 {
		return &problem{
			status: http.StatusTooManyRequests, code: events.CodeRateLimited,
			detail: "too many unknown traces were asked for from this address", retryAfter: wait,
		}
	}
	if err := a.slots.finds.enter(); err != nil {
		return err
	}
	defer a.slots.finds.leave()
	found := a.deps.Traces.Find(r.Context(), trace)
	answer := traceAnswer{
		Trace: trace, Stages: make([]stage, 0, len(found.Rows)),
		Complete: found.Complete, Asked: found.Asked, Answered: found.Answered,
	}
	for i := range found.Rows {
		answer.Stages = append(answer.Stages, stageOf(&found.Rows[i], admin))
	}
	if len(answer.Stages) > 0 {
		return writeJSON(w, answer)
	}
	a.lost.add(from, time.Now())
	return &problem{
		status: http.StatusNotFound, code: events.CodeNotFound,
		detail: "no gateway that answered remembers this trace; they are kept for an hour", extra: answer,
	}
}

func stageOf(r *lc.Row, admin bool) stage {
	s := stage{
		Stage: r.Stage, Outcome: r.Outcome, TS: string(events.AppendTime(nil, r.Time)), Conn: r.Conn, Gateway: r.Gateway,
		Duration: r.Duration.Microseconds(), SinceAccept: r.SinceAccept.Microseconds(),
		Status: r.Status, ErrorType: r.ErrorType, ErrorDetail: r.ErrorDetail,
		Scheme: r.Scheme, Path: r.Path, Method: r.Method, HTTPVersion: r.HTTPVersion,
		Params: r.Params, TokenVia: r.TokenVia, Subprotocol: r.Subprotocol, Extensions: r.Extensions,
		CloseCode: r.CloseCode, CloseBy: r.CloseBy, CloseReason: r.CloseReason, RTT: r.RTT.Microseconds(),
		FramesIn: r.FramesIn, FramesOut: r.FramesOut, BytesIn: r.BytesIn, BytesOut: r.BytesOut,
		QueuePeak: r.QueuePeak, Synthetic: r.Synthetic,
	}
	for _, h := range r.Headers {
		switch h.Name {
		case "Upgrade", "Connection", "Sec-WebSocket-Version":
			s.Arrived = append(s.Arrived, h.Name)
		}
	}
	if admin {
		s.private = privateOf(r)
	}
	return s
}

func privateOf(r *lc.Row) *private {
	p := &private{
		ClientPort: r.ClientPort, LocalPort: r.LocalPort, Host: r.Host, Origin: r.Origin, UserAgent: r.UserAgent,
		Proxied: r.Proxied, XFFHops: r.XFFHops, UserHash: r.UserHash, Rooms: r.Rooms,
	}
	if r.ClientIP.IsValid() {
		p.ClientIP = r.ClientIP.String()
	}
	if r.PeerIP.IsValid() {
		p.PeerIP = r.PeerIP.String()
	}
	if len(r.Headers) > 0 {
		p.Headers = make(map[string]string, len(r.Headers))
		for _, h := range r.Headers {
			p.Headers[h.Name] = h.Value
		}
	}
	return p
}
