package stream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// The JetStream API by subject. Requests to $JS.API.STREAM are answered by the
// leader of the stream alone; a direct get may be answered by any replica, also
// by one that lags.
const (
	apiStreamInfo = "$JS.API.STREAM.INFO.CHAT"
	apiMsgGet     = "$JS.API.STREAM.MSG.GET.CHAT"
	apiDirectGet  = "$JS.API.DIRECT.GET.CHAT"
)

// Subjects of the log.
const (
	chatPrefix  = "chat."  // stored events, one subject a room
	livePrefix  = "live."  // republished copies
	nudgePrefix = "nudge." // hints between feeds: look at this room
)

// Headers of republished copies and direct gets.
const (
	headerSeq     = "Nats-Sequence"
	headerPrev    = "Nats-Last-Sequence"
	headerTime    = "Nats-Time-Stamp"
	headerSubject = "Nats-Subject"
	headerUpTo    = "Nats-UpTo-Sequence"
	headerStatus  = "Status"
)

// readTimeout bounds one request to JetStream.
const readTimeout = 3 * time.Second

// errCodeNoMessage is JetStream's error code for "no message found".
const errCodeNoMessage = 10037

// errNoResults says that a direct get matched nothing on the replica that
// answered.
var errNoResults = errors.New("no results")

// getRequest is the body of a message get; see ADR-8 and ADR-31 of NATS.
type getRequest struct {
	Seq       uint64     `json:"seq,omitempty"`
	LastFor   string     `json:"last_by_subj,omitempty"`
	NextFor   string     `json:"next_by_subj,omitempty"`
	StartTime *time.Time `json:"start_time,omitempty"`
	Batch     int        `json:"batch,omitempty"`
	MaxBytes  int        `json:"max_bytes,omitempty"`
	MultiLast []string   `json:"multi_last,omitempty"`
	UpToSeq   uint64     `json:"up_to_seq,omitempty"`
}

// apiError is the error member of JetStream's answers.
type apiError struct {
	Code        int    `json:"code"`
	ErrCode     int    `json:"err_code"`
	Description string `json:"description"`
}

// Error implements error.
func (e *apiError) Error() string {
	return fmt.Sprintf("%s (%d)", e.Description, e.ErrCode)
}

// ask sends one request to the leader of CHAT and decodes its answer.
func (l *Log) ask(ctx context.Context, subject string, req, resp any) error {
	var body []byte
	if req != nil {
		var err error
		if body, err = json.Marshal(req); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	msg, err := l.nc.RequestWithContext(ctx, subject, body)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if err := json.Unmarshal(msg.Data, resp); err != nil {
		return fmt.Errorf("%w: answer of %s: %w", ErrUnavailable, subject, err)
	}
	return nil
}

// leaderGet asks the leader for one message; nil when there is none.
func (l *Log) leaderGet(ctx context.Context, req getRequest) (*Stored, error) {
	var resp struct {
		Error   *apiError `json:"error"`
		Message *struct {
			Subject string    `json:"subject"`
			Seq     uint64    `json:"seq"`
			Data    []byte    `json:"data"`
			Time    time.Time `json:"time"`
		} `json:"message"`
	}
	if err := l.ask(ctx, apiMsgGet, req, &resp); err != nil {
		return nil, fmt.Errorf("get message: %w", err)
	}
	switch {
	case resp.Error != nil && resp.Error.ErrCode == errCodeNoMessage:
		return nil, nil
	case resp.Error != nil:
		return nil, fmt.Errorf("get message: %w: %w", ErrUnavailable, resp.Error)
	case resp.Message == nil:
		return nil, fmt.Errorf("get message: %w: empty answer", ErrUnavailable)
	}
	m := resp.Message
	return &Stored{Room: strings.TrimPrefix(m.Subject, chatPrefix), Seq: m.Seq, Time: m.Time.UTC(), Data: m.Data}, nil
}

// directGet sends a batched direct get and calls each for every message of the
// answer. It returns the headers of the end marker, so that an answer that was
// cut short is an error and never taken for a short answer; that is why it does
// not use jetstreamext, whose iterators end silently on a time-out, and which
// leaves a subscription behind when the request cannot be sent. The error is
// errNoResults when the replica that answered has nothing that matches.
func (l *Log) directGet(ctx context.Context, req getRequest, each func(*nats.Msg) error) (nats.Header, error) {
	body, err := json.Marshal(req)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	inbox := l.nc.NewInbox()
	sub, err := l.nc.SubscribeSync(inbox)
	if err != nil {
		return nil, fmt.Errorf("direct get: %w: %w", ErrUnavailable, err)
	}
	defer sub.Unsubscribe() //nolint:errcheck // fails only when the connection is gone
	if err := l.nc.PublishRequest(apiDirectGet, inbox, body); err != nil {
		return nil, fmt.Errorf("direct get: %w: %w", ErrUnavailable, err)
	}
	for {
		msg, err := sub.NextMsgWithContext(ctx)
		if err != nil {
			return nil, fmt.Errorf("direct get: %w: %w", ErrUnavailable, err)
		}
		if status := header(msg.Header, headerStatus); len(msg.Data) == 0 && status != "" {
			return msg.Header, statusError(msg.Header)
		}
		if err := each(msg); err != nil {
			return nil, err
		}
	}
}

// statusError is the error of an end marker; nil for a complete answer.
func statusError(end nats.Header) error {
	switch status := header(end, headerStatus); status {
	case "204":
		return nil
	case "404":
		return errNoResults
	default:
		return fmt.Errorf("direct get: %w: status %s %s", ErrUnavailable, status, header(end, "Description"))
	}
}

// header returns a header by its exact name; nats.Header.Get would scan all
// names for another spelling.
func header(h nats.Header, name string) string {
	if v := h[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// headerUint is header for numbers; ok is false when it is missing or none.
func headerUint(h nats.Header, name string) (n uint64, ok bool) {
	n, err := strconv.ParseUint(header(h, name), 10, 64)
	return n, err == nil
}

// storedFromCopy reads a live copy or an answer of a direct get. The event
// shares its data with msg, which the NATS client does not use again. Prev is
// the value of the header, which is that of the room in live copies only.
func storedFromCopy(msg *nats.Msg, room string) (*Stored, error) {
	seq, okSeq := headerUint(msg.Header, headerSeq)
	prev, okPrev := headerUint(msg.Header, headerPrev)
	at, err := time.Parse(time.RFC3339Nano, header(msg.Header, headerTime))
	if !okSeq || !okPrev || err != nil || seq == 0 || prev >= seq {
		return nil, fmt.Errorf("copy of an event of room %q without valid sequence headers", room)
	}
	return &Stored{Room: room, Seq: seq, Prev: prev, Time: at.UTC(), Data: msg.Data}, nil
}
