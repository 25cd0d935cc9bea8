package store

import (
	"net/netip"
	"strings"
	"time"

	"github.com/google/uuid"

	lc "partyline/events/lifecycle"
)

// Event is one stage row with its place in the stream.
type Event struct {
	lc.Row
	Seq    uint64
	Idx    uint16
	Stored time.Time // of the message
}

// Report is one client report with its place in the stream.
type Report struct {
	lc.Report
	Seq    uint64
	Stored time.Time
}

// Batch is a contiguous run of stream messages whose storage falls on one day.
type Batch struct {
	Stream  string // identity of the stream
	After   uint64 // the checkpoint: everything up to here was written before
	Events  []Event
	Reports []Report
}

// Bounds of strings that a gateway sends; it keeps them itself, and a foreign
// program under its credentials may not.
const (
	maxText  = 255
	maxError = 120
	maxBody  = lc.MaxReportBytes
)

func text(s string, limit int) string {
	if len(s) > limit {
		return strings.ToValidUTF8(s[:limit], "")
	}
	return s
}

// connID reads the id of an attempt; the zero id stands for none.
func connID(s string) uuid.UUID {
	id, err := uuid.Parse(s)
	if err != nil || len(s) != 36 {
		return uuid.Nil
	}
	return id
}

// startOf is when an attempt began, as its id (UUIDv7, RFC 9562) says: the same
// for all rows of an attempt. Other ids, and times that no clock should tell,
// have the zero of Unix time.
func startOf(id uuid.UUID) time.Time {
	if id.Version() != 7 {
		return time.UnixMilli(0).UTC()
	}
	var ms int64
	for _, b := range id[:6] {
		ms = ms<<8 | int64(b)
	}
	if t := time.UnixMilli(ms).UTC(); plausible(t) {
		return t
	}
	return time.UnixMilli(0).UTC()
}

// plausible reports whether the store's types hold a time.
func plausible(t time.Time) bool { return t.Year() >= 2000 && t.Year() < 2100 }

// Valid reports whether the store has values for what a row says; a row that is
// not valid has to be left out.
func Valid(r *lc.Row) bool {
	if !plausible(r.Time) {
		return false
	}
	switch r.Outcome {
	case lc.OK, lc.Refused, lc.Failed:
	default:
		return false
	}
	switch r.Stage {
	case lc.StageAccept, lc.StageTLS, lc.StageRequest, lc.StageOrigin, lc.StageAuth, lc.StageLimits,
		lc.StageUpgraded, lc.StageFirstFrame, lc.StageJoined, lc.StageFirstEvent, lc.StagePing,
		lc.StageClosing, lc.StageClosed:
		return true
	}
	return false
}

// canonicalPath gives the two spellings of a route one name.
func canonicalPath(p string) string {
	switch p {
	case "/ws/chat", "/ws/echo":
		return p + "/"
	}
	return text(p, maxText)
}

func family(ip netip.Addr) string {
	switch {
	case !ip.IsValid():
		return ""
	case ip.Unmap().Is4():
		return "ipv4"
	}
	return "ipv6"
}

// address is an IPv6 value; IPv4 is mapped into it.
func address(ip netip.Addr) netip.Addr {
	if !ip.IsValid() {
		return netip.IPv6Unspecified()
	}
	return netip.AddrFrom16(ip.As16())
}

func micros(d time.Duration) uint64 { return uint64(max(d.Microseconds(), 0)) }

// status is the HTTP status answered at a stage.
func status(r *lc.Row) uint16 {
	if r.Stage == lc.StageUpgraded && r.Outcome == lc.OK && r.Status == 0 {
		return 101
	}
	return clamp16(r.Status)
}

func clamp16(n int) uint16 { return uint16(min(max(n, 0), 65535)) }
func clamp8(n int) uint8   { return uint8(min(max(n, 0), 255)) }

func enum(s string, known ...string) string {
	for _, k := range known {
		if s == k {
			return s
		}
	}
	return ""
}
