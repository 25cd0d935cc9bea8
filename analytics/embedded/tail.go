package embedded

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
)

// tailBytes is how much of the child's last words is kept.
const tailBytes = 8 << 10

// tail keeps the end of what the child says, and passes its warnings on. Safe
// for concurrent use.
type tail struct {
	log *slog.Logger

	mu   sync.Mutex // guards what follows
	kept []byte
	line []byte
}

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, p...)
	if over := len(t.kept) - tailBytes; over > 0 {
		t.kept = append(t.kept[:0], t.kept[over:]...)
	}
	for _, b := range p {
		if b != '\n' && len(t.line) < tailBytes {
			t.line = append(t.line, b)
			continue
		}
		t.log.Debug("clickhouse says", "line", string(t.line))
		t.line = t.line[:0]
	}
	return len(p), nil
}

// explain says why the child ended: its last error in its own words, else how
// it exited.
func (t *tail) explain(exit error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := strings.Split(string(bytes.TrimSpace(t.kept)), "\n")
	for _, line := range lines {
		if strings.Contains(line, "Cannot lock file") {
			return fmt.Errorf("%w: %s", ErrInUse, line)
		}
	}
	last := ""
	for _, line := range lines {
		if strings.Contains(line, "Exception") || strings.HasPrefix(line, "loading ") || last == "" {
			last = line
		}
	}
	if last == "" {
		return fmt.Errorf("the ClickHouse child ended: %w", orClean(exit))
	}
	return fmt.Errorf("the ClickHouse child ended: %w: %s", orClean(exit), cut(last, 500))
}

func orClean(exit error) error {
	if exit == nil {
		return errExitedCleanly
	}
	return exit
}

func cut(s string, n int) string {
	if len(s) > n {
		return s[:n] + "…"
	}
	return s
}
