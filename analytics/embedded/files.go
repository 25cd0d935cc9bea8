package embedded

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"text/template"
)

// Files of the run directory.
const (
	configFile = "config.xml"
	usersFile  = "users.xml"
	portsFile  = "ports"
)

// Names inside the child.
const (
	// Database holds everything of Partyline.
	Database     = "partyline"
	secretHeader = "X-Partyline-Store"
	appUser      = "partyline"
	consoleUser  = "console"
)

// secrets are made once for each Server, so that its connections outlive its
// children.
type secrets struct {
	header  string
	app     string
	console string
}

func newSecrets() (secrets, error) {
	var raw [3][24]byte
	for i := range raw {
		if _, err := rand.Read(raw[i][:]); err != nil {
			return secrets{}, fmt.Errorf("making secrets: %w", err)
		}
	}
	text := func(b [24]byte) string { return hex.EncodeToString(b[:]) }
	return secrets{text(raw[0]), text(raw[1]), text(raw[2])}, nil
}

// ConsoleLimits bound what a user of the SQL console may use; they are
// constraints of its profile, which no query can raise.
type ConsoleLimits struct {
	Seconds     int    // a query may run, at most
	MemoryBytes uint64 // of a query
	ReadRows    uint64 // of a query
	ResultRows  uint64 // of a query; more is an error
	ResultBytes uint64 // of a query; more is an error
	Queries     int    // at the same time
}

// DefaultConsoleLimits fit two cores beside a chat server.
func DefaultConsoleLimits() ConsoleLimits {
	return ConsoleLimits{
		Seconds: 30, MemoryBytes: 512 << 20, ReadRows: 500_000_000,
		ResultRows: 100_000, ResultBytes: 64 << 20, Queries: 2,
	}
}

// fileValues fill the templates.
type fileValues struct {
	Data, Run, Users, Header, Secret string
	AppUser, AppHash                 string
	ConsoleUser, ConsoleHash         string
	Database                         string
	Console                          bool
	MemoryBytes                      uint64
	Limits                           ConsoleLimits
}

// writeFiles writes the configuration of a child into the run directory.
func (s *Server) writeFiles(console bool) error {
	hash := func(password string) string {
		sum := sha256.Sum256([]byte(password))
		return hex.EncodeToString(sum[:])
	}
	v := fileValues{
		Data: s.dataDir(), Run: s.runDir(), Users: filepath.Join(s.runDir(), usersFile),
		Header: secretHeader, Secret: s.secrets.header,
		AppUser: appUser, AppHash: hash(s.secrets.app),
		ConsoleUser: consoleUser, ConsoleHash: hash(s.secrets.console),
		Database: Database, Console: console, MemoryBytes: s.cfg.MemoryBytes, Limits: s.cfg.Console,
	}
	for name, text := range map[string]string{configFile: configTemplate, usersFile: usersTemplate} {
		t, err := template.New(name).Funcs(template.FuncMap{"x": escapeXML}).Parse(text)
		if err != nil {
			return fmt.Errorf("parsing the template of %s: %w", name, err)
		}
		var b bytes.Buffer
		if err := t.Execute(&b, v); err != nil {
			return fmt.Errorf("filling in %s: %w", name, err)
		}
		if err := os.WriteFile(filepath.Join(s.runDir(), name), b.Bytes(), 0o600); err != nil {
			return fmt.Errorf("writing %s: %w", name, err)
		}
	}
	return nil
}

func escapeXML(s string) (string, error) {
	var b bytes.Buffer
	err := xml.EscapeText(&b, []byte(s))
	return b.String(), err
}

// Two threads of background_schedule_pool_size flood the log; eight do not.
// Merges of telemetry need neither the caches nor the pools of a big server.
const configTemplate = `<clickhouse>
  <path>{{x .Data}}/</path>
  <tmp_path>{{x .Data}}/tmp/</tmp_path>
  <user_files_path>{{x .Data}}/user_files/</user_files_path>
  <format_schema_path>{{x .Data}}/format_schemas/</format_schema_path>
  <user_directories><users_xml><path>{{x .Users}}</path></users_xml></user_directories>
  <listen_host>127.0.0.1</listen_host>
  <http_port>0</http_port>
  <http_handlers>
    <rule>
      <headers><{{.Header}}>{{.Secret}}</{{.Header}}></headers>
      <handler><type>dynamic_query_handler</type><query_param_name>query</query_param_name></handler>
    </rule>
  </http_handlers>
  <keep_alive_timeout>30</keep_alive_timeout>
  <max_concurrent_queries>32</max_concurrent_queries>
  <background_schedule_pool_size>8</background_schedule_pool_size>
  <background_pool_size>4</background_pool_size>
  <background_fetches_pool_size>1</background_fetches_pool_size>
  <background_move_pool_size>1</background_move_pool_size>
  <background_common_pool_size>2</background_common_pool_size>
  <max_server_memory_usage>{{.MemoryBytes}}</max_server_memory_usage>
  <mark_cache_size>67108864</mark_cache_size>
  <uncompressed_cache_size>0</uncompressed_cache_size>
  <logger><level>warning</level><size>8M</size><count>2</count></logger>
  <timezone>UTC</timezone>
</clickhouse>
`

const usersTemplate = `<clickhouse>
  <profiles>
    <default/>
    <{{.ConsoleUser}}>
      <readonly>2</readonly>
      <allow_ddl>0</allow_ddl>
      <allow_introspection_functions>0</allow_introspection_functions>
      <max_execution_time>{{.Limits.Seconds}}</max_execution_time>
      <max_memory_usage>{{.Limits.MemoryBytes}}</max_memory_usage>
      <max_memory_usage_for_user>{{.Limits.MemoryBytes}}</max_memory_usage_for_user>
      <max_bytes_before_external_group_by>0</max_bytes_before_external_group_by>
      <max_bytes_before_external_sort>0</max_bytes_before_external_sort>
      <max_bytes_ratio_before_external_group_by>0</max_bytes_ratio_before_external_group_by>
      <max_bytes_ratio_before_external_sort>0</max_bytes_ratio_before_external_sort>
      <max_rows_to_read>{{.Limits.ReadRows}}</max_rows_to_read>
      <max_result_rows>{{.Limits.ResultRows}}</max_result_rows>
      <max_result_bytes>{{.Limits.ResultBytes}}</max_result_bytes>
      <result_overflow_mode>throw</result_overflow_mode>
      <read_overflow_mode>throw</read_overflow_mode>
      <timeout_overflow_mode>throw</timeout_overflow_mode>
      <cancel_http_readonly_queries_on_client_close>1</cancel_http_readonly_queries_on_client_close>
      <max_threads>2</max_threads>
      <max_concurrent_queries_for_user>{{.Limits.Queries}}</max_concurrent_queries_for_user>
      <max_query_size>65536</max_query_size>
      <max_temporary_columns>1000</max_temporary_columns>
      <constraints>
        <readonly><const/></readonly>
        <allow_ddl><const/></allow_ddl>
        <allow_introspection_functions><const/></allow_introspection_functions>
        <max_execution_time><min>1</min><max>{{.Limits.Seconds}}</max></max_execution_time>
        <max_memory_usage><min>1</min><max>{{.Limits.MemoryBytes}}</max></max_memory_usage>
        <max_memory_usage_for_user><const/></max_memory_usage_for_user>
        <max_bytes_before_external_group_by><const/></max_bytes_before_external_group_by>
        <max_bytes_before_external_sort><const/></max_bytes_before_external_sort>
        <max_bytes_ratio_before_external_group_by><const/></max_bytes_ratio_before_external_group_by>
        <max_bytes_ratio_before_external_sort><const/></max_bytes_ratio_before_external_sort>
        <max_rows_to_read><min>1</min><max>{{.Limits.ReadRows}}</max></max_rows_to_read>
        <max_result_rows><min>1</min><max>{{.Limits.ResultRows}}</max></max_result_rows>
        <max_result_bytes><min>1</min><max>{{.Limits.ResultBytes}}</max></max_result_bytes>
        <result_overflow_mode><const/></result_overflow_mode>
        <read_overflow_mode><const/></read_overflow_mode>
        <timeout_overflow_mode><const/></timeout_overflow_mode>
        <cancel_http_readonly_queries_on_client_close><const/></cancel_http_readonly_queries_on_client_close>
        <max_threads><min>1</min><max>2</max></max_threads>
        <max_concurrent_queries_for_user><const/></max_concurrent_queries_for_user>
        <max_query_size><const/></max_query_size>
        <max_temporary_columns><const/></max_temporary_columns>
      </constraints>
    </{{.ConsoleUser}}>
  </profiles>
  <quotas><default/></quotas>
  <users>
    <default>
      <password></password>
      <networks><ip>127.0.0.1</ip></networks>
      <profile>default</profile>
      <quota>default</quota>
      <grants>
        <query>GRANT SYSTEM LISTEN ON *.*</query>
        <query>GRANT READ ON FILE</query>
        <query>GRANT CREATE TEMPORARY TABLE ON *.*</query>
      </grants>
    </default>
    <{{.AppUser}}>
      <password_sha256_hex>{{.AppHash}}</password_sha256_hex>
      <networks><ip>127.0.0.1</ip></networks>
      <profile>default</profile>
      <quota>default</quota>
    </{{.AppUser}}>
{{- if .Console}}
    <{{.ConsoleUser}}>
      <password_sha256_hex>{{.ConsoleHash}}</password_sha256_hex>
      <networks><ip>127.0.0.1</ip></networks>
      <profile>{{.ConsoleUser}}</profile>
      <quota>default</quota>
      <grants><query>GRANT SELECT ON {{.Database}}.*</query></grants>
    </{{.ConsoleUser}}>
{{- end}}
  </users>
</clickhouse>
`
