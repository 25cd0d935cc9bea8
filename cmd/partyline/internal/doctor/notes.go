package doctor

import (
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// judgeFamilies: some addresses work and others do not.
func judgeFamilies(e *evidence) []Finding {
	var bad, good []netip.Addr
	for i := range e.net.addrs {
		a := &e.net.addrs[i]
		if a.ok(e.t.secure) {
			good = append(good, a.ip)
		} else {
			bad = append(bad, a.ip)
		}
	}
	if len(good) == 0 || len(bad) == 0 {
		return nil
	}
	code, title := "address_broken", fmt.Sprintf("%d of %d addresses of the name do not work.", len(bad), len(e.net.addrs))
	if all(bad, netip.Addr.Is6) && all(good, netip.Addr.Is4) {
		code, title = "ipv6_broken", "IPv4 works and IPv6 does not."
	} else if all(bad, netip.Addr.Is4) && all(good, netip.Addr.Is6) {
		code, title = "ipv4_broken", "IPv6 works and IPv4 does not."
	}
	return []Finding{{
		code, Warning, Proved, title, []string{fmt.Sprintf("works: %v; does not: %v", good, bad)},
		"Clients lose time, or fail, with the broken addresses: listen on them, or take them out of DNS.",
	}}
}

func all(list []netip.Addr, fits func(netip.Addr) bool) bool {
	for _, a := range list {
		if !fits(a) {
			return false
		}
	}
	return true
}

// judgeServer: what the server says of itself.
func judgeServer(e *evidence) []Finding {
	if e.doc == nil {
		if e.chat != nil && e.chat.opened() && e.first == nil {
			return []Finding{{
				"api_unreachable", Info, Unknown, "The API was not found at " + e.t.http.String() + ".",
				[]string{"no status document of ours"}, "Name its address with --http; without it the server's record cannot be read.",
			}}
		}
		return nil
	}
	var found []Finding
	add := func(code string, s Severity, title, advice, line string) {
		found = append(found, Finding{code, s, Proved, title, []string{line}, advice})
	}
	if e.doc.Storage.NATS != "" && e.doc.Storage.NATS != "connected" {
		add("storage_unavailable", Critical, "The server cannot store messages: its log does not answer.", "Look at NATS and the data directory.", "storage.nats: "+e.doc.Storage.NATS)
	}
	if e.doc.Analytics.Mode != "" && e.doc.Analytics.Mode != "off" && !e.doc.Analytics.OK {
		add("analytics_unavailable", Warning, "The chat works, but statistics are not stored.", "Look at ClickHouse; nothing is lost for 72 hours.", "analytics.ok: false")
	}
	if e.doc.WebSocket.Draining && e.chat != nil && e.chat.opened() {
		add("server_draining", Warning, "The server is being shut down.", "Wait until it has been restarted.", "websocket.draining: true")
	}
	if e.skew.Abs() > maxSkew {
		add("clock_skew", Warning, "The clocks of this machine and of the server differ by "+e.skew.Abs().Round(time.Second).String()+".", "Set them by the network: tokens and certificates depend on them.", "the server's time is off by "+e.skew.Round(time.Second).String())
	}
	if e.status.header.Get("Access-Control-Allow-Origin") == "" {
		add("cors_stripped", Warning, "The answers of the API lose their CORS headers on the way. This does not touch the WebSocket itself.", "Let the proxy pass Access-Control-Allow-Origin.", "/chat/status/ came without Access-Control-Allow-Origin")
	}
	return found
}

// judgeQuality: how well an open connection works.
func judgeQuality(e *evidence, o Options) []Finding {
	var found []Finding
	if m := e.median(); m > slow {
		found = append(found, Finding{"slow_network", Warning, Proved, "A round trip takes " + m.Round(time.Millisecond).String() + ".", []string{fmt.Sprintf("median of %d", len(e.rtts))}, "Distance, a busy link or lost packets."})
	}
	var closed *closedError
	if errors.As(e.lostErr, &closed) && closed.code == 1009 {
		found = append(found, Finding{
			"message_too_big", Warning, Proved, fmt.Sprintf("A message of %d bytes is bigger than the server takes.", e.lost),
			[]string{closed.Error()}, "Send less in one message, or raise gateway.max-frame-bytes.",
		})
	} else if e.lost > 0 {
		found = append(found, Finding{
			"large_frames_lost", Warning, Proved, fmt.Sprintf("Messages of %d bytes and more are lost on the way.", e.lost),
			[]string{fmt.Sprintf("%d bytes came back, %d did not", e.back, e.lost)}, "A filter limits the size of frames: raise its limit, or use wss://.",
		})
	}
	if e.idleDone && e.idleErr != nil {
		found = append(found, Finding{
			"idle_cut", Critical, Proved, "Something cuts connections that are quiet for " + e.idle.Round(time.Second).String() + ".",
			[]string{e.idleErr.Error()}, "Set gateway.heartbeat below that time, or raise the proxy's time-out.",
		})
	}
	if o.Idle > 0 && e.idleDone && e.idleErr == nil {
		found = append(found, Finding{"idle_held", Info, Proved, "A quiet connection holds for " + o.Idle.String() + ".", []string{"it answered afterwards"}, "Nothing is to be done."})
	}
	if e.net.proxy != "" {
		found = append(found, Finding{"proxy_environment", Info, Proved, "The environment names a proxy, which this test does not use.", []string{e.net.proxy}, "Programs that use it take another way: test through it, or set NO_PROXY."})
	}
	if c := soonest(e); c > 0 && c < 14*24*time.Hour {
		found = append(found, Finding{"tls_expires_soon", Warning, Proved, "The certificate expires in " + c.Round(time.Hour).String() + ".", []string{"its NotAfter"}, "Renew it."})
	}
	return found
}

// soonest is the time until the first certificate expires, 0 without one.
func soonest(e *evidence) time.Duration {
	var least time.Duration
	for _, a := range e.net.addrs {
		if a.cert != nil && a.tls == nil {
			if d := time.Until(a.cert.NotAfter); least == 0 || d < least {
				least = d
			}
		}
	}
	return least
}
