package stream

import (
	"context"
	"os"
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

// WithDisk lets functions take the place of the operating system where the
// blocks of CHAT are synced; nil: it is asked.
func WithDisk(cfg NodeConfig, file func(*os.File) error, dir func(string) error) NodeConfig {
	cfg.disk = testDisk{file, dir}
	return cfg
}

type testDisk struct {
	file func(*os.File) error
	dir  func(string) error
}

func (d testDisk) syncFile(f *os.File) error {
	if d.file == nil {
		return realDisk{}.syncFile(f)
	}
	return d.file(f)
}

func (d testDisk) syncDir(name string) error {
	if d.dir == nil {
		return realDisk{}.syncDir(name)
	}
	return d.dir(name)
}

// MessageDir is where a node with this directory keeps the blocks of CHAT.
func MessageDir(dir string) string { return messageDir(dir) }

// Running reports whether p takes submissions.
func Running(p *Publisher) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state == publisherRunning
}

// Provision creates the streams on a NATS that is not a Node.
func Provision(ctx context.Context, nc *nats.Conn) error {
	l, err := NewLog(nc, LogConfig{})
	if err != nil {
		return err
	}
	return l.provision(ctx)
}
