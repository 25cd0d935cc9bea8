package projections

import (
	"errors"
	"path/filepath"
	"sync"
)

// Model is the read models of one log in one directory. Its queries implement
// query.Backend and are safe for concurrent use, as are Verify and Rebuild.
type Model struct {
	cfg Config
	src Source

	// Locks are taken in this order: upkeep, writing, files, progress.mu.

	// upkeep is held by what computes a file beside, and while Run opens or gives
	// up the file: one at a time.
	upkeep sync.Mutex
	// writing is held during a transaction of the store's writer, and while the
	// store is exchanged.
	writing sync.Mutex
	// files guards store: read-held while a query takes its connection.
	files sync.RWMutex
	store *store // nil: not open, or being computed from the start

	progress progress
	broken   chan error // a query found the file damaged
}

// New makes a model; it does no I/O. Run opens and follows.
func New(cfg Config, src Source) (*Model, error) {
	if cfg.Dir == "" {
		return nil, errors.New("projections: no directory")
	}
	if src == nil {
		return nil, errors.New("projections: no source")
	}
	cfg.setDefaults()
	m := &Model{cfg: cfg, src: src, broken: make(chan error, 1)}
	m.progress.changed = make(chan struct{})
	return m, nil
}

// Stats are figures about a Model, for status pages and metrics.
type Stats struct {
	Applied  uint64 // stream sequence that the read models have applied
	Last     uint64 // last stream sequence known
	Poison   uint64 // events since the start that could not be decoded
	Rebuilds uint64 // computations from zero since the start
}

// Stats returns figures about the model.
func (m *Model) Stats() Stats { return m.progress.stats() }

// path returns the path of one of the model's files.
func (m *Model) path(name string) string { return filepath.Join(m.cfg.Dir, name) }

// open opens the read models' file. One that cannot be used is moved aside.
func (m *Model) open() error {
	m.writing.Lock()
	defer m.writing.Unlock()
	m.files.Lock()
	defer m.files.Unlock()
	s, err := openStore(m.path(fileName), m.cfg.Readers)
	if err != nil && isBroken(err) {
		m.cfg.Logger.Warn("read models cannot be used and are computed anew", "file", m.path(fileName),
			"moved_to", m.path(asideName), "error", err)
		if err := moveAside(m.cfg.Dir); err != nil {
			return notWritable(m.cfg.Dir, err)
		}
		s, err = openStore(m.path(fileName), m.cfg.Readers)
	}
	if err != nil {
		return notWritable(m.cfg.Dir, err)
	}
	m.store = s
	m.progress.restart(s.writer.check.seq)
	return nil
}

// close closes the file. Queries are refused from then on.
func (m *Model) close() error {
	m.writing.Lock()
	defer m.writing.Unlock()
	m.files.Lock()
	defer m.files.Unlock()
	if m.store == nil {
		return nil
	}
	err := m.store.close()
	m.store = nil
	return err
}

// checkpoint returns what the open file contains.
func (m *Model) checkpoint() checkpoint {
	m.writing.Lock()
	defer m.writing.Unlock()
	if m.store == nil {
		return checkpoint{}
	}
	return m.store.writer.check
}
