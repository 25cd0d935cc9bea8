package main_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"partyline/analytics/embedded"
)

// library installs the ClickHouse library once for all tests of this machine.
func library(t *testing.T) string {
	t.Helper()
	name, err := embedded.Install(t.Context(), embedded.InstallConfig{})
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// TestStatisticsOfTheRealServer makes attempts of known kinds at the real binary
// with everything embedded, and finds them by REST and on the command line.
func TestStatisticsOfTheRealServer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := serve(t, "--data-dir", dir, "--analytics-mode", "embedded", "--analytics-library", library(t))
	for range 3 {
		c, err := dialChat(p.ws, "ana", "key-of-the-counted-user")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.ask(map[string]any{"type": "join", "room": "lobby"}, "joined"); err != nil {
			t.Fatal(err)
		}
		c.close()
	}
	for range 2 { // refused: no upgrade
		resp, err := http.Get("http://" + p.ws + "/ws/chat/")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	var sum struct {
		Total, Succeeded, Failed, Joined, Closes uint64
		Errors                                   []struct {
			Error    string
			Failures uint64
		}
	}
	eventually(t, "the summary has all attempts", func() bool {
		resp, err := http.Get("http://" + p.http + "/api/v1/analytics/summary?since=1h")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusOK && json.NewDecoder(resp.Body).Decode(&sum) == nil && sum.Total == 5 && sum.Closes == 3
	})
	if sum.Succeeded != 3 || sum.Failed != 2 || sum.Joined != 3 || len(sum.Errors) != 1 ||
		sum.Errors[0].Error != "upgrade_required" || sum.Errors[0].Failures != 2 {
		t.Errorf("summary %+v", sum)
	}
	stdout, stderr, code := run(t, "sql", "SELECT outcome, count() AS n FROM connections GROUP BY outcome ORDER BY outcome", "--format", "csv", "--data-dir", dir)
	if code != 0 || stdout != "\"outcome\",\"n\"\n\"refused\",2\n\"succeeded\",3\n" {
		t.Errorf("sql ended with %d\n%s\n%s", code, stdout, stderr)
	}
	stdout, stderr, code = run(t, "sql", "--list", "--data-dir", dir)
	if code != 0 || !strings.Contains(stdout, "v_summary") || !strings.Contains(stdout, "connections") {
		t.Errorf("sql --list ended with %d\n%s\n%s", code, stdout, stderr)
	}
	_, stderr, code = run(t, "sql", "SELECT file('/etc/passwd')", "--data-dir", dir)
	if code != 1 || strings.Contains(stderr, "root:") {
		t.Errorf("reading a file ended with %d\n%s", code, stderr)
	}
	if code := p.terminate(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "clickhouse", "run", "*.xml")); err != nil || len(left) > 0 {
		t.Errorf("configuration was left behind: %v %v", left, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "clickhouse", "data")); err != nil {
		t.Error(err)
	}
}
