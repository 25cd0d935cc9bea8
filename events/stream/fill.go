package stream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
)

// Bounds of one page of a fill.
const (
	pageEvents = 256
	pageBytes  = 1 << 20
)

// An event that the log does not hold counts as gone after so many attempts,
// with pauses that grow fourfold (1.7 s in all): a new leader may not have
// applied yet what the old one acknowledged.
const (
	goneAttempts = 4
	gonePause    = 20 * time.Millisecond
)

// Fill reads the events of a room with after < seq <= upTo, oldest first. Prev
// of the first is after, so after should name the room's previous event (or be
// 0); from there on the chain is that of the room. Sequences recorded as erased
// are skipped. When upTo itself is neither in the log nor recorded as erased,
// the error is ErrGone, and the events that exist are returned with it; other
// errors wrap ErrUnavailable. The result is as long as the range: callers bound
// it by the range they ask for.
func (l *Log) Fill(ctx context.Context, room string, after, upTo uint64) ([]*Stored, error) {
	var all []*Stored
	err := l.fillPages(ctx, room, after, upTo, func(page []*Stored) error {
		all = append(all, page...)
		return nil
	})
	if err != nil && !errors.Is(err, ErrGone) {
		return nil, err
	}
	return all, err
}

// fillPages is Fill in pages of bounded size.
func (l *Log) fillPages(ctx context.Context, room string, after, upTo uint64, give func([]*Stored) error) error {
	for attempt := 0; ; attempt++ {
		at, err := l.fillOnce(ctx, room, after, upTo, give)
		if err != nil || at >= upTo {
			return err
		}
		after = at
		gone, err := l.gone(ctx, upTo)
		if err != nil || !gone {
			return err
		}
		if attempt == goneAttempts {
			return fmt.Errorf("fill room %q up to %d: %w", room, upTo, ErrGone)
		}
		if err := pause(ctx, gonePause<<(2*attempt)); err != nil {
			return err
		}
	}
}

// fillOnce gives all events that the log holds now and returns the sequence of
// the last one, or after when there are none. A replica may answer; when it
// has no more, the leader must agree, and if it does not, its event is taken:
// so a lagging replica costs requests, never events.
func (l *Log) fillOnce(ctx context.Context, room string, after, upTo uint64, give func([]*Stored) error) (uint64, error) {
	at := after
	for at < upTo {
		page, err := l.fillPage(ctx, room, at, upTo)
		if err != nil {
			return at, fmt.Errorf("fill room %q: %w", room, err)
		}
		if len(page) == 0 {
			ev, err := l.next(ctx, chatPrefix+room, at+1)
			if err != nil {
				return at, fmt.Errorf("fill room %q: %w", room, err)
			}
			if ev == nil || ev.Seq > upTo {
				break
			}
			ev.Prev = at
			page = append(page, ev)
		}
		if err := give(page); err != nil {
			return at, err
		}
		at = page[len(page)-1].Seq
	}
	return at, nil
}

// fillPage reads one page from any replica; it is empty when that has no more.
func (l *Log) fillPage(ctx context.Context, room string, after, upTo uint64) ([]*Stored, error) {
	var page []*Stored
	prev := after
	req := getRequest{Seq: after + 1, NextFor: chatPrefix + room, Batch: pageEvents, MaxBytes: pageBytes}
	req.Batch = int(min(upTo-after, pageEvents))
	_, err := l.directGet(ctx, req, func(m *nats.Msg) error {
		ev, err := storedFromCopy(m, room)
		if err != nil {
			return err
		}
		if ev.Seq <= prev || ev.Seq > upTo {
			return nil
		}
		ev.Prev, prev = prev, ev.Seq
		page = append(page, ev)
		return nil
	})
	if errors.Is(err, errNoResults) {
		return nil, nil
	}
	return page, err
}

// gone reports whether the log lacks seq without a recorded erasure.
func (l *Log) gone(ctx context.Context, seq uint64) (bool, error) {
	ev, err := l.leaderGet(ctx, getRequest{Seq: seq})
	if err != nil || ev != nil {
		return false, err
	}
	lost, err := l.unexplained(ctx, seq, seq)
	return len(lost) > 0, err
}

// pause waits for d or the end of ctx, whose error it returns.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
