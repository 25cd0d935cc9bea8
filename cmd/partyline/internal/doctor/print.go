package doctor

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// steps tells what was seen, in the order in which it was looked at.
func (e *evidence) steps(r *Report) {
	ips := make([]string, len(e.net.addrs))
	for i, a := range e.net.addrs {
		ips[i] = a.ip.String()
	}
	r.step("name", state(e.net.dns), e.net.dnsIn, orError(e.net.dns, strings.Join(ips, ", ")))
	for _, a := range e.net.addrs {
		r.step("TCP "+a.ip.String(), state(a.tcp), a.tcpIn, orError(a.tcp, "port "+e.t.port))
		if e.t.secure && a.tcp == nil {
			words := "no certificate"
			if a.cert != nil {
				words = a.cert.Subject.String() + ", until " + a.cert.NotAfter.UTC().Format(time.DateOnly)
			}
			r.step("TLS "+a.ip.String(), state(a.tls), a.tlsIn, orError(a.tls, words))
		}
	}
	if e.chat == nil {
		return
	}
	r.step("status", httpState(e.doc != nil), e.status.took, answerWords(&e.status, e.doc != nil))
	r.step("plain request", httpState(e.route.ours()), e.route.took, answerWords(&e.route, e.route.ours()))
	r.step("upgrade", httpState(e.chat.opened()), e.chat.took, orError(e.chat.err, fmt.Sprintf("status %d %s", e.chat.status, e.chat.problem.Code)))
	if e.chat.opened() {
		r.step("first frames", state(e.first), 0, orError(e.first, "welcome and pong"))
	}
	if len(e.rtts) > 0 {
		r.step("echo", "ok", e.median(), fmt.Sprintf("median of %d round trips; up to %d bytes came back", len(e.rtts), e.back))
	}
	if e.idleDone {
		r.step("quiet connection", state(e.idleErr), e.idle, orError(e.idleErr, "held"))
	}
	r.step("server's record", recordState(e), 0, recordWords(e))
}

func state(err error) string { return httpState(err == nil) }

func httpState(ok bool) string {
	if ok {
		return "ok"
	}
	return "failed"
}

func orError(err error, words string) string {
	if err != nil {
		return err.Error()
	}
	return words
}

func answerWords(a *answer, ours bool) string {
	if a.err != nil {
		return a.err.Error()
	}
	from := "not Partyline"
	if ours {
		from = "Partyline"
	}
	return fmt.Sprintf("status %d, %s", a.status, from)
}

func recordState(e *evidence) string {
	switch {
	case !e.record.known:
		return "unknown"
	case len(e.record.Stages) == 0:
		return "failed"
	}
	return "ok"
}

func recordWords(e *evidence) string {
	switch {
	case !e.record.known:
		return "could not be read"
	case len(e.record.Stages) == 0:
		return "no gateway saw the attempt"
	}
	words := make([]string, 0, len(e.record.Stages))
	for _, s := range e.record.Stages {
		w := s.Stage
		if s.ErrorType != "" {
			w += " (" + s.ErrorType + ")"
		}
		words = append(words, w)
	}
	return strings.Join(words, " > ")
}

// Print writes a report for people; with colours when told so.
func (r *Report) Print(w io.Writer, colours bool) error {
	paint := func(code, s string) string {
		if !colours {
			return s
		}
		return "\x1b[" + code + "m" + s + "\x1b[0m"
	}
	marks := map[string]string{
		"ok": paint("32", "ok  "), "failed": paint("31", "FAIL"), "warning": paint("33", "warn"), "unknown": paint("33", "?   "), "not_reached": "-   ",
	}
	levels := map[Severity]string{Critical: paint("31;1", "critical"), Warning: paint("33", "warning"), Info: "info"}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n", r.URL)
	for _, s := range r.Steps {
		took := ""
		if s.Took > 0 {
			took = fmt.Sprintf("%.1f ms", float64(s.Took.Microseconds())/1000)
		}
		fmt.Fprintf(&b, "  %s  %-24s %10s  %s\n", marks[s.State], s.Name, took, s.Detail)
	}
	b.WriteString("\n")
	if r.Verdict == "healthy" {
		b.WriteString(paint("32;1", "The connection works.") + "\n")
	}
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "%s  %s  (%s, %s)\n", levels[f.Severity], paint("1", f.Title), f.Code, f.Confidence)
		for _, line := range f.Evidence {
			fmt.Fprintf(&b, "    seen: %s\n", line)
		}
		fmt.Fprintf(&b, "    do:   %s\n", f.Advice)
	}
	fmt.Fprintf(&b, "\ntrace %s\n", r.Trace)
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}
