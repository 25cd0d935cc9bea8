package analytics

import "github.com/ClickHouse/clickhouse-go/v2"

// WithOptions makes a service use a store that the test runs.
func (c Config) WithOptions(app, console *clickhouse.Options) Config {
	c.options, c.consoleOptions = app, console
	return c
}
