package sink

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	lc "partyline/events/lifecycle"
	"partyline/events/stream"
)

// deadRows is how many connections one look ends for a gateway.
const deadRows = 2000

// closeLost is the close code of a connection whose gateway died: none was sent.
const closeLost = 1006

// buryDead looks for gateways that died and publishes the end of their
// connections. Only a reader that had everything for long enough may judge: a
// gateway whose messages wait in the stream is not silent. upto is the time up to
// which the stream was read; the reader's own delays do not count.
func (r *reader) buryDead(ctx context.Context, upto time.Time) error {
	if r.current.IsZero() || upto.Sub(r.current) < r.cfg.LostAfter || time.Since(r.looked) < r.cfg.LostAfter/4 {
		return nil
	}
	r.looked = time.Now()
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	gateways, err := r.store.Gateways(ctx)
	if err != nil {
		return err
	}
	for name, lastHeard := range gateways {
		if upto.Sub(r.heard[name]) < r.cfg.LostAfter {
			continue
		}
		if err := r.bury(ctx, name, lastHeard); err != nil {
			return err
		}
	}
	return nil
}

// bury publishes the closed rows of a dead gateway's connections. A repetition
// changes nothing: folding takes the first.
func (r *reader) bury(ctx context.Context, gateway string, at time.Time) error {
	open, err := r.store.OpenOf(ctx, gateway, deadRows)
	if err != nil || len(open) == 0 {
		return err
	}
	var batch []byte
	for i, o := range open {
		batch, err = lc.Append(batch, &lc.Row{
			Time: at, Conn: o.Conn, Trace: o.Trace, Path: o.Path, Gateway: gateway,
			Stage: lc.StageClosed, Outcome: lc.Failed, SinceAccept: max(at.Sub(o.Started), 0),
			ErrorType: lc.TypeLost, ErrorDetail: "the gateway ended without telling how",
			CloseCode: closeLost, CloseBy: "server",
		})
		if err != nil {
			return fmt.Errorf("ending connections of a dead gateway: %w", err)
		}
		if len(batch) < 64<<10 && i+1 < len(open) {
			continue
		}
		id := "lost-" + gateway + "-" + o.Conn
		if _, err := r.js.Publish(ctx, stream.SinkSubject, batch, jetstream.WithMsgID(id)); err != nil {
			return fmt.Errorf("ending connections of a dead gateway: %w", err)
		}
		batch = batch[:0]
	}
	r.log.InfoContext(ctx, "a gateway died; its connections are ended", "gateway", gateway, "connections", len(open))
	r.update(func(st *Status) { st.Lost += uint64(len(open)) })
	return nil
}
