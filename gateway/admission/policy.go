package admission

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"partyline/events"
	"partyline/gateway/ws"
)

// Rule is the kind of rule that decided about an Origin (wire contract, detail
// 8). It never names a configured pattern.
type Rule = string

// The rules.
const (
	RuleSameHost  Rule = "same_host"  // the page comes from the host that it connects to
	RuleListed    Rule = "listed"     // an entry of the configured origins
	RuleNull      Rule = "null"       // the opaque origin of files and sandboxes
	RuleNone      Rule = "none"       // no rule allows the Origin
	RuleNoOrigin  Rule = "no_origin"  // there is no Origin: not a browser
	RuleMalformed Rule = "malformed"  // the Origin is no origin, or there are two
	RuleBadHost   Rule = "bad_host"   // refused before, because of Host
	RuleParameter Rule = "parameter"  // refused because of a parameter
	RuleToken     Rule = "token"      // refused because of the token
	RuleRate      Rule = "rate_limit" // the address opens connections too fast
	RuleDraining  Rule = "draining"   // the server shuts down
	RuleStorage   Rule = "storage"    // the log cannot be reached yet
)

// Policy decides about Host and Origin (wire contract, detail 9).
type Policy struct {
	hosts   []hostPort // public hosts and this machine's name; port "": every port
	ports   []string   // of our own listeners
	any     bool       // every origin
	null    bool       // the opaque origin
	exact   []string   // normalised origins
	domains []wildcard
}

type hostPort struct{ name, port string }

// wildcard is "https://*.example.org": names that end with suffix.
type wildcard struct{ scheme, suffix, port string }

// NewPolicy makes a policy. publicHosts are the names under which the service
// is reached, with or without port; machine is this machine's own name, ""
// for none; ports are those of our own listeners; origins are exact ones,
// "https://*.example.org", "null" or "*".
func NewPolicy(publicHosts []string, machine string, ports []string, origins []string) (*Policy, error) {
	p := &Policy{ports: ports}
	for _, h := range publicHosts {
		name, port := splitHost(h)
		if name == "" {
			return nil, fmt.Errorf("admission: %q is not a host name", h)
		}
		p.hosts = append(p.hosts, hostPort{name, port})
	}
	if machine != "" {
		p.hosts = append(p.hosts, hostPort{strings.ToLower(machine), ""})
	}
	for _, o := range origins {
		if err := p.allow(o); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (p *Policy) allow(origin string) error {
	switch origin {
	case "*":
		p.any = true
		return nil
	case "null":
		p.null = true
		return nil
	}
	plain, wild := strings.CutPrefix(strings.ToLower(origin), "https://*.")
	scheme := "https"
	if !wild {
		if plain, wild = strings.CutPrefix(strings.ToLower(origin), "http://*."); wild {
			scheme = "http"
		}
	}
	if wild {
		o, ok := parseOrigin(scheme + "://" + plain)
		if !ok {
			return fmt.Errorf("admission: %q is not an origin", origin)
		}
		p.domains = append(p.domains, wildcard{o.scheme, "." + o.name, o.port})
		return nil
	}
	o, ok := parseOrigin(origin)
	if !ok {
		return fmt.Errorf("admission: %q is not an origin", origin)
	}
	p.exact = append(p.exact, o.String())
	return nil
}

// Host says whether a request with this Host may be answered at all: nil, or a
// 421. Names other than our own are refused, since rebinding of DNS needs one.
func (p *Policy) Host(host string) *ws.Refusal {
	name, port := splitHost(host)
	if name == "localhost" || isAddress(name) {
		return nil
	}
	for _, h := range p.hosts {
		if h.name == name && (h.port == "" || h.port == port) {
			return nil
		}
	}
	return &ws.Refusal{
		Status: 421, Code: events.CodeBadHost,
		Detail: fmt.Sprintf("this server is not known as %s; if it should be, configure http.public-hosts: %s", shown(host), shown(name)),
	}
}

// Origin says whether a page of this origin may open the chat at this Host, and
// which rule decided. "" is no Origin header.
func (p *Policy) Origin(origin, host string) (Rule, bool) {
	if origin == "" {
		return RuleNoOrigin, true
	}
	if opaque(origin) {
		return RuleNull, p.null || p.any
	}
	o, ok := parseOrigin(origin)
	if !ok {
		return RuleMalformed, false
	}
	name, port := splitHost(host)
	// The Host of a proxy may lack the port that its scheme implies.
	if port == "80" || port == "443" {
		port = ""
	}
	if o.scheme != "http" && o.scheme != "https" {
		return RuleNone, p.any
	}
	if o.name == name && (o.port == port || slices.Contains(p.ports, o.realPort())) {
		return RuleSameHost, true
	}
	if p.any || p.lists(o) {
		return RuleListed, true
	}
	return RuleNone, false
}

func (p *Policy) lists(o origin) bool {
	if slices.Contains(p.exact, o.String()) {
		return true
	}
	return slices.ContainsFunc(p.domains, func(w wildcard) bool {
		return o.scheme == w.scheme && o.port == w.port && strings.HasSuffix(o.name, w.suffix)
	})
}

// Listed reports whether an origin may read REST answers across origins: those
// of the configuration, never the same host, which needs no permission.
func (p *Policy) Listed(origin string) bool {
	if opaque(origin) {
		return p.null || p.any
	}
	o, ok := parseOrigin(origin)
	return ok && (p.any || p.lists(o))
}

// opaque: what pages without an origin send; old versions of Chrome name files.
func opaque(origin string) bool { return origin == "null" || origin == "file://" }

// origin is a normalised origin: lower case, and no port where it is that of
// the scheme.
type origin struct{ scheme, name, port string }

// String is the serialisation of RFC 6454 section 6.2.
func (o origin) String() string {
	name := o.name
	if strings.Contains(name, ":") {
		name = "[" + name + "]"
	}
	if o.port != "" {
		name += ":" + o.port
	}
	return o.scheme + "://" + name
}

func (o origin) realPort() string {
	switch {
	case o.port != "":
		return o.port
	case o.scheme == "https":
		return "443"
	}
	return "80"
}

func parseOrigin(s string) (origin, bool) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme == "" || u.Host == "" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" ||
		strings.ContainsAny(s, "?# \t") || strings.Contains(u.Host, "*") {
		return origin{}, false
	}
	o := origin{scheme: strings.ToLower(u.Scheme), name: strings.ToLower(u.Hostname()), port: u.Port()}
	if o.name == "" {
		return origin{}, false
	}
	if o.scheme == "http" && o.port == "80" || o.scheme == "https" && o.port == "443" {
		o.port = ""
	}
	return o, true
}

// splitHost takes a Host apart, in lower case; port "" when there is none.
func splitHost(host string) (name, port string) {
	host = strings.ToLower(host)
	if n, p, err := net.SplitHostPort(host); err == nil {
		return strings.TrimSuffix(n, "."), p
	}
	if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
		return host[1 : len(host)-1], ""
	}
	return strings.TrimSuffix(host, "."), ""
}

func isAddress(name string) bool {
	_, err := netip.ParseAddr(name)
	return err == nil
}

// shown bounds and quotes what a peer sent.
func shown(s string) string {
	const most = 100
	if len(s) > most {
		s = s[:most] + "…"
	}
	return fmt.Sprintf("%q", s)
}
