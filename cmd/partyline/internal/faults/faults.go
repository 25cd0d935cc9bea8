// Package faults is a small proxy that injects one fault between clients and a
// running server, to watch the diagnosis name it. It is a tool for a developer's
// own machine: it listens on loopback and forwards to one address.
package faults

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"sync"
	"time"
)

// Fault is what can be injected.
type Fault struct {
	Name    string // on the command line
	Says    string // one line for people
	Finding string // what "partyline doctor" names it

	request  func(head []byte) (forward, reply []byte) // nil, nil: nothing is answered
	response func(head []byte) []byte                  // nil: the connection is reset
	after    func(c, s net.Conn)                       // instead of passing bytes after a 101
}

const (
	maxHead  = 64 << 10
	maxConns = 256
	patience = 30 * time.Second // for heads
)

var (
	upgradeLines = regexp.MustCompile(`(?im)^(upgrade|connection):.*\r\n`)
	isUpgrade    = regexp.MustCompile(`(?im)^upgrade:`)
	accept       = regexp.MustCompile(`(?im)^(sec-websocket-accept: )[^\r]*`)
	connection   = regexp.MustCompile(`(?im)^connection:.*\r\n`)
	webSocket    = regexp.MustCompile(`^[A-Z]+ [^ ]*/ws/`)
)

// All returns the faults, in the order in which they are shown.
func All() []Fault {
	only := func(fits *regexp.Regexp, change func([]byte) ([]byte, []byte)) func([]byte) ([]byte, []byte) {
		return func(head []byte) ([]byte, []byte) {
			if !fits.Match(head) {
				return head, nil
			}
			return change(head)
		}
	}
	page := func(status, body string) func([]byte) ([]byte, []byte) {
		text := fmt.Sprintf("HTTP/1.1 %s\r\nContent-Type: text/html\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", status, len(body), body)
		return only(webSocket, func([]byte) ([]byte, []byte) { return nil, []byte(text) })
	}
	return []Fault{
		{Name: "upgrade-stripped", Says: "a proxy that removes Upgrade and Connection", Finding: "upgrade_stripped", request: only(isUpgrade, func(head []byte) ([]byte, []byte) { return upgradeLines.ReplaceAll(head, nil), nil })},
		{Name: "http10", Says: "a proxy that speaks HTTP/1.0 to the server", Finding: "http10_proxy", request: only(isUpgrade, func(head []byte) ([]byte, []byte) {
			return bytes.Replace(head, []byte(" HTTP/1.1\r\n"), []byte(" HTTP/1.0\r\n"), 1), nil
		})},
		{Name: "spa-fallback", Says: "a web server that answers every path with its page", Finding: "spa_fallback", request: page("200 OK", "<!doctype html><title>app</title>")},
		{Name: "bad-gateway", Says: "a proxy whose upstream is down", Finding: "bad_gateway", request: page("502 Bad Gateway", "<h1>502</h1>")},
		{Name: "upgrade-held", Says: "a box that never answers upgrades", Finding: "upgrade_held", request: only(isUpgrade, func([]byte) ([]byte, []byte) { return nil, nil })},
		{Name: "accept-key", Says: "a 101 with a wrong Sec-WebSocket-Accept", Finding: "bad_accept_key", response: func(head []byte) []byte {
			return accept.ReplaceAll(head, []byte("${1}AAAAAAAAAAAAAAAAAAAAAAAAAAA="))
		}},
		{Name: "swallowed", Says: "a 101 that never arrives", Finding: "handshake_swallowed", response: func([]byte) []byte { return nil }},
		{Name: "silent", Says: "frames that vanish after the handshake", Finding: "silent_after_open", after: func(c, s net.Conn) { go discard(s); discard(c) }},
		{Name: "cut", Says: "a connection that is cut right after it opened", Finding: "connection_cut", after: func(_, _ net.Conn) {}},
	}
}

func discard(c net.Conn) { _, _ = io.Copy(io.Discard, c) } // until either side ends

// Serve accepts on l and forwards to the address to, until ctx ends. It closes l.
func Serve(ctx context.Context, l net.Listener, to string, f Fault) error {
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	slots := make(chan struct{}, maxConns)
	var all sync.WaitGroup
	defer all.Wait()
	for {
		c, err := l.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("accepting: %w", err)
		}
		select {
		case slots <- struct{}{}:
		default:
			c.Close()
			continue
		}
		all.Go(func() {
			defer func() { <-slots }()
			end := context.AfterFunc(ctx, func() { c.Close() })
			defer end()
			defer c.Close()
			f.handle(ctx, c, to)
		})
	}
}

// handle serves one request of one connection: a second would escape the fault.
func (f *Fault) handle(ctx context.Context, c net.Conn, to string) {
	_ = c.SetDeadline(time.Now().Add(patience))
	in := bufio.NewReader(c)
	head, err := readHead(in)
	if err != nil {
		return
	}
	upgrade := isUpgrade.Match(head)
	if f.request != nil {
		var reply []byte
		if head, reply = f.request(head); head == nil {
			if reply == nil {
				discard(c)
			}
			_, _ = c.Write(reply) // the client may have gone
			return
		}
	}
	if !upgrade {
		head = connection.ReplaceAll(head, nil)
		head = append(head[:len(head)-2:len(head)-2], "Connection: close\r\n\r\n"...)
	}
	s, err := new(net.Dialer).DialContext(ctx, "tcp", to)
	if err != nil {
		return
	}
	end := context.AfterFunc(ctx, func() { s.Close() })
	defer end()
	defer s.Close()
	_ = s.SetDeadline(time.Now().Add(patience))
	if _, err := s.Write(head); err != nil {
		return
	}
	go func() { // bodies and frames of the client, until either side ends
		if !upgrade || f.after == nil {
			_, _ = io.Copy(s, in)
		}
	}()
	f.back(c, s)
}

// back passes the answer on.
func (f *Fault) back(c, s net.Conn) {
	from := bufio.NewReader(s)
	head, err := readHead(from)
	if err != nil {
		return
	}
	opened := bytes.HasPrefix(head, []byte("HTTP/1.1 101 "))
	if opened && f.response != nil {
		if head = f.response(head); head == nil {
			if tcp, ok := c.(*net.TCPConn); ok {
				_ = tcp.SetLinger(0) // a reset
			}
			return
		}
	}
	if _, err := c.Write(head); err != nil {
		return
	}
	if opened {
		_, _ = c.SetDeadline(time.Time{}), s.SetDeadline(time.Time{}) // open connections last
		if f.after != nil {
			f.after(c, s)
			return
		}
	}
	_, _ = io.Copy(c, from) // until either side ends
}

var errHead = errors.New("the head is longer than 64 KiB")

func readHead(in *bufio.Reader) ([]byte, error) {
	var head []byte
	for !bytes.HasSuffix(head, []byte("\r\n\r\n")) {
		line, err := in.ReadSlice('\n')
		head = append(head, line...)
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return nil, err
		}
		if len(head) > maxHead {
			return nil, errHead
		}
	}
	return head, nil
}
