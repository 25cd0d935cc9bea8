package ws

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"

	"github.com/gobwas/ws"

	"partyline/events"
	lc "partyline/events/lifecycle"
	"partyline/gateway/lifecycle"
)

// head looks for the end of a request head in an inbox of which the first seen
// bytes were looked at before. It is 0 while the head is incomplete.
func (in *inbox) head(seen int) (end int, ref *Refusal) {
	if seen == 0 && in.w >= 2 && in.buf.b[0] == '\r' && in.buf.b[1] == '\n' {
		in.r = 2 // one empty line before the request, RFC 9112 section 2.2
		in.w = copy(in.buf.b, in.bytes())
		in.r = 0
	}
	if seen == 0 && in.w > 0 && !isTokenByte(in.buf.b[0]) && in.buf.b[0] != '\r' {
		return 0, badRequest("not HTTP") // a TLS hello, for example
	}
	return headEnd(in.bytes(), min(seen, in.w))
}

// decide asks the handler about a request; ref is what was found wrong already.
// It records what it decides itself; the handler records its own refusals.
func (c *Config) decide(ctx context.Context, req *Request, ref *Refusal) (*Acceptance, *Refusal) {
	req.describe()
	if ref == nil {
		ref = Upgradable(req)
	}
	if ref != nil {
		if other := c.Handler.Malformed(req, ref); other != nil {
			ref = other
		}
		req.Attempt.Refuse(lc.StageRequest, ref.Status, ref.Code, cut(ref.Detail, 120))
		return nil, ref
	}
	req.Attempt.Stage(lc.StageRequest)
	acc, ref := c.Handler.Handshake(ctx, req)
	if acc == nil && ref == nil {
		ref = &Refusal{Status: 500, Code: events.CodeInternal, Detail: "no decision was made"}
	}
	return acc, ref
}

func (acc *Acceptance) abandon() {
	if acc.Abandon != nil {
		acc.Abandon()
	}
}

// extension is the compression of a connection, nil for none.
func (c *Config) extension(req *Request) *deflateOffer {
	if !c.Compression {
		return nil
	}
	return negotiate(req)
}

// answer writes the 101. The request was checked already, more strictly and more
// tolerantly than gobwas does; it is shown a request that says the same.
func answer(to io.Writer, req *Request, subprotocol string, deflate *deflateOffer) error {
	b := getBuffer(512)
	defer putBuffer(b)
	head := b.b[:0]
	head = append(head, "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "...)
	head = append(head, req.Header("Sec-WebSocket-Key")...)
	if subprotocol != "" {
		head = append(head, "\r\nSec-WebSocket-Protocol: "...)
		head = append(head, subprotocol...)
	}
	head = append(head, "\r\n\r\n"...)
	upgrader := ws.Upgrader{
		ReadBufferSize: 512, WriteBufferSize: 512,
		ProtocolCustom: func(offer []byte) (string, bool) { return string(offer), true },
	}
	if deflate != nil {
		upgrader.Header = ws.HandshakeHeaderString("Sec-WebSocket-Extensions: " + deflate.answer + "\r\n")
	}
	_, err := upgrader.Upgrade(&replay{Writer: to, head: head})
	return err
}

// replay shows a request to gobwas and lets it write to the peer.
type replay struct {
	io.Writer
	head []byte
}

// Read implements io.Reader.
func (r *replay) Read(p []byte) (int, error) {
	if len(r.head) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.head)
	r.head = r.head[n:]
	return n, nil
}

// hijacked is a connection that was taken over from an HTTP server, with what
// was read of it already (an inbox without a buffer when that is nothing).
type hijacked struct {
	nc  net.Conn
	in  inbox
	req *Request
	acc *Acceptance
}

// takeOver decides about a request of an HTTP server. Unless that is granted,
// and the connection can be taken over, it answers a refusal and returns nil;
// the ticket is given back then.
func (c *Config) takeOver(g *gate, t *ticket, w http.ResponseWriter, r *http.Request, a *lifecycle.Attempt) *hijacked {
	req := FromHTTP(r)
	req.Attempt = a
	if ref := g.enter(t, false); ref != nil {
		req.describe()
		a.Refuse(lc.StageLimits, ref.Status, ref.Code, ref.Detail)
		refuseHTTP(w, a, ref)
		return nil
	}
	taken := false
	defer func() { // also when the handler panics, which the HTTP server survives
		if !taken {
			g.leave(t)
		}
	}()
	acc, ref := c.decide(r.Context(), req, nil)
	if ref != nil {
		refuseHTTP(w, a, ref)
		return nil
	}
	nc, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		acc.abandon()
		c.Logger.ErrorContext(r.Context(), "hijack", "error", err)
		ref := &Refusal{Status: 500, Code: events.CodeInternal, Detail: "the connection cannot be taken over"}
		a.Refuse(lc.StageUpgraded, ref.Status, ref.Code, ref.Detail)
		refuseHTTP(w, a, ref)
		return nil
	}
	taken = true
	return &hijacked{nc: nc, in: buffered(rw.Reader), req: req, acc: acc}
}

// buffered gives what an HTTP server has read of a connection already.
func buffered(br *bufio.Reader) (in inbox) {
	n := br.Buffered()
	if n == 0 {
		return inbox{}
	}
	early, _ := br.Peek(n) // n bytes are there
	in.buf = getBuffer(n)
	in.w = copy(in.buf.b, early)
	return in
}

func refuseHTTP(w http.ResponseWriter, attempt *lifecycle.Attempt, ref *Refusal) {
	WriteRefusalHTTP(w, ref)
	attempt.Close(0, string(ByServer), "refused")
}
