package config_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"partyline/config"
)

func load(t *testing.T, yaml string, environ []string, args ...string) (config.Config, error) {
	t.Helper()
	if yaml != "" {
		file := filepath.Join(t.TempDir(), "partyline.yaml")
		if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append([]string{"--config", file}, args...)
	}
	c, _, err := config.Load(config.Source{Name: "serve", Args: args, Environ: environ})
	return c, err
}

func TestDefaultsAreValid(t *testing.T) {
	t.Parallel()
	c, err := load(t, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.HTTPAddr != "localhost:8000" || c.WSAddr != "localhost:8001" || c.Durability != "fsync" {
		t.Errorf("unexpected defaults: %+v", c)
	}
}

func TestLaterSourcesWin(t *testing.T) {
	t.Parallel()
	yaml := "gateway:\n  heartbeat: 10s\n  drain: 1s\ngateway.max-replay: 7\nroles: [gateway, storage]\n"
	c, err := load(t, yaml,
		[]string{"PARTYLINE_GATEWAY_HEARTBEAT=11s", "PARTYLINE_GATEWAY_MAX_OUTBOUND_BYTES=2MiB", "HOME=/"},
		"--gateway-heartbeat", "12s")
	if err != nil {
		t.Fatal(err)
	}
	if c.Heartbeat != 12*time.Second {
		t.Errorf("heartbeat %v, want the flag's 12s", c.Heartbeat)
	}
	if c.MaxOutboundBytes != 2<<20 || c.Drain != time.Second || c.MaxReplay != 7 {
		t.Errorf("file or environment not applied: %+v", c)
	}
	if strings.Join(c.Roles, " ") != "gateway storage" || !c.Has("storage") || c.Has("projector") {
		t.Errorf("roles %v", c.Roles)
	}
}

// Each file in testdata breaks one rule; its first line names what the error
// must say.
func TestBadFilesAreRefused(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.bad.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no bad files: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			first, _, _ := strings.Cut(string(data), "\n")
			want := strings.TrimPrefix(first, "# ")
			_, _, err = config.Load(config.Source{Name: "serve", Args: []string{"--config", file}})
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("error %v, want it to contain %q", err, want)
			}
		})
	}
}

func TestEveryProblemIsReported(t *testing.T) {
	t.Parallel()
	_, err := load(t, "nonsense: 1\nhttp:\n  addr: nowhere\n", []string{"PARTYLINE_GATEWAY_HARTBEAT=1s"},
		"--gateway-drain", "soon")
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{`unknown key "nonsense"`, "http.addr", "PARTYLINE_GATEWAY_HARTBEAT", "--gateway-drain"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing from:\n%v", want, err)
		}
	}
}

func TestInjectedEnvironmentIsIgnored(t *testing.T) {
	t.Parallel()
	_, err := load(t, "", []string{
		"PARTYLINE_SERVICE_HOST=10.0.0.1", "PARTYLINE_SERVICE_PORT=8000", "PARTYLINE_SERVICE_PORT_HTTP=8000",
		"PARTYLINE_PORT=tcp://10.0.0.1:8000", "PARTYLINE_PORT_8000_TCP_ADDR=10.0.0.1",
		"PARTYLINE_WEB_SERVICE_HOST=10.0.0.1",
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestUnknownFlagIsRefused(t *testing.T) {
	t.Parallel()
	if _, err := load(t, "", nil, "--no-such-flag"); err == nil {
		t.Error("no error")
	}
	if _, err := load(t, "", nil, "--help"); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("error %v, want flag.ErrHelp", err)
	}
}

func TestSecretsAreMasked(t *testing.T) {
	t.Parallel()
	c := config.Default()
	c.AdminToken = "correct-horse-battery"
	c.NATSURL = "nats://annika:sesame@127.0.0.1:4222,nats://bea:tahini@127.0.0.1:4223"
	var b strings.Builder
	if err := c.Write(&b); err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"horse", "sesame", "tahini", "annika"} {
		if strings.Contains(b.String(), secret) {
			t.Errorf("%q is shown in:\n%s", secret, b.String())
		}
	}
	if !strings.Contains(b.String(), "127.0.0.1:4223") {
		t.Errorf("the host is hidden in:\n%s", b.String())
	}
}

func TestWrittenSettingsLoadAgain(t *testing.T) {
	t.Parallel()
	want := config.Default()
	want.Origins = []string{"https://a.example.org", "https://*.example.org"}
	var b strings.Builder
	if err := want.Write(&b); err != nil {
		t.Fatal(err)
	}
	got, err := load(t, b.String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Join(got.Origins, ",") != strings.Join(want.Origins, ",") || got.MaxFrameBytes != want.MaxFrameBytes {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func FuzzParseSize(f *testing.F) {
	for _, s := range []string{"64KiB", "1MiB", "9223372036854775807", "-1", "1.5GiB", "9999999999GiB", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := config.ParseSize(s)
		if err != nil {
			return
		}
		if again, err := config.ParseSize(n.String()); err != nil || again != n {
			t.Errorf("%q is %d, written %q, read %d, %v", s, n, n, again, err)
		}
	})
}

var update = flag.Bool("update", false, "rewrite the sample file")

func TestSampleFileHoldsTheDefaults(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("# Settings and their defaults. Every line may be left out.\n\n")
	if err := config.Default().Write(&b); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("partyline.yaml", []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sample, err := os.ReadFile("partyline.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if string(sample) != b.String() {
		t.Errorf("partyline.yaml differs from the defaults; run go test ./config -update")
	}
}
