package lifecycle

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// Bounds of one batch, which is one stream message.
const (
	MaxBatchBytes = 1 << 20 // bytes that Decode accepts
	MaxBatchRows  = 1 << 16 // rows; a row's place in its message is a UInt16
)

// ErrBatch is returned by Decode for bytes that are not a batch of rows.
var ErrBatch = errors.New("not a batch of connection rows")

// wireRow is a row as it is stored: one JSON object a line. Times and
// durations are microseconds; empty members are left out. Same says that the line
// has only the columns of its [Step], and that the others are those of the latest
// line of Conn in the batch, or, without Conn, of the line before.
type wireRow struct {
	Time        int64      `json:"t"`
	Trace       string     `json:"tr,omitempty"`
	Conn        string     `json:"c,omitempty"`
	Gateway     string     `json:"g,omitempty"`
	Stage       Stage      `json:"s"`
	Outcome     Outcome    `json:"o"`
	Duration    int64      `json:"d,omitempty"`
	SinceAccept int64      `json:"sa,omitempty"`
	ErrorType   string     `json:"et,omitempty"`
	ErrorDetail string     `json:"ed,omitempty"`
	Params      []string   `json:"p,omitempty"`
	TokenVia    string     `json:"tv,omitempty"`
	ClientIP    netip.Addr `json:"ci,omitzero"`
	ClientPort  uint16     `json:"cp,omitempty"`
	PeerIP      netip.Addr `json:"pi,omitzero"`
	LocalPort   uint16     `json:"lp,omitempty"`
	Host        string     `json:"h,omitempty"`
	Scheme      string     `json:"sc,omitempty"`
	Path        string     `json:"pa,omitempty"`
	Method      string     `json:"m,omitempty"`
	HTTPVersion string     `json:"hv,omitempty"`
	Status      int        `json:"st,omitempty"`
	Origin      string     `json:"or,omitempty"`
	Subprotocol string     `json:"sp,omitempty"`
	Extensions  string     `json:"ex,omitempty"`
	Headers     []Header   `json:"hd,omitempty"`
	UserAgent   string     `json:"ua,omitempty"`
	Proxied     bool       `json:"px,omitempty"`
	XFFHops     int        `json:"xf,omitempty"`
	CloseCode   int        `json:"cc,omitempty"`
	CloseBy     string     `json:"cb,omitempty"`
	CloseReason string     `json:"cr,omitempty"`
	RTT         int64      `json:"rt,omitempty"`
	FramesIn    uint64     `json:"fi,omitempty"`
	FramesOut   uint64     `json:"fo,omitempty"`
	BytesIn     uint64     `json:"bi,omitempty"`
	BytesOut    uint64     `json:"bo,omitempty"`
	QueuePeak   uint64     `json:"qp,omitempty"`
	UserHash    string     `json:"uh,omitempty"`
	Rooms       int        `json:"ro,omitempty"`
	Synthetic   bool       `json:"sy,omitempty"`
	Previous    string     `json:"pc,omitempty"`
	TLSVersion  string     `json:"tl,omitempty"`
	TLSCipher   string     `json:"tc,omitempty"`
	TLSResumed  bool       `json:"ts,omitempty"`
	ALPN        string     `json:"al,omitempty"`
	Same        bool       `json:"=,omitempty"`
}

// Decode returns the rows of a batch in their order, packed by [Pack] or not. It
// returns ErrBatch for what is not one, or is over the bounds.
func Decode(batch []byte) ([]Row, error) {
	if len(batch) > MaxBatchBytes {
		return nil, fmt.Errorf("%w: %d bytes", ErrBatch, len(batch))
	}
	batch, err := unpack(batch)
	if err != nil {
		return nil, err
	}
	var rows []Row
	latest := make(map[string]int) // row of each connection
	for line := range bytes.Lines(batch) {
		if len(rows) == MaxBatchRows {
			return nil, fmt.Errorf("%w: too many rows", ErrBatch)
		}
		var w wireRow
		if err := json.Unmarshal(line, &w); err != nil {
			return nil, fmt.Errorf("%w: row %d: %w", ErrBatch, len(rows), err)
		}
		row := w.row()
		if w.Same {
			i, ok := latest[row.Conn]
			if w.Conn == "" {
				i, ok = len(rows)-1, len(rows) > 0
			}
			if !ok {
				return nil, fmt.Errorf("%w: row %d: nothing before it is of its connection", ErrBatch, len(rows))
			}
			step := row.Step()
			row = step.Row(&rows[i])
		}
		latest[row.Conn] = len(rows)
		rows = append(rows, row)
	}
	return rows, nil
}

func (w *wireRow) row() Row {
	return Row{
		time.UnixMicro(w.Time).UTC(), w.Trace, w.Conn, w.Gateway, w.Stage, w.Outcome,
		micros(w.Duration), micros(w.SinceAccept), w.ErrorType, w.ErrorDetail,
		w.Params, w.TokenVia, w.ClientIP, w.ClientPort, w.PeerIP, w.LocalPort,
		w.Host, w.Scheme, w.Path, w.Method, w.HTTPVersion, w.Status, w.Origin,
		w.Subprotocol, w.Extensions, w.Headers, w.UserAgent, w.Proxied, w.XFFHops,
		w.CloseCode, w.CloseBy, w.CloseReason, micros(w.RTT),
		w.FramesIn, w.FramesOut, w.BytesIn, w.BytesOut, w.QueuePeak,
		w.UserHash, w.Rooms, w.Synthetic, w.Previous,
		w.TLSVersion, w.TLSCipher, w.TLSResumed, w.ALPN,
	}
}

func micros(n int64) time.Duration { return time.Duration(n) * time.Microsecond }

// Coarse maps a stage to the four steps of the coarse view: pre_handshake,
// handshake, connected, disconnected.
func Coarse(s Stage) string {
	switch s {
	case StageAccept, StageTLS, StageRequest:
		return "pre_handshake"
	case StageOrigin, StageAuth, StageLimits, StageUpgraded:
		return "handshake"
	case StageClosed:
		return "disconnected"
	default:
		return "connected"
	}
}
