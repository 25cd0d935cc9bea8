package admission_test

import (
	"context"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"partyline/events"
	"partyline/gateway/admission"
	"partyline/gateway/hub"
	"partyline/gateway/token"
	"partyline/gateway/ws"
)

// sessions keeps the identity of the last session.
type sessions struct{ last hub.Identity }

type nobody struct{}

func (nobody) Open(ws.Conn)         {}
func (nobody) Message(bool, []byte) {}
func (nobody) Closed(ws.CloseInfo)  {}

func (s *sessions) NewSession(id hub.Identity) ws.Session {
	s.last = id
	return nobody{}
}

type fixture struct {
	*admission.Admission
	sessions sessions
	secret   []byte
}

func setup(t *testing.T, perSecond int, origins ...string) *fixture {
	t.Helper()
	return setupTokens(t, nil, perSecond, origins...)
}

func setupTokens(t *testing.T, tokens *token.Verifier, perSecond int, origins ...string) *fixture {
	t.Helper()
	fx := &fixture{secret: make([]byte, 32)}
	p, err := admission.NewPolicy(nil, "", []string{"8000", "8001"}, origins)
	if err != nil {
		t.Fatal(err)
	}
	fx.Admission, err = admission.New(admission.Config{Policy: p, Tokens: tokens, ConnectsPerSecond: perSecond},
		func() []byte { return fx.secret }, &fx.sessions, ws.NewEcho(true))
	if err != nil {
		t.Fatal(err)
	}
	return fx
}

func request(target string, headers ...ws.HeaderField) *ws.Request {
	path, query, _ := strings.Cut(target, "?")
	return &ws.Request{
		Method: "GET", Target: target, Path: path, RawQuery: query, Proto: "HTTP/1.1", Host: "localhost:8001",
		Headers: headers, Remote: netip.MustParseAddrPort("192.0.2.7:4711"),
	}
}

func protocols(offer string) ws.HeaderField {
	return ws.HeaderField{Name: "Sec-WebSocket-Protocol", Value: offer}
}

const key = "0123456789abcdef"

func TestIdentity(t *testing.T) {
	t.Parallel()
	fx := setup(t, 0)
	open := func(r *ws.Request) hub.Identity {
		t.Helper()
		acc, ref := fx.Handshake(context.Background(), r)
		if ref != nil || acc.Session == nil {
			t.Fatalf("%s: refused: %+v", r.Target, ref)
		}
		return fx.sessions.last
	}
	ana := open(request("/ws/chat/?user=ana&client=" + key))
	if ana.User != "ana" || !ana.Known || ana.UID != events.UID(fx.secret, "ana", key) {
		t.Errorf("identity %+v", ana)
	}
	if again := open(request("/ws/chat?user=ana", protocols("partyline.v1, client."+key))); again.UID != ana.UID {
		t.Errorf("the key as subprotocol gives another identity: %+v", again)
	}
	if other := open(request("/ws/chat/?user=ana&client=" + key + "X")); other.UID == ana.UID {
		t.Error("another key gives the same identity")
	}
	guest := open(request("/ws/chat/"))
	if !strings.HasPrefix(guest.User, "guest-") || len(guest.User) != len("guest-")+6 || guest.Known {
		t.Errorf("guest %+v", guest)
	}
	if second := open(request("/ws/chat/?user=" + guest.User)); second.UID == guest.UID {
		t.Error("two connections without a key are the same identity")
	}
	if nfc := open(request("/ws/chat/?user=" + url.QueryEscape("Jose\u0301"))); nfc.User != "Jos\u00e9" {
		t.Errorf("user %q is not normalised", nfc.User)
	}
}

func TestSubprotocol(t *testing.T) {
	t.Parallel()
	fx := setup(t, 0)
	for offer, want := range map[string]string{
		"": "", "other": "", "partyline.v1": "partyline.v1", "x, partyline.v1, y": "partyline.v1",
		"trace." + key + ", partyline.v1": "partyline.v1",
	} {
		acc, ref := fx.Handshake(context.Background(), request("/ws/chat/", protocols(offer)))
		if ref != nil || acc.Subprotocol != want {
			t.Errorf("offer %q: %+v, %+v", offer, acc, ref)
		}
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	fx := setup(t, 0)
	origin := func(values ...string) (out []ws.HeaderField) {
		for _, v := range values {
			out = append(out, ws.HeaderField{Name: "Origin", Value: v})
		}
		return out
	}
	for name, c := range map[string]struct {
		r      *ws.Request
		status int
		code   events.Code
	}{
		"other path":             {request("/ws/other/"), 404, events.CodeNotFound},
		"root":                   {request("/"), 404, events.CodeNotFound},
		"two slashes":            {request("/ws/chat//x"), 404, events.CodeNotFound},
		"foreign origin":         {request("/ws/chat/", origin("https://evil.example")...), 403, events.CodeOriginRefused},
		"null origin":            {request("/ws/chat/", origin("null")...), 403, events.CodeOriginRefused},
		"two origins":            {request("/ws/chat/", origin("http://localhost:8000", "http://localhost:8000")...), 400, events.CodeBadRequest},
		"empty origin":           {request("/ws/chat/", origin("")...), 400, events.CodeBadRequest},
		"empty user":             {request("/ws/chat/?user="), 400, events.CodeBadRequest},
		"blank user":             {request("/ws/chat/?user=%20%20"), 400, events.CodeBadRequest},
		"bidi user":              {request("/ws/chat/?user=a%E2%80%AEb"), 400, events.CodeBadRequest},
		"long user":              {request("/ws/chat/?user=" + strings.Repeat("x", 33)), 400, events.CodeBadRequest},
		"user not UTF-8":         {request("/ws/chat/?user=%ff"), 400, events.CodeBadRequest},
		"user twice":             {request("/ws/chat/?user=a&user=b"), 400, events.CodeBadRequest},
		"short key":              {request("/ws/chat/?client=short"), 400, events.CodeBadRequest},
		"two keys":               {request("/ws/chat/?client="+key, protocols("partyline.v1, client.fedcba9876543210")), 400, events.CodeBadRequest},
		"malformed trace":        {request("/ws/chat/?trace=a%20b"), 400, events.CodeBadRequest},
		"trace without protocol": {request("/ws/chat/", protocols("trace."+key)), 400, events.CodeBadRequest},
		"malformed query":        {request("/ws/chat/?user=%zz"), 400, events.CodeBadRequest},
	} {
		acc, ref := fx.Handshake(context.Background(), c.r)
		if acc != nil || ref == nil || ref.Status != c.status || ref.Code != c.code {
			t.Errorf("%s: %+v, want %d %s", name, ref, c.status, c.code)
			continue
		}
		if strings.Contains(ref.Detail, key) {
			t.Errorf("%s: the detail repeats a key: %s", name, ref.Detail)
		}
		if d := fx.DryRun(c.r); d.Refusal == nil || d.Refusal.Code != c.code {
			t.Errorf("%s: the dry run says %+v", name, d)
		}
	}
	if _, ref := fx.Handshake(context.Background(), request("/ws/echo/", origin("null")...)); ref != nil {
		t.Errorf("echo refuses an origin: %+v", ref)
	}
	bad := request("/ws/echo/")
	bad.Host = "evil.example"
	if _, ref := fx.Handshake(context.Background(), bad); ref == nil || ref.Status != 421 {
		t.Errorf("echo under a foreign Host: %+v", ref)
	}
}

func TestDrainAndStorage(t *testing.T) {
	t.Parallel()
	fx := setup(t, 0)
	fx.secret = nil
	if _, ref := fx.Handshake(context.Background(), request("/ws/chat/")); ref == nil || ref.Status != 503 || ref.RetryAfter == 0 {
		t.Errorf("without a log: %+v", ref)
	}
	fx.Drain()
	if _, ref := fx.Handshake(context.Background(), request("/ws/chat/")); ref == nil || ref.Code != events.CodeDraining {
		t.Errorf("while draining: %+v", ref)
	}
}

func TestMalformedNamesThePath(t *testing.T) {
	t.Parallel()
	fx := setup(t, 0)
	upgrade := &ws.Refusal{Status: 426, Code: events.CodeUpgradeRequired}
	if ref := fx.Malformed(request("/index.html"), upgrade); ref.Status != 404 {
		t.Errorf("a page's path: %+v", ref)
	}
	if ref := fx.Malformed(request("/ws/chat/"), upgrade); ref != upgrade {
		t.Errorf("the chat's path: %+v", ref)
	}
}

func TestRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fx := setup(t, 2)
		open := func(addr string) *ws.Refusal {
			r := request("/ws/chat/")
			r.Remote = netip.MustParseAddrPort(addr)
			_, ref := fx.Handshake(context.Background(), r)
			return ref
		}
		for i := range 8 {
			if ref := open("192.0.2.7:1"); ref != nil {
				t.Fatalf("attempt %d of the burst: %+v", i, ref)
			}
		}
		ref := open("192.0.2.7:2")
		if ref == nil || ref.Code != events.CodeRateLimited || ref.Status != 429 || ref.RetryAfter <= 0 || ref.RetryAfter > time.Second {
			t.Fatalf("over the rate: %+v", ref)
		}
		if ref := open("192.0.2.8:1"); ref != nil {
			t.Errorf("another address: %+v", ref)
		}
		<-time.After(ref.RetryAfter) // by the clock of the bubble
		if ref := open("192.0.2.7:3"); ref != nil {
			t.Errorf("after the wait: %+v", ref)
		}
		for range 8 {
			open("[2001:db8::1]:1")
		}
		if ref := open("[2001:db8::2]:1"); ref == nil {
			t.Error("a subscriber's other address has a rate of its own")
		}
	})
}
