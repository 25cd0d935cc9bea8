package store

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/ClickHouse/clickhouse-go/v2/lib/proto"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestSchemaOfServerAndCluster compares what is created with golden files, on
// one server and on a cluster.
func TestSchemaOfServerAndCluster(t *testing.T) {
	t.Parallel()
	for name, cluster := range map[string]string{"server": "", "cluster": "main"} {
		s, err := New(Config{Options: &clickhouse.Options{}, Cluster: cluster})
		if err != nil {
			t.Fatal(err)
		}
		list, err := migrations()
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, m := range list {
			statements, err := s.schema().statements(m)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, statements...)
		}
		got := strings.Join(all, ";\n\n") + ";\n"
		for _, statement := range all {
			onCluster, replicated := strings.Contains(statement, "ON CLUSTER main"), strings.Contains(statement, "ENGINE = Replicated")
			if table := strings.Contains(statement, "ENGINE ="); onCluster != (cluster != "") || replicated != (cluster != "" && table) {
				t.Errorf("%s: not for a %s: %.80s", name, name, statement)
			}
		}
		golden(t, filepath.Join("testdata", "schema-"+name+".sql"), got)
		s.Close()
	}
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s (-want +got)\n%s", file, d)
	}
}

func TestOldVersionsAreRefused(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		major, minor uint64
		ok           bool
	}{{18, 16, false}, {24, 7, false}, {24, 8, true}, {24, 12, true}, {26, 1, true}} {
		err := acceptVersion(&driver.ServerVersion{Version: proto.Version{Major: test.major, Minor: test.minor}})
		if (err == nil) != test.ok {
			t.Errorf("%d.%d: %v", test.major, test.minor, err)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]Config{
		"no options": {},
		"retention":  {Options: &clickhouse.Options{}, Retention: time.Hour},
		"database":   {Options: &clickhouse.Options{Auth: clickhouse.Auth{Database: "a`b"}}},
		"cluster":    {Options: &clickhouse.Options{}, Cluster: "a b"},
	} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}
