package api

import (
	"net/http"
	"net/netip"
	"time"

	"github.com/go-chi/chi/v5"

	"partyline/events"
	"partyline/gateway/admission"
	"partyline/gateway/ws"
)

// Admission decides about upgrades; *admission.Admission is one.
type Admission interface {
	// DryRun says what an upgrade with this request would get, without effect.
	DryRun(r *ws.Request) admission.Decision
}

// What one address may ask of the diagnostic routes.
const (
	maxProbes     = 600 // probes and dry runs in a minute
	maxReports    = 10  // reports in an hour
	probePeriod   = time.Minute
	reportsPeriod = time.Hour
)

// diagnosis is the state of the diagnostic routes.
type diagnosis struct {
	probes  *strikes
	reports *strikes
}

func newDiagnosis() diagnosis {
	return diagnosis{probes: newStrikes(maxProbes, probePeriod), reports: newStrikes(maxReports, reportsPeriod)}
}

// openDiagnostics installs the routes that every page may read.
func (a *api) openDiagnostics(r chi.Router) {
	a.both(r, "/api/v1/diagnostics/trace/{trace}", a.getTrace)
	a.both(r, "/api/v1/diagnostics/probe", a.getProbe)
	a.both(r, "/api/v1/diagnostics/probe.svg", a.getMark)
	a.both(r, "/api/v1/diagnostics/handshake", a.getHandshake)
	r.Post("/api/v1/diagnostics/reports", a.handle(a.postReport))
	r.Options("/api/v1/diagnostics/reports", a.badMethod)
}

// allow counts a request of an address, or refuses it.
func allow(s *strikes, from netip.Addr, what string) error {
	if wait := s.take(from, time.Now()); wait > 0 {
		return &problem{
			status: http.StatusTooManyRequests, code: events.CodeRateLimited,
			detail: "too many " + what + " came from this address", retryAfter: wait,
		}
	}
	return nil
}
