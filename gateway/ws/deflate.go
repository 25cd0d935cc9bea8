package ws

import (
	"strconv"
	"strings"
	"sync"

	"github.com/gobwas/ws"
	"github.com/klauspost/compress/flate"
)

const (
	maxWindowBits = 15
	minWindowBits = 8
	// minPacked is the shortest payload that is compressed: below it there is
	// little to gain, and both sides pay.
	minPacked = 192
)

// deflateOffer is an offer of permessage-deflate that was accepted.
type deflateOffer struct {
	window int    // the client's receiving window in bytes
	answer string // the extension as answered
}

// negotiate chooses the first offer of permessage-deflate that can be accepted
// (RFC 7692 section 7.1), nil when there is none. An offer with a parameter that
// is unknown, invalid or given twice is declined; the next one is a fall-back.
//
// No context is taken over in either direction: a message compressed once suits
// everybody, and an idle connection keeps no window.
func negotiate(req *Request) *deflateOffer {
	for _, line := range req.Values("Sec-WebSocket-Extensions") {
		for offer := range splitQuoted(line, ',') {
			if accepted := acceptOffer(offer); accepted != nil {
				return accepted
			}
		}
	}
	return nil
}

func acceptOffer(offer string) *deflateOffer {
	first := true
	seen := make(map[string]bool, 4)
	d := &deflateOffer{
		window: 1 << maxWindowBits,
		answer: "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
	}
	for part := range splitQuoted(offer, ';') {
		part = strings.Trim(part, " \t")
		if first {
			if !strings.EqualFold(part, "permessage-deflate") {
				return nil
			}
			first = false
			continue
		}
		name, value, given := strings.Cut(part, "=")
		name, value = strings.ToLower(strings.Trim(name, " \t")), strings.Trim(value, " \t")
		if seen[name] {
			return nil
		}
		seen[name] = true
		switch name {
		case "server_no_context_takeover", "client_no_context_takeover":
			if given {
				return nil
			}
		case "client_max_window_bits": // a hint; any window of the client suits
			if _, ok := windowBits(value); given && !ok {
				return nil
			}
		case "server_max_window_bits":
			n, ok := windowBits(value)
			if !ok {
				return nil
			}
			d.window = 1 << n
			d.answer += "; server_max_window_bits=" + strconv.Itoa(n)
		default:
			return nil
		}
	}
	return d
}

// windowBits reads 8 to 15 in decimal without leading zeros, quoted or not.
func windowBits(s string) (int, bool) {
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		s = s[1 : len(s)-1]
	}
	if len(s) == 0 || len(s) > 2 || s[0] == '0' {
		return 0, false
	}
	n := 0
	for _, c := range []byte(s) {
		if !isDigit(c) {
			return 0, false
		}
		n = 10*n + int(c-'0')
	}
	return n, n >= minWindowBits && n <= maxWindowBits
}

// splitQuoted cuts s at a separator outside of quoted strings.
func splitQuoted(s string, sep byte) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		from, quoted := 0, false
		for i := 0; i < len(s); i++ {
			switch {
			case s[i] == '"':
				quoted = !quoted
			case s[i] == '\\' && quoted:
				i++
			case s[i] == sep && !quoted:
				if !yield(s[from:i]) {
					return
				}
				from = i + 1
			}
		}
		yield(s[from:])
	}
}

// packing is the compressed form of a frame, made when it is first needed.
type packing struct {
	mu    sync.Mutex // guards what follows
	tried bool
	frame *Frame // nil: it would not be shorter
}

// packed is the form of the frame for a receiver with that window. It is valid as
// long as the frame; who keeps it retains it. Longer payloads than a window that
// was made smaller leave as they are: the compressed form, which all receivers
// share, could refer to more than the window holds.
func (f *Frame) packed(window int) *Frame {
	if n := f.end - f.head; n < minPacked || n > window && window < 1<<maxWindowBits || f.buf.b[0]&0x0f > byte(ws.OpBinary) {
		return f
	}
	f.pack.mu.Lock()
	defer f.pack.mu.Unlock()
	if !f.pack.tried {
		f.pack.tried = true
		if len(f.parts) > 0 {
			f.pack.frame = joinPacked(f.parts)
		} else {
			f.pack.frame = compress(f)
		}
	}
	if f.pack.frame == nil {
		return f
	}
	return f.pack.frame
}

// joinPacked joins the compressed forms of frames, nil when none has one. All of
// them together are within the receiver's window, or it is the largest one.
func joinPacked(parts []*Frame) *Frame {
	packed, found := make([]*Frame, len(parts)), false
	for i, p := range parts {
		packed[i] = p.packed(1 << maxWindowBits)
		found = found || packed[i] != p
	}
	if !found {
		return nil
	}
	return Join(packed...)
}

// deflater compresses one message at a time.
type deflater struct {
	w   *flate.Writer
	out *buffer
	n   int
}

//nolint:gochecknoglobals // frames are made by functions, before any engine is known
var deflaters = sync.Pool{New: func() any {
	d := new(deflater)
	w, err := flate.NewWriter(d, flate.BestSpeed)
	if err != nil {
		panic("ws: " + err.Error()) // the level is a constant
	}
	d.w = w
	return d
}}

// Write implements io.Writer. What has no room is forgotten: it would not be
// shorter.
func (d *deflater) Write(p []byte) (int, error) {
	copy(d.out.b[min(d.n, len(d.out.b)):], p)
	d.n += len(p)
	return len(p), nil
}

// compress makes the compressed form of a frame, nil when it is not shorter.
func compress(f *Frame) *Frame {
	payload := f.Payload()
	d, _ := deflaters.Get().(*deflater)
	defer deflaters.Put(d)
	d.out, d.n = getBuffer(len(payload)), 0
	defer func() { putBuffer(d.out); d.out = nil }()
	d.w.Reset(d)
	_, err := d.w.Write(payload)
	if err == nil {
		err = d.w.Flush()
	}
	n := d.n - len(deflateTail) // RFC 7692 section 7.2.1
	if err != nil || d.n > len(d.out.b) || n < 1 || n >= len(payload) {
		return nil
	}
	z := newFrame(ws.OpCode(f.buf.b[0]&0x0f), d.out.b[:n])
	z.buf.b[0] |= rsv1 << 4
	return z
}
