//go:build linux

package fleet

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/gorilla/websocket"
)

// fake is a small server of Partyline's contract that can be told to do one
// thing wrong.
type fake struct {
	t     *testing.T
	wrong func(f *fake, k int, m *peer, e event) []event // k counts deliveries; nil: nothing is wrong

	mu         sync.Mutex
	seq        int
	deliveries int
	sends      int
	refuse     int                // this many sends are refused for the moment
	log        map[string][]event // by room
	acks       map[string]int     // by user and id: seq
	peers      map[*peer]bool
	dropAck    bool
	skip       int // events that a replay leaves out
}

type event struct {
	room      string
	seq, prev int
	id, text  string
}

type peer struct {
	conn       *websocket.Conn
	user, room string
}

func makeFake(t *testing.T) *fake {
	return &fake{t: t, log: make(map[string][]event), acks: make(map[string]int), peers: make(map[*peer]bool)}
}

// newFake starts a server and returns its address.
func newFake(t *testing.T) (*fake, netip.AddrPort) {
	t.Helper()
	f := makeFake(t)
	srv := httptest.NewServer(f)
	t.Cleanup(srv.Close)
	return f, netip.MustParseAddrPort(srv.Listener.Addr().String())
}

// newTLSFake starts one with TLS and returns what a client needs to trust it.
func newTLSFake(t *testing.T) (netip.AddrPort, *tls.Config) {
	t.Helper()
	srv := httptest.NewTLSServer(makeFake(t))
	t.Cleanup(srv.Close)
	roots := x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	return netip.MustParseAddrPort(srv.Listener.Addr().String()), &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"}
}

// set says what goes wrong from now on.
func (f *fake) set(wrong func(f *fake, k int, m *peer, e event) []event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wrong = wrong
}

// ServeHTTP runs one connection.
func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	conn, err := (&websocket.Upgrader{EnableCompression: true}).Upgrade(w, r, nil)
	if err != nil {
		f.t.Error(err)
		return
	}
	m := &peer{conn: conn, user: r.URL.Query().Get("user")}
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.peers, m)
		conn.Close()
	}()
	for {
		_, data, err := conn.ReadMessage()
		if err != nil {
			return
		}
		var in struct {
			Type, Room, ID, Text, Epoch string
			Since                       int
		}
		if err := json.Unmarshal(data, &in); err != nil {
			f.t.Error(err)
			return
		}
		f.mu.Lock()
		switch in.Type {
		case "join":
			f.join(m, in.Room, in.Since, in.Epoch)
		case "send":
			f.send(m, event{room: in.Room, id: in.ID, text: in.Text})
		}
		f.mu.Unlock()
	}
}

func (f *fake) join(m *peer, room string, since int, epoch string) {
	m.room = room
	f.peers[m] = true
	log := f.log[room]
	if epoch == "" {
		last := 0
		if len(log) > 0 {
			last = log[len(log)-1].seq
		}
		m.write(fmt.Sprintf(`{"type":"joined","room":"%s","epoch":"e","last_seq":%d,"members":1,"messages":[],"more":false}`, room, last))
		return
	}
	m.write(fmt.Sprintf(`{"type":"joined","room":"%s","epoch":"e","last_seq":%d,"members":1,"replayed":1}`, room, f.seq))
	for _, e := range log {
		if e.seq <= since {
			continue
		}
		if f.skip > 0 {
			f.skip--
			continue
		}
		m.event(e)
	}
}

func (f *fake) send(from *peer, e event) {
	if f.refuse > 0 {
		f.refuse--
		from.write(fmt.Sprintf(`{"type":"error","code":"storage_unavailable","message":"later","id":"%s","retry_after_ms":1}`, e.id))
		return
	}
	key := from.user + "/" + e.id
	if seq, known := f.acks[key]; known {
		from.write(fmt.Sprintf(`{"type":"ack","id":"%s","seq":%d,"duplicate":true}`, e.id, seq))
		return
	}
	if log := f.log[e.room]; len(log) > 0 {
		e.prev = log[len(log)-1].seq
	}
	f.seq++
	f.sends++
	e.seq, f.acks[key] = f.seq, f.seq
	f.log[e.room] = append(f.log[e.room], e)
	for m := range f.peers {
		if m.room != e.room {
			continue
		}
		events := []event{e}
		if f.wrong != nil {
			events = f.wrong(f, f.deliveries, m, e)
		}
		f.deliveries++
		for _, e := range events {
			m.event(e)
		}
	}
	if !f.dropAck || f.sends != 5 {
		from.write(fmt.Sprintf(`{"type":"ack","id":"%s","seq":%d}`, e.id, e.seq))
	}
}

func (m *peer) event(e event) {
	m.write(fmt.Sprintf(`{"type":"event","room":"%s","seq":%d,"prev":%d,"event":{"v":1,"kind":"message","id":"%s","text":"%s"}}`,
		e.room, e.seq, e.prev, e.id, e.text))
}

// write ignores errors: the reading side sees that the connection has ended.
func (m *peer) write(frame string) {
	_ = m.conn.WriteMessage(websocket.TextMessage, []byte(frame))
}

// change replaces a part of an event's text.
func change(e event, old, by string) event {
	e.text = strings.Replace(e.text, old, by, 1)
	return e
}
