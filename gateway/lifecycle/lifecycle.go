// Package lifecycle records every connection attempt from accept to close:
// stages go to stream CONN in batches, and the latest attempts are kept in
// memory for the trace endpoint.
package lifecycle

import (
	"net/netip"
	"time"

	"partyline/events"
	lc "partyline/events/lifecycle"
)

// Attempt is the record of one connection attempt. Methods are safe for
// concurrent use, never block, and are no-ops on a nil *Attempt.
type Attempt struct{}

// Describe sets what is known about the request (allow-listed only), before
// the stage "request" is recorded. fn is called with the row that later stages
// copy.
func (a *Attempt) Describe(fn func(r *lc.Row)) { panic("seam") }

// Stage records that a stage was passed now.
func (a *Attempt) Stage(s lc.Stage) { panic("seam") }

// Refuse records that stage s ended the attempt with an HTTP status.
func (a *Attempt) Refuse(s lc.Stage, status int, code events.Code, detail string) { panic("seam") }

// Fail records that stage s ended the attempt with an error; detail is one of
// our fixed texts.
func (a *Attempt) Fail(s lc.Stage, code events.Code, detail string) { panic("seam") }

// RTT records a ping sample (at most one a minute is kept).
func (a *Attempt) RTT(d time.Duration) { panic("seam") }

// Traffic adds to the counters reported when the connection closes.
func (a *Attempt) Traffic(framesIn, framesOut, bytesIn, bytesOut uint64, queuePeak int) {
	panic("seam")
}

// Close records the end of the attempt. Only the first call counts.
func (a *Attempt) Close(code int, initiator, reason string) { panic("seam") }

// Trace is the trace id of the attempt, "" when the client named none.
func (a *Attempt) Trace() string { panic("seam") }

// ConnID is the unique id (UUIDv7 text) of the attempt, shown as welcome.conn.
func (a *Attempt) ConnID() string { panic("seam") }

// Recorder makes attempts, publishes their stages and remembers the latest.
type Recorder struct{}

// Begin starts the record of an attempt with stage accept.
func (r *Recorder) Begin(remote, local netip.AddrPort, listener string) *Attempt { panic("seam") }
