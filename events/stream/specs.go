package stream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Names of the streams and buckets. The subject layout of CHAT can never change
// (ADR 0001).
const (
	chatStream   = "CHAT" // chat.<room>: everything that happened in rooms
	connStream   = "CONN" // conn.<gateway>: connection telemetry
	stateBucket  = "PARTYLINE"
	erasedBucket = "ERASED" // sequences that were erased on purpose
	// ReadBucket keeps read markers, "<uid>.<room>" to a sequence.
	ReadBucket = "READ"
)

// Keys of stateBucket.
const (
	epochKey  = "epoch"
	secretKey = "secret"
)

// Metadata of CHAT that tells publishers what an acknowledgement needs.
const (
	metaDurability = "partyline-durability" // a Durability; absent on a foreign NATS
)

// Bounds of CONN: so long a telemetry store may be away without loss.
const (
	connMaxAge   = 72 * time.Hour
	connMaxBytes = 20 << 30
)

const defaultDedupWindow = 2 * time.Minute

// streamSpec says what the streams look like.
type streamSpec struct {
	durability Durability // "" on a foreign NATS
	dedup      time.Duration
	replicas   int
}

// chat is the stream of events. DenyDelete stays off: it could never be taken
// off again and would forbid erasure; deletes are denied by permission instead.
func (s streamSpec) chat() jetstream.StreamConfig {
	cfg := jetstream.StreamConfig{
		Name:        chatStream,
		Description: "Partyline: what happened in rooms",
		Subjects:    []string{chatPrefix + "*"},
		Retention:   jetstream.LimitsPolicy,
		Storage:     jetstream.FileStorage,
		Compression: jetstream.S2Compression,
		Replicas:    s.replicas,
		Duplicates:  s.dedup,
		AllowDirect: true,
		DenyPurge:   true,
		RePublish: &jetstream.RePublish{
			Source:      chatPrefix + "*",
			Destination: livePrefix + "{{wildcard(1)}}",
		},
	}
	if s.durability != "" {
		cfg.Metadata = map[string]string{metaDurability: string(s.durability)}
	}
	return cfg
}

func (s streamSpec) conn() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:        connStream,
		Description: "Partyline: connection telemetry",
		Subjects:    []string{"conn.>"},
		Retention:   jetstream.LimitsPolicy,
		Storage:     jetstream.FileStorage,
		Compression: jetstream.S2Compression,
		Replicas:    s.replicas,
		Duplicates:  defaultDedupWindow,
		AllowDirect: true,
		MaxAge:      connMaxAge,
		MaxBytes:    connMaxBytes,
		Discard:     jetstream.DiscardOld,
	}
}

func (s streamSpec) buckets() []jetstream.KeyValueConfig {
	return []jetstream.KeyValueConfig{
		{Bucket: stateBucket, Description: "Partyline: epoch and secret", Replicas: s.replicas, History: 1},
		{Bucket: erasedBucket, Description: "Partyline: erased sequences", Replicas: s.replicas, History: 1},
		{Bucket: ReadBucket, Description: "Partyline: read markers", Replicas: s.replicas, History: 1},
	}
}

// provision creates what is missing and brings settings up to date; it never
// removes anything. create forbids to create CHAT when it is false: a log that
// existed and is gone is damage, not a fresh start.
func (s streamSpec) provision(ctx context.Context, js jetstream.JetStream, create bool) error {
	_, err := js.Stream(ctx, chatStream)
	switch {
	case err == nil:
		_, err = js.UpdateStream(ctx, s.chat())
	case errors.Is(err, jetstream.ErrStreamNotFound) && create:
		_, err = js.CreateStream(ctx, s.chat())
	}
	if err != nil {
		return fmt.Errorf("stream %s: %w", chatStream, err)
	}
	if _, err := js.CreateOrUpdateStream(ctx, s.conn()); err != nil {
		return fmt.Errorf("stream %s: %w", connStream, err)
	}
	for _, b := range s.buckets() {
		if _, err := js.CreateOrUpdateKeyValue(ctx, b); err != nil {
			return fmt.Errorf("bucket %s: %w", b.Bucket, err)
		}
	}
	return nil
}
