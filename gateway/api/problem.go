package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"partyline/events"
	"partyline/events/query"
	"partyline/events/stream"
)

// problem is an error answer (RFC 9457). It is an error, so that handlers return
// it.
type problem struct {
	status     int
	code       events.Code
	detail     string
	retryAfter time.Duration
	extra      any // struct or map with further members, nil for none
}

// Error implements error.
func (p *problem) Error() string { return string(p.code) + ": " + p.detail }

func badRequest(format string, args ...any) *problem {
	return &problem{status: http.StatusBadRequest, code: events.CodeBadRequest, detail: fmt.Sprintf(format, args...)}
}

// retryAfter is told with answers that get better by themselves.
const retryAfter = 2 * time.Second

// problemOf turns the error of a handler into what may be told. known is false
// when it is our own failure, of which nothing is told.
func problemOf(err error) (p *problem, known bool) {
	if errors.As(err, &p) {
		return p, true
	}
	if e, ok := errors.AsType[*events.Error](err); ok {
		p = &problem{status: statusOf(e.Code), code: e.Code, detail: e.Message}
		if p.code == events.CodeBadFrame { // of frames alone; here it is a request
			p.code = events.CodeBadRequest
		}
		if p.status == http.StatusServiceUnavailable {
			p.retryAfter = retryAfter
		}
		return p, true
	}
	switch {
	case errors.Is(err, query.ErrUnavailable), errors.Is(err, stream.ErrUnavailable),
		errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return &problem{
			status: http.StatusServiceUnavailable, code: events.CodeStorageUnavailable,
			detail: "storage cannot answer at the moment; try again", retryAfter: retryAfter,
		}, true
	}
	return &problem{status: http.StatusInternalServerError, code: events.CodeInternal, detail: "the server failed; its log says more"}, false
}

// statusOf is the HTTP status of a code.
func statusOf(code events.Code) int {
	switch code {
	case events.CodeNotFound:
		return http.StatusNotFound
	case events.CodeForbidden, events.CodeNotYours, events.CodeOriginRefused:
		return http.StatusForbidden
	case events.CodeUnauthenticated:
		return http.StatusUnauthorized
	case events.CodeRateLimited:
		return http.StatusTooManyRequests
	case events.CodeTooLarge, events.CodeRequestTooLarge:
		return http.StatusRequestEntityTooLarge
	case events.CodeBadMethod:
		return http.StatusMethodNotAllowed
	case events.CodeBadHost:
		return http.StatusMisdirectedRequest
	case events.CodeOverloaded, events.CodeDraining, events.CodeStorageUnavailable:
		return http.StatusServiceUnavailable
	case events.CodeInternal:
		return http.StatusInternalServerError
	}
	return http.StatusBadRequest
}

// handle makes an http.HandlerFunc of a handler that returns its errors.
func (a *api) handle(h func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		err := h(w, r)
		if err == nil {
			return
		}
		p, known := problemOf(err)
		if !known {
			a.log.ErrorContext(r.Context(), "request failed", "route", chi.RouteContext(r.Context()).RoutePattern(), "error", err)
		}
		p.write(w)
	}
}

// write answers with the problem document.
func (p *problem) write(w http.ResponseWriter) {
	body, err := p.document()
	if err != nil { // cannot happen: extra members are our own types
		body = []byte("{}\n")
	}
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "no-store")
	if p.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int((p.retryAfter+time.Second-1)/time.Second)))
	}
	if p.status == http.StatusUnauthorized {
		h.Set("Www-Authenticate", "Bearer")
	}
	w.WriteHeader(p.status)
	_, _ = w.Write(body) // the peer may be gone
}

// document is the problem as JSON: the members of RFC 9457, code, then extra.
func (p *problem) document() ([]byte, error) {
	body, err := json.Marshal(struct {
		Type   string      `json:"type"`
		Title  string      `json:"title"`
		Status int         `json:"status"`
		Code   events.Code `json:"code"`
		Detail string      `json:"detail"`
	}{"about:blank", http.StatusText(p.status), p.status, p.code, p.detail})
	if err != nil {
		return nil, fmt.Errorf("encoding a problem: %w", err)
	}
	if p.extra != nil {
		more, err := json.Marshal(p.extra)
		if err != nil {
			return nil, fmt.Errorf("encoding a problem: %w", err)
		}
		if len(more) > 2 {
			body = append(append(body[:len(body)-1], ','), more[1:]...)
		}
	}
	return append(body, '\n'), nil
}

func (a *api) notFound(w http.ResponseWriter, r *http.Request) {
	(&problem{
		status: http.StatusNotFound, code: events.CodeNotFound,
		detail: "nothing is served at this path; /api/v1/openapi.json lists what is",
	}).write(w)
}

// badMethod answers a method that a path does not have, and names those it has.
func (a *api) badMethod(w http.ResponseWriter, r *http.Request) {
	allowed := allowedMethods(r)
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	(&problem{
		status: http.StatusMethodNotAllowed, code: events.CodeBadMethod,
		detail: "this path answers " + strings.Join(allowed, ", "),
	}).write(w)
}

// allowedMethods lists the methods of the request's path.
func allowedMethods(r *http.Request) []string {
	rctx := chi.RouteContext(r.Context())
	path := r.URL.RawPath
	if path == "" {
		path = r.URL.Path
	}
	var methods []string
	for _, m := range []string{http.MethodGet, http.MethodPost} {
		if rctx.Routes.Match(chi.NewRouteContext(), m, path) {
			methods = append(methods, m)
		}
	}
	if slices.Contains(methods, http.MethodGet) {
		methods = slices.Insert(methods, 1, http.MethodHead)
	}
	return methods
}

// writeJSON answers 200 with a value.
func writeJSON(w http.ResponseWriter, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encoding an answer: %w", err)
	}
	writeBody(w, append(body, '\n'))
	return nil
}

// writeBody answers 200 with encoded JSON.
func writeBody(w http.ResponseWriter, body []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) // the peer may be gone
}
