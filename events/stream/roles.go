package stream

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/nats-io/nats-server/v2/server"
	"go.yaml.in/yaml/v3"
)

// Role is what a connection to the node may do: as little as its work needs.
// Nobody but the node itself may create, change, purge or delete streams.
type Role string

// The roles.
const (
	RoleGateway   Role = "gateway"   // stores events, follows rooms, asks read models
	RoleProjector Role = "projector" // replays the log, answers questions
	RoleAnalytics Role = "analytics" // reads connection telemetry
	RoleTool      Role = "tool"      // reads the log
)

// roles are those that a connection may have.
var roles = []Role{RoleGateway, RoleProjector, RoleAnalytics, RoleTool} //nolint:gochecknoglobals // constant table

// User may connect to a node that listens.
type User struct {
	User     string `yaml:"user"`
	Password string `yaml:"password"` // plain, or bcrypt ("$2a$…")
	Role     Role   `yaml:"role"`
}

// ErrUsers is wrapped by errors of the users of a listening node; a
// configuration error.
var ErrUsers = errors.New("users of the listener")

// LoadUsers reads a YAML list of users, {user, password, role} each.
func LoadUsers(name string) ([]User, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUsers, err)
	}
	var users []User
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	if err := decoder.Decode(&users); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: %s: %w", ErrUsers, name, err)
	}
	seen := map[string]bool{}
	for i, u := range users {
		switch {
		case u.User == "" || len(u.Password) < 8:
			return nil, fmt.Errorf("%w: %s: entry %d needs a user, and a password of at least 8 characters", ErrUsers, name, i+1)
		case !slices.Contains(roles, u.Role):
			return nil, fmt.Errorf("%w: %s: user %q: role %q is not gateway, projector, analytics or tool", ErrUsers, name, u.User, u.Role)
		case seen[u.User]:
			return nil, fmt.Errorf("%w: %s: user %q is listed twice", ErrUsers, name, u.User)
		}
		seen[u.User] = true
	}
	if len(users) == 0 {
		return nil, fmt.Errorf("%w: %s: no user is listed", ErrUsers, name)
	}
	return users, nil
}

// SyncSubject is where the node answers, once all that was stored before the
// question is on disk.
const SyncSubject = "partyline.storage.sync"

// Names of connection telemetry for its reader.
const (
	// ConnStream is the stream of connection telemetry.
	ConnStream = connStream
	// SinkSubject is where the reader of CONN publishes rows of its own making.
	SinkSubject = "conn.sink"
)

// reading is what every role may publish: requests that change nothing but
// consumers, which only remember how far a reader is.
var reading = []string{ //nolint:gochecknoglobals // constant table
	"$JS.API.INFO",
	"$JS.API.STREAM.INFO.*",
	"$JS.API.STREAM.MSG.GET.CHAT", "$JS.API.STREAM.MSG.GET.KV_*",
	"$JS.API.DIRECT.GET.>",
	"$JS.API.CONSUMER.CREATE.>", "$JS.API.CONSUMER.INFO.>", "$JS.API.CONSUMER.MSG.NEXT.>", "$JS.API.CONSUMER.DELETE.>",
	"$JS.ACK.>", "$JS.FC.>",
}

// gossip is what gateways tell one another without storing it.
var gossip = []string{ //nolint:gochecknoglobals // constant table
	"nudge.*", "presence.*", "typing.*", "receipt.*", "gateway.>",
}

// permissions of a role, as lists of what is allowed.
func (r Role) permissions() *server.Permissions {
	publish := append([]string{"_INBOX.>"}, reading...)
	subscribe := []string{"_INBOX.>"}
	switch r {
	case RoleGateway:
		publish = append(publish, chatPrefix+"*", "conn.>", "partyline.query.>", SyncSubject, "$KV."+ReadBucket+".>")
		publish = append(publish, gossip...)
		subscribe = append(subscribe, livePrefix+"*")
		subscribe = append(subscribe, gossip...)
	case RoleProjector:
		subscribe = append(subscribe, "partyline.query.>")
	case RoleAnalytics:
		// The reset moves its own consumer to where the store is; what it
		// publishes are the closed rows of connections whose gateway died.
		publish = append(publish, "$JS.API.CONSUMER.RESET."+connStream+".*", SinkSubject)
	case RoleTool:
		publish = append(publish, "partyline.query.>")
	}
	return &server.Permissions{
		Publish:   &server.SubjectPermission{Allow: publish},
		Subscribe: &server.SubjectPermission{Allow: subscribe},
	}
}
