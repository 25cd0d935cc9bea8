package admission_test

import (
	"net/netip"
	"testing"

	"partyline/events"
	"partyline/gateway/admission"
)

func policy(t *testing.T, origins ...string) *admission.Policy {
	t.Helper()
	p, err := admission.NewPolicy([]string{"chat.example.org", "port.example.org:8443"}, "Buero-7",
		[]string{"8000", "8001"}, origins)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestHost(t *testing.T) {
	t.Parallel()
	p := policy(t)
	for host, ok := range map[string]bool{
		"localhost": true, "LocalHost:8000": true, "127.0.0.1:9": true, "[::1]:8001": true, "[fe80::1]": true, "203.0.113.9": true,
		"buero-7:8000": true, "BUERO-7": true, "chat.example.org": true, "chat.example.org:99": true, "chat.example.org.": true,
		"port.example.org:8443": true, "port.example.org": false, "port.example.org:80": false,
		"evil.example": false, "chat.example.org.evil.example": false, "localhost.evil.example": false,
		"": false, "127.0.0.1.evil.example": false, "xchat.example.org": false, "::1]": false,
	} {
		ref := p.Host(host)
		if (ref == nil) != ok {
			t.Errorf("Host %q: refused %v, want allowed %v", host, ref, ok)
		}
		if ref != nil && (ref.Status != 421 || ref.Code != events.CodeBadHost) {
			t.Errorf("Host %q: %+v", host, ref)
		}
	}
}

func TestOrigin(t *testing.T) {
	t.Parallel()
	listed := policy(t, "https://app.example.org", "https://*.wild.example", "http://dev.example:5173")
	for _, c := range []struct {
		origin, host string
		rule         admission.Rule
		ok           bool
	}{
		{"", "localhost:8001", admission.RuleNoOrigin, true},
		{"http://localhost:8000", "localhost:8000", admission.RuleSameHost, true},
		{"http://localhost:8000", "localhost:8001", admission.RuleSameHost, true}, // the page opens the other listener
		{"HTTP://LOCALHOST:8000", "localhost:8001", admission.RuleSameHost, true},
		{"http://localhost:5173", "localhost:8001", admission.RuleNone, false},
		{"http://127.0.0.1:8000", "localhost:8001", admission.RuleNone, false},
		{"http://[::1]:8000", "[::1]:8001", admission.RuleSameHost, true},
		{"https://chat.example.org", "chat.example.org", admission.RuleSameHost, true},
		{"https://chat.example.org:443", "chat.example.org", admission.RuleSameHost, true},
		{"https://chat.example.org", "chat.example.org:443", admission.RuleSameHost, true},
		{"https://chat.example.org:444", "chat.example.org", admission.RuleNone, false},
		{"https://chat.example.org", "chat.example.org:9999", admission.RuleNone, false},
		{"https://app.example.org", "localhost:8001", admission.RuleListed, true},
		{"https://APP.example.org:443", "localhost:8001", admission.RuleListed, true},
		{"http://app.example.org", "localhost:8001", admission.RuleNone, false},
		{"https://app.example.org.evil.example", "localhost:8001", admission.RuleNone, false},
		{"https://a.wild.example", "localhost:8001", admission.RuleListed, true},
		{"https://a.b.wild.example", "localhost:8001", admission.RuleListed, true},
		{"https://wild.example", "localhost:8001", admission.RuleNone, false},
		{"https://evilwild.example", "localhost:8001", admission.RuleNone, false},
		{"http://dev.example:5173", "localhost:8001", admission.RuleListed, true},
		{"http://dev.example", "localhost:8001", admission.RuleNone, false},
		{"null", "localhost:8001", admission.RuleNull, false},
		{"file://", "localhost:8001", admission.RuleNull, false},
		{"localhost:8000", "localhost:8001", admission.RuleMalformed, false},
		{"http://localhost:8000/", "localhost:8001", admission.RuleMalformed, false},
		{"http://user@localhost:8000", "localhost:8001", admission.RuleMalformed, false},
		{"http://localhost:8000?x", "localhost:8001", admission.RuleMalformed, false},
		{"https://*.wild.example", "localhost:8001", admission.RuleMalformed, false},
		{"chrome-extension://localhost:8000", "localhost:8001", admission.RuleNone, false},
	} {
		rule, ok := listed.Origin(c.origin, c.host)
		if rule != c.rule || ok != c.ok {
			t.Errorf("Origin %q at Host %q: %s %v, want %s %v", c.origin, c.host, rule, ok, c.rule, c.ok)
		}
	}
}

func TestOriginsThatAreOpen(t *testing.T) {
	t.Parallel()
	if rule, ok := policy(t, "null").Origin("null", "localhost"); !ok || rule != admission.RuleNull {
		t.Errorf("null is listed and gives %s %v", rule, ok)
	}
	if _, ok := policy(t, "null").Origin("https://a.example", "localhost"); ok {
		t.Error("listing null allows others")
	}
	for _, o := range []string{"https://a.example", "null", "app://x"} {
		if _, ok := policy(t, "*").Origin(o, "localhost"); !ok {
			t.Errorf("* does not allow %q", o)
		}
	}
	if policy(t).Listed("http://localhost:8000") {
		t.Error("the same host is listed for CORS without configuration")
	}
	if !policy(t, "https://a.example").Listed("https://a.example") {
		t.Error("a listed origin is not listed")
	}
}

func TestClientBehindProxies(t *testing.T) {
	t.Parallel()
	proxies, err := admission.ParseProxies([]string{"127.0.0.1", "10.0.0.0/8", "2001:db8::/32"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		peer      string
		forwarded []string
		want      string
	}{
		{"192.0.2.1", []string{"203.0.113.5"}, "192.0.2.1"}, // not a proxy of ours: it may write what it likes
		{"127.0.0.1", nil, "127.0.0.1"},
		{"127.0.0.1", []string{"203.0.113.5"}, "203.0.113.5"},
		{"::ffff:127.0.0.1", []string{"203.0.113.5"}, "203.0.113.5"},
		{"127.0.0.1", []string{"198.51.100.1, 203.0.113.5"}, "203.0.113.5"}, // the first was written by the client
		{"127.0.0.1", []string{"198.51.100.1", "203.0.113.5, 10.1.2.3"}, "203.0.113.5"},
		{"127.0.0.1", []string{"10.1.1.1, 10.1.2.3"}, "10.1.1.1"},
		{"127.0.0.1", []string{"203.0.113.5:4711"}, "203.0.113.5"},
		{"127.0.0.1", []string{"[2001:db9::1]:4711"}, "2001:db9::1"},
		{"127.0.0.1", []string{"203.0.113.5, unknown, 10.0.0.1"}, "10.0.0.1"},
		{"127.0.0.1", []string{"<script>"}, "127.0.0.1"},
	} {
		if got := proxies.Client(netip.MustParseAddr(c.peer), c.forwarded); got.String() != c.want {
			t.Errorf("peer %s, forwarded %q: %s, want %s", c.peer, c.forwarded, got, c.want)
		}
	}
	if _, err := admission.ParseProxies([]string{"proxy.example"}); err == nil {
		t.Error("a name is taken for a network")
	}
}

func TestPolicyRefusesNonsense(t *testing.T) {
	t.Parallel()
	for _, o := range []string{"example.org", "https://", "https://a.example/path", "https://*", "https://a.*.example"} {
		if _, err := admission.NewPolicy(nil, "", nil, []string{o}); err == nil {
			t.Errorf("origin %q is accepted", o)
		}
	}
}
