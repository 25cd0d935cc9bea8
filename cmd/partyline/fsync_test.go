package main_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestAckWaitsForFsync proves by a trace of system calls what killing a process
// cannot: the fsync that covers a message has returned before its ack is
// written. The same trace with storage.durability=os shows that the check can
// fail.
func TestAckWaitsForFsync(t *testing.T) {
	t.Parallel()
	for durability, want := range map[string]bool{"fsync": true, "os": false} {
		t.Run(durability, func(t *testing.T) {
			t.Parallel()
			calls, marks := traceAcks(t, durability, 20)
			covered := 0
			for _, mark := range marks {
				if syncedBeforeAck(t, calls, mark) {
					covered++
				}
			}
			if want && covered != len(marks) {
				t.Errorf("%d of %d acks were written after a covering fsync", covered, len(marks))
			}
			if !want && covered == len(marks) {
				t.Errorf("all of %d acks were written after a covering fsync, without one being asked for", len(marks))
			}
		})
	}
}

// traceAcks runs the server under strace, sends n messages one after another,
// and returns the traced calls and the ids of the messages.
func traceAcks(t *testing.T, durability string, n int) ([]syscallSpan, []string) {
	t.Helper()
	trace := filepath.Join(t.TempDir(), "trace")
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Fatalf("strace is needed (make test installs it): %v", err)
	}
	p := &process{t: t, args: []string{"strace"}}
	// With -D the tracer is a process aside: ours is the server.
	p.cmd = exec.Command(strace, "-D", "-f", "-y", "-s", "4096", "-o", trace,
		"-e", "trace=fsync,fdatasync,sync_file_range,syncfs,write,writev,pwrite64,pwritev,sendto,sendmsg",
		binary, "serve", "--log-format", "json", "--http-addr", "127.0.0.1:0", "--ws-addr", "127.0.0.1:0",
		"--data-dir", t.TempDir(), "--storage-durability", durability)
	p.start()
	p.waitReady()
	c, err := dialChat(p.ws, "tracy", "key-of-the-traced-user")
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	if _, err := c.ask(map[string]any{"type": "join", "room": "lobby"}, "joined"); err != nil {
		t.Fatal(err)
	}
	var marks []string
	for i := range n {
		mark := fmt.Sprintf("mark-%s-%03d", durability, i)
		if _, err := c.ask(map[string]any{"type": "send", "room": "lobby", "id": mark, "text": "covered?"}, "ack"); err != nil {
			t.Fatal(err)
		}
		marks = append(marks, mark)
	}
	if code := p.terminate(); code != 0 { // the trace is complete: the tracer has our end of the log too
		t.Fatalf("exit code %d", code)
	}
	return readTrace(t, trace), marks
}

// syscallSpan is one system call: the positions in the trace at which it began
// and returned, and its text.
type syscallSpan struct {
	began, returned int
	text            string
}

var (
	traceLine  = regexp.MustCompile(`^(\d+)\s+(.*)$`)
	resumedTag = regexp.MustCompile(`^<\.\.\. \w+ resumed>`)
)

func readTrace(t *testing.T, name string) []syscallSpan {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var calls []syscallSpan
	open := map[string]syscallSpan{} // by thread
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 4<<20)
	for at := 0; lines.Scan(); at++ {
		m := traceLine.FindStringSubmatch(lines.Text())
		if m == nil {
			continue
		}
		thread, text := m[1], m[2]
		switch {
		case strings.HasSuffix(text, "<unfinished ...>"):
			open[thread] = syscallSpan{began: at, text: strings.TrimSuffix(text, "<unfinished ...>")}
		case resumedTag.MatchString(text):
			call := open[thread]
			call.returned = at
			call.text += resumedTag.ReplaceAllString(text, "")
			calls = append(calls, call)
		default:
			calls = append(calls, syscallSpan{began: at, returned: at, text: text})
		}
	}
	return calls
}

var (
	blockFile = regexp.MustCompile(`^\w+\(\d+<([^>]*/CHAT/msgs/\d+\.blk)>`)
	syncCall  = regexp.MustCompile(`^f(data)?sync\(`)
)

// syncedBeforeAck reports whether the block file that got the message was
// synced after the write and before the ack.
func syncedBeforeAck(t *testing.T, calls []syscallSpan, mark string) bool {
	t.Helper()
	var stored, ack *syscallSpan
	for i, c := range calls {
		if stored == nil && strings.Contains(c.text, mark) && blockFile.MatchString(c.text) {
			stored = &calls[i]
		}
		if ack == nil && strings.Contains(c.text, `\"type\":\"ack\",\"id\":\"`+mark) {
			ack = &calls[i]
		}
	}
	if stored == nil || ack == nil {
		t.Errorf("the trace lacks the write of %s to a block file (%v) or its ack (%v)", mark, stored != nil, ack != nil)
		return false
	}
	file := blockFile.FindStringSubmatch(stored.text)[1]
	for _, c := range calls {
		if syncCall.MatchString(c.text) && strings.Contains(c.text, "<"+file+">") && strings.HasSuffix(c.text, "= 0") &&
			c.began > stored.returned && c.returned < ack.began {
			return true
		}
	}
	return false
}
