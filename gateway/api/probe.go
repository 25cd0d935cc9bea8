package api

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"partyline/events"
)

// mark is a picture whose size says "ours": a page may load it across origins
// without CORS, so it tells a missing CORS header from another server.
const mark = `<svg xmlns="http://www.w3.org/2000/svg" width="37" height="23" viewBox="0 0 37 23"><path d="M0 0h37v23H0z" fill="#2563eb"/></svg>` + "\n"

// getMark answers GET /api/v1/diagnostics/probe.svg.
func (a *api) getMark(w http.ResponseWriter, _ *http.Request) error {
	h := w.Header()
	h.Set("Content-Type", "image/svg+xml")
	h.Set("Content-Length", strconv.Itoa(len(mark)))
	_, _ = w.Write([]byte(mark)) // the peer may be gone
	return nil
}

// probeAnswer is what arrived of a request.
type probeAnswer struct {
	Nonce       string            `json:"nonce"`
	Time        string            `json:"time"`
	HTTPVersion string            `json:"http_version"`
	Method      string            `json:"method"`
	Scheme      string            `json:"scheme"`
	Host        string            `json:"host"`
	Remote      probeRemote       `json:"remote"`
	Headers     map[string]string `json:"headers"` // those that matter to WebSockets
	Proxies     []string          `json:"proxies"` // as they name themselves
}

type probeRemote struct {
	Address string `json:"address"` // the peer's own, told to nobody else
	Family  string `json:"family"`  // ipv4, ipv6
}

const (
	maxNonce     = 64
	maxShown     = 128 // bytes of one header
	maxProxies   = 16
	maxChunks    = 10
	chunkSpacing = 200 * time.Millisecond
)

// getProbe answers GET /api/v1/diagnostics/probe?nonce=. With chunks=N the answer
// comes in N lines, one each 200 ms, which shows a proxy that holds answers back.
func (a *api) getProbe(w http.ResponseWriter, r *http.Request) error {
	if err := allow(a.diagnosis.probes, a.cfg.ClientAddr(r), "probes"); err != nil {
		return err
	}
	query := r.URL.Query()
	nonce := query.Get("nonce")
	if len(nonce) > maxNonce || !isWord(nonce) {
		return badRequest("nonce has at most %d characters [A-Za-z0-9_-]", maxNonce)
	}
	chunks, err := chunksOf(query.Get("chunks"))
	if err != nil {
		return err
	}
	answer := a.probe(r, nonce)
	if chunks == 0 {
		return writeJSON(w, answer)
	}
	return a.stream(w, r, nonce, chunks)
}

func (a *api) probe(r *http.Request, nonce string) probeAnswer {
	from := a.cfg.ClientAddr(r)
	answer := probeAnswer{
		Nonce: nonce, Time: string(events.AppendTime(nil, time.Now())),
		HTTPVersion: fmt.Sprintf("%d.%d", r.ProtoMajor, r.ProtoMinor), Method: r.Method, Scheme: "http",
		Host: printable(r.Host), Remote: probeRemote{Family: "ipv6"}, Headers: map[string]string{}, Proxies: []string{},
	}
	if r.TLS != nil {
		answer.Scheme = "https"
	}
	if from.IsValid() {
		answer.Remote.Address = from.String()
		if from.Is4() {
			answer.Remote.Family = "ipv4"
		}
	}
	for _, name := range []string{
		"Upgrade", "Connection", "Sec-Websocket-Version", "Sec-Websocket-Protocol", "Sec-Websocket-Extensions",
		"Via", "Forwarded", "X-Forwarded-Proto", "X-Forwarded-Host", "Origin", "Sec-Fetch-Mode", "Sec-Fetch-Site",
	} {
		if v := r.Header.Get(name); v != "" {
			answer.Headers[name] = printable(v)
		}
	}
	for _, line := range r.Header.Values("Via") {
		for hop := range strings.SplitSeq(line, ",") {
			if len(answer.Proxies) < maxProxies {
				answer.Proxies = append(answer.Proxies, printable(strings.TrimSpace(hop)))
			}
		}
	}
	return answer
}

func chunksOf(text string) (int, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxChunks {
		return 0, badRequest("chunks is a number from 1 to %d", maxChunks)
	}
	return n, nil
}

// stream sends a line at a time.
func (a *api) stream(w http.ResponseWriter, r *http.Request, nonce string, chunks int) error {
	if err := a.slots.finds.enter(); err != nil {
		return err
	}
	defer a.slots.finds.leave()
	w.Header().Set("Content-Type", "application/x-ndjson")
	rc := http.NewResponseController(w)
	tick := time.NewTicker(chunkSpacing)
	defer tick.Stop()
	for i := range chunks {
		if _, err := fmt.Fprintf(w, "{\"nonce\":%q,\"chunk\":%d}\n", nonce, i); err != nil {
			return nil // the peer is gone
		}
		if err := rc.Flush(); err != nil || i == chunks-1 {
			return nil // the peer is gone
		}
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return nil
		}
	}
	return nil
}

// isWord: letters, digits, - and _ only.
func isWord(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// printable keeps the printable ASCII of a header, bounded.
func printable(s string) string {
	if len(s) > maxShown {
		s = s[:maxShown]
	}
	return strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' {
			return '?'
		}
		return c
	}, s)
}
