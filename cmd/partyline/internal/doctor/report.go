package doctor

import (
	"slices"
	"time"
)

// Severity of a finding.
type Severity string

// The severities. Only Critical makes the command fail.
const (
	Info     Severity = "info"
	Warning  Severity = "warning"
	Critical Severity = "critical"
)

// Confidence in a finding.
type Confidence string

// The confidences.
const (
	Proved  Confidence = "proved"
	Likely  Confidence = "likely"
	Unknown Confidence = "unknown"
)

// Finding is one judgement. Its code has a page under docs/findings.
type Finding struct {
	Code       string     `json:"code"`
	Severity   Severity   `json:"severity"`
	Confidence Confidence `json:"confidence"`
	Title      string     `json:"title"`
	Evidence   []string   `json:"evidence"`
	Advice     string     `json:"advice"`
}

// Step is one line of the trace.
type Step struct {
	Name   string        `json:"name"`
	State  string        `json:"state"` // ok, warning, failed, unknown, not_reached
	Took   time.Duration `json:"took_ns"`
	Detail string        `json:"detail"`
}

// Report is the result of a diagnosis.
type Report struct {
	URL      string        `json:"url"`
	Trace    string        `json:"trace"`
	Started  time.Time     `json:"started_at"`
	Took     time.Duration `json:"took_ns"`
	Verdict  string        `json:"verdict"` // code of the worst finding, or healthy
	Findings []Finding     `json:"findings"`
	Steps    []Step        `json:"steps"`
	Request  string        `json:"upgrade_request"`  // escaped
	Response string        `json:"upgrade_response"` // escaped, bounded
}

// Failed reports whether there is a critical finding.
func (r *Report) Failed() bool {
	return slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Severity == Critical })
}

func (r *Report) step(name, state string, took time.Duration, detail string) {
	r.Steps = append(r.Steps, Step{name, state, took, Escape(detail)})
}

// finish orders the findings, the worst and surest first, and names the verdict.
func (r *Report) finish() {
	rank := func(f Finding) int {
		return 3*slices.Index([]Severity{Critical, Warning, Info}, f.Severity) +
			slices.Index([]Confidence{Proved, Likely, Unknown}, f.Confidence)
	}
	slices.SortStableFunc(r.Findings, func(a, b Finding) int { return rank(a) - rank(b) })
	r.Verdict = "healthy"
	if len(r.Findings) > 0 && r.Findings[0].Severity != Info {
		r.Verdict = r.Findings[0].Code
	}
	for i := range r.Findings {
		f := &r.Findings[i]
		f.Title, f.Advice = Escape(f.Title), Escape(f.Advice)
		for j := range f.Evidence {
			f.Evidence[j] = Escape(f.Evidence[j])
		}
	}
	r.Took = time.Since(r.Started)
}
