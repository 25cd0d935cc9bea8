package lifecycle

import "time"

// Step is what a row tells of its own stage. The other columns are the same in
// all rows of an attempt, once its request is known.
type Step struct {
	Time        time.Time
	Stage       Stage
	Outcome     Outcome
	Duration    time.Duration
	SinceAccept time.Duration
	ErrorType   string
	ErrorDetail string
	Status      int
	CloseCode   int
	CloseBy     string
	CloseReason string
	RTT         time.Duration
	FramesIn    uint64
	FramesOut   uint64
	BytesIn     uint64
	BytesOut    uint64
	QueuePeak   uint64
}

// Step returns the columns of r that are its own.
func (r *Row) Step() Step {
	return Step{
		r.Time, r.Stage, r.Outcome, r.Duration, r.SinceAccept, r.ErrorType, r.ErrorDetail, r.Status,
		r.CloseCode, r.CloseBy, r.CloseReason, r.RTT, r.FramesIn, r.FramesOut, r.BytesIn, r.BytesOut, r.QueuePeak,
	}
}

// Row returns the row of a step; base has the other columns.
func (s *Step) Row(base *Row) Row {
	r := *base
	r.Time, r.Stage, r.Outcome, r.Duration, r.SinceAccept = s.Time, s.Stage, s.Outcome, s.Duration, s.SinceAccept
	r.ErrorType, r.ErrorDetail, r.Status = s.ErrorType, s.ErrorDetail, s.Status
	r.CloseCode, r.CloseBy, r.CloseReason, r.RTT = s.CloseCode, s.CloseBy, s.CloseReason, s.RTT
	r.FramesIn, r.FramesOut, r.BytesIn, r.BytesOut, r.QueuePeak = s.FramesIn, s.FramesOut, s.BytesIn, s.BytesOut, s.QueuePeak
	return r
}
