package doctor

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

const (
	slow    = 200 * time.Millisecond
	maxSkew = 2 * time.Minute
)

// judge names the cause of a failure, if there is one, and what is worth saying
// besides. The first row of cause that fits decides.
func judge(e *evidence, o Options) []Finding {
	var found []Finding
	for _, row := range []func(*evidence) *Finding{judgeName, judgeTCP, judgeTLS, judgeUpgrade, judgeOpen} {
		if f := row(e); f != nil {
			found = append(found, *f)
			if f.Severity == Critical && f.Confidence == Proved {
				break
			}
		}
	}
	if len(found) > 1 { // a certificate that is wrong decides over what follows from it
		found = found[:1]
	}
	found = append(found, judgeFamilies(e)...)
	found = append(found, judgeServer(e)...)
	return append(found, judgeQuality(e, o)...)
}

func critical(code string, c Confidence, title, advice string, evidence ...string) *Finding {
	return &Finding{code, Critical, c, title, evidence, advice}
}

func judgeName(e *evidence) *Finding {
	switch {
	case e.net.dns != nil && timedOut(e.net.dns):
		return critical("dns_failed", Proved, "The name servers do not answer.", "Check the network and the resolver of this machine.", e.net.dns.Error())
	case e.net.dns != nil:
		return critical("dns_failed", Proved, "The name "+e.t.host+" does not resolve.", "Correct the name, or its DNS records.", e.net.dns.Error())
	case len(e.net.addrs) == 0:
		return critical("dns_failed", Proved, "The name "+e.t.host+" has no address.", "Add an A or AAAA record.", "the answer was empty")
	}
	return nil
}

func judgeTCP(e *evidence) *Finding {
	var lines []string
	open, refusals, silences := 0, 0, 0
	for _, a := range e.net.addrs {
		switch {
		case a.tcp == nil:
			open++
			continue
		case refused(a.tcp):
			refusals++
		case timedOut(a.tcp):
			silences++
		}
		lines = append(lines, a.ip.String()+": "+a.tcp.Error())
	}
	switch {
	case open > 0:
		return nil
	case refusals == len(e.net.addrs):
		return critical("port_refused", Proved, "Nothing listens on port "+e.t.port+".", "Start the server, or correct the port.", lines...)
	case silences == len(e.net.addrs):
		return critical("tcp_timeout", Proved, "Port "+e.t.port+" does not answer: packets are dropped on the way.", "Open the port in firewalls on the way, or correct the address.", lines...)
	}
	return critical("server_unreachable", Proved, "No address of "+e.t.host+" can be reached.", "Check the network between here and there.", lines...)
}

func judgeTLS(e *evidence) *Finding {
	if !e.t.secure {
		return nil
	}
	var last *address
	for i := range e.net.addrs {
		if a := &e.net.addrs[i]; a.tcp == nil {
			if a.tls == nil {
				return nil
			}
			last = a
		}
	}
	if last == nil {
		return nil
	}
	line := last.ip.String() + ": " + last.tls.Error()
	var invalid x509.CertificateInvalidError
	var name x509.HostnameError
	var authority x509.UnknownAuthorityError
	switch {
	case errors.As(last.tls, &invalid) && invalid.Reason == x509.Expired:
		return critical("tls_expired", Proved, "The certificate is not valid now.",
			"Renew it. If it is new, compare the clocks of this machine and of who issued it.", line,
			"valid from "+last.cert.NotBefore.UTC().Format(time.RFC3339)+" to "+last.cert.NotAfter.UTC().Format(time.RFC3339))
	case errors.As(last.tls, &name):
		return critical("tls_wrong_name", Proved, "The certificate is for another name.", "Use a certificate that names "+e.t.host+", or the name that it has.", line)
	case errors.As(last.tls, &authority):
		return critical("tls_untrusted", Proved, "The certificate is not trusted by this machine.",
			"Send the whole chain; for a private authority, install it on the clients. An unknown issuer may also be a box that reads along.", line, "issuer: "+last.cert.Issuer.String())
	case timedOut(last.tls):
		return critical("no_answer", Proved, "TCP connects, but the TLS handshake gets no answer.", "The server or a proxy hangs, or this is no TLS port.", line)
	}
	return critical("tls_failed", Proved, "The TLS handshake fails.", "The port may speak no TLS (use ws://), or another version of it.", line)
}

// judgeUpgrade judges the answer to the opening handshake.
func judgeUpgrade(e *evidence) *Finding {
	u := e.chat
	if u == nil || u.opened() && (e.bare == nil || !e.bare.opened() || u.protocol == "partyline.v1") {
		return nil
	}
	switch {
	case u.err != nil:
		return judgeSilence(e, u)
	case u.status == http.StatusSwitchingProtocols && !u.keyOK:
		return critical("bad_accept_key", Proved, "The answer to the upgrade has a wrong Sec-WebSocket-Accept.",
			"A proxy answers in the server's place, or from a store. Let it pass the handshake on.", "101 with "+u.header.Get("Sec-WebSocket-Accept"))
	case u.opened():
		return critical("subprotocol_stripped", Proved, "Something on the way removes the header Sec-WebSocket-Protocol.",
			"Let the proxy pass it in both directions: browsers give up a connection whose subprotocol is not answered.", "partyline.v1 was offered and not answered")
	case u.ours():
		return judgeRefusal(e, u)
	}
	return judgeForeign(e, u.status, u.header)
}

// judgeSilence: no whole answer came.
func judgeSilence(e *evidence, u *upgrade) *Finding {
	line := "upgrade: " + u.err.Error()
	switch {
	case e.record.known && e.record.stage("upgraded"):
		return critical("handshake_swallowed", Proved, "The server answered 101, and the answer was swallowed on the way.",
			"A proxy or filter on the way does not pass upgrades back.", line, "the server recorded the stage upgraded")
	case timedOut(u.err) && e.route.err == nil:
		return critical("upgrade_held", known(e), "Ordinary requests are answered, the upgrade is not: something holds it back.",
			"Ask who runs the proxy or firewall on the way to let WebSocket pass, or use wss:// on port 443.", line, routeLine(e))
	case timedOut(u.err):
		return critical("no_answer", Proved, "TCP connects, but nothing is answered.", "The server hangs, or a box on the way accepts connections and drops what is sent.", line)
	case e.route.err == nil:
		return critical("upgrade_blocked", known(e), "Ordinary requests are answered, the upgrade is cut off.",
			"A proxy, firewall or virus scanner on the way resets upgrades.", line, routeLine(e))
	case reset(u.err) || errors.Is(u.err, io.EOF):
		return critical("handshake_reset", Proved, "The connection is cut as soon as something is sent.", "A filter on the way, or a program that does not speak HTTP on this port.", line)
	}
	return critical("cause_unknown", Unknown, "The upgrade fails.", "The bytes that came are in the report.", line)
}

// known is likely only when every gateway said that it saw nothing.
func known(e *evidence) Confidence {
	if e.record.known && e.record.Complete && len(e.record.Stages) == 0 {
		return Proved
	}
	return Likely
}

func routeLine(e *evidence) string {
	return fmt.Sprintf("a plain request was answered with %d", e.route.status)
}

// judgeRefusal: the server itself refused, by name.
func judgeRefusal(e *evidence, u *upgrade) *Finding {
	line := fmt.Sprintf("status %d, %s: %s", u.status, u.problem.Code, u.problem.Detail)
	say := func(code, title, advice string) *Finding { return critical(code, Proved, title, advice, line) }
	switch u.problem.Code {
	case "upgrade_required":
		if slices.ContainsFunc(u.problem.Wrong, func(s string) bool { return strings.HasPrefix(s, "HTTP/") }) {
			return say("http10_proxy", "A proxy on the way speaks an old HTTP to the server, and WebSocket needs HTTP/1.1.", "nginx: proxy_http_version 1.1, and pass Upgrade and Connection on.")
		}
		return say("upgrade_stripped", "A proxy on the way removes the Upgrade header.", "nginx: proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection \"upgrade\".")
	case "origin_refused":
		if strings.Contains(string(u.request), "\r\nOrigin: null\r\n") {
			return say("origin_null_refused", "The server refuses pages without an origin (Origin: null).", "A page from a file or a sandboxed frame sends it: serve the page over HTTP.")
		}
		return say("origin_refused", "The server does not allow pages of this origin.", "Add it to origins in the configuration.")
	case "unauthenticated":
		return judgeToken(u, line)
	case "bad_host":
		return say("host_refused", "The server does not accept the host name by which it was called.", "http.public-hosts: [\""+e.t.ws.Host+"\"]")
	case "rate_limited":
		return say("rate_limited", "The server refuses this address because it connects too often.", "Wait, or raise gateway.connects-per-second-per-ip.")
	case "overloaded":
		return say("server_full", "The server is full, or cannot reach its storage.", "Raise gateway.max-connections, add a gateway, look at /chat/status/.")
	case "draining":
		return say("server_draining", "The server is being shut down.", "Wait until it has been restarted.")
	case "not_found":
		return say("wrong_path", "The server has no WebSocket at this path.", "The chat is at /ws/chat/.")
	}
	return say("request_refused", "The server refused the connection.", "The detail says why.")
}

func judgeToken(u *upgrade, line string) *Finding {
	text := strings.ToLower(u.problem.Detail)
	code, title := "token_refused", "The server does not accept the token."
	switch {
	case strings.Contains(text, "expired"):
		code, title = "token_expired", "The token has expired."
	case strings.Contains(text, "audience"):
		code, title = "token_audience", "The token was made for another audience."
	case strings.Contains(text, "missing") || strings.Contains(text, "no token") || strings.Contains(text, "needs a token"):
		code, title = "token_missing", "The server wants a token, and none was sent."
	}
	return critical(code, Proved, title, "Give one with --token, made for this server (auth.jwt.*).", line)
}

// judgeForeign: something else answered the upgrade.
func judgeForeign(e *evidence, status int, h http.Header) *Finding {
	line := fmt.Sprintf("the upgrade was answered with status %d by %q", status, h.Get("Server"))
	say := func(code, title, advice string) *Finding { return critical(code, Proved, title, advice, line) }
	switch {
	case status >= 300 && status < 400 || status == http.StatusNetworkAuthenticationRequired:
		return say("redirected", "The address redirects to "+h.Get("Location")+"; WebSockets do not follow redirects.", "Correct the address, or sign in to the network.")
	case status == 502 || status == 503 || status == 504:
		return say("bad_gateway", "A proxy is reached, but behind it the server does not answer.", "Start the server, or correct where the proxy sends to.")
	case status == 401 || status == 403 || status == 407:
		return say("gate_refused", "Something in front of the server refuses the request.", "A proxy, firewall or access gateway wants a sign-in or blocks the path.")
	case e.doc != nil && status == http.StatusOK:
		return say("spa_fallback", "The address answers with a page: the web server has no route for the WebSocket.", "Send /ws/ on to the server, before the rule for the page.")
	case e.doc != nil && status == http.StatusNotFound:
		return say("wrong_path", "The web server has no route for this path.", "Send /ws/ on to the server. The chat is at /ws/chat/.")
	case e.doc != nil:
		f := say("upgrade_blocked", "Something on the way answers the upgrade in the server's place.", "Let the proxy pass upgrades on.")
		f.Confidence = Likely
		return f
	}
	f := say("wrong_server", "Another program answers at this address.", "Correct host and port.")
	f.Confidence = Likely
	return f
}

// judgeOpen judges what came after the handshake.
func judgeOpen(e *evidence) *Finding {
	if e.chat == nil || !e.chat.opened() {
		return nil
	}
	if slices.Contains(e.codes, "storage_unavailable") {
		return critical("storage_unavailable", Proved, "The server cannot store messages.", "Look at NATS and the data directory.", "error frame storage_unavailable")
	}
	if e.first == nil {
		return nil
	}
	var closed *closedError
	switch {
	case errors.As(e.first, &closed):
		f := critical("server_closed", Proved, fmt.Sprintf("The server closed the connection right after it opened, with %d.", closed.code), "The server's log has it under the trace.", closed.Error())
		if code, ok := closeCodes[closed.code]; ok {
			f.Code = code
		}
		return f
	case timedOut(e.first):
		return critical("silent_after_open", Proved, "The handshake succeeds, but then nothing comes.", "A buffering proxy or a content filter on the way.", e.first.Error())
	case e.record.known && slices.ContainsFunc(e.record.Stages, func(s stageDoc) bool { return s.CloseBy == "server" && s.CloseCode > 1000 }):
		return critical("close_frame_lost", Proved, "The server closed the connection, and its close frame was lost on the way.", "See the server's record.", e.first.Error())
	}
	return critical("connection_cut", Proved, "The connection is cut right after it opened.", "A proxy, firewall or filter on the way.", e.first.Error())
}

// closeCodes names findings by close code.
//
//nolint:gochecknoglobals // a constant; Go has no constant maps
var closeCodes = map[int]string{
	1001: "server_draining", 1008: "policy_violation", 1009: "message_too_big", 1011: "server_error", 1013: "server_busy",
	4001: "token_expired", 4003: "kicked", 4008: "slow_consumer", 4009: "heartbeat_missed", 4029: "rate_limited",
}
