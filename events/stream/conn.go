package stream

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// StoreConn stores one batch of connection telemetry under a subject of stream
// CONN. msgID makes it idempotent within the stream's deduplication window.
// Errors wrap ErrUnavailable: the batch may be stored all the same.
func (l *Log) StoreConn(ctx context.Context, subject, msgID string, batch []byte) error {
	if !l.Available() {
		return fmt.Errorf("storing telemetry: %w", ErrUnavailable)
	}
	_, err := l.js.Publish(ctx, subject, batch, jetstream.WithMsgID(msgID), jetstream.WithExpectStream(connStream))
	if err != nil {
		return fmt.Errorf("storing telemetry: %w: %w", ErrUnavailable, err)
	}
	return nil
}
