package doctor

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
)

// target is the address that is diagnosed.
type target struct {
	ws         *url.URL // chat, without query
	echo       *url.URL
	http       *url.URL // base of the API
	host, port string
	secure     bool
}

// ErrURL is returned for what is no address of a WebSocket.
var ErrURL = errors.New("not an address of a WebSocket")

func newTarget(raw, base string) (*target, error) {
	u, err := url.Parse(raw)
	if err != nil || len(raw) > 2048 {
		return nil, fmt.Errorf("%w: %s", ErrURL, Escape(raw))
	}
	switch u.Scheme {
	case "http", "https":
		u.Scheme = strings.Replace(u.Scheme, "http", "ws", 1)
	case "ws", "wss":
	default:
		return nil, fmt.Errorf("%w: it begins with ws:// or wss://", ErrURL)
	}
	if u.Hostname() == "" || u.User != nil || u.Fragment != "" {
		return nil, fmt.Errorf("%w: a host is needed, without user and fragment", ErrURL)
	}
	u.RawQuery = ""
	if u.Path == "" || u.Path == "/" {
		u.Path = "/ws/chat/"
	}
	t := &target{ws: u, host: u.Hostname(), port: u.Port(), secure: u.Scheme == "wss"}
	if t.port == "" {
		t.port = map[bool]string{true: "443", false: "80"}[t.secure]
	}
	echo := *u
	if at := strings.LastIndex(strings.TrimSuffix(echo.Path, "/"), "/chat"); at >= 0 {
		echo.Path = echo.Path[:at] + "/echo/"
	}
	t.echo = &echo
	if t.http, err = t.base(base); err != nil {
		return nil, err
	}
	return t, nil
}

// base is where the API is: as given, or on the same port; the dedicated listener
// has none, so that its neighbour 8000 is meant by default.
func (t *target) base(given string) (*url.URL, error) {
	if given != "" {
		u, err := url.Parse(given)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
			return nil, fmt.Errorf("%w: the address of the API begins with http:// or https://", ErrURL)
		}
		return &url.URL{Scheme: u.Scheme, Host: u.Host, Path: "/"}, nil
	}
	scheme, port := "http", t.port
	if t.secure {
		scheme = "https"
	}
	if port == "8001" {
		port = "8000"
	}
	return &url.URL{Scheme: scheme, Host: net.JoinHostPort(t.host, port), Path: "/"}, nil
}
