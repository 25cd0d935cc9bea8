package admission_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"partyline/events"
	"partyline/gateway/admission"
	"partyline/gateway/token"
	"partyline/gateway/ws"
)

var tokenSecret = []byte("0123456789abcdef0123456789abcdef")

func signed(t *testing.T, sub string, ttl time.Duration) string {
	t.Helper()
	s, err := token.Sign(tokenSecret, token.Request{Subject: sub, Name: "Ana", Rooms: []string{"a"}, Now: time.Now(), TTL: ttl})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A token may come in three places; the identity is its subject's, whatever the
// request says besides.
func TestTokenDecides(t *testing.T) {
	t.Parallel()
	v, err := token.New(token.Config{Secret: tokenSecret})
	if err != nil {
		t.Fatal(err)
	}
	fx := setupTokens(t, v, 0)
	good, other := signed(t, "u1", time.Hour), signed(t, "u2", time.Hour)
	bearer := func(s string) ws.HeaderField { return ws.HeaderField{Name: "Authorization", Value: "Bearer " + s} }
	for name, r := range map[string]*ws.Request{
		"query":       request("/ws/chat/?user=eve&token=" + good),
		"header":      request("/ws/chat/?user=eve&client="+key, bearer(good)),
		"subprotocol": request("/ws/chat/", protocols("partyline.v1, bearer."+good)),
		"the same in two places": request("/ws/chat/?token="+good, bearer(good),
			ws.HeaderField{Name: "Sec-WebSocket-Protocol", Value: "partyline.v1, bearer." + good}),
	} {
		acc, ref := fx.Handshake(context.Background(), r)
		if ref != nil {
			t.Errorf("%s: %+v", name, ref)
			continue
		}
		id := fx.sessions.last
		if id.UID != events.SubjectUID(fx.secret, "u1") || id.User != "Ana" || id.Claims.Sub() != "u1" || !id.Known || !id.Claims.MayEnter("a") || id.Claims.MayEnter("b") {
			t.Errorf("%s: identity %+v", name, id)
		}
		if strings.Contains(acc.Subprotocol, "bearer") {
			t.Errorf("%s: the token is echoed", name)
		}
		if d := fx.DryRun(r); d.Refusal != nil {
			t.Errorf("%s: dry run %+v", name, d)
		}
	}
	for name, c := range map[string]struct {
		r      *ws.Request
		status int
		rule   admission.Rule
		part   string
	}{
		"none":                 {request("/ws/chat/?user=ana"), 401, admission.RuleToken, "needs a token"},
		"another scheme":       {request("/ws/chat/", ws.HeaderField{Name: "Authorization", Value: "Basic eDp5"}), 401, admission.RuleToken, "needs a token"},
		"expired":              {request("/ws/chat/", bearer(signed(t, "u1", -time.Minute))), 401, admission.RuleToken, "expired"},
		"garbage":              {request("/ws/chat/?token=x"), 401, admission.RuleToken, "not a JSON Web Token"},
		"two that differ":      {request("/ws/chat/?token="+good, bearer(other)), 400, admission.RuleParameter, "two"},
		"two more that differ": {request("/ws/chat/?token="+good, protocols("partyline.v1, bearer."+other)), 400, admission.RuleParameter, "two different values of token"},
		"two headers":          {request("/ws/chat/", bearer(good), bearer(good)), 400, admission.RuleParameter, "Authorization"},
	} {
		_, ref := fx.Handshake(context.Background(), c.r)
		if ref == nil || ref.Status != c.status || !strings.Contains(ref.Detail, c.part) {
			t.Errorf("%s: %+v", name, ref)
		}
		if d := fx.DryRun(c.r); d.Rule != c.rule || d.Refusal == nil || d.Refusal.Status != c.status {
			t.Errorf("%s: dry run %+v", name, d)
		}
	}
}

// While the keys of a key set are being read, nobody is told that its token is
// wrong.
func TestTokenBeforeKeysAreRead(t *testing.T) {
	t.Parallel()
	v, err := token.New(token.Config{JWKSURL: "http://localhost/"})
	if err != nil {
		t.Fatal(err)
	}
	fx := setupTokens(t, v, 0)
	raw := "eyJhbGciOiJSUzI1NiIsImtpZCI6ImsxIn0.eyJzdWIiOiJ1MSJ9.AAAA"
	_, ref := fx.Handshake(context.Background(), request("/ws/chat/?token="+raw))
	if ref == nil || ref.Status != 503 || ref.Code != events.CodeOverloaded || ref.RetryAfter <= 0 {
		t.Errorf("%+v", ref)
	}
}
