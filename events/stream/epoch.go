package stream

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// epochRecord is the value of the key "epoch": the name of the log's life, and
// what is remembered to tell that this is still the same log.
type epochRecord struct {
	Epoch   string     `json:"epoch"`
	Created time.Time  `json:"created"` // of stream CHAT
	Check   checkpoint `json:"checkpoint"`
}

// checkpoint is one event of the log.
type checkpoint struct {
	Seq  uint64    `json:"seq"` // 0: the log was empty
	Time time.Time `json:"time"`
	ID   string    `json:"id"` // its Nats-Msg-Id
}

// newEpoch makes a name that was never used before.
func newEpoch() (string, error) {
	var raw [8]byte
	if _, err := rand.Read(raw[:]); err != nil {
		return "", fmt.Errorf("making an epoch: %w", err)
	}
	return hex.EncodeToString(raw[:]), nil
}

// epochState is what the record is about, and the record as it was read.
type epochState struct {
	kv       jetstream.KeyValue
	chat     jetstream.Stream
	record   epochRecord
	revision uint64
}

func openEpoch(ctx context.Context, js jetstream.JetStream) (e epochState, err error) {
	if e.kv, err = js.KeyValue(ctx, stateBucket); err != nil {
		return e, fmt.Errorf("opening bucket %s: %w", stateBucket, err)
	}
	if e.chat, err = js.Stream(ctx, chatStream); err != nil {
		return e, fmt.Errorf("stream %s: %w", chatStream, err)
	}
	e.record, e.revision, err = readEpoch(ctx, e.kv)
	return e, err
}

// settleEpoch makes the epoch of a log that is being opened: the recorded one
// if this is the same log, else a new one. changed forces a new one.
func settleEpoch(ctx context.Context, js jetstream.JetStream, changed bool) error {
	e, err := openEpoch(ctx, js)
	if err != nil {
		return err
	}
	created := e.chat.CachedInfo().Created.UTC()
	if !changed && e.record.Epoch != "" && e.record.Created.Equal(created) {
		same, err := sameEvent(ctx, e.chat, e.record.Check)
		if err != nil || same {
			return err
		}
	}
	if e.record.Epoch, err = newEpoch(); err != nil {
		return err
	}
	e.record.Created = created
	if e.record.Check, err = lastEvent(ctx, e.chat); err != nil {
		return err
	}
	return writeEpoch(ctx, e.kv, e.record, e.revision)
}

// moveCheckpoint remembers the newest event.
func moveCheckpoint(ctx context.Context, js jetstream.JetStream) error {
	e, err := openEpoch(ctx, js)
	if err != nil {
		return err
	}
	if e.chat.CachedInfo().State.LastSeq == e.record.Check.Seq {
		return nil
	}
	if e.record.Check, err = lastEvent(ctx, e.chat); err != nil {
		return err
	}
	return writeEpoch(ctx, e.kv, e.record, e.revision)
}

// readEpoch returns the record and its revision; both zero when there is none.
func readEpoch(ctx context.Context, kv jetstream.KeyValue) (epochRecord, uint64, error) {
	var record epochRecord
	entry, err := kv.Get(ctx, epochKey)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return record, 0, nil
	}
	if err != nil {
		return record, 0, fmt.Errorf("reading the epoch: %w", err)
	}
	if err := json.Unmarshal(entry.Value(), &record); err != nil {
		return record, 0, fmt.Errorf("reading the epoch: %w", err)
	}
	return record, entry.Revision(), nil
}

// writeEpoch replaces revision; another writer's record wins.
func writeEpoch(ctx context.Context, kv jetstream.KeyValue, record epochRecord, revision uint64) error {
	data, err := json.Marshal(record)
	if err != nil {
		return fmt.Errorf("encoding the epoch: %w", err)
	}
	if revision == 0 {
		_, err = kv.Create(ctx, epochKey, data)
	} else {
		_, err = kv.Update(ctx, epochKey, data, revision)
	}
	if err != nil && !errors.Is(err, jetstream.ErrKeyExists) {
		return fmt.Errorf("writing the epoch: %w", err)
	}
	return nil
}

// lastEvent describes the newest event of the log; zero when it has none.
func lastEvent(ctx context.Context, chat jetstream.Stream) (checkpoint, error) {
	last := chat.CachedInfo().State.LastSeq
	if last == 0 {
		return checkpoint{}, nil
	}
	msg, err := chat.GetMsg(ctx, last)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return checkpoint{Seq: last}, nil // erased: its number is all there is
	}
	if err != nil {
		return checkpoint{}, fmt.Errorf("reading event %d: %w", last, err)
	}
	return checkpoint{Seq: last, Time: msg.Time.UTC(), ID: msg.Header.Get(jetstream.MsgIDHeader)}, nil
}

// sameEvent reports whether the log has the event that was remembered. An event
// that is gone although the log reaches further was erased since.
func sameEvent(ctx context.Context, chat jetstream.Stream, c checkpoint) (bool, error) {
	if c.Seq == 0 {
		return true, nil
	}
	if chat.CachedInfo().State.LastSeq < c.Seq {
		return false, nil
	}
	msg, err := chat.GetMsg(ctx, c.Seq)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading event %d: %w", c.Seq, err)
	}
	return c.Time.IsZero() || msg.Time.Equal(c.Time) && msg.Header.Get(jetstream.MsgIDHeader) == c.ID, nil
}

// ensureSecret makes the deployment's secret, once.
func ensureSecret(ctx context.Context, js jetstream.JetStream) error {
	kv, err := js.KeyValue(ctx, stateBucket)
	if err != nil {
		return fmt.Errorf("opening bucket %s: %w", stateBucket, err)
	}
	var raw [secretBytes]byte
	if _, err := rand.Read(raw[:]); err != nil {
		return fmt.Errorf("making the secret: %w", err)
	}
	if _, err := kv.Create(ctx, secretKey, raw[:]); err != nil && !errors.Is(err, jetstream.ErrKeyExists) {
		return fmt.Errorf("keeping the secret: %w", err)
	}
	return nil
}
