package main_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// closedAddr is an address on which nothing listens.
func closedAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// TestDoctorExitCodes: 0 works, 1 does not, 2 was asked wrongly.
func TestDoctorExitCodes(t *testing.T) {
	t.Parallel()
	p := serve(t, "--data-dir", t.TempDir())
	for name, tc := range map[string]struct {
		args []string
		want int
		says string
	}{
		"works":            {[]string{"ws://" + p.ws + "/ws/chat/", "--http", "http://" + p.http}, 0, "The connection works."},
		"works on the web": {[]string{"http://" + p.http}, 0, "The connection works."},
		"a warning alone":  {[]string{"ws://" + p.ws + "/ws/chat/", "--http", "http://" + closedAddr(t)}, 0, "api_unreachable"},
		"refused":          {[]string{"ws://" + p.http, "--origin", "https://elsewhere.test"}, 1, "origin_refused, proved"},
		"nothing listens":  {[]string{"ws://" + closedAddr(t)}, 1, "port_refused, proved"},
		"no address":       {nil, 2, ""},
		"no WebSocket":     {[]string{"ftp://127.0.0.1/"}, 2, ""},
		"too long idle":    {[]string{"ws://127.0.0.1:1/", "--idle", "1h"}, 2, ""},
		"two addresses":    {[]string{"ws://127.0.0.1:1/", "ws://127.0.0.1:2/"}, 2, ""},
		"an unknown flag":  {[]string{"ws://127.0.0.1:1/", "--idel", "1s"}, 2, ""},
	} {
		out, errs, code := run(t, append([]string{"doctor"}, tc.args...)...)
		if code != tc.want || !strings.Contains(out, tc.says) {
			t.Errorf("%s: exit code %d, want %d\n%s%s", name, code, tc.want, out, errs)
		}
		if strings.Contains(out+errs, "\x1b") {
			t.Errorf("%s: colours though there is no terminal: %q", name, out)
		}
		if tc.want == 2 && (out != "" || errs == "") {
			t.Errorf("%s: printed %q and %q", name, out, errs)
		}
	}
}

// TestDoctorJSONIsDocumented compares the members of a report with the table in
// docs/doctor.md.
func TestDoctorJSONIsDocumented(t *testing.T) {
	t.Parallel()
	out, _, code := run(t, "doctor", "ws://"+closedAddr(t), "--json", "--token", "swordfish")
	if code != 1 || strings.Contains(out, "swordfish") {
		t.Fatalf("exit code %d: %s", code, out)
	}
	var report map[string]any
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var got []string
	for name, value := range report {
		list, ok := value.([]any)
		if !ok {
			got = append(got, name)
			continue
		}
		first, ok := list[0].(map[string]any)
		if !ok {
			t.Fatalf("%s holds %v", name, list[0])
		}
		for member := range first {
			got = append(got, name+"[]."+member)
		}
	}
	doc, err := os.ReadFile("../../docs/doctor.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(doc), "## The report as JSON")
	table, _, _ = strings.Cut(table, "\n## ")
	var want []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z_.\\[\\]]+)` \\|").FindAllStringSubmatch(table, -1) {
		want = append(want, m[1])
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("members %v\ndocumented %v", got, want)
	}
}

// TestDoctorColours: on a terminal, unless people do not want them.
func TestDoctorColours(t *testing.T) {
	t.Parallel()
	at := "ws://" + closedAddr(t)
	for env, want := range map[string]bool{"": true, "NO_COLOR=1": false, "NO_COLOR=": true, "TERM=dumb": false} {
		if out := onTerminal(t, env, "doctor", at); strings.Contains(out, "\x1b[31") != want || !strings.Contains(out, "port_refused") {
			t.Errorf("with %q, want colours %v: %q", env, want, out)
		}
	}
}

// onTerminal runs the program with a terminal as its output.
func onTerminal(t *testing.T, env string, args ...string) string {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	fd := int(master.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, args...)
	cmd.Env = []string{"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH"), "TERM=xterm"}
	if env != "" {
		cmd.Env = append(cmd.Env, env)
	}
	cmd.Stdout = slave
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	slave.Close()
	out, _ := io.ReadAll(master) // ends with EIO when the last holder is gone
	_ = cmd.Wait()               // 1: nothing listens there
	return string(out)
}
