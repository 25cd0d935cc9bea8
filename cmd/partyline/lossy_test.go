package main_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
)

// lossyProxy stands between a gateway and the storage's NATS listener. It passes
// the NATS protocol on, but drops republished messages (subjects live.*) at
// random, and cuts all its connections when told to.
type lossyProxy struct {
	addr    string
	target  string
	loss    float64
	dropped atomic.Int64

	mu    sync.Mutex
	conns map[net.Conn]struct{}
}

func newLossyProxy(t *testing.T, target string, loss float64) *lossyProxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &lossyProxy{addr: l.Addr().String(), target: target, loss: loss, conns: map[net.Conn]struct{}{}}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { p.relay(client) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		p.cut()
		wg.Wait()
	})
	return p
}

// cut ends all connections.
func (p *lossyProxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.Close()
	}
}

func (p *lossyProxy) relay(client net.Conn) {
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		client.Close()
		return
	}
	p.mu.Lock()
	p.conns[client], p.conns[server] = struct{}{}, struct{}{}
	p.mu.Unlock()
	var wg sync.WaitGroup
	wg.Go(func() {
		io.Copy(server, client)
		server.Close()
	})
	p.deliver(client, server)
	client.Close()
	server.Close()
	wg.Wait()
	p.mu.Lock()
	delete(p.conns, client)
	delete(p.conns, server)
	p.mu.Unlock()
}

// deliver copies what the server sends, message by message: protocol lines
// "MSG subject sid [reply] bytes" and "HMSG subject sid [reply] header bytes"
// are followed by so many bytes and CRLF.
func (p *lossyProxy) deliver(client io.Writer, server io.Reader) error {
	in := bufio.NewReaderSize(server, 1<<20)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return err
		}
		message := line
		fields := bytes.Fields(line)
		if len(fields) > 3 && (bytes.Equal(fields[0], []byte("MSG")) || bytes.Equal(fields[0], []byte("HMSG"))) {
			size, err := strconv.Atoi(string(fields[len(fields)-1]))
			if err != nil {
				return fmt.Errorf("protocol line %q: %w", line, err)
			}
			message = slices.Concat(line, make([]byte, size+2))
			if _, err := io.ReadFull(in, message[len(line):]); err != nil {
				return err
			}
			if bytes.HasPrefix(fields[1], []byte("live.")) && rand.Float64() < p.loss {
				p.dropped.Add(1)
				continue
			}
		}
		if _, err := client.Write(message); err != nil {
			return err
		}
	}
}
