package stream

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Errors of a Node.
var (
	// ErrInUse is returned by Run when another process has the directory.
	ErrInUse = errors.New("the directory is in use by another process")
	// ErrCorrupt is returned by Run when the log is not what was left at the
	// last stop. Nothing is repaired by deleting; restore a backup, or move the
	// directory away to start afresh.
	ErrCorrupt = errors.New("the log is damaged")
	// ErrSyncFailed is returned by Run after an fsync failed. The process has
	// to end: what was not synced may be gone from memory.
	ErrSyncFailed = errors.New("syncing the log to disk failed")
)

// NodeConfig configures a Node.
type NodeConfig struct {
	Dir         string        // owned by the node; required
	Durability  Durability    // "": DurabilityFsync
	Listen      string        // host:port for other processes; "": none, in-process only
	Users       []User        // who may connect there; required with Listen
	DedupWindow time.Duration // how long message ids are remembered; 0: two minutes
	Logger      *slog.Logger  // nil: discard

	bootID string // tests: the running kernel; "": asked
	disk   disk   // tests: instead of the operating system
}

// startTimeout bounds the start of the server, which reads the log's index and
// after an unclean stop parts of the log.
const startTimeout = 2 * time.Minute

// checkpointEvery is how often the epoch's checkpoint is moved on.
const checkpointEvery = 30 * time.Second

// maxPayload bounds one message on the bus: the largest event and pages of
// read models fit.
const maxPayload = 1 << 20

// Node is the embedded NATS node with the streams of the log. Its methods are
// safe for concurrent use.
type Node struct {
	cfg       NodeConfig
	passwords map[Role]string // of the in-process users
	ready     chan struct{}

	mu     sync.Mutex // guards server
	server *server.Server
}

// nodeUser administers the node: the only one that may create streams.
const nodeUser Role = "node"

// NewNode makes a node; it starts nothing.
func NewNode(cfg NodeConfig) (*Node, error) {
	if cfg.Dir == "" {
		return nil, errors.New("node without directory")
	}
	if cfg.Listen != "" && len(cfg.Users) == 0 {
		return nil, fmt.Errorf("%w: none, and without credentials anybody could read and write", ErrUsers)
	}
	if cfg.Durability == "" {
		cfg.Durability = DurabilityFsync
	}
	if cfg.DedupWindow <= 0 {
		cfg.DedupWindow = defaultDedupWindow
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.bootID == "" {
		cfg.bootID = bootID()
	}
	if cfg.disk == nil {
		cfg.disk = realDisk{}
	}
	n := &Node{cfg: cfg, passwords: map[Role]string{}, ready: make(chan struct{})}
	for _, r := range append([]Role{nodeUser}, roles...) {
		var raw [16]byte
		if _, err := rand.Read(raw[:]); err != nil {
			return nil, fmt.Errorf("making a password: %w", err)
		}
		n.passwords[r] = hex.EncodeToString(raw[:])
	}
	return n, nil
}

// Ready is closed when the node accepts connections and its streams exist.
func (n *Node) Ready() <-chan struct{} { return n.ready }

// Addr is the address of the listener once the node is ready; nil without one.
func (n *Node) Addr() net.Addr {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.server == nil || n.cfg.Listen == "" {
		return nil
	}
	return n.server.Addr()
}

// Connect makes an in-process connection with the permissions of a role. The
// node has to be ready.
func (n *Node) Connect(role Role, name string, opts ...nats.Option) (*nats.Conn, error) {
	n.mu.Lock()
	s := n.server
	n.mu.Unlock()
	if s == nil {
		return nil, fmt.Errorf("connecting to the node: %w", ErrUnavailable)
	}
	opts = append(ConnectOptions(name), opts...)
	opts = append(opts, nats.InProcessServer(s), nats.UserInfo("in-process-"+string(role), n.passwords[role]))
	nc, err := nats.Connect("", opts...)
	if err != nil {
		return nil, fmt.Errorf("connecting to the node as %s: %w", role, err)
	}
	return nc, nil
}

// ConnectOptions are the options that every connection to the log should have:
// it reconnects for ever, and keeps nothing to send later, so that a publish
// fails at once while there is no connection.
func ConnectOptions(name string) []nats.Option {
	return []nats.Option{
		nats.Name(name),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(100 * time.Millisecond),
		nats.ReconnectJitter(100*time.Millisecond, 100*time.Millisecond),
		nats.ReconnectBufSize(-1),
		nats.IgnoreDiscoveredServers(),
		nats.PingInterval(5 * time.Second),
		nats.MaxPingsOutstanding(2),
	}
}

// Run runs the node until ctx ends, or it has to end: with ErrInUse,
// ErrCorrupt, ErrSyncFailed, or what the server said.
func (n *Node) Run(ctx context.Context) error {
	if err := os.MkdirAll(n.cfg.Dir, 0o700); err != nil {
		return fmt.Errorf("creating the directory of the log: %w", err)
	}
	lock, err := lockDir(n.cfg.Dir)
	if err != nil {
		return err
	}
	defer lock.Close()
	before, existed, err := loadState(n.cfg.Dir)
	if err != nil {
		return err
	}
	s, err := n.start(ctx)
	if err != nil {
		return err
	}
	defer func() {
		s.Shutdown()
		s.WaitForShutdown()
	}()
	return n.serve(ctx, before, existed)
}

// start starts the NATS server.
func (n *Node) start(ctx context.Context) (*server.Server, error) {
	opts, err := n.options()
	if err != nil {
		return nil, err
	}
	s, err := server.NewServer(opts)
	if err != nil {
		return nil, fmt.Errorf("making the node: %w", err)
	}
	s.SetLoggerV2(serverLog{n.cfg.Logger}, false, false, false)
	s.Start()
	ready := make(chan bool, 1)
	go func() { ready <- s.ReadyForConnections(startTimeout) }()
	ok := false
	select {
	case ok = <-ready:
	case <-ctx.Done():
	}
	if !ok {
		s.Shutdown()
		s.WaitForShutdown()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fmt.Errorf("the node does not start; see its messages above (directory %s, listener %q)", n.cfg.Dir, n.cfg.Listen)
	}
	n.mu.Lock()
	n.server = s
	n.mu.Unlock()
	return s, nil
}

func (n *Node) options() (*server.Options, error) {
	opts := &server.Options{
		ServerName:             "partyline",
		DontListen:             n.cfg.Listen == "",
		JetStream:              true,
		StoreDir:               n.cfg.Dir,
		JetStreamMaxMemory:     64 << 20,
		JetStreamMaxStore:      math.MaxInt64 / 2, // the disk is the limit; nothing is reserved
		MaxPayload:             maxPayload,
		MaxPending:             64 << 20,
		NoSigs:                 true,
		NoSystemAccount:        false,
		DisableShortFirstPing:  true,
		DisableJetStreamBanner: true,
	}
	if n.cfg.Durability == DurabilityInterval {
		opts.SyncInterval = 10 * time.Millisecond
	}
	if n.cfg.Listen != "" {
		host, port, err := net.SplitHostPort(n.cfg.Listen)
		if err != nil {
			return nil, fmt.Errorf("the node's listener: %w", err)
		}
		opts.Host = host
		if opts.Port, err = strconv.Atoi(port); err != nil {
			return nil, fmt.Errorf("the node's listener: %w", err)
		}
		if opts.Port == 0 {
			opts.Port = server.RANDOM_PORT
		}
	}
	for role, password := range n.passwords {
		u := &server.User{
			Username: "in-process-" + string(role), Password: password,
			AllowedConnectionTypes: map[string]struct{}{"IN_PROCESS": {}},
		}
		if role != nodeUser {
			u.Permissions = role.permissions()
		}
		opts.Users = append(opts.Users, u)
	}
	for _, u := range n.cfg.Users {
		opts.Users = append(opts.Users, &server.User{Username: u.User, Password: u.Password, Permissions: u.Role.permissions()})
	}
	return opts, nil
}

// serve provisions the streams, answers sync requests and keeps the checkpoint
// of the epoch until ctx ends; then it records the clean stop.
func (n *Node) serve(ctx context.Context, before nodeState, existed bool) error {
	nc, err := n.Connect(nodeUser, "node")
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return fmt.Errorf("making the node's JetStream client: %w", err)
	}
	if err := n.open(ctx, js, before, existed); err != nil {
		return err
	}
	blocks, err := newBlockSync(messageDir(n.cfg.Dir), n.cfg.disk)
	if err != nil {
		return err
	}
	defer blocks.close()
	group := newGroupSync(blocks.sync)
	err = n.answer(ctx, nc, js, group)
	if errors.Is(err, ErrSyncFailed) {
		return err
	}
	return errors.Join(err, n.recordStop(js))
}

// messageDir is where the server keeps the blocks of CHAT.
func messageDir(dir string) string {
	return filepath.Join(dir, "jetstream", server.DEFAULT_GLOBAL_ACCOUNT, "streams", chatStream, "msgs")
}

// answer serves until ctx ends or a sync fails.
func (n *Node) answer(ctx context.Context, nc *nats.Conn, js jetstream.JetStream, group *groupSync) error {
	if n.cfg.Durability == DurabilityFsync {
		_, err := nc.Subscribe(SyncSubject, func(m *nats.Msg) {
			group.request(func(err error) { respondSync(n.cfg.Logger, m, err) })
		})
		if err == nil {
			err = nc.Flush()
		}
		if err != nil {
			return fmt.Errorf("subscribing to sync requests: %w", err)
		}
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	wg.Go(func() { group.run(ctx) })
	close(n.ready)
	tick := time.NewTicker(checkpointEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-group.failed:
			return err
		case <-tick.C:
			if err := moveCheckpoint(ctx, js); err != nil && ctx.Err() == nil {
				n.cfg.Logger.WarnContext(ctx, "the checkpoint of the epoch was not moved", "error", err)
			}
		}
	}
}

func respondSync(log *slog.Logger, m *nats.Msg, err error) {
	var answer []byte // empty: synced
	if err != nil {
		answer = []byte(err.Error())
	}
	if err := m.Respond(answer); err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
		log.Warn("a sync request was not answered", "error", err)
	}
}

// open compares the log with what was left at the last stop, creates what is
// missing on a fresh start, and settles the epoch.
func (n *Node) open(ctx context.Context, js jetstream.JetStream, before nodeState, existed bool) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := checkDamage(ctx, js, before); err != nil {
		return err
	}
	spec := streamSpec{durability: n.cfg.Durability, dedup: n.cfg.DedupWindow, replicas: 1}
	if err := spec.provision(ctx, js, before.Created.IsZero()); err != nil {
		return err
	}
	if err := ensureSecret(ctx, js); err != nil {
		return err
	}
	cutOff := existed && !before.Clean && before.BootID != n.cfg.bootID
	if err := settleEpoch(ctx, js, cutOff); err != nil {
		return err
	}
	if cutOff {
		n.cfg.Logger.WarnContext(ctx, "the machine was cut off while the node ran; the epoch changed")
	}
	state, err := chatState(ctx, js)
	if err != nil {
		return err
	}
	// What was stored and not synced before is acknowledged when its client
	// sends it again, with a sync that covers only what came since.
	unsynced := !existed || !before.Clean || state.LastSeq != before.LastSeq
	if err := syncTree(n.cfg.Dir, unsynced); err != nil {
		return fmt.Errorf("%w: %w", ErrSyncFailed, err)
	}
	state.BootID = n.cfg.bootID
	return state.save(n.cfg.Dir)
}

// checkDamage compares the log with the state of the last stop.
func checkDamage(ctx context.Context, js jetstream.JetStream, before nodeState) error {
	if before.Created.IsZero() {
		return nil
	}
	now, err := chatState(ctx, js)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return fmt.Errorf("%w: stream %s existed and cannot be opened; the node's messages say why", ErrCorrupt, chatStream)
	}
	if err != nil {
		return err
	}
	switch {
	case !now.Created.Equal(before.Created):
		return fmt.Errorf("%w: stream %s is another one than at the last stop", ErrCorrupt, chatStream)
	case now.LastSeq < before.LastSeq:
		return fmt.Errorf("%w: it ends at sequence %d, and reached %d before", ErrCorrupt, now.LastSeq, before.LastSeq)
	case before.Clean && now.Msgs-before.Msgs != now.LastSeq-before.LastSeq:
		// Other processes may have stored more between the record and the end.
		return fmt.Errorf("%w: it holds %d events up to sequence %d, and held %d up to %d at the last stop",
			ErrCorrupt, now.Msgs, now.LastSeq, before.Msgs, before.LastSeq)
	}
	return nil
}

// chatState describes stream CHAT.
func chatState(ctx context.Context, js jetstream.JetStream) (nodeState, error) {
	chat, err := js.Stream(ctx, chatStream)
	if err != nil {
		return nodeState{}, fmt.Errorf("stream %s: %w", chatStream, err)
	}
	info := chat.CachedInfo()
	return nodeState{Created: info.Created.UTC(), LastSeq: info.State.LastSeq, Msgs: info.State.Msgs}, nil
}

// recordStop leaves behind that the stop was clean, and how far the log was.
func (n *Node) recordStop(js jetstream.JetStream) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := moveCheckpoint(ctx, js); err != nil {
		return err
	}
	state, err := chatState(ctx, js)
	if err != nil {
		return err
	}
	state.BootID, state.Clean = n.cfg.bootID, true
	if err := syncTree(n.cfg.Dir, true); err != nil {
		return fmt.Errorf("%w: %w", ErrSyncFailed, err)
	}
	return state.save(n.cfg.Dir)
}

// serverLog passes the server's messages on.
type serverLog struct{ log *slog.Logger }

func (l serverLog) Noticef(format string, v ...any) { l.log.Debug(fmt.Sprintf(format, v...)) } //nolint:sloglint // the server's words
func (l serverLog) Fatalf(format string, v ...any)  { l.log.Error(fmt.Sprintf(format, v...)) } //nolint:sloglint // the server's words
func (l serverLog) Errorf(format string, v ...any)  { l.log.Error(fmt.Sprintf(format, v...)) } //nolint:sloglint // the server's words
func (l serverLog) Debugf(string, ...any)           {}
func (l serverLog) Tracef(string, ...any)           {}

// Warnf passes a warning on, but for the one about passwords that are not
// hashed: ours are random, made at each start, and never leave the process, and
// in the users file it is the operator's choice.
func (l serverLog) Warnf(format string, v ...any) {
	if strings.HasPrefix(format, "Plaintext passwords detected") {
		return
	}
	l.log.Warn(fmt.Sprintf(format, v...)) //nolint:sloglint // the server's words
}
