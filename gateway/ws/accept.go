package ws

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"time"

	"partyline/events"
	lc "partyline/events/lifecycle"
	"partyline/gateway/lifecycle"
)

//nolint:gochecknoglobals // a constant; Go has no constant structs
var goingAway = CloseInfo{CloseGoingAway, ByServer, "server is shutting down"}

// accepted takes a socket from a listener: limits at once, all that waits on a
// goroutine.
func (e *engine) accepted(ctx context.Context, nc net.Conn) {
	var a *lifecycle.Attempt
	if e.cfg.Recorder != nil {
		a = e.cfg.Recorder.Begin(addrPort(nc.RemoteAddr()), addrPort(nc.LocalAddr()))
	}
	s, ref := e.admit(nc)
	if ref != nil {
		a.Refuse(lc.StageLimits, ref.Status, ref.Code, ref.Detail)
		if s == nil {
			nc.Close()
			a.Close(0, string(ByServer), "refused")
			return
		}
		go e.turnAway(s, a, ref)
		return
	}
	// A shutdown of the listener does not break handshakes in progress.
	ctx = context.WithoutCancel(ctx)
	go func() {
		// Nothing of the handshake is kept while the connection lives.
		if in, req, acc := e.handshake(ctx, s, a); acc != nil {
			e.establish(s, s.nc, in, req, acc)
			return
		}
		e.leave(s)
	}()
}

// turnAway tells a connection beyond the limits why, without reading what it
// wants.
func (e *engine) turnAway(s *slot, a *lifecycle.Attempt, ref *Refusal) {
	defer e.leave(s)
	_ = s.nc.SetDeadline(time.Now().Add(lingerTime))
	e.refuse(s, a, ref)
}

// refuse answers a refusal, waits for the peer to read it and closes.
func (e *engine) refuse(s *slot, a *lifecycle.Attempt, ref *Refusal) {
	by := time.Now().Add(lingerTime)
	_ = s.nc.SetWriteDeadline(by)
	err := WriteRefusal(s.nc, ref)
	e.gate.shaken(&s.ticket)
	if err == nil {
		shutdownWrite(s.nc)
		discardInput(s.nc, by, refuseIn)
	}
	s.nc.Close()
	a.Close(0, string(ByServer), "refused")
}

// handshake reads a request and decides about it. Without an acceptance the
// socket was refused and closed.
func (e *engine) handshake(ctx context.Context, s *slot, a *lifecycle.Attempt) (inbox, *Request, *Acceptance) {
	ctx, cancel := context.WithTimeout(ctx, e.cfg.HandshakeTimeout)
	defer cancel()
	by, _ := ctx.Deadline()
	_ = s.nc.SetDeadline(by)
	if tc, ok := s.nc.(*tls.Conn); ok && !e.secure(ctx, s, tc, a) {
		return inbox{}, nil, nil
	}
	in := newInbox()
	head, ref, err := readHead(s.nc, &in)
	if err != nil {
		in.release()
		e.abandoned(s, a, err, in.w)
		return inbox{}, nil, nil
	}
	req := &Request{}
	if ref == nil {
		req, ref = ParseHead(head)
		in.r = len(head)
	}
	req.Remote, req.Local = addrPort(s.nc.RemoteAddr()), addrPort(s.nc.LocalAddr())
	req.Attempt = a
	if tc, ok := s.nc.(*tls.Conn); ok {
		state := tc.ConnectionState()
		req.TLS = &state
	}
	acc, ref := e.cfg.decide(ctx, req, ref)
	if ref != nil {
		in.release()
		e.refuse(s, a, ref)
		return inbox{}, nil, nil
	}
	return in, req, acc
}

// secure performs the TLS handshake.
func (e *engine) secure(ctx context.Context, s *slot, tc *tls.Conn, a *lifecycle.Attempt) bool {
	err := tc.HandshakeContext(ctx)
	if err == nil {
		a.Stage(lc.StageTLS)
		return true
	}
	var plain tls.RecordHeaderError
	if errors.As(err, &plain) && plain.Conn != nil && isTokenByte(plain.RecordHeader[0]) {
		ref := badRequest("plain HTTP arrived on a TLS port: use wss:// or https://")
		a.Refuse(lc.StageTLS, ref.Status, ref.Code, ref.Detail)
		e.mu.Lock()
		s.nc = plain.Conn
		e.mu.Unlock()
		e.refuse(s, a, ref)
		return false
	}
	a.Fail(lc.StageTLS, events.CodeBadRequest, "TLS handshake failed")
	s.nc.Close()
	a.Close(0, string(ByNetwork), "TLS handshake failed")
	return false
}

// abandoned ends an attempt whose request did not arrive: by time-out or because
// the peer left.
func (e *engine) abandoned(s *slot, a *lifecycle.Attempt, err error, got int) {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		ref := &Refusal{Status: 408, Code: events.CodeBadRequest, Detail: "the request did not arrive in time"}
		a.Refuse(lc.StageRequest, ref.Status, ref.Code, ref.Detail)
		e.refuse(s, a, ref)
		return
	}
	detail := "closed before the request was complete"
	if got == 0 {
		detail = "closed without a request"
	}
	a.Fail(lc.StageRequest, events.CodeBadRequest, detail)
	s.nc.Close()
	a.Close(0, string(ByClient), detail)
}

// establish answers 101 and runs the connection to its end.
func (e *engine) establish(s *slot, nc net.Conn, in inbox, req *Request, acc *Acceptance) {
	defer e.leave(s)
	_ = nc.SetDeadline(time.Now().Add(e.cfg.HandshakeTimeout))
	if acc.Options.KeepAliveOff {
		if tcp, ok := bareConn(nc).(*net.TCPConn); ok {
			_ = tcp.SetKeepAlive(false)
		}
	}
	deflate := e.cfg.extension(req)
	if err := answer(nc, req, acc.Subprotocol, deflate); err != nil {
		in.release()
		acc.abandon()
		req.Attempt.Fail(lc.StageUpgraded, events.CodeBadRequest, "closed before the answer was written")
		nc.Close()
		req.Attempt.Close(0, string(ByNetwork), "connection lost")
		return
	}
	_ = nc.SetDeadline(time.Time{})
	req.Attempt.Stage(lc.StageUpgraded)
	c := newConn(e, nc, acc, req.Attempt)
	c.compress(deflate)
	if !e.opened(s, c) {
		c.close(goingAway, nil)
	}
	c.run(in)
}

// readHead reads up to the end of the request head. What came after it stays in
// the inbox. The head is valid until the inbox changes.
func readHead(nc net.Conn, in *inbox) (head []byte, ref *Refusal, err error) {
	for {
		if in.w == len(in.buf.b) {
			in.move(getBuffer(2 * len(in.buf.b)))
		}
		n, err := nc.Read(in.free()[:min(len(in.free()), headLimit-in.w)])
		seen := in.w
		in.w += n
		if end, ref := in.head(seen); ref != nil || end > 0 {
			return in.bytes()[:end], ref, nil
		}
		if err != nil {
			return nil, nil, err
		}
	}
}

// bareConn is the connection under TLS, or nc itself.
func bareConn(nc net.Conn) net.Conn {
	if w, ok := nc.(interface{ NetConn() net.Conn }); ok {
		return w.NetConn()
	}
	return nc
}
