package lifecycle

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// MaxReportBytes bounds one report on the stream: 16 KiB of the client's words
// and what the gateway adds.
const MaxReportBytes = 24 << 10

// ErrReport is returned for bytes that are not a report.
var ErrReport = errors.New("not a client report")

// Report is what a client tells of one of its own attempts, also of one that
// never arrived. One stream message carries one report.
type Report struct {
	Time       time.Time       `json:"t"`            // when the gateway received it
	Trace      string          `json:"tr"`           // of the attempt
	Gateway    string          `json:"g"`            // that received it
	Verified   bool            `json:"v,omitempty"`  // came with the report key of an earlier welcome
	Verdict    string          `json:"vd,omitempty"` // code of the cause that the client's diagnosis names
	Confidence string          `json:"cf,omitempty"` // proved, likely, unknown
	Reached    string          `json:"re,omitempty"` // last step that the client saw succeed
	Duration   int64           `json:"d,omitempty"`  // microseconds from the start of the attempt to its end
	CloseCode  int             `json:"cc,omitempty"` // as the client saw it
	Scheme     string          `json:"sc,omitempty"` // of the WebSocket URL
	Host       string          `json:"h,omitempty"`  //
	Path       string          `json:"pa,omitempty"` // without the query
	UserAgent  string          `json:"ua,omitempty"` //
	Synthetic  bool            `json:"sy,omitempty"` // made by a diagnostic tool
	Body       json.RawMessage `json:"b,omitempty"`  // the whole report, redacted
}

// reportPrefix is the subject prefix of reports in CONN; batches of rows have
// one token after "conn.".
const reportPrefix = "conn.report."

// ReportSubject is the subject of a report that a gateway received.
func ReportSubject(gateway string) string { return reportPrefix + gateway }

// IsReport reports whether a message of CONN with this subject is a report.
func IsReport(subject string) bool { return strings.HasPrefix(subject, reportPrefix) }

// EncodeReport encodes a report; it returns ErrReport for one beyond
// MaxReportBytes.
func EncodeReport(r *Report) ([]byte, error) {
	data, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrReport, err)
	}
	if len(data) > MaxReportBytes {
		return nil, fmt.Errorf("%w: %d bytes", ErrReport, len(data))
	}
	return data, nil
}

// DecodeReport decodes a report; it returns ErrReport for what is none.
func DecodeReport(data []byte) (Report, error) {
	var r Report
	if len(data) > MaxReportBytes {
		return r, fmt.Errorf("%w: %d bytes", ErrReport, len(data))
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return r, fmt.Errorf("%w: %w", ErrReport, err)
	}
	if r.Trace == "" {
		return r, fmt.Errorf("%w: no trace", ErrReport)
	}
	return r, nil
}
