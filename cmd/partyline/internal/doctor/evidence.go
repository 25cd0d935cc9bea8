package doctor

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gobwas/ws"
)

// Options of a diagnosis.
type Options struct {
	Origin string        // sent as Origin; "": none, as a program does
	HTTP   string        // base of the API; "": derived from the address
	Token  string        // for servers that want one; never shown
	Idle   time.Duration // length of the idle test; 0: none
}

// answer is a plain HTTP answer.
type answer struct {
	err     error
	status  int
	header  http.Header
	body    []byte
	problem problemDoc
	html    bool
	took    time.Duration
}

func (a *answer) ours() bool {
	return a.err == nil && a.problem.Code != "" && a.problem.Status == a.status
}

// statusDoc is what matters of /chat/status/.
type statusDoc struct {
	Status    string `json:"status"`
	Time      string `json:"time"`
	WebSocket *struct {
		Draining bool `json:"draining"`
	} `json:"websocket"`
	Storage struct {
		NATS string `json:"nats"`
	} `json:"storage"`
	Analytics struct {
		Mode string `json:"mode"`
		OK   bool   `json:"ok"`
	} `json:"analytics"`
}

// recordDoc is what the server recorded.
type recordDoc struct {
	known    bool       // it was asked and answered by us
	Complete bool       `json:"complete"`
	Stages   []stageDoc `json:"stages"`
}

// stageDoc is one stage of a record.
type stageDoc struct {
	Stage       string   `json:"stage"`
	Outcome     string   `json:"outcome"`
	SinceAccept int64    `json:"since_accept_us"`
	Status      int      `json:"status"`
	ErrorType   string   `json:"error_type"`
	ErrorDetail string   `json:"error_detail"`
	HTTPVersion string   `json:"http_version"`
	Arrived     []string `json:"arrived"`
	CloseCode   int      `json:"close_code"`
	CloseBy     string   `json:"close_initiator"`
}

func (r *recordDoc) stage(name string) bool {
	for _, s := range r.Stages {
		if s.Stage == name && s.Outcome == "ok" {
			return true
		}
	}
	return false
}

// evidence is everything that was seen.
type evidence struct {
	t        *target
	net      network
	status   answer
	doc      *statusDoc
	skew     time.Duration
	route    answer
	chat     *upgrade
	first    error // of waiting for welcome and pong; nil: both came
	welcome  bool
	codes    []string // of error frames
	bare     *upgrade // without subprotocol, when the first did not open
	echo     *upgrade
	rtts     []time.Duration
	lost     int // size of the smallest message that did not come back
	back     int // size of the largest that did
	lostErr  error
	idle     time.Duration
	idleErr  error
	idleDone bool
	record   recordDoc
}

// Run diagnoses an address. The error is [ErrURL].
func Run(ctx context.Context, raw string, o Options) (*Report, error) {
	t, err := newTarget(raw, o.HTTP)
	if err != nil {
		return nil, err
	}
	if strings.ContainsAny(o.Origin+o.Token, "\r\n\x00") {
		return nil, fmt.Errorf("%w: origin and token have no line breaks", ErrURL)
	}
	r := &Report{URL: Escape(t.ws.String()), Trace: rand.Text(), Started: time.Now()}
	e := &evidence{t: t, net: look(ctx, t)}
	if ip, ok := usable(e); ok {
		e.gather(ctx, ip, r.Trace, o)
	}
	e.steps(r)
	r.Findings = judge(e, o)
	if e.chat != nil {
		r.Request, r.Response = Escape(hideToken(string(e.chat.request), o.Token)), Escape(string(e.chat.response))
	}
	r.finish()
	return r, nil
}

func hideToken(s, token string) string {
	if token == "" {
		return s
	}
	return strings.ReplaceAll(s, token, "…")
}

// usable is an address to go on with; a certificate that is wrong does not stop
// the rest from being seen.
func usable(e *evidence) (netip.Addr, bool) {
	if ip, ok := e.net.best(e.t.secure); ok {
		return ip, true
	}
	for _, a := range e.net.addrs {
		if a.tcp == nil && a.cert != nil {
			return a.ip, true
		}
	}
	return netip.Addr{}, false
}

func (e *evidence) gather(ctx context.Context, ip netip.Addr, trace string, o Options) {
	var both sync.WaitGroup
	both.Go(func() { e.askStatus(ctx) })
	both.Go(func() { e.route = get(ctx, plain(e.t.ws), e.t.host) })
	both.Wait()
	e.openChat(ctx, ip, trace, o)
	if e.chat.opened() {
		e.useChat()
		e.measure(ctx, ip, o)
		if o.Idle > 0 {
			e.idleTest(ctx, ip, o)
		}
	}
	e.askRecord(ctx, trace)
}

// plain is the HTTP address of a WebSocket.
func plain(at *url.URL) string {
	u := *at
	u.Scheme = strings.Replace(u.Scheme, "ws", "http", 1)
	return u.String()
}

// get makes one bounded request. Redirects are not followed, and no proxy is
// used, since the WebSocket uses none.
func get(ctx context.Context, at, host string) answer {
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	var a answer
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return answer{err: err}
	}
	req.Header.Set("User-Agent", "partyline-doctor")
	client := http.Client{
		Transport: &http.Transport{
			DisableKeepAlives: true, MaxResponseHeaderBytes: maxHead,
			TLSClientConfig: &tls.Config{ServerName: host, InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}, //nolint:gosec // look has checked it
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	begin := time.Now()
	resp, err := client.Do(req)
	if err != nil {
		return answer{err: err, took: time.Since(begin)}
	}
	defer resp.Body.Close()
	a.status, a.header = resp.StatusCode, resp.Header
	a.body, _ = io.ReadAll(io.LimitReader(resp.Body, maxBody)) // as far as it came
	a.took = time.Since(begin)
	_ = json.Unmarshal(a.body, &a.problem) // what is none stays empty
	start := strings.ToLower(strings.TrimSpace(string(a.body[:min(len(a.body), 64)])))
	a.html = strings.Contains(resp.Header.Get("Content-Type"), "html") || strings.HasPrefix(start, "<!doctype") || strings.HasPrefix(start, "<html")
	return a
}

func (e *evidence) askStatus(ctx context.Context) {
	begin := time.Now()
	e.status = get(ctx, e.t.http.JoinPath("chat/status/").String(), e.t.http.Hostname())
	var doc statusDoc
	if e.status.err != nil || e.status.status != http.StatusOK || json.Unmarshal(e.status.body, &doc) != nil || doc.WebSocket == nil {
		return
	}
	e.doc = &doc
	if at, err := time.Parse(time.RFC3339, doc.Time); err == nil {
		e.skew = at.Sub(begin.Add(e.status.took / 2))
	}
}

func (e *evidence) openChat(ctx context.Context, ip netip.Addr, trace string, o Options) {
	query := url.Values{"user": {"doctor"}, "trace": {trace}, "diag": {"1"}}
	e.chat = open(ctx, e.t, ip, e.t.ws, query, o, true)
	if e.chat.status == http.StatusSwitchingProtocols && e.chat.protocol != "partyline.v1" {
		query.Set("trace", rand.Text())
		e.bare = open(ctx, e.t, ip, e.t.ws, query, o, false)
		e.bare.close()
	}
}

// useChat waits for welcome and the answer to a ping.
func (e *evidence) useChat() {
	defer e.chat.close()
	for range 16 {
		payload, err := e.chat.next(stepTime)
		if err != nil {
			e.first = err
			return
		}
		var f struct{ Type, Code string }
		if json.Unmarshal(payload, &f) != nil {
			continue
		}
		switch f.Type {
		case "welcome":
			e.welcome = true
			if e.first = e.chat.send(ws.OpText, []byte(`{"type":"ping","t":1}`)); e.first != nil {
				return
			}
		case "pong":
			_ = e.chat.send(ws.OpClose, ws.NewCloseFrameBody(ws.StatusNormalClosure, "")) // politeness
			return
		case "error":
			e.codes = append(e.codes, Escape(f.Code))
		}
	}
	e.first = errors.New("no pong among the first frames")
}

// measure takes round trips and sizes over the echo route.
func (e *evidence) measure(ctx context.Context, ip netip.Addr, o Options) {
	e.echo = open(ctx, e.t, ip, e.t.echo, url.Values{"diag": {"1"}}, o, false)
	defer e.echo.close()
	if !e.echo.opened() {
		return
	}
	until := time.Now().Add(3 * time.Second)
	for i := 0; i < 11 && time.Now().Before(until); i++ {
		begin := time.Now()
		if e.returns(16, stepTime) != nil {
			return
		}
		if i > 0 { // the first one pays for what is warmed up
			e.rtts = append(e.rtts, time.Since(begin))
		}
	}
	for _, size := range []int{125, 126, 1400, 9000, 65535, 65536, 131072} {
		if err := e.returns(size, 2*time.Second+10*e.median()); err != nil {
			e.lost, e.lostErr = size, err
			return
		}
		e.back = size
	}
}

// returns sends a text and waits for it to come back.
func (e *evidence) returns(size int, patience time.Duration) error {
	sent := e.echo.send(ws.OpText, []byte(strings.Repeat("x", size)))
	payload, err := e.echo.next(patience) // also when sending failed: a Close frame may wait
	switch {
	case err != nil:
		return err
	case sent != nil:
		return sent
	case len(payload) != size:
		return errors.New("something else came back")
	}
	return nil
}

func (e *evidence) median() time.Duration {
	if len(e.rtts) == 0 {
		return 0
	}
	return slices.Sorted(slices.Values(e.rtts))[len(e.rtts)/2]
}

// idleTest keeps a quiet connection and looks whether it is still there.
func (e *evidence) idleTest(ctx context.Context, ip netip.Addr, o Options) {
	u := open(ctx, e.t, ip, e.t.echo, url.Values{"diag": {"1"}, "quiet": {"1"}}, o, false)
	defer u.close()
	if !u.opened() {
		return
	}
	if tcp, ok := u.conn.(*net.TCPConn); ok {
		_ = tcp.SetKeepAlive(false)
	}
	stop := context.AfterFunc(ctx, u.close)
	defer stop()
	begin := time.Now()
	_, err := u.next(o.Idle)
	e.idle = time.Since(begin)
	if timedOut(err) {
		// A deadline in the middle of nothing leaves the reader usable.
		if err = u.send(ws.OpText, []byte("still here")); err == nil {
			_, err = u.next(stepTime)
		}
	}
	e.idleErr, e.idleDone = err, ctx.Err() == nil
}

// askRecord asks what the server recorded, until it is complete or 3 s are over.
func (e *evidence) askRecord(ctx context.Context, trace string) {
	if e.doc == nil {
		return
	}
	at := e.t.http.JoinPath("api/v1/diagnostics/trace", trace).String()
	until := time.Now().Add(3 * time.Second)
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, 500*time.Millisecond) {
		a := get(ctx, at, e.t.http.Hostname())
		var r recordDoc
		if a.err == nil && (a.status == http.StatusOK || a.status == http.StatusNotFound) && json.Unmarshal(a.body, &r) == nil && r.Stages != nil {
			r.known = true
			e.record = r
		}
		if r.stage("closed") || time.Now().Add(pause).After(until) || !wait(ctx, pause) {
			return
		}
	}
}

func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
