//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"partyline/bench/proc"
	"partyline/bench/proto"
)

// target is a server in one configuration.
type target struct {
	name, title string
	about       string
	protocol    proto.Protocol
	durability  string // Partyline only
	split       bool   // gateway and storage are processes of their own
	peer        string // program under peers/
}

func (t *target) ours() bool { return t.peer == "" }

// allTargets are the columns of the table, in order.
func allTargets() []*target {
	return []*target{
		{name: "bare", title: "bare write loop", peer: "bare", protocol: proto.Plain{}, about: "one thread, one write(2) per member, nothing else: the limit"},
		{name: "fsync", title: "Partyline, fsync", durability: "fsync", protocol: proto.Partyline{}, about: "one process with everything, storage.durability fsync"},
		{name: "os", title: "Partyline, os", durability: "os", protocol: proto.Partyline{}, about: "the same with storage.durability os"},
		{name: "split", title: "Partyline, gateway apart", durability: "fsync", split: true, protocol: proto.Partyline{}, about: "CPU and memory of the gateway process alone; storage and projections in a second process, fsync, on the generator's core"},
		{name: "gorilla", title: "gorilla hub", peer: "gorilla", protocol: proto.Plain{}, about: "the chat example of gorilla/websocket, a hub for each room; nothing is stored"},
		{name: "gws", title: "gws hub", peer: "gws", protocol: proto.Plain{}, about: "lxzan/gws with its own listener and Broadcaster; nothing is stored"},
		{name: "centrifuge", title: "centrifuge", peer: "centrifuge", protocol: proto.Centrifuge{}, about: "centrifugal/centrifuge, JSON protocol, memory broker without history"},
	}
}

func findTarget(name string) *target {
	for _, t := range allTargets() {
		if t.name == name {
			return t
		}
	}
	return nil
}

func targetNames() (names []string) {
	for _, t := range allTargets() {
		names = append(names, t.name)
	}
	return names
}

// build builds the peers and asks Partyline for its version and settings.
func (b *bench) build(ctx context.Context) error {
	fmt.Fprintln(b.progress, "building the peers")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", b.dir+"/", "./peers/bare", "./peers/gorilla", "./peers/gws", "./peers/centrifuge")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building the peers: %w\n%s", err, out)
	}
	version, err := exec.CommandContext(ctx, b.server, "version").Output()
	if err != nil {
		return fmt.Errorf("asking %s for its version: %w", b.server, err)
	}
	b.version = strings.TrimSpace(string(version))
	settings, err := exec.CommandContext(ctx, b.server, "check-config").Output()
	if err != nil {
		return fmt.Errorf("asking %s for its settings: %w", b.server, err)
	}
	b.keys = make(map[string]bool)
	for line := range strings.Lines(string(settings)) {
		if key, _, ok := strings.Cut(line, ":"); ok && !strings.HasPrefix(line, "#") {
			b.keys[key] = true
		}
	}
	return nil
}

// server is a running target.
type server struct {
	addr    netip.AddrPort
	main    *proc.Process
	storage *proc.Process // nil: none apart
	dir     string
}

// patience is how long a server may take to be ready; farewell how long to end
// before it is killed: its data is thrown away, and Partyline would take its time
// to say goodbye.
const (
	patience = 20 * time.Second
	farewell = 500 * time.Millisecond
)

// start starts a target on its core.
func (b *bench) start(ctx context.Context, t *target, extra ...string) (*server, error) {
	ctx2, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	b.runs++
	s := &server{dir: filepath.Join(b.dir, fmt.Sprintf("%d-%s", b.runs, t.name))}
	if err := os.Mkdir(s.dir, 0o700); err != nil {
		return nil, fmt.Errorf("making a directory: %w", err)
	}
	var err error
	switch {
	case t.split:
		err = b.startSplit(ctx, ctx2, s, t, extra)
	case t.ours():
		s.main, s.addr, _, err = b.startOurs(ctx, ctx2, b.serverCPU, s.dir, t, extra...)
	default:
		err = b.startPeer(ctx, ctx2, s, t, extra)
	}
	if err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

// startPeer starts a peer and waits for its address.
func (b *bench) startPeer(ctx, ready context.Context, s *server, t *target, extra []string) (err error) {
	s.main, err = proc.Start(ctx, b.serverCPU, s.dir+"/log", append([]string{filepath.Join(b.dir, t.peer)}, extra...)...)
	if err != nil {
		return err
	}
	var bad error
	err = s.main.Await(ready, func(log []byte) bool {
		if addr, ok := bytes.CutPrefix(log, []byte("ready ")); ok && bytes.HasSuffix(addr, []byte("\n")) {
			s.addr, bad = netip.ParseAddrPort(string(bytes.TrimSpace(addr)))
		}
		return s.addr.IsValid() || bad != nil
	})
	return errors.Join(err, bad)
}

// startOurs starts a process of Partyline and waits for its ready line.
func (b *bench) startOurs(ctx, ready context.Context, cpu int, dir string, t *target, extra ...string) (p *proc.Process, ws netip.AddrPort, nats string, err error) {
	args := []string{
		b.server, "serve", "--data-dir", dir + "/data", "--log-format", "json",
		"--http-addr", "127.0.0.1:0", "--ws-addr", "127.0.0.1:0", "--storage-durability", t.durability,
		"--gateway-sends-per-second", "0", "--gateway-connects-per-second-per-ip", "0",
	}
	if b.keys["analytics.mode"] {
		args = append(args, "--analytics-mode", "off")
	}
	p, err = proc.Start(ctx, cpu, dir+"/log", append(args, extra...)...)
	if err != nil {
		return nil, ws, "", err
	}
	var line struct{ Msg, WS, NATS string }
	err = p.Await(ready, func(log []byte) bool {
		for l := range bytes.Lines(log) {
			if json.Unmarshal(l, &line) == nil && line.Msg == "ready" {
				return true
			}
		}
		return false
	})
	if err == nil && line.WS != "" {
		ws, err = netip.ParseAddrPort(line.WS)
	}
	return p, ws, line.NATS, err
}

// startSplit starts a storage process on the generator's core and a gateway on
// the server's.
func (b *bench) startSplit(ctx, ready context.Context, s *server, t *target, extra []string) error {
	users := s.dir + "/users.yaml"
	if err := os.WriteFile(users, []byte("- {user: gateway, password: only-on-loopback, role: gateway}\n"), 0o600); err != nil {
		return fmt.Errorf("writing users: %w", err)
	}
	storage := s.dir + "/storage"
	if err := os.Mkdir(storage, 0o700); err != nil {
		return fmt.Errorf("making a directory: %w", err)
	}
	var nats string
	var err error
	s.storage, _, nats, err = b.startOurs(ctx, ready, b.generatorCPU, storage, t,
		"--roles", "storage,projector", "--nats-listen", "127.0.0.1:0", "--nats-users-file", users)
	if err != nil {
		return err
	}
	s.main, s.addr, _, err = b.startOurs(ctx, ready, b.serverCPU, s.dir, t, append([]string{
		"--roles", "gateway", "--nats-url", "nats://gateway:only-on-loopback@" + nats}, extra...)...)
	return err
}

// stop ends the processes and deletes their data.
func (s *server) stop() {
	if s.main != nil {
		s.main.Stop(farewell)
	}
	if s.storage != nil {
		s.storage.Stop(farewell)
	}
	os.RemoveAll(s.dir)
}

// usage reads the processor time.
func (s *server) usage() (u proc.Usage, err error) {
	if u.Server, err = proc.CPU(s.main.PID()); err != nil {
		return u, err
	}
	if s.storage != nil {
		u.Storage, err = proc.CPU(s.storage.PID())
	}
	return u, err
}
