package analytics_test

import (
	"math/rand/v2"
	"time"

	"github.com/google/uuid"

	lc "partyline/events/lifecycle"
)

// kind is a way in which an attempt can go.
type kind struct {
	name      string
	stages    []lc.Stage // passed
	refusedAt lc.Stage   // "" for none
	outcome   lc.Outcome // of that stage
	status    int
	code      string // error type
	detail    string
	closeCode int
	closeBy   string
	open      bool // has no end
	path      string
	synthetic bool
	count     int
}

var (
	toRequest = []lc.Stage{lc.StageAccept, lc.StageRequest}
	toOrigin  = append(append([]lc.Stage(nil), toRequest...), lc.StageOrigin)
	toAuth    = append(append([]lc.Stage(nil), toOrigin...), lc.StageAuth)
	toUpgrade = append(append([]lc.Stage(nil), toAuth...), lc.StageLimits, lc.StageUpgraded)
	toJoin    = append(append([]lc.Stage(nil), toUpgrade...), lc.StageFirstFrame, lc.StageJoined)
	toEvent   = append(append([]lc.Stage(nil), toJoin...), lc.StageFirstEvent)
)

const chat, echo = "/ws/chat/", "/ws/echo/"

// kinds is the known mix of 2,000 attempts.
var kinds = []kind{
	{name: "client closes", stages: toEvent, closeCode: 1000, closeBy: "client", path: chat, count: 700},
	{name: "server closes", stages: toEvent, closeCode: 1001, closeBy: "server", path: chat, count: 150},
	{name: "slow consumer", stages: toEvent, closeCode: 4008, closeBy: "server", path: chat, count: 40},
	{name: "reset", stages: toJoin, closeCode: 1006, closeBy: "network", path: chat, count: 120},
	{name: "heartbeat missed", stages: toJoin, closeCode: 4009, closeBy: "timeout", path: chat, count: 60},
	{name: "leaves after 101", stages: toUpgrade, closeCode: 1006, closeBy: "client", path: chat, count: 55},
	{name: "still open", stages: toEvent, open: true, path: chat, count: 95},
	{name: "echo", stages: toUpgrade, closeCode: 1000, closeBy: "client", path: echo, count: 80},
	{name: "origin", stages: toRequest, refusedAt: lc.StageOrigin, outcome: lc.Refused, status: 403, code: "origin_refused", detail: "origin", closeBy: "server", path: chat, count: 110},
	{name: "token", stages: toOrigin, refusedAt: lc.StageAuth, outcome: lc.Refused, status: 401, code: "unauthenticated", closeBy: "server", path: chat, count: 90},
	{name: "rate", stages: toAuth, refusedAt: lc.StageLimits, outcome: lc.Refused, status: 429, code: "rate_limited", closeBy: "server", path: chat, count: 70},
	{name: "full", stages: toAuth, refusedAt: lc.StageLimits, outcome: lc.Refused, status: 503, code: "overloaded", closeBy: "server", path: chat, count: 30},
	{name: "no upgrade", stages: toRequest, refusedAt: lc.StageRequest, outcome: lc.Refused, status: 426, code: "upgrade_required", closeBy: "server", path: chat, count: 75},
	{name: "garbage", stages: []lc.Stage{lc.StageAccept}, refusedAt: lc.StageRequest, outcome: lc.Refused, status: 400, code: "bad_request", closeBy: "server", count: 85},
	{name: "junk path", stages: toRequest, refusedAt: lc.StageRequest, outcome: lc.Refused, status: 404, code: "not_found", closeBy: "server", path: "/wp-login.php", count: 65},
	{name: "port scan", stages: []lc.Stage{lc.StageAccept}, refusedAt: lc.StageRequest, outcome: lc.Failed, code: "bad_request", detail: "closed without a request", closeBy: "client", count: 60},
	{name: "abandoned at auth", stages: toAuth, closeBy: "client", path: chat, count: 50},
	{name: "handshaking", stages: toRequest, open: true, path: chat, count: 5},
	{name: "diagnostic", stages: toEvent, closeCode: 1000, closeBy: "client", path: chat, synthetic: true, count: 60},
}

// sample is one attempt of the mix with what its rows say.
type sample struct {
	kind
	id      string
	gateway string
	user    string
	start   time.Time
	offsets map[lc.Stage]time.Duration
	end     time.Duration // since accept
	in, out uint64        // frames
}

// idAt makes the id (UUIDv7) of an attempt that began at t.
func idAt(rng *rand.Rand, t time.Time) string {
	var id uuid.UUID
	ms := uint64(t.UnixMilli())
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i))
	}
	for i := 6; i < 16; i++ {
		id[i] = byte(rng.Uint32())
	}
	id[6], id[8] = id[6]&0x0f|0x70, id[8]&0x3f|0x80
	return id.String()
}

// mix makes the attempts, spread over three hours before until.
func mix(seed uint64, until time.Time) []sample {
	rng := rand.New(rand.NewPCG(seed, 1))
	var list []sample
	for _, k := range kinds {
		for i := range k.count {
			s := sample{kind: k, gateway: []string{"gw-a", "gw-b"}[i%2], offsets: map[lc.Stage]time.Duration{}}
			s.start = until.Add(-time.Duration(rng.Int64N(int64(3 * time.Hour)))).Truncate(time.Millisecond)
			s.id = idAt(rng, s.start)
			s.user = "user-" + string(rune('a'+rng.IntN(26)))
			at := time.Duration(0)
			for _, stage := range k.stages {
				s.offsets[stage] = at
				at += time.Duration(1+rng.IntN(5000)) * time.Microsecond
			}
			s.end = at + time.Duration(rng.Int64N(int64(20*time.Minute))).Truncate(time.Microsecond)
			if len(k.stages) < len(toUpgrade) {
				s.end = at
			}
			s.in, s.out = rng.Uint64N(50), rng.Uint64N(500)
			list = append(list, s)
		}
	}
	rng.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list
}

// rows are the stages of a sample as a gateway tells them.
func (s *sample) rows() []lc.Row {
	base := lc.Row{Conn: s.id, Gateway: s.gateway, Outcome: lc.OK, Synthetic: s.synthetic, UserHash: s.user, Path: s.path}
	row := func(stage lc.Stage, at time.Duration) lc.Row {
		r := base
		r.Stage, r.SinceAccept, r.Time = stage, at, s.start.Add(at)
		if stage == lc.StageAccept {
			r.Path, r.Synthetic, r.UserHash = "", false, "" // not known yet
		}
		return r
	}
	var rows []lc.Row
	var last time.Duration
	for _, stage := range s.stages {
		last = s.offsets[stage]
		rows = append(rows, row(stage, last))
	}
	if s.refusedAt != "" {
		r := row(s.refusedAt, last+time.Microsecond)
		r.Outcome, r.Status, r.ErrorType, r.ErrorDetail = s.outcome, s.status, s.code, s.detail
		rows = append(rows, r)
	}
	if !s.open {
		r := row(lc.StageClosed, s.end)
		r.CloseCode, r.CloseBy = s.closeCode, s.closeBy
		r.FramesIn, r.FramesOut, r.BytesIn, r.BytesOut = s.in, s.out, 10*s.in, 10*s.out
		rows = append(rows, r)
	}
	return rows
}

// passed reports whether a stage was passed.
func (s *sample) passed(stage lc.Stage) bool {
	_, ok := s.offsets[stage]
	return ok
}

// outcomeName is the outcome as the view connections names it.
func (s *sample) outcomeName() string {
	switch {
	case s.passed(lc.StageUpgraded):
		return "succeeded"
	case s.outcome == lc.Refused:
		return "refused"
	case s.outcome == lc.Failed:
		return "failed"
	case !s.open:
		return "abandoned"
	}
	return "pending"
}
