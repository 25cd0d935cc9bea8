package hub

import (
	"testing"
	"time"

	"partyline/gateway/token"
)

var tokenSecret = []byte("0123456789abcdef0123456789abcdef")

// setupTokens adds a hub in jwt mode to a fixture.
func setupTokens(t *testing.T) (*fixture, *Hub, *token.Verifier) {
	t.Helper()
	v, err := token.New(token.Config{Secret: tokenSecret})
	if err != nil {
		t.Fatal(err)
	}
	fx := setup(t)
	return fx, fx.addHubWith(v), v
}

// holder is a token that enters the rooms, and what it says.
func holder(t *testing.T, v *token.Verifier, sub string, ttl time.Duration, rooms ...string) (string, *token.Claims) {
	t.Helper()
	raw, err := token.Sign(tokenSecret, token.Request{Subject: sub, Rooms: rooms, Now: time.Now(), TTL: ttl})
	if err != nil {
		t.Fatal(err)
	}
	claims, err := v.Verify(raw)
	if err != nil {
		t.Fatal(err)
	}
	return raw, claims
}

func TestGrants(t *testing.T) {
	t.Parallel()
	fx, h, v := setupTokens(t)
	_, claims := holder(t, v, "u1", time.Hour, "a", "team-*")
	c := fx.connectAs(h, Identity{UID: "00000000000000aa", User: "a", Claims: claims})
	if w := c.expect("welcome"); w.Sub != "u1" {
		t.Errorf("welcome: %+v", w)
	}
	if e := c.join("secret"); e.Code != "not_found" {
		t.Errorf("join: %+v", e)
	}
	c.say(`{"type":"history","room":"secret","id":"h","limit":1}`)
	if e := c.answer("h"); e.Code != "not_found" {
		t.Errorf("history: %+v", e)
	}
	c.join("a")
	c.join("team-1")
	for _, room := range []string{"a", "team-1"} {
		c.say(`{"type":"send","room":%q,"id":"s-%s","text":"x"}`, room, room)
		if f := c.answer("s-" + room); f.Type != "ack" {
			t.Errorf("send to %s: %+v", room, f)
		}
	}

	// A new token of the same subject is taken; what it does not name is left.
	fewer, _ := holder(t, v, "u1", 2*time.Hour, "team-1")
	c.say(`{"type":"auth","id":"n","token":%q}`, fewer)
	if l := c.expect("left"); l.Room != "a" {
		t.Errorf("left: %+v", l)
	}
	if f := c.answer("n"); f.Type != "authed" || f.Expires == "" {
		t.Errorf("auth: %+v", f)
	}
	c.say(`{"type":"send","room":"a","id":"s2","text":"x"}`)
	if e := c.answer("s2"); e.Code != "not_joined" {
		t.Errorf("send to a room that was lost: %+v", e)
	}

	// Another's, or a bad one, changes nothing.
	others, _ := holder(t, v, "u2", time.Hour, "secret")
	for id, raw := range map[string]string{"o1": others, "o2": "x.y.z", "o3": fewer + "x"} {
		c.say(`{"type":"auth","id":%q,"token":%q}`, id, raw)
		if e := c.answerInAnyOrder(id); e.Code != "unauthenticated" {
			t.Errorf("%s: %+v", id, e)
		}
	}
	if e := c.join("secret"); e.Code != "not_found" {
		t.Errorf("join after another's token: %+v", e)
	}
	open := fx.connect()
	open.say(`{"type":"auth","id":"x","token":%q}`, fewer)
	if e := open.answer("x"); e.Code != "bad_request" {
		t.Errorf("auth in open mode: %+v", e)
	}
}

// A connection ends with its token, unless a new one comes in time.
func TestTokenExpires(t *testing.T) {
	t.Parallel()
	fx, h, v := setupTokens(t)
	_, soon := holder(t, v, "u1", 1500*time.Millisecond, "*")
	c := fx.connectAs(h, Identity{UID: "00000000000000aa", User: "a", Claims: soon})
	kept := fx.connectAs(h, Identity{UID: "00000000000000ab", User: "b", Claims: soon})
	longer, _ := holder(t, v, "u1", time.Hour, "*")
	kept.say(`{"type":"auth","id":"n","token":%q}`, longer)
	if f := kept.answer("n"); f.Type != "authed" {
		t.Fatalf("auth: %+v", f)
	}
	if code := c.waitClosed(); code != 4001 {
		t.Errorf("closed with %d", code)
	}
	if b := c.expect("bye"); b.Reason != "token_expired" {
		t.Errorf("bye: %+v", b)
	}
	kept.join("r")
	kept.say(`{"type":"send","room":"r","id":"s","text":"x"}`)
	if f := kept.answer("s"); f.Type != "ack" {
		t.Errorf("send with the longer token: %+v", f)
	}
}

// Tokens cost time to verify: a flood of them is refused.
func TestAuthFlood(t *testing.T) {
	t.Parallel()
	fx, h, v := setupTokens(t)
	raw, claims := holder(t, v, "u1", time.Hour, "*")
	c := fx.connectAs(h, Identity{UID: "00000000000000aa", User: "a", Claims: claims})
	for range 200 {
		c.say(`{"type":"auth","id":"n","token":%q}`, raw)
	}
	eventually(t, "the flood is refused", func() bool {
		for _, e := range c.all("error") {
			if e.Code == "rate_limited" && e.Retry > 0 {
				return true
			}
		}
		return false
	})
	if n := len(c.all("authed")); n < signalBurst || n > signalBurst+100 {
		t.Errorf("%d tokens were taken", n)
	}
}
