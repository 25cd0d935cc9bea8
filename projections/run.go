package projections

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"partyline/events/stream"
	"partyline/projections/readmodel"
)

// errRestart makes the follower read its checkpoint and the log again.
var errRestart = errors.New("log or file changed")

// Run opens the read models and follows the log until ctx ends. It returns an
// error when the directory cannot be used (ErrInUse, ErrNotWritable); everything
// else is tried again: a log that is away, a full disk, a damaged file.
func (m *Model) Run(ctx context.Context) error {
	l, err := m.enter()
	if err != nil {
		return err
	}
	defer l.release()
	defer func() {
		if err := m.close(); err != nil {
			m.cfg.Logger.Warn("read models not closed cleanly", "error", err)
		}
	}()
	pause := backoff{}
	for ctx.Err() == nil {
		before := m.progress.stats().Applied
		err := m.follow(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if m.progress.stats().Applied != before {
			pause = backoff{}
		}
		if errors.Is(err, errForeign) || isBroken(err) {
			if err := m.discard(err); err != nil {
				return err
			}
		} else if !errors.Is(err, errRestart) {
			m.cfg.Logger.WarnContext(ctx, "read models stopped following and try again", "error", err)
		}
		pause.wait(ctx)
	}
	return nil
}

// enter locks the directory and opens the file, after a verification or rebuild
// without Run, if one is going on.
func (m *Model) enter() (*lock, error) {
	m.upkeep.Lock()
	defer m.upkeep.Unlock()
	l, err := lockDir(m.cfg.Dir)
	if err != nil {
		return nil, err
	}
	if err := m.open(); err != nil {
		l.release()
		return nil, err
	}
	return l, nil
}

// backoff spaces attempts: 10 ms, doubled up to 5 s.
type backoff struct{ next time.Duration }

func (b *backoff) wait(ctx context.Context) {
	b.next = min(max(2*b.next, 10*time.Millisecond), 5*time.Second)
	t := time.NewTimer(b.next)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// discard gives up the file, whose contents are of no use: it is kept aside and
// an empty one opened. The log is not touched.
func (m *Model) discard(reason error) error {
	m.upkeep.Lock()
	defer m.upkeep.Unlock()
	m.cfg.Logger.Warn("read models are computed anew", "reason", reason, "moved_to", m.path(asideName))
	if err := m.close(); err != nil {
		m.cfg.Logger.Warn("read models not closed cleanly", "error", err)
	}
	if err := moveAside(m.cfg.Dir); err != nil {
		return notWritable(m.cfg.Dir, err)
	}
	select {
	case err := <-m.broken: // about the file that is gone
		m.cfg.Logger.Debug("queries found the read models damaged", "error", err)
	default:
	}
	return m.open()
}

// follow applies events from the checkpoint on until something fails or ctx
// ends.
func (m *Model) follow(ctx context.Context) error {
	epoch := m.src.Epoch()
	last, err := m.src.LastSeq(ctx)
	if err != nil {
		return fmt.Errorf("ask for the log's last sequence: %w", err)
	}
	m.progress.reset(last)
	if err := m.reopen(); err != nil {
		return err
	}
	check := m.checkpoint()
	if last < check.seq {
		return fmt.Errorf("%w: it ends at %d, applied is %d", errForeign, last, check.seq)
	}
	if check.seq == 0 && last > m.cfg.BulkEvents {
		if err := m.load(ctx, last); err != nil {
			return err
		}
		check = m.checkpoint()
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var watcher sync.WaitGroup
	watcher.Go(func() { m.watch(ctx, epoch, cancel) })
	defer watcher.Wait()
	defer cancel(nil)

	f := follower{m: m, epoch: epoch, check: check}
	err = pump(ctx, m.src, stream.ReplayOptions{From: check.seq, Follow: true}, f.consume)
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	if err == nil {
		err = errRestart
	}
	return err
}

// reopen opens the file if exchanging it failed halfway.
func (m *Model) reopen() error {
	m.upkeep.Lock()
	defer m.upkeep.Unlock()
	m.files.RLock()
	isOpen := m.store != nil
	m.files.RUnlock()
	if isOpen {
		return nil
	}
	return m.open()
}

// load computes the file in bulk while queries are refused: they would answer
// from an empty read model as if there were no history.
func (m *Model) load(ctx context.Context, last uint64) error {
	m.upkeep.Lock()
	defer m.upkeep.Unlock()
	if err := m.close(); err != nil {
		return err
	}
	m.progress.rebuilt()
	b, err := m.build(ctx, buildName, last)
	if err == nil {
		err = m.install(b)
	}
	if err != nil {
		// What is there is served again, so that the next attempt finds it open.
		return errors.Join(err, m.open())
	}
	return nil
}

// watch looks at the log and at what queries report, and ends the follower when
// it has to start again.
func (m *Model) watch(ctx context.Context, epoch string, cancel context.CancelCauseFunc) {
	t := time.NewTicker(watchPeriod)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case err := <-m.broken:
			cancel(err)
			return
		case <-t.C:
		}
		if m.src.Epoch() != epoch {
			cancel(errRestart)
			return
		}
		if last, err := m.src.LastSeq(ctx); err == nil {
			if last < m.progress.stats().Applied {
				cancel(errRestart)
				return
			}
			m.progress.saw(last)
		}
	}
}

// pump replays the log and passes decoded events to consume through a bounded
// channel, so that decoding and writing go on at the same time. It returns after
// both have ended, with the first error.
func pump(ctx context.Context, src Source, o stream.ReplayOptions,
	consume func(context.Context, <-chan readmodel.Record) error,
) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	records := make(chan readmodel.Record, queued)
	var replayErr error
	replayed := make(chan struct{})
	go func() {
		defer close(records)
		defer close(replayed)
		replayErr = src.Replay(ctx, o, func(ev *stream.Stored) error {
			select {
			case records <- decode(ev):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	err := consume(ctx, records)
	select {
	case <-replayed: // it ended by itself
		return errors.Join(err, replayErr)
	default: // consume has had enough, and the replay is told to end
		cancel()
		<-replayed
		return err
	}
}
