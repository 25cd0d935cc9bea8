package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"
)

// document is the part of OpenAPI that the tests read.
type document struct {
	Paths map[string]map[string]struct {
		Responses map[string]struct {
			Content map[string]struct{ Schema schema }
		}
	}
	Components struct{ Schemas map[string]schema }
}

// schema is the part of JSON Schema that the document uses.
type schema struct {
	Ref                  string            `json:"$ref"`
	Type                 any               `json:"type"`
	Required             []string          `json:"required"`
	Properties           map[string]schema `json:"properties"`
	AdditionalProperties *schema           `json:"additionalProperties"`
	Items                *schema           `json:"items"`
	Enum                 []any             `json:"enum"`
	Const                any               `json:"const"`
	Pattern              string            `json:"pattern"`
}

func readDocument(t *testing.T) document {
	t.Helper()
	var doc document
	if err := json.Unmarshal(openAPI, &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

// The document and the router name the same routes.
func TestOpenAPINamesEveryRoute(t *testing.T) {
	t.Parallel()
	fx := setup(t)
	doc := readDocument(t)
	fx.api.page, _ = newPage(nil)
	var served, described []string
	err := chi.Walk(fx.api.router(), func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		bare := route == "/" || route == "/chat/status" || route == "/chat/diagnostics" || strings.HasPrefix(route, "/api/v1/admin/")
		if (method == http.MethodGet || method == http.MethodPost) && !bare {
			served = append(served, method+" "+route)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for path, methods := range doc.Paths {
		for method := range methods {
			described = append(described, strings.ToUpper(method)+" "+path)
		}
	}
	slices.Sort(served)
	slices.Sort(described)
	if !slices.Equal(served, described) {
		t.Errorf("served    %v\ndescribed %v", served, described)
	}
}

// Real answers are what the document says.
func TestAnswersFitTheDocument(t *testing.T) {
	t.Parallel()
	fx := setup(t)
	doc := readDocument(t)
	fx.bus.Publish(t, "lobby", "one", "two")
	for path, route := range map[string]string{
		"/chat/status/":                "/chat/status/",
		"/api/v1/rooms":                "/api/v1/rooms",
		"/api/v1/rooms/lobby":          "/api/v1/rooms/{room}",
		"/api/v1/rooms/lobby/messages": "/api/v1/rooms/{room}/messages",
		"/api/v1/rooms/lobby/events":   "/api/v1/rooms/{room}/events",
		"/api/v1/close-codes":          "/api/v1/close-codes",
		"/api/v1/openapi.json":         "/api/v1/openapi.json",
		"/healthz":                     "/healthz",
		"/readyz":                      "/readyz",
		"/api/v1/rooms/none":           "/api/v1/rooms/{room}",
	} {
		a := fx.get(path, asAdmin...)
		status := "200"
		if a.StatusCode != 200 {
			status = "default"
		}
		kind, _, _ := strings.Cut(a.Header.Get("Content-Type"), ";")
		media, ok := doc.Paths[route]["get"].Responses[status].Content[kind]
		if !ok {
			t.Errorf("%s answers %s %s, which is not described", path, a.Status, kind)
			continue
		}
		for line := range strings.Lines(a.body) {
			var value any
			if err := json.Unmarshal([]byte(line), &value); err != nil {
				if value, err = whole(a.body); err != nil {
					t.Errorf("%s: %v", path, err)
				}
				doc.check(t, path, media.Schema, value)
				break
			}
			doc.check(t, path, media.Schema, value)
		}
	}
}

// whole reads a document that has several lines.
func whole(body string) (value any, err error) {
	err = json.Unmarshal([]byte(body), &value)
	return value, err
}

// check reports where a value does not fit a schema, or has what it does not
// describe.
func (d *document) check(t *testing.T, at string, s schema, v any) {
	t.Helper()
	if name, ok := strings.CutPrefix(s.Ref, "#/components/schemas/"); ok {
		target, known := d.Components.Schemas[name]
		if !known {
			t.Errorf("%s: no schema %s", at, name)
		}
		d.check(t, at, target, v)
		return
	}
	if name := typeOf(v); s.Type != nil && !strings.Contains(fmt.Sprint(s.Type), name) && (s.Type != "number" || name != "integer") {
		t.Errorf("%s is %v, not %v", at, v, s.Type)
	}
	if s.Enum != nil && !slices.Contains(s.Enum, v) || s.Const != nil && s.Const != v {
		t.Errorf("%s is %v", at, v)
	}
	switch v := v.(type) {
	case string:
		if s.Pattern != "" && !regexp.MustCompile(s.Pattern).MatchString(v) {
			t.Errorf("%s is %q, which does not match %s", at, v, s.Pattern)
		}
	case []any:
		for i, item := range v {
			d.check(t, fmt.Sprintf("%s[%d]", at, i), *s.Items, item)
		}
	case map[string]any:
		for _, name := range s.Required {
			if _, ok := v[name]; !ok {
				t.Errorf("%s lacks %s", at, name)
			}
		}
		for name, member := range v {
			switch p, ok := s.Properties[name]; {
			case ok:
				d.check(t, at+"."+name, p, member)
			case s.AdditionalProperties != nil:
				d.check(t, at+"."+name, *s.AdditionalProperties, member)
			case s.Properties != nil:
				t.Errorf("%s.%s is not described", at, name)
			}
		}
	}
}

// typeOf is JSON Schema's name for the type of a value.
func typeOf(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case string:
		return "string"
	case float64:
		if v == float64(int64(v)) {
			return "integer"
		}
		return "number"
	case []any:
		return "array"
	}
	return "object"
}
