package embeddedtest

import (
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// ConsoleOptions connect to the shared child as the read-only user of the SQL
// console. Its grant is on embedded.Database alone, which all tests of a package
// share, unlike those of Options.
func ConsoleOptions(t testing.TB) *clickhouse.Options {
	t.Helper()
	o := Server(t).ConsoleOptions()
	if o == nil {
		t.Fatal("the child has no sandbox here")
	}
	return o
}
