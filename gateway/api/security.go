package api

import (
	"fmt"
	"net/http"
	"time"

	"partyline/events"
)

// Posture is what decides how safe a server is set up. It holds no secrets.
type Posture struct {
	TLS               bool // this listener is encrypted here
	Loopback          bool // reachable from this machine alone
	AuthMode          string
	AnyOrigin         bool // origins has *
	NullOrigin        bool // origins has null
	Durability        string
	Heartbeat         time.Duration
	ConnectsPerSecond int  // 0: unlimited
	SendsPerSecond    int  // 0: unlimited
	EchoUnlimited     bool //
	WholeAddresses    bool // telemetry keeps addresses as they are
}

// postureFinding is one line of GET /api/v1/diagnostics/security.
type postureFinding struct {
	Code     string `json:"code"`
	Severity string `json:"severity"` // info, warning, critical
	Title    string `json:"title"`
	Advice   string `json:"advice"`

	secret bool // would help an attacker: shown to the admin alone
	when   bool
}

// findings judges a posture.
func (p Posture) findings() []postureFinding {
	table := []postureFinding{
		{"tls_off", "warning", "The server itself does not encrypt.", "Set http.tls.cert and http.tls.key, or put a proxy with TLS in front and keep this port closed to others.", false, !p.TLS && !p.Loopback},
		{"tls_off_local", "info", "The server does not encrypt; it can be reached from this machine alone.", "Nothing is to be done for trying it out.", false, !p.TLS && p.Loopback},
		{"auth_open", "info", "Anybody may take any name.", "Set auth.mode: jwt where names have to be true.", false, p.AuthMode == "open"},
		{"any_origin", "critical", "Pages of every origin may open the chat.", "List the origins that may, instead of *.", true, p.AnyOrigin},
		{"null_origin", "warning", "Pages without an origin (files, sandboxed frames) may open the chat.", "Take null out of origins.", true, p.NullOrigin},
		{"durability_lazy", "warning", "A power cut can lose messages that were acknowledged.", "Set storage.durability: fsync.", false, p.Durability != "" && p.Durability != "fsync"},
		{"heartbeat_long", "warning", fmt.Sprintf("The heartbeat of %s is longer than what many proxies let pass (60 s).", p.Heartbeat), "Set gateway.heartbeat below 60s.", false, p.Heartbeat >= time.Minute},
		{"connects_unlimited", "warning", "One address may open connections as fast as it likes.", "Set gateway.connects-per-second-per-ip.", true, p.ConnectsPerSecond == 0},
		{"sends_unlimited", "warning", "One connection may send as fast as it likes.", "Set gateway.sends-per-second.", true, p.SendsPerSecond == 0},
		{"echo_unlimited", "warning", "The echo route has no limits.", "Set echo.limits: on; off is for benches.", true, p.EchoUnlimited},
		{"addresses_whole", "info", "Telemetry keeps whole addresses of people.", "Set analytics.ip-privacy: truncate.", true, p.WholeAddresses},
	}
	var found []postureFinding
	for _, f := range table {
		if f.when {
			found = append(found, f)
		}
	}
	return found
}

// securityAnswer is the posture as findings.
type securityAnswer struct {
	Findings []postureFinding `json:"findings"`
	Hidden   bool             `json:"hidden"` // there may be more for the admin
}

// getSecurity answers GET /api/v1/diagnostics/security.
func (a *api) getSecurity(w http.ResponseWriter, r *http.Request) error {
	admin, err := a.admin(r)
	if err != nil {
		return err
	}
	if a.deps.Posture == nil {
		return &problem{status: http.StatusNotFound, code: events.CodeNotFound, detail: "this process tells no posture"}
	}
	posture := a.deps.Posture()
	posture.TLS = posture.TLS || r.TLS != nil
	answer := securityAnswer{Findings: []postureFinding{}, Hidden: !admin}
	for _, f := range posture.findings() {
		if admin || !f.secret {
			answer.Findings = append(answer.Findings, f)
		}
	}
	w.Header().Add("Vary", "Authorization")
	return writeJSON(w, answer)
}
