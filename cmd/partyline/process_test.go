package main_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// binary is the real program, built once for all tests.
var binary string

func TestMain(m *testing.M) {
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "partyline-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "partyline")
	build := exec.Command("go", "build", "-o", binary, ".")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "building the binary:", err)
		return 1
	}
	return m.Run()
}

// patience bounds every wait of the tests; nothing is expected to take so long.
const patience = 30 * time.Second

// process is a running partyline.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	args  []string
	env   []string // besides the usual one
	http  string   // host:port
	ws    string   // host:port
	nats  string   // host:port of the storage listener, if any
	admin string   // host:port of the listener of operations, if any
	done  chan struct{}

	mu  sync.Mutex
	log strings.Builder
}

// serve starts "partyline serve" on free ports and waits until it is ready. It
// is killed at the end of the test, if it still runs.
func serve(t *testing.T, args ...string) *process {
	t.Helper()
	p := spawn(t, append([]string{"serve", "--log-format", "json", "--http-addr", "127.0.0.1:0", "--ws-addr", "127.0.0.1:0"}, args...)...)
	p.waitReady()
	return p
}

// spawn starts the binary; see serve.
func spawn(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{t: t, args: args, cmd: exec.Command(binary, args...)}
	p.start()
	return p
}

func (p *process) start() {
	p.t.Helper()
	p.done = make(chan struct{})
	p.cmd.Env = append([]string{"HOME=" + p.t.TempDir(), "PATH=" + os.Getenv("PATH"), "PARTYLINE_ANALYTICS_MODE=off"}, p.env...)
	p.cmd.Dir = p.t.TempDir()
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		p.t.Fatalf("starting partyline: %v", err)
	}
	go p.collect(stderr)
	p.t.Cleanup(func() {
		p.kill()
		if p.t.Failed() {
			p.t.Logf("log of partyline %s:\n%s", strings.Join(p.args, " "), p.output())
		}
	})
}

// readyLine is what the server logs when it serves.
type readyLine struct {
	Msg   string `json:"msg"`
	HTTP  string `json:"http"`
	WS    string `json:"ws"`
	NATS  string `json:"nats"`
	Admin string `json:"admin"`
}

func (p *process) collect(r io.Reader) {
	defer close(p.done)
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var ready readyLine
		isReady := json.Unmarshal(lines.Bytes(), &ready) == nil && ready.Msg == "ready"
		p.mu.Lock()
		if p.log.Len() < 1<<20 {
			p.log.WriteString(lines.Text())
			p.log.WriteByte('\n')
		}
		if isReady {
			p.http, p.ws, p.nats, p.admin = ready.HTTP, ready.WS, ready.NATS, ready.Admin
		}
		p.mu.Unlock()
	}
	p.cmd.Wait() // the exit code is read from ProcessState
}

func (p *process) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

func (p *process) ready() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.http != ""
}

func (p *process) waitReady() {
	p.t.Helper()
	eventually(p.t, "the server is ready", func() bool {
		select {
		case <-p.done:
			p.t.Fatalf("partyline ended before it was ready:\n%s", p.output())
		default:
		}
		return p.ready()
	})
}

// kill ends the process without any warning and waits for its end.
func (p *process) kill() {
	p.cmd.Process.Signal(syscall.SIGKILL)
	<-p.done
}

// exit waits for the end of the process and returns its exit code.
func (p *process) exit() int {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(patience):
		p.t.Fatalf("partyline does not end:\n%s", p.output())
	}
	return p.cmd.ProcessState.ExitCode()
}

// terminate asks the process to end and returns its exit code.
func (p *process) terminate() int {
	p.t.Helper()
	p.cmd.Process.Signal(syscall.SIGTERM)
	return p.exit()
}

// restart starts the same program again, on the same ports and directory.
func (p *process) restart() {
	p.t.Helper()
	args := append([]string(nil), p.args...)
	for i, a := range args {
		switch a {
		case "--http-addr":
			args[i+1] = p.http
		case "--ws-addr":
			args[i+1] = p.ws
		case "--nats-listen":
			args[i+1] = p.nats
		}
	}
	p.mu.Lock()
	p.http = ""
	p.mu.Unlock()
	p.cmd = exec.Command(binary, args...)
	p.start()
	p.waitReady()
}

// run runs a command of the binary to its end.
func run(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := exec.Command(binary, args...)
	cmd.Env = []string{"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH")}
	cmd.Dir = t.TempDir()
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("running partyline %v: %v", args, err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// get fetches a path of the server and decodes its JSON.
func (p *process) get(path string, into any) {
	p.t.Helper()
	resp, err := http.Get("http://" + p.http + path)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		p.t.Fatalf("GET %s: %s\n%s", path, resp.Status, body)
	}
	if err := json.Unmarshal(body, into); err != nil {
		p.t.Fatalf("GET %s: %v\n%s", path, err, body)
	}
}

// eventually waits until cond holds.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-deadline.C:
			t.Fatalf("waited %v in vain until %s", patience, what)
		case <-tick.C:
		}
	}
}
