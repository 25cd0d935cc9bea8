package admission

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"partyline/events"
	"partyline/events/lifecycle"
	"partyline/gateway/hub"
	"partyline/gateway/token"
	"partyline/gateway/ws"
)

// Routes of the WebSocket listeners, without the optional slash at the end.
const (
	RouteChat = "/ws/chat"
	RouteEcho = "/ws/echo"
)

// Config configures an Admission.
type Config struct {
	Policy *Policy // required
	// ConnectsPerSecond limits the attempts of one address, with four times as
	// many at once; 0: unlimited.
	ConnectsPerSecond int
	Tokens            *token.Verifier // nil: open mode, everybody may take any name
	Proxies           Proxies         // whose X-Forwarded-For is believed
	Options           ws.Options      // of chat connections
	Logger            *slog.Logger    // nil: discard
}

// Sessions makes the session of an accepted chat connection; *hub.Hub does.
type Sessions interface {
	NewSession(id hub.Identity) ws.Session
}

// Admission decides about opening handshakes.
type Admission struct {
	cfg      Config
	secret   func() []byte
	sessions Sessions
	echo     ws.Handler
	rates    *rates
	draining atomic.Bool
}

var _ ws.Handler = (*Admission)(nil)

// New makes an admission. secret is the deployment's secret, nil while the log
// was not opened; echo handles the echo route.
func New(cfg Config, secret func() []byte, sessions Sessions, echo ws.Handler) (*Admission, error) {
	if cfg.Policy == nil || secret == nil || sessions == nil || echo == nil {
		return nil, errors.New("admission: a dependency is missing")
	}
	if cfg.ConnectsPerSecond < 0 {
		return nil, errors.New("admission: ConnectsPerSecond is negative")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Admission{cfg: cfg, secret: secret, sessions: sessions, echo: echo, rates: newRates(cfg.ConnectsPerSecond)}, nil
}

// Drain refuses every further attempt.
func (a *Admission) Drain() { a.draining.Store(true) }

// Handshake implements [ws.Handler].
func (a *Admission) Handshake(ctx context.Context, r *ws.Request) (*ws.Acceptance, *ws.Refusal) {
	if ref := a.route(r); ref != nil {
		return nil, refuse(r, lifecycle.StageRequest, ref)
	}
	if ref := a.drain(); ref != nil {
		return nil, refuse(r, lifecycle.StageLimits, ref)
	}
	if client := a.cfg.Proxies.Client(r.Remote.Addr(), r.Values("X-Forwarded-For")); client != r.Remote.Addr() {
		r.Remote = netip.AddrPortFrom(client, 0)
		r.Attempt.Describe(func(row *lifecycle.Row) { row.ClientIP, row.ClientPort = client, 0 })
	}
	if route(r.Path) == RouteEcho {
		if ref := a.rate(r); ref != nil {
			return nil, refuse(r, lifecycle.StageLimits, ref)
		}
		return a.echo.Handshake(ctx, r)
	}
	if _, ref := a.origin(r); ref != nil {
		return nil, refuse(r, lifecycle.StageOrigin, ref)
	}
	r.Attempt.Stage(lifecycle.StageOrigin)
	id, o, _, ref := a.authenticate(r)
	if ref != nil {
		return nil, refuse(r, lifecycle.StageAuth, ref)
	}
	r.Attempt.Describe(func(row *lifecycle.Row) { row.UserHash = events.UserHash(a.secret(), id.UID) })
	r.Attempt.Stage(lifecycle.StageAuth)
	if ref := a.rate(r); ref != nil {
		return nil, refuse(r, lifecycle.StageLimits, ref)
	}
	r.Attempt.Stage(lifecycle.StageLimits)
	return &ws.Acceptance{
		Session: a.sessions.NewSession(id), Subprotocol: o.subprotocol, Options: a.cfg.Options,
	}, nil
}

// Malformed implements [ws.Handler]: an address that has no WebSocket says so,
// rather than which headers would be missing there.
func (a *Admission) Malformed(r *ws.Request, ref *ws.Refusal) *ws.Refusal {
	if ref.Code != events.CodeUpgradeRequired && ref.Code != events.CodeBadMethod {
		return ref
	}
	if other := a.route(r); other != nil {
		return other
	}
	return ref
}

// Decision is the result of a dry run: Refusal is nil for "accept".
type Decision struct {
	Rule    Rule
	Refusal *ws.Refusal
}

// DryRun says what a chat upgrade with this request would get, but for rates,
// which it does not touch.
func (a *Admission) DryRun(r *ws.Request) Decision {
	if ref := a.cfg.Policy.Host(r.Host); ref != nil {
		return Decision{RuleBadHost, ref}
	}
	if ref := a.route(r); ref != nil {
		return Decision{RuleNone, ref}
	}
	if ref := a.drain(); ref != nil {
		return Decision{RuleDraining, ref}
	}
	if route(r.Path) == RouteEcho {
		return Decision{RuleListed, nil}
	}
	rule, ref := a.origin(r)
	if ref != nil {
		return Decision{rule, ref}
	}
	if _, _, why, ref := a.authenticate(r); ref != nil {
		return Decision{why, ref}
	}
	return Decision{rule, nil}
}

// authenticate finds out who a chat connection speaks for, or which rule is
// against it.
func (a *Admission) authenticate(r *ws.Request) (hub.Identity, opening, Rule, *ws.Refusal) {
	o, ref := parseOpening(r)
	if ref != nil {
		return hub.Identity{}, o, RuleParameter, ref
	}
	secret := a.secret()
	if secret == nil {
		return hub.Identity{}, o, RuleStorage, notYet()
	}
	if a.cfg.Tokens == nil {
		return o.identity(secret), o, "", nil
	}
	claims, err := a.cfg.Tokens.Verify(o.token)
	if err != nil {
		return hub.Identity{}, o, RuleToken, tokenRefused(err)
	}
	return hub.Identity{UID: events.SubjectUID(secret, claims.Subject), User: claims.Name, Known: true, Claims: claims}, o, "", nil
}

func tokenRefused(err error) *ws.Refusal {
	if e, ok := errors.AsType[*events.Error](err); ok {
		return &ws.Refusal{Status: 401, Code: e.Code, Detail: e.Message}
	}
	return &ws.Refusal{Status: 503, Code: events.CodeOverloaded, Detail: err.Error(), RetryAfter: time.Second}
}

// refuse records a refusal.
func refuse(r *ws.Request, stage lifecycle.Stage, ref *ws.Refusal) *ws.Refusal {
	detail := ref.Detail
	switch ref.Code { // their details repeat what the peer sent
	case events.CodeBadHost:
		detail = "this Host is not ours"
	case events.CodeOriginRefused:
		detail = "no rule allows this Origin"
	}
	r.Attempt.Refuse(stage, ref.Status, ref.Code, detail)
	return ref
}

// route checks Host and path.
func (a *Admission) route(r *ws.Request) *ws.Refusal {
	if ref := a.cfg.Policy.Host(r.Host); ref != nil {
		return ref
	}
	switch route(r.Path) {
	case RouteChat, RouteEcho:
		return nil
	}
	return &ws.Refusal{
		Status: 404, Code: events.CodeNotFound,
		Detail: "there is no WebSocket at this path; the chat is at " + RouteChat + "/, the echo at " + RouteEcho + "/",
	}
}

func route(path string) string { return strings.TrimSuffix(path, "/") }

const drainRetry = 5 * time.Second

func (a *Admission) drain() *ws.Refusal {
	if !a.draining.Load() {
		return nil
	}
	return &ws.Refusal{Status: 503, Code: events.CodeDraining, Detail: "the server is shutting down", RetryAfter: drainRetry}
}

// notYet refuses while the gateway has not found its log: identities need the
// deployment's secret.
func notYet() *ws.Refusal {
	return &ws.Refusal{
		Status: 503, Code: events.CodeOverloaded, RetryAfter: time.Second,
		Detail: "the server has not reached its storage yet",
	}
}

// origin applies the policy about Origin.
func (a *Admission) origin(r *ws.Request) (Rule, *ws.Refusal) {
	origins := r.Values("Origin")
	if len(origins) > 1 {
		return RuleMalformed, badRequest("more than one Origin header")
	}
	origin := ""
	if len(origins) == 1 {
		if origin = origins[0]; origin == "" {
			return RuleMalformed, badRequest("empty Origin header")
		}
	}
	rule, ok := a.cfg.Policy.Origin(origin, r.Host)
	if ok {
		return rule, nil
	}
	return rule, &ws.Refusal{
		Status: 403, Code: events.CodeOriginRefused,
		Detail: "pages of the origin " + shown(origin) + " may not connect here; allow it with the setting origins",
		Extra:  map[string]any{"origin": bounded(origin)},
	}
}

// rate applies the rate of attempts.
func (a *Admission) rate(r *ws.Request) *ws.Refusal {
	ok, wait := a.rates.take(r.Remote.Addr(), time.Now())
	if ok {
		return nil
	}
	return &ws.Refusal{
		Status: 429, Code: events.CodeRateLimited, RetryAfter: wait,
		Detail: "this address opens connections too fast (gateway.connects-per-second-per-ip)",
	}
}

func refusalOf(err error) *ws.Refusal {
	if e, ok := errors.AsType[*events.Error](err); ok {
		return &ws.Refusal{Status: 400, Code: e.Code, Detail: e.Message}
	}
	return badRequest("malformed request")
}

func badRequest(detail string) *ws.Refusal {
	return &ws.Refusal{Status: 400, Code: events.CodeBadRequest, Detail: detail}
}

// bounded keeps the printable ASCII of what a peer sent, at most 255 bytes.
func bounded(s string) string {
	if len(s) > 255 {
		s = s[:255]
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}
