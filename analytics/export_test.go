package analytics

import (
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// WithOptions makes a service use a store that the test runs, however slow the
// machine is.
func (c Config) WithOptions(app, console *clickhouse.Options) Config {
	c.options, c.consoleOptions, c.queryLimit = app, console, time.Minute
	return c
}

// Patient makes questions wait for a slow machine.
func (c Config) Patient() Config {
	c.queryLimit = time.Minute
	return c
}
