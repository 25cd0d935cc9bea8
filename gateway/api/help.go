package api

import (
	"html"
	"io/fs"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-chi/chi/v5"

	"partyline/events"
)

// getHelp answers GET /help/{code}: what a finding means and what to do.
func (a *api) getHelp(w http.ResponseWriter, r *http.Request) error {
	code := chi.URLParam(r, "code")
	if a.deps.Help == nil || len(code) > 64 || !isWord(code) {
		return &problem{status: http.StatusNotFound, code: events.CodeNotFound, detail: "there is no help about this"}
	}
	text, err := fs.ReadFile(a.deps.Help, code+".md")
	if err != nil {
		return &problem{status: http.StatusNotFound, code: events.CodeNotFound, detail: "there is no help about this"}
	}
	body := helpPage(string(text))
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write([]byte(body)) // the peer may be gone
	return nil
}

// helpPage makes a page of our own Markdown: headings, paragraphs, code.
func helpPage(text string) string {
	var b strings.Builder
	title, _, _ := strings.Cut(strings.TrimPrefix(text, "# "), "\n")
	b.WriteString(`<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">` +
		`<meta name="color-scheme" content="light dark"><title>` + html.EscapeString(title) + "</title></head><body><main>\n")
	code := false
	for block := range strings.SplitSeq(strings.ReplaceAll(text, "```\n", "\n\n```\n\n"), "\n\n") {
		block = strings.Trim(block, "\n")
		switch {
		case block == "":
		case block == "```":
			code = !code
		case code:
			b.WriteString("<pre>" + html.EscapeString(block) + "</pre>\n")
		case strings.HasPrefix(block, "## "):
			b.WriteString("<h2>" + html.EscapeString(block[3:]) + "</h2>\n")
		case strings.HasPrefix(block, "# "):
			b.WriteString("<h1>" + html.EscapeString(block[2:]) + "</h1>\n")
		default:
			b.WriteString("<p>" + inline(block) + "</p>\n")
		}
	}
	b.WriteString("</main></body></html>\n")
	return b.String()
}

// inline marks `code` in a paragraph.
func inline(s string) string {
	var b strings.Builder
	for i, part := range strings.Split(s, "`") {
		if i%2 == 1 {
			b.WriteString("<code>" + html.EscapeString(part) + "</code>")
		} else {
			b.WriteString(html.EscapeString(part))
		}
	}
	return b.String()
}
