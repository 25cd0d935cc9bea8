package api

import (
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"partyline/events"
	"partyline/gateway/ws"
)

// Bounds of one request.
const (
	maxTarget      = 8 << 10  // bytes of the request target
	maxHeaderBytes = 16 << 10 // bytes of all headers
	maxBody        = 64 << 10 // bytes of a body: a message with everything escaped, and more
	writeTimeout   = 30 * time.Second
	readTimeout    = 10 * time.Second
)

// recover answers a failure of ours without telling anything about it.
func (a *api) recover(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			reason := recover()
			if reason == nil {
				return
			}
			if err, ok := reason.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(reason) // cuts an answer that cannot be completed
			}
			a.log.ErrorContext(r.Context(), "panic while answering", "panic", fmt.Sprint(reason), "stack", string(debug.Stack()))
			if c, ok := w.(*countingWriter); ok && c.status != 0 {
				panic(http.ErrAbortHandler)
			}
			p, _ := problemOf(fmt.Errorf("panic: %v", reason))
			p.write(w)
		}()
		next.ServeHTTP(w, r)
	})
}

// basics bounds the request, checks its host and sets the headers that every
// answer has.
func (a *api) basics(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("Cache-Control", "no-store")
		rc := http.NewResponseController(w)
		// Servers that cannot do it bound the connection by other means.
		_ = rc.SetWriteDeadline(time.Now().Add(writeTimeout))
		_ = rc.SetReadDeadline(time.Now().Add(readTimeout))
		if p := tooLarge(r); p != nil {
			h.Set("Connection", "close")
			p.write(w)
			return
		}
		if ref := a.deps.Policy.Host(r.Host); ref != nil {
			h.Set("Cross-Origin-Resource-Policy", "cross-origin")
			ws.WriteRefusalHTTP(w, ref)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		next.ServeHTTP(w, r)
	})
}

func tooLarge(r *http.Request) *problem {
	size := 0
	for name, values := range r.Header {
		for _, v := range values {
			size += len(name) + len(v)
		}
	}
	if size <= maxHeaderBytes && len(r.RequestURI) <= maxTarget {
		return nil
	}
	return &problem{
		status: http.StatusRequestHeaderFieldsTooLarge, code: events.CodeRequestTooLarge,
		detail: fmt.Sprintf("the path may have %d bytes, all headers together %d", maxTarget, maxHeaderBytes),
	}
}

// open lets pages of every origin read a route, without credentials.
func (a *api) open(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("Timing-Allow-Origin", "*")
		h.Set("Cross-Origin-Resource-Policy", "cross-origin")
		if preflight(r) {
			answerPreflight(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// listed lets pages of the policy's origins read a route, without credentials.
func (a *api) listed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Add("Vary", "Origin")
		origin, allowed := a.origin(r)
		if allowed && origin != "" {
			h.Set("Access-Control-Allow-Origin", origin)
			h.Set("Access-Control-Expose-Headers", "Retry-After")
		}
		if !preflight(r) {
			next.ServeHTTP(w, r)
			return
		}
		if !allowed {
			(&problem{
				status: http.StatusForbidden, code: events.CodeOriginRefused,
				detail: fmt.Sprintf("pages of %.200q may not call this; the setting origins names those that may", origin),
			}).write(w)
			return
		}
		answerPreflight(w, r)
	})
}

// origin is the origin of the page that asks, "" without one, and whether it may
// read the answer.
func (a *api) origin(r *http.Request) (origin string, allowed bool) {
	switch values := r.Header.Values("Origin"); len(values) {
	case 0:
		return "", true
	case 1:
		_, ok := a.deps.Policy.Origin(values[0], r.Host)
		return values[0], ok
	default:
		return strings.Join(values, ", "), false
	}
}

func preflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Origin") != "" && r.Header.Get("Access-Control-Request-Method") != ""
}

func answerPreflight(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Access-Control-Allow-Methods", strings.Join(allowedMethods(r), ", "))
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Idempotency-Key")
	h.Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
}
