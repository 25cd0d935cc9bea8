// Package peer has what the compared servers have in common: how they are
// started, and their protocol.
//
// A peer is started with -addr and prints "ready host:port" when it listens. It
// ends with SIGTERM. The protocol, except for centrifuge which has its own: a
// text message "j<room>" joins a room and is answered with "j"; every
// other text message goes, as it is, to all members of the room that its sender
// joined, the sender included. One message of a server may hold several texts,
// separated by line feeds.
package peer

import (
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"net"
	"os"
)

// MaxMessage is the longest message of a client in bytes.
const MaxMessage = 8 << 10

// Listen parses the command line, opens the listener, and says so.
func Listen() (net.Listener, error) {
	addr := flag.String("addr", "127.0.0.1:0", "address to listen on")
	cert := flag.String("cert", "", "certificate file; with -key: TLS")
	key := flag.String("key", "", "key file")
	flag.Parse()
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", *addr)
	if err != nil {
		return nil, fmt.Errorf("listening: %w", err)
	}
	if *cert != "" {
		pair, err := tls.LoadX509KeyPair(*cert, *key)
		if err != nil {
			return nil, fmt.Errorf("loading the certificate: %w", err)
		}
		l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}})
	}
	fmt.Fprintf(os.Stdout, "ready %s\n", l.Addr())
	return l, nil
}

// Exit prints err, if any, and returns the exit code.
func Exit(err error) int {
	if err == nil {
		return 0
	}
	fmt.Fprintln(os.Stderr, err)
	return 1
}
