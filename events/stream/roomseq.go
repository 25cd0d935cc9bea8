package stream

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"
)

// maxLastSubjects is how many subjects one request for last messages may name:
// the server refuses more results than that.
const maxLastSubjects = 1024

// LastSeq is the last stream sequence of CHAT, asked from the leader: every
// event acknowledged before the call is at or below it. It is 0 for an empty
// log. The error wraps ErrUnavailable.
func (l *Log) LastSeq(ctx context.Context) (uint64, error) {
	var resp struct {
		Error *apiError `json:"error"`
		State struct {
			LastSeq uint64 `json:"last_seq"`
		} `json:"state"`
	}
	if err := l.ask(ctx, apiStreamInfo, nil, &resp); err != nil {
		return 0, fmt.Errorf("last sequence: %w", err)
	}
	if resp.Error != nil {
		return 0, fmt.Errorf("last sequence: %w: %w", ErrUnavailable, resp.Error)
	}
	return resp.State.LastSeq, nil
}

// LastSeqs returns the last stream sequence of each room that has events; the
// others are missing from the result. It is a fence: every event acknowledged
// before the call is covered. One room is asked from the leader. For more, the
// leader gives its last sequence first, and then any replica may answer for
// all rooms at once, as long as it says that it is at least that far; after a
// few answers of lagging replicas the leader is asked room by room. The error
// wraps ErrUnavailable.
func (l *Log) LastSeqs(ctx context.Context, rooms []string) (map[string]uint64, error) {
	seqs := make(map[string]uint64, len(rooms))
	if len(rooms) <= 1 {
		return seqs, l.lastByLeader(ctx, rooms, seqs)
	}
	floor, err := l.LastSeq(ctx)
	if err != nil || floor == 0 {
		return seqs, err
	}
	return seqs, l.lastAbove(ctx, rooms, floor, seqs)
}

// lastAbove adds the last sequences of rooms to seqs, from replicas that have
// reached floor.
func (l *Log) lastAbove(ctx context.Context, rooms []string, floor uint64, seqs map[string]uint64) error {
	for len(rooms) > 0 {
		n := min(len(rooms), maxLastSubjects)
		if err := l.lastChunk(ctx, rooms[:n], floor, seqs); err != nil {
			return err
		}
		rooms = rooms[n:]
	}
	return nil
}

// lastChunk is lastAbove for at most maxLastSubjects rooms.
func (l *Log) lastChunk(ctx context.Context, rooms []string, floor uint64, seqs map[string]uint64) error {
	const attempts = 3
	subjects := make([]string, len(rooms))
	for i, room := range rooms {
		subjects[i] = chatPrefix + room
	}
	for range attempts {
		end, err := l.directGet(ctx, getRequest{MultiLast: subjects}, func(m *nats.Msg) error {
			if seq, ok := headerUint(m.Header, headerSeq); ok {
				seqs[strings.TrimPrefix(header(m.Header, headerSubject), chatPrefix)] = seq
			}
			return nil
		})
		if errors.Is(err, errNoResults) {
			break // it does not say how far the replica is
		}
		if err != nil {
			return fmt.Errorf("last sequences: %w", err)
		}
		pending, _ := headerUint(end, "Nats-Num-Pending")
		if upTo, ok := headerUint(end, headerUpTo); ok && upTo >= floor && pending == 0 {
			return nil
		}
	}
	return l.lastByLeader(ctx, rooms, seqs)
}

// lastByLeader asks the leader for the last sequence of each room.
func (l *Log) lastByLeader(ctx context.Context, rooms []string, seqs map[string]uint64) error {
	for _, room := range rooms {
		ev, err := l.leaderGet(ctx, getRequest{LastFor: chatPrefix + room})
		if err != nil {
			return fmt.Errorf("last sequence of a room: %w", err)
		}
		if ev != nil {
			seqs[room] = ev.Seq
		}
	}
	return nil
}

// lastOf is the last sequence of one room, 0 when it has no events.
func (l *Log) lastOf(ctx context.Context, room string) (uint64, error) {
	seqs := make(map[string]uint64, 1)
	err := l.lastByLeader(ctx, []string{room}, seqs)
	return seqs[room], err
}

// next asks the leader for the first event of the subject at or after seq; nil
// when there is none.
func (l *Log) next(ctx context.Context, subject string, seq uint64) (*Stored, error) {
	return l.leaderGet(ctx, getRequest{NextFor: subject, Seq: max(seq, 1)})
}

// prevOf finds the last event of a room before seq, which the log holds; 0 when
// it is the first. A replica answers, and the leader confirms that nothing of
// the room lies between.
func (l *Log) prevOf(ctx context.Context, room string, seq uint64) (uint64, error) {
	if seq <= 1 {
		return 0, nil
	}
	var prev uint64
	_, err := l.directGet(ctx, getRequest{MultiLast: []string{chatPrefix + room}, UpToSeq: seq - 1}, func(m *nats.Msg) error {
		prev, _ = headerUint(m.Header, headerSeq)
		return nil
	})
	if err != nil && !errors.Is(err, errNoResults) {
		return 0, fmt.Errorf("previous event of a room: %w", err)
	}
	for {
		ev, err := l.next(ctx, chatPrefix+room, prev+1)
		if err != nil {
			return 0, fmt.Errorf("previous event of a room: %w", err)
		}
		if ev == nil || ev.Seq >= seq {
			return prev, nil
		}
		prev = ev.Seq // the replica lags
	}
}
