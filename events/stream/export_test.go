package stream

import (
	"slices"

	"github.com/nats-io/nats.go"
)

// SetEpoch changes the epoch as the rest of the process sees it.
func SetEpoch(l *Log, epoch string) { l.epoch.Store(&epoch) }

// Recent counts the comparisons after Follow that are under way or to come.
func Recent(f *Feed) int {
	f.recent.mu.Lock()
	defer f.recent.mu.Unlock()
	return len(f.recent.first) + len(f.recent.last) + f.recent.taken
}

// Checks counts the delayed checks of Expect that are still to come.
func Checks(f *Feed) int {
	f.checks.mu.Lock()
	defer f.checks.mu.Unlock()
	return len(f.checks.young) + len(f.checks.old)
}

// Live hands a live copy to the feed, as its shard would.
func Live(f *Feed, msg *nats.Msg) { f.live(msg) }

// Alarms returns the alarms raised so far: the sequences around each gap.
func Alarms(l *Log) [][2]uint64 {
	l.alarms.mu.Lock()
	defer l.alarms.mu.Unlock()
	return slices.Clone(l.alarms.gaps)
}

// WithBootID pretends that another kernel runs.
func WithBootID(cfg NodeConfig, id string) NodeConfig { cfg.bootID = id; return cfg }

// WithSync replaces the syncing of blocks.
func WithSync(cfg NodeConfig, sync func() error) NodeConfig { cfg.sync = sync; return cfg }

// Running reports whether p takes submissions.
func Running(p *Publisher) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state == publisherRunning
}
