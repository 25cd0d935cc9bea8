package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
)

// listen opens the listeners of an address. "localhost" means both loopback
// addresses, on one port; the second one is left out where there is no IPv6.
func listen(ctx context.Context, key, addr string) ([]net.Listener, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	if host != "localhost" {
		l, err := listenOne(ctx, key, addr)
		if err != nil {
			return nil, err
		}
		return []net.Listener{l}, nil
	}
	first, err := listenOne(ctx, key, net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		return nil, err
	}
	_, port, _ = net.SplitHostPort(first.Addr().String())
	second, err := listenOne(ctx, key, net.JoinHostPort("::1", port))
	switch {
	case err == nil:
		return []net.Listener{first, second}, nil
	case errors.Is(err, syscall.EADDRINUSE):
		first.Close()
		return nil, err
	default:
		return []net.Listener{first}, nil
	}
}

func listenOne(ctx context.Context, key, addr string) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%s: the address %s is in use by another program; stop it, or choose another address: %w", key, addr, err)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("%s: listening on %s is not permitted for this user: %w", key, addr, err)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	return l, nil
}
