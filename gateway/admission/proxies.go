package admission

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
)

// Proxies are the networks whose X-Forwarded-For is believed. The zero value
// believes nobody.
type Proxies []netip.Prefix

// ParseProxies reads addresses and networks in CIDR notation.
func ParseProxies(list []string) (Proxies, error) {
	var p Proxies
	for _, item := range list {
		prefix, err := netip.ParsePrefix(item)
		if err != nil {
			addr, err := netip.ParseAddr(item)
			if err != nil {
				return nil, fmt.Errorf("admission: %q is neither an address nor a network", item)
			}
			prefix = netip.PrefixFrom(addr, addr.BitLen())
		}
		p = append(p, prefix.Masked())
	}
	return p, nil
}

func (p Proxies) trusts(addr netip.Addr) bool {
	for _, prefix := range p {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}

// Client is who made a request: the peer, or, when that is a trusted proxy, the
// last address of X-Forwarded-For (all its lines) that is none. What a client
// writes into that header itself stands before it, and does not count.
func (p Proxies) Client(peer netip.Addr, forwarded []string) netip.Addr {
	peer = peer.Unmap()
	if !p.trusts(peer) {
		return peer
	}
	hops := strings.Split(strings.Join(forwarded, ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		addr, ok := parseHop(strings.TrimSpace(hops[i]))
		if !ok {
			break // nothing before it can be believed
		}
		peer = addr
		if !p.trusts(addr) {
			break
		}
	}
	return peer
}

// ClientOf is Client for a request of an HTTP server.
func (p Proxies) ClientOf(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return p.Client(peer.Addr(), r.Header.Values("X-Forwarded-For"))
}

// parseHop reads an address; some proxies add the port.
func parseHop(s string) (netip.Addr, bool) {
	if addr, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return addr.Unmap().WithZone(""), true
	}
	if both, err := netip.ParseAddrPort(s); err == nil {
		return both.Addr().Unmap().WithZone(""), true
	}
	return netip.Addr{}, false
}
