package ws

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
	"time"

	"partyline/gateway/lifecycle"
)

// Recorder begins the record of an attempt; *lifecycle.Recorder is one.
type Recorder interface {
	Begin(remote, local netip.AddrPort) *lifecycle.Attempt
}

// Config bounds an engine. Zero values take the defaults given here; negative
// ones are errors unless said otherwise.
type Config struct {
	Handler  Handler      // required
	Recorder Recorder     // of attempts on listeners of Serve; nil: not recorded
	Logger   *slog.Logger // nil: nothing is logged

	MaxConnections   int           // sockets, handshakes included; 0: by the limit of open files
	MaxHandshakes    int           // handshakes in progress; default 512
	HandshakeTimeout time.Duration // from accept to 101; default 10 s
	MessageTimeout   time.Duration // from the first to the last byte of a message; default 30 s
	WriteStall       time.Duration // a write that makes no progress; default 30 s
	CloseTimeout     time.Duration // for all of a closing handshake; default 2 s
	SlowTimeout      time.Duration // the same for a slow consumer, to read what is under way; default 10 s

	Loops int // event loops of NewEpoll; default: one for each processor

	// Compression accepts permessage-deflate (RFC 7692) where it is offered.
	Compression bool

	MaxMessageBytes int           // default of Options; 64 KiB
	MaxQueueBytes   int           // default of Options; 1 MiB
	Heartbeat       time.Duration // default of Options; 25 s
}

// withDefaults checks a configuration and fills it in.
func (c Config) withDefaults() (Config, error) {
	if c.Handler == nil {
		return c, errors.New("ws: no handler")
	}
	for _, n := range []struct {
		name  string
		value *int
		def   int
	}{
		{"MaxConnections", &c.MaxConnections, connectionsByFileLimit()},
		{"MaxHandshakes", &c.MaxHandshakes, 512},
		{"Loops", &c.Loops, runtime.GOMAXPROCS(0)},
		{"MaxMessageBytes", &c.MaxMessageBytes, 64 << 10},
		{"MaxQueueBytes", &c.MaxQueueBytes, 1 << 20},
	} {
		if *n.value < 0 {
			return c, fmt.Errorf("ws: %s is negative", n.name)
		}
		if *n.value == 0 {
			*n.value = n.def
		}
	}
	for _, d := range []struct {
		name  string
		value *time.Duration
		def   time.Duration
	}{
		{"HandshakeTimeout", &c.HandshakeTimeout, 10 * time.Second},
		{"MessageTimeout", &c.MessageTimeout, 30 * time.Second},
		{"WriteStall", &c.WriteStall, 30 * time.Second},
		{"CloseTimeout", &c.CloseTimeout, 2 * time.Second},
		{"SlowTimeout", &c.SlowTimeout, 10 * time.Second},
		{"Heartbeat", &c.Heartbeat, 25 * time.Second},
	} {
		if *d.value < 0 {
			return c, fmt.Errorf("ws: %s is negative", d.name)
		}
		if *d.value == 0 {
			*d.value = d.def
		}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c, nil
}

// fill completes the options of one connection.
func (c *Config) fill(o Options) Options {
	if o.MaxMessageBytes <= 0 {
		o.MaxMessageBytes = c.MaxMessageBytes
	}
	if o.MaxQueueBytes <= 0 {
		o.MaxQueueBytes = c.MaxQueueBytes
	}
	if o.Heartbeat == 0 {
		o.Heartbeat = c.Heartbeat
	}
	return o
}
