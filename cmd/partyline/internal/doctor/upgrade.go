package doctor

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // the hash of RFC 6455
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/gobwas/ws"
)

// upgrade is one opening handshake, byte by byte.
type upgrade struct {
	request  []byte
	response []byte // as far as it was read
	err      error  // of writing or reading the answer
	status   int
	problem  problemDoc
	header   http.Header
	keyOK    bool
	protocol string
	took     time.Duration

	conn net.Conn
	in   *bufio.Reader
}

// problemDoc are the members of our problem documents that matter here.
type problemDoc struct {
	Status  int      `json:"status"`
	Code    string   `json:"code"`
	Detail  string   `json:"detail"`
	Missing []string `json:"missing"`
	Wrong   []string `json:"wrong"`
}

const (
	maxHead = 16 << 10
	maxBody = 64 << 10
)

// dial opens TCP, and TLS without a check of the chain, which look has made.
func dial(ctx context.Context, t *target, ip netip.Addr) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(ip.String(), t.port))
	if err != nil || !t.secure {
		return conn, err
	}
	tc := tls.Client(conn, &tls.Config{ServerName: t.host, InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}) //nolint:gosec // see above
	if err := tc.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return tc, nil
}

// open makes one opening handshake. The caller closes the connection if there is
// one.
func open(ctx context.Context, t *target, ip netip.Addr, at *url.URL, query url.Values, o Options, chat bool) *upgrade {
	u := &upgrade{}
	var raw [16]byte
	rand.Read(raw[:])
	key := base64.StdEncoding.EncodeToString(raw[:])
	u.request = requestOf(at, query, key, o, chat)
	begin := time.Now()
	defer func() { u.took = time.Since(begin) }()
	if u.conn, u.err = dial(ctx, t, ip); u.err != nil {
		return u
	}
	_ = u.conn.SetDeadline(time.Now().Add(5 * time.Second))
	if _, u.err = u.conn.Write(u.request); u.err != nil {
		return u
	}
	u.in = bufio.NewReader(u.conn)
	u.err = u.readAnswer(key)
	return u
}

func requestOf(at *url.URL, query url.Values, key string, o Options, chat bool) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "GET %s?%s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n", at.EscapedPath(), query.Encode(), at.Host)
	fmt.Fprintf(&b, "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n", key)
	if chat {
		b.WriteString("Sec-WebSocket-Protocol: partyline.v1\r\n")
	}
	if o.Origin != "" {
		fmt.Fprintf(&b, "Origin: %s\r\n", o.Origin)
	}
	if o.Token != "" && chat {
		fmt.Fprintf(&b, "Authorization: Bearer %s\r\n", o.Token)
	}
	b.WriteString("User-Agent: partyline-doctor\r\n\r\n")
	return b.Bytes()
}

// readAnswer reads the head byte by byte, so that no frame is taken with it, and
// the body of a refusal.
func (u *upgrade) readAnswer(key string) error {
	var head bytes.Buffer
	for !bytes.HasSuffix(head.Bytes(), []byte("\r\n\r\n")) {
		c, err := u.in.ReadByte()
		if err != nil {
			u.response = head.Bytes()
			return err
		}
		if head.WriteByte(c); head.Len() > maxHead {
			return errors.New("the head of the answer is longer than 16 KiB")
		}
	}
	u.response = head.Bytes()
	r, err := http.ReadResponse(bufio.NewReader(io.MultiReader(bytes.NewReader(head.Bytes()), u.in)), nil)
	if err != nil {
		return err
	}
	u.status, u.header = r.StatusCode, r.Header
	if r.StatusCode == http.StatusSwitchingProtocols {
		sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) //nolint:gosec // RFC 6455 section 4.2.2
		u.keyOK = r.Header.Get("Sec-WebSocket-Accept") == base64.StdEncoding.EncodeToString(sum[:])
		u.protocol = r.Header.Get("Sec-WebSocket-Protocol")
		return nil
	}
	defer r.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(r.Body, maxBody)) // as far as it came
	_ = json.Unmarshal(body, &u.problem)                   // what is none stays empty
	return nil
}

// opened reports whether the handshake was granted.
func (u *upgrade) opened() bool {
	return u.err == nil && u.status == http.StatusSwitchingProtocols && u.keyOK
}

// ours reports whether the answer is one of our refusals.
func (u *upgrade) ours() bool { return u.problem.Code != "" && u.problem.Status == u.status }

func (u *upgrade) close() {
	if u.conn != nil {
		u.conn.Close()
	}
}

// send writes one masked text or control frame.
func (u *upgrade) send(op ws.OpCode, payload []byte) error {
	f := ws.MaskFrameInPlace(ws.NewFrame(op, true, bytes.Clone(payload)))
	return ws.WriteFrame(u.conn, f)
}

// closedError is a Close frame of the peer.
type closedError struct {
	code   int
	reason string
}

func (e *closedError) Error() string {
	return fmt.Sprintf("closed with %d %s", e.code, Escape(e.reason))
}

// next returns the payload of the next data frame; it answers pings. Frames
// longer than 1 MiB are an error.
func (u *upgrade) next(patience time.Duration) ([]byte, error) {
	_ = u.conn.SetDeadline(time.Now().Add(patience))
	for {
		h, err := ws.ReadHeader(u.in)
		if err != nil {
			return nil, err
		}
		if h.Length > 1<<20 {
			return nil, errors.New("a frame longer than 1 MiB")
		}
		payload := make([]byte, h.Length)
		if _, err := io.ReadFull(u.in, payload); err != nil {
			return nil, err
		}
		switch h.OpCode {
		case ws.OpClose:
			code, reason := ws.ParseCloseFrameData(payload)
			return nil, &closedError{int(code), strings.ToValidUTF8(reason, "?")}
		case ws.OpPing:
			if err := u.send(ws.OpPong, payload); err != nil {
				return nil, err
			}
		case ws.OpPong:
		default:
			return payload, nil
		}
	}
}
