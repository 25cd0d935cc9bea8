package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gobwas/ws"
)

// fullFrame is the length of the longest message that the contract promises to
// take: 4,000 code points of up to four bytes, meta of 2 KiB, and what is around.
const fullFrame = 16_000 + 2<<10 + 512

// fullMessage sends a ping as long as a full message of the chat. It stores
// nothing.
func (e *evidence) fullMessage() {
	text := `{"type":"ping","t":2,"pad":"`
	text += strings.Repeat("x", fullFrame-len(text)-2) + `"}`
	e.full = len(text)
	if e.fullErr = e.chat.send(ws.OpText, []byte(text)); e.fullErr != nil {
		return
	}
	for range 16 {
		var payload []byte
		if payload, e.fullErr = e.chat.next(e.t.patience); e.fullErr != nil {
			return
		}
		var f struct {
			Type string
			T    int
		}
		if json.Unmarshal(payload, &f) == nil && f.Type == "pong" && f.T == 2 {
			return
		}
	}
	e.fullErr = errors.New("no pong among the frames that came")
}

// What the server is asked to stream: pieces with a fifth of a second between.
const (
	streamPieces  = "5"
	streamLasts   = 4 * 200 * time.Millisecond
	maxStreamRead = 64
)

// stream reads an answer that the server sends in pieces, and notes when they
// come.
func (e *evidence) stream(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 2*e.t.patience)
	defer cancel()
	at := e.t.http.JoinPath("api/v1/diagnostics/probe")
	at.RawQuery = "nonce=doctor&chunks=" + streamPieces
	resp, err := fetch(ctx, at.String(), e.t.http.Hostname())
	if err != nil {
		return
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return
	}
	buf := make([]byte, 4<<10)
	begin := time.Now()
	for range maxStreamRead {
		n, err := resp.Body.Read(buf)
		if n > 0 {
			e.pieces = append(e.pieces, time.Since(begin))
		}
		if err != nil {
			return
		}
	}
}

// held reports whether a streamed answer came in one piece.
func (e *evidence) held() bool {
	n := len(e.pieces)
	return n > 0 && e.pieces[n-1]-e.pieces[0] < streamLasts/4
}

// segments counts what TCP sent on one connection: segments with data, and how
// many of them again because they were lost.
type segments struct{ sent, again int }

// lossy: sent again so often that it is not chance. Three at least, and three in
// a hundred.
func (s segments) lossy() bool { return s.again >= 3 && 100*s.again >= 3*s.sent }

// Round trips that look again where packets seem to be lost.
const (
	lossTrips = 100
	lossTime  = 3 * time.Second
	lossDelay = 180 * time.Millisecond // TCP sends again after 200 ms at the earliest
)

// countLost counts the segments of the echo connection, and sends more of them
// when a loss is likely: one lost segment may be chance.
func (e *evidence) countLost() {
	e.segments = segmentsOf(e.echo.conn)
	late := slices.ContainsFunc(e.rtts, func(d time.Duration) bool { return d >= lossDelay && d > 5*e.median() })
	if e.lost > 0 || e.segments.again == 0 && !late {
		return
	}
	until := time.Now().Add(lossTime)
	for i := 0; i < lossTrips && time.Now().Before(until); i++ {
		if e.returns(1000, e.t.patience) != nil {
			break
		}
	}
	e.segments = segmentsOf(e.echo.conn)
}
