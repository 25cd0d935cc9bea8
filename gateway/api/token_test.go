package api

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"partyline/events/eventstest"
	"partyline/gateway/token"
)

// In jwt mode a token's rooms are all that exists, and its subject is who speaks.
func TestTokens(t *testing.T) {
	t.Parallel()
	secret := []byte("0123456789abcdef0123456789abcdef")
	v, err := token.New(token.Config{Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	fx := setup(t, func(d *Deps) { d.Tokens = v })
	as := func(r token.Request) []string {
		r.Now = time.Now()
		if r.TTL == 0 {
			r.TTL = time.Hour
		}
		raw, err := token.Sign(secret, r)
		if err != nil {
			t.Fatal(err)
		}
		return []string{"Authorization", "Bearer " + raw}
	}
	ana := as(token.Request{Subject: "u1", Name: "Ana", Rooms: []string{"lobby", "team-*"}})
	mod := as(token.Request{Subject: "u2", Moderate: []string{"lobby"}})
	boss := as(token.Request{Subject: "u3", Name: "Boss", Admin: true})
	late := as(token.Request{Subject: "u1", Rooms: []string{"*"}, TTL: -time.Minute})
	for _, room := range []string{"lobby", "secret", "team-1", "zoo"} {
		fx.bus.Publish(t, room, "hello")
	}
	eventstest.Eventually(t, eventstest.Patience, func() bool { return fx.get("/api/v1/rooms/zoo", asAdmin...).StatusCode == 200 })

	rooms := fx.get("/api/v1/rooms", ana...)
	if !strings.Contains(rooms.body, `"lobby"`) || !strings.Contains(rooms.body, `"team-1"`) || strings.Contains(rooms.body, "secret") || strings.Contains(rooms.body, "zoo") {
		t.Errorf("rooms: %s", rooms.body)
	}
	if first := fx.get("/api/v1/rooms?limit=1", ana...); strings.Contains(first.body, "team-1") || !strings.Contains(first.body, `"more":true`) {
		t.Errorf("a page of one room: %s", first.body)
	}
	if second := fx.get("/api/v1/rooms?limit=1&after=lobby", ana...); !strings.Contains(second.body, "team-1") || !strings.Contains(second.body, `"more":false`) {
		t.Errorf("the page after it: %s", second.body)
	}
	for _, c := range []struct {
		path    string
		headers []string
		want    string
	}{
		{"/api/v1/rooms", nil, "401 unauthenticated"},
		{"/api/v1/rooms", late, "401 unauthenticated"},
		{"/api/v1/rooms/lobby", nil, "401 unauthenticated"},
		{"/api/v1/rooms/lobby", ana, "200"},
		{"/api/v1/rooms/secret", ana, "404 not_found"},
		{"/api/v1/rooms/lobby/messages", nil, "401 unauthenticated"},
		{"/api/v1/rooms/lobby/messages", ana, "200"},
		{"/api/v1/rooms/secret/messages", ana, "404 not_found"},
		{"/api/v1/rooms/secret/messages", boss, "200"},
		{"/api/v1/rooms/lobby/events", ana, "403 forbidden"},
		{"/api/v1/rooms/lobby/events", mod, "200"},
		{"/api/v1/rooms/secret/events", mod, "404 not_found"},
		{"/api/v1/rooms/secret/events", asAdmin, "200"},
		{"/api/v1/rooms/secret/events", boss, "200"},
		{"/chat/status/", ana, "200"},
	} {
		a := fx.get(c.path, c.headers...)
		got := "200"
		if a.StatusCode != 200 {
			got = problemText(t, a)
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.path, got, c.want)
		}
	}
	// An expired token is nobody's guess at the admin token.
	for range maxWrongTokens + 2 {
		if got := problemText(t, fx.get("/api/v1/rooms", late...)); got != "401 unauthenticated" {
			t.Fatalf("expired token: %s", got)
		}
	}
	fx.sendAsHolders(t, ana, boss)
}

// sendAsHolders: a message is that of the token's subject, except the admin's.
func (fx *fixture) sendAsHolders(t *testing.T, ana, boss []string) {
	t.Helper()
	send := func(room, body string, headers []string) answer {
		var a answer
		eventstest.Eventually(t, eventstest.Patience, func() bool { // the publisher is starting
			a = fx.ask(http.MethodPost, "/api/v1/rooms/"+room+"/messages", body, append(headers, "Content-Type", "application/json")...)
			return a.StatusCode != 503
		})
		return a
	}
	for _, c := range []struct {
		room, body string
		headers    []string
		want       string
	}{
		{"lobby", `{"text":"x"}`, nil, "401 unauthenticated"},
		{"secret", `{"text":"x"}`, ana, "404 not_found"},
		{"lobby", `{"text":"x","user":"Eve"}`, ana, "400 bad_request"},
	} {
		if got := problemText(t, send(c.room, c.body, c.headers)); got != c.want {
			t.Errorf("%s to %s: %s, want %s", c.body, c.room, got, c.want)
		}
	}
	for body, headers := range map[string][]string{
		`{"text":"by ana"}`: ana, `{"text":"by boss"}`: boss, `{"text":"by shop","user":"Shop"}`: boss,
	} {
		if a := send("lobby", body, headers); a.StatusCode != 200 {
			t.Errorf("%s: %s", body, a.body)
		}
	}
	history := fx.get("/api/v1/rooms/lobby/messages", ana...).body
	for _, want := range []string{`"user":"Ana","text":"by ana"`, `"user":"Boss","text":"by boss"`, `"user":"Shop","text":"by shop"`} {
		if !strings.Contains(history, want) {
			t.Errorf("history has no %s: %s", want, history)
		}
	}
}
