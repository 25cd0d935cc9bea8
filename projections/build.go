package projections

import (
	"context"
	"errors"
	"fmt"
	"os"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"partyline/events/stream"
	"partyline/projections/history"
	"partyline/projections/readmodel"
)

// builder is a file that is computed beside the one in use.
type builder struct {
	path  string
	epoch string
	w     *writer
}

// build computes a file from the log's first event up to and including upTo.
// m.upkeep is held.
func (m *Model) build(ctx context.Context, name string, upTo uint64) (*builder, error) {
	b := &builder{path: m.path(name), epoch: m.src.Epoch()}
	if err := removeFile(b.path); err != nil {
		return nil, notWritable(m.cfg.Dir, err)
	}
	conn, err := openBuild(b.path)
	if err != nil {
		return nil, notWritable(m.cfg.Dir, err)
	}
	if b.w, err = newWriter(conn); err != nil {
		conn.Close()
		return nil, err
	}
	if err := b.load(ctx, m.src, upTo); err != nil {
		return nil, errors.Join(err, b.abandon())
	}
	if err := history.Index(conn); err != nil {
		return nil, errors.Join(err, b.abandon())
	}
	return b, nil
}

// openBuild makes a file that nobody reads before it is complete: without
// journal and syncs, since an interrupted computation starts from zero anyway.
func openBuild(path string) (*sqlite.Conn, error) {
	conn, err := sqlite.OpenConn(path, sqlite.OpenReadWrite|sqlite.OpenCreate)
	if err != nil {
		return nil, err
	}
	for _, pragma := range []string{
		`PRAGMA journal_mode = OFF`, `PRAGMA synchronous = OFF`,
		`PRAGMA locking_mode = EXCLUSIVE`, `PRAGMA cache_size = -65536`,
	} {
		if err := sqlitex.ExecuteTransient(conn, pragma, nil); err != nil {
			conn.Close()
			return nil, err
		}
	}
	if err := createSchema(conn); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// load adds the events after the file's checkpoint up to and including upTo.
func (b *builder) load(ctx context.Context, src Source, upTo uint64) error {
	if b.w.check.seq >= upTo {
		return nil
	}
	o := stream.ReplayOptions{From: b.w.check.seq + 1}
	err := pump(ctx, src, o, func(ctx context.Context, records <-chan readmodel.Record) error {
		return b.add(records, upTo)
	})
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		err = b.w.commit(b.epoch)
	}
	if err != nil {
		return fmt.Errorf("compute read models: %w", err)
	}
	return nil
}

// add adds records up to upTo in large transactions.
func (b *builder) add(records <-chan readmodel.Record, upTo uint64) error {
	n, bytes := 0, 0
	for rec := range records {
		if rec.Stored.Seq > upTo {
			return nil
		}
		if err := b.w.add(&rec); err != nil {
			return err
		}
		n++
		bytes += len(rec.Stored.Data)
		if n >= bulkTransaction || bytes >= maxTransactionBytes {
			if err := b.w.commit(b.epoch); err != nil {
				return err
			}
			n, bytes = 0, 0
		}
	}
	return nil
}

// finish makes the file durable and closes it.
func (b *builder) finish() error {
	if err := b.w.conn.Close(); err != nil {
		return fmt.Errorf("close computed read models: %w", err)
	}
	f, err := os.OpenFile(b.path, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("sync computed read models: %w", err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("sync computed read models: %w", err)
	}
	return nil
}

// abandon closes and removes the file.
func (b *builder) abandon() error {
	return errors.Join(b.w.conn.Close(), removeFile(b.path))
}

// install puts the computed file in the place of the one in use, and opens it.
// m.upkeep is held.
func (m *Model) install(b *builder) error {
	if err := b.finish(); err != nil {
		return errors.Join(err, removeFile(b.path))
	}
	m.writing.Lock()
	defer m.writing.Unlock()
	return m.exchange(b)
}

// exchange is install with m.writing held and the computed file closed.
func (m *Model) exchange(b *builder) error {
	m.files.Lock()
	defer m.files.Unlock()
	if m.store != nil {
		if err := m.store.close(); err != nil {
			m.cfg.Logger.Warn("read models not closed cleanly", "error", err)
		}
		m.store = nil
	}
	if err := replaceFile(b.path, m.path(fileName)); err != nil {
		return notWritable(m.cfg.Dir, err)
	}
	s, err := openStore(m.path(fileName), m.cfg.Readers)
	if err != nil {
		return notWritable(m.cfg.Dir, err)
	}
	m.store = s
	m.progress.restart(s.writer.check.seq)
	return nil
}

// replaceFile renames a database over another one. The write-ahead log of the
// old one must not be found beside the new one, so it is written back first;
// being killed at any moment leaves one of the two complete.
func replaceFile(from, to string) error {
	if _, err := os.Stat(to + "-wal"); err == nil {
		if conn, err := openConn(to); err == nil {
			conn.Close() // the last connection writes the log back and removes it
		}
	}
	for _, suffix := range []string{"-wal", "-shm"} {
		if err := os.Remove(to + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return os.Rename(from, to)
}

// Rebuild computes the read models from zero and puts them in the place of the
// present ones, atomically: until then, and when it fails or the process dies,
// the present ones stay. It works while Run runs (queries are answered all the
// time but for a moment at the end) and without it.
func (m *Model) Rebuild(ctx context.Context) error {
	m.upkeep.Lock()
	defer m.upkeep.Unlock()
	done, err := m.borrow()
	if err != nil {
		return err
	}
	defer done()
	last, err := m.src.LastSeq(ctx)
	if err != nil {
		return fmt.Errorf("ask for the log's last sequence: %w", err)
	}
	m.progress.rebuilt()
	b, err := m.build(ctx, buildName, last)
	if err != nil {
		return err
	}
	// From here on nothing is committed to the file in use, so the computed one
	// can catch up with it: what was applied once stays applied.
	m.writing.Lock()
	defer m.writing.Unlock()
	if m.store == nil { // Run does not run
		if err := b.finish(); err != nil {
			return errors.Join(err, removeFile(b.path))
		}
		return replaceFile(b.path, m.path(fileName))
	}
	if err := b.load(ctx, m.src, m.store.writer.check.seq); err != nil {
		return errors.Join(err, b.abandon())
	}
	if err := b.finish(); err != nil {
		return errors.Join(err, removeFile(b.path))
	}
	return m.exchange(b)
}

// borrow makes the directory usable: Run has it locked already while it runs.
// done gives it back.
func (m *Model) borrow() (done func(), err error) {
	m.files.RLock()
	defer m.files.RUnlock()
	if m.store != nil {
		return func() {}, nil
	}
	l, err := lockDir(m.cfg.Dir)
	if err != nil {
		return nil, err
	}
	return l.release, nil
}
