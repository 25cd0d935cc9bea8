package store

import "strings"

// agent is what a User-Agent header says, as far as statistics need it.
type agent struct{ name, version, os string }

// products maps tokens of the header to names, the most specific first: nearly
// every browser also claims to be others.
var products = []struct{ token, name string }{ //nolint:gochecknoglobals // constant table
	{"Edg/", "Edge"}, {"EdgA/", "Edge"}, {"OPR/", "Opera"}, {"SamsungBrowser/", "Samsung Internet"},
	{"Firefox/", "Firefox"}, {"FxiOS/", "Firefox"}, {"CriOS/", "Chrome"}, {"HeadlessChrome/", "Chrome"},
	{"Chrome/", "Chrome"}, {"Version/", "Safari"}, {"Go-http-client/", "Go"}, {"curl/", "curl"},
	{"python-requests/", "Python"}, {"websockets/", "Python"}, {"okhttp/", "OkHttp"}, {"node", "Node.js"},
}

var systems = []struct{ token, name string }{ //nolint:gochecknoglobals // constant table
	{"Windows NT", "Windows"}, {"Android", "Android"}, {"iPhone", "iOS"}, {"iPad", "iOS"},
	{"Mac OS X", "macOS"}, {"CrOS", "ChromeOS"}, {"Linux", "Linux"},
}

// parseAgent reads a User-Agent header; what it does not know is left empty.
func parseAgent(header string) agent {
	var a agent
	for _, p := range products {
		at := strings.Index(header, p.token)
		if at < 0 {
			continue
		}
		a.name = p.name
		rest := strings.TrimPrefix(header[at+len(p.token):], "/")
		end := 0
		for end < len(rest) && end < 6 && rest[end] >= '0' && rest[end] <= '9' {
			end++
		}
		a.version = rest[:end]
		break
	}
	for _, s := range systems {
		if strings.Contains(header, s.token) {
			a.os = s.name
			break
		}
	}
	return a
}
