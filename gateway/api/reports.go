package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"
	"unicode"

	"partyline/events"
	lc "partyline/events/lifecycle"
)

// Reports keeps what clients tell of their attempts.
type Reports interface {
	// StoreReport stores one report under an id that is the same at every try.
	StoreReport(ctx context.Context, id string, r *lc.Report) error
}

const (
	maxReport     = 16 << 10 // bytes of a report
	maxReportText = 256      // bytes of one text of it
	maxDuration   = int64(24 * time.Hour / time.Microsecond)
)

// clientReport is the body of POST /api/v1/diagnostics/reports. What else a client
// sends is dropped.
type clientReport struct {
	Trace      string `json:"trace"`
	ReportKey  string `json:"report_key,omitempty"`
	Verdict    string `json:"verdict,omitempty"`    // code of the finding
	Confidence string `json:"confidence,omitempty"` // proved, likely, unknown
	Reached    string `json:"reached,omitempty"`    // last step that went well
	DurationUS int64  `json:"duration_us,omitempty"`
	CloseCode  int    `json:"close_code,omitempty"`
	Scheme     string `json:"scheme,omitempty"`
	Host       string `json:"host,omitempty"`
	Path       string `json:"path,omitempty"`
	Synthetic  bool   `json:"synthetic,omitempty"`
	At         string `json:"at,omitempty"` // RFC 3339, the client's clock
	Steps      []struct {
		Name  string  `json:"name"`
		State string  `json:"state"`
		MS    float64 `json:"ms,omitempty"`
	} `json:"steps,omitempty"`
	Environment struct {
		Language   string `json:"language,omitempty"`
		Connection string `json:"connection,omitempty"`
		Online     bool   `json:"online,omitempty"`
		Secure     bool   `json:"secure,omitempty"`
	} `json:"environment"`
}

// reportAnswer says what became of a report.
type reportAnswer struct {
	Trace    string `json:"trace"`
	Verified bool   `json:"verified"`
}

// clientReports is what the status says of reports.
func (a *api) clientReports() string {
	if a.deps.Reports == nil || a.cfg.ClientReports == "" {
		return "off"
	}
	return a.cfg.ClientReports
}

// postReport answers POST /api/v1/diagnostics/reports.
func (a *api) postReport(w http.ResponseWriter, r *http.Request) error {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return &problem{status: http.StatusUnsupportedMediaType, code: events.CodeBadRequest, detail: "a report is sent as application/json"}
	}
	if a.deps.Reports == nil {
		return &problem{status: http.StatusNotFound, code: events.CodeNotFound, detail: "this server keeps no reports (analytics.client-reports)"}
	}
	if err := allow(a.diagnosis.reports, a.cfg.ClientAddr(r), "reports"); err != nil {
		return err
	}
	c, err := readReport(r.Body)
	if err != nil {
		return err
	}
	verified := a.deps.Secret != nil && events.CheckReportKey(a.deps.Secret(), c.ReportKey)
	c.ReportKey = "" // a credential: never stored
	body, err := json.Marshal(c)
	if err != nil {
		return badRequest("the report is not valid")
	}
	ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
	defer cancel()
	err = a.deps.Reports.StoreReport(ctx, "report-"+c.Trace, &lc.Report{
		Time: time.Now().UTC(), Trace: c.Trace, Gateway: a.cfg.Gateway, Verified: verified,
		Verdict: c.Verdict, Confidence: c.Confidence, Reached: c.Reached, Duration: c.DurationUS, CloseCode: c.CloseCode,
		Scheme: c.Scheme, Host: c.Host, Path: c.Path, UserAgent: words(r.UserAgent()), Synthetic: c.Synthetic, Body: body,
	})
	if errors.Is(err, lc.ErrReport) { // many characters that JSON escapes
		return reportTooLarge()
	}
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	return json.NewEncoder(w).Encode(reportAnswer{c.Trace, verified})
}

// readReport reads and bounds a report.
func readReport(body io.Reader) (*clientReport, error) {
	data, err := io.ReadAll(io.LimitReader(body, maxReport+1))
	if err != nil && !errors.As(err, new(*http.MaxBytesError)) {
		return nil, badRequest("the report did not arrive whole")
	}
	if len(data) > maxReport {
		return nil, reportTooLarge()
	}
	c := &clientReport{}
	if err := json.Unmarshal(data, c); err != nil {
		return nil, badRequest("the report is no JSON object of the right shape")
	}
	if err := events.CheckTrace(c.Trace); err != nil {
		return nil, err
	}
	if c.DurationUS < 0 || c.DurationUS > maxDuration || c.CloseCode < 0 || c.CloseCode > 4999 || len(c.Steps) > 16 {
		return nil, badRequest("a number of the report is out of range")
	}
	if c.At != "" {
		if _, err := time.Parse(time.RFC3339, c.At); err != nil {
			return nil, badRequest("at is no RFC 3339 time")
		}
	}
	if c.Scheme != "" && c.Scheme != "ws" && c.Scheme != "wss" || !isWord(c.Verdict) || !isWord(c.Confidence) {
		return nil, badRequest("scheme, verdict or confidence is none that there is")
	}
	c.Path, _, _ = strings.Cut(c.Path, "?") // a query may hold secrets
	for _, text := range []*string{
		&c.Verdict, &c.Confidence, &c.Reached, &c.Host, &c.Path, &c.Environment.Language, &c.Environment.Connection,
	} {
		*text = words(*text)
	}
	for i := range c.Steps {
		c.Steps[i].Name, c.Steps[i].State = words(c.Steps[i].Name), words(c.Steps[i].State)
	}
	return c, nil
}

func reportTooLarge() error {
	return &problem{status: http.StatusRequestEntityTooLarge, code: events.CodeTooLarge, detail: "a report has at most 16 KiB"}
}

// words bounds a text from outside and replaces what would not be shown as it is.
func words(s string) string {
	if len(s) > maxReportText {
		s = s[:maxReportText]
	}
	return strings.Map(func(c rune) rune {
		if c == unicode.ReplacementChar || unicode.In(c, unicode.C, unicode.Zl, unicode.Zp) {
			return '?'
		}
		return c
	}, strings.ToValidUTF8(s, "?"))
}
