package lifecycle

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"

	"partyline/events/jsonscan"
)

// Append appends r as one line to a batch and returns the longer batch; it
// returns dst and ErrBatch for a row that no batch has room for.
func Append(dst []byte, r *Row) ([]byte, error) {
	step := r.Step()
	line := AppendStep(dst, &step)
	line = AppendWho(line, r)
	line = AppendHow(line, r)
	line = AppendEnd(line)
	if len(line)-len(dst) > MaxBatchBytes {
		return dst, fmt.Errorf("%w: a row of %d bytes", ErrBatch, len(line)-len(dst))
	}
	return line, nil
}

// A line is made of parts, so that what many rows share is encoded once:
// AppendStep begins it, AppendWho and AppendHow add columns that do not change
// any more, AppendEnd ends it.

// AppendStep begins a line with the columns of a step.
func AppendStep(dst []byte, s *Step) []byte {
	dst = append(dst, `{"t":`...)
	dst = strconv.AppendInt(dst, s.Time.UnixMicro(), 10)
	dst = append(dst, `,"s":`...)
	dst = jsonscan.AppendString(dst, valid(string(s.Stage)))
	dst = append(dst, `,"o":`...)
	dst = jsonscan.AppendString(dst, valid(string(s.Outcome)))
	dst = appendInt(dst, "d", s.Duration.Microseconds())
	dst = appendInt(dst, "sa", s.SinceAccept.Microseconds())
	dst = appendText(dst, "et", s.ErrorType)
	dst = appendText(dst, "ed", s.ErrorDetail)
	dst = appendInt(dst, "st", int64(s.Status))
	dst = appendInt(dst, "cc", int64(s.CloseCode))
	dst = appendText(dst, "cb", s.CloseBy)
	dst = appendText(dst, "cr", s.CloseReason)
	dst = appendInt(dst, "rt", s.RTT.Microseconds())
	dst = appendUint(dst, "fi", s.FramesIn)
	dst = appendUint(dst, "fo", s.FramesOut)
	dst = appendUint(dst, "bi", s.BytesIn)
	dst = appendUint(dst, "bo", s.BytesOut)
	return appendUint(dst, "qp", s.QueuePeak)
}

// AppendWho adds the columns that tell connections apart.
func AppendWho(dst []byte, r *Row) []byte {
	dst = appendText(dst, "c", r.Conn)
	dst = appendText(dst, "tr", r.Trace)
	dst = appendAddr(dst, "ci", r.ClientIP)
	dst = appendUint(dst, "cp", uint64(r.ClientPort))
	dst = appendText(dst, "uh", r.UserHash)
	dst = appendText(dst, "pc", r.Previous)
	return appendInt(dst, "ro", int64(r.Rooms))
}

// AppendHow adds the columns that many connections have in common.
func AppendHow(dst []byte, r *Row) []byte {
	dst = appendText(dst, "g", r.Gateway)
	dst = appendTexts(dst, "p", r.Params)
	dst = appendText(dst, "tv", r.TokenVia)
	dst = appendAddr(dst, "pi", r.PeerIP)
	dst = appendUint(dst, "lp", uint64(r.LocalPort))
	dst = appendText(dst, "h", r.Host)
	dst = appendText(dst, "sc", r.Scheme)
	dst = appendText(dst, "pa", r.Path)
	dst = appendText(dst, "m", r.Method)
	dst = appendText(dst, "hv", r.HTTPVersion)
	dst = appendText(dst, "or", r.Origin)
	dst = appendText(dst, "sp", r.Subprotocol)
	dst = appendText(dst, "ex", r.Extensions)
	dst = appendHeaders(dst, "hd", r.Headers)
	dst = appendText(dst, "ua", r.UserAgent)
	dst = appendFlag(dst, "px", r.Proxied)
	dst = appendInt(dst, "xf", int64(r.XFFHops))
	dst = appendText(dst, "tl", r.TLSVersion)
	dst = appendText(dst, "tc", r.TLSCipher)
	dst = appendFlag(dst, "ts", r.TLSResumed)
	dst = appendText(dst, "al", r.ALPN)
	return appendFlag(dst, "sy", r.Synthetic)
}

// AppendSame adds, in place of AppendWho and AppendHow, that the columns are
// those of the latest line of the same connection in the batch; conn is "" for
// the connection of the line before.
func AppendSame(dst []byte, conn string) []byte {
	return appendFlag(appendText(dst, "c", conn), "=", true)
}

// AppendEnd ends a line.
func AppendEnd(dst []byte) []byte { return append(dst, '}', '\n') }

func appendName(dst []byte, name string) []byte {
	dst = append(dst, ',', '"')
	dst = append(dst, name...)
	return append(dst, '"', ':')
}

func appendText(dst []byte, name, s string) []byte {
	if s == "" {
		return dst
	}
	return jsonscan.AppendString(appendName(dst, name), valid(s))
}

func appendTexts(dst []byte, name string, texts []string) []byte {
	if len(texts) == 0 {
		return dst
	}
	dst = append(appendName(dst, name), '[')
	for i, s := range texts {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = jsonscan.AppendString(dst, valid(s))
	}
	return append(dst, ']')
}

func appendHeaders(dst []byte, name string, headers []Header) []byte {
	if len(headers) == 0 {
		return dst
	}
	dst = append(appendName(dst, name), '[')
	for i, h := range headers {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"Name":`...)
		dst = jsonscan.AppendString(dst, valid(h.Name))
		dst = append(dst, `,"Value":`...)
		dst = jsonscan.AppendString(dst, valid(h.Value))
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

func appendAddr(dst []byte, name string, a netip.Addr) []byte {
	if !a.IsValid() {
		return dst
	}
	if a.Zone() != "" {
		return appendText(dst, name, a.String())
	}
	dst = append(appendName(dst, name), '"')
	return append(a.AppendTo(dst), '"')
}

func appendInt(dst []byte, name string, n int64) []byte {
	if n == 0 {
		return dst
	}
	return strconv.AppendInt(appendName(dst, name), n, 10)
}

func appendUint(dst []byte, name string, n uint64) []byte {
	if n == 0 {
		return dst
	}
	return strconv.AppendUint(appendName(dst, name), n, 10)
}

func appendFlag(dst []byte, name string, on bool) []byte {
	if !on {
		return dst
	}
	return append(appendName(dst, name), "true"...)
}

// valid replaces what is not UTF-8.
func valid(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "\ufffd")
}
