// Command gorilla is a chat hub on gorilla/websocket as people write it: the
// hub of that project's chat example, one for each room. Every connection has a
// reading and a writing goroutine and a channel of 256 messages; the writer puts
// what waits in the channel into one message; who does not keep up is dropped.
package main

import (
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"partyline/bench/peers/peer"
)

// Times of the chat example.
const (
	writeWait  = 10 * time.Second
	pongWait   = 60 * time.Second
	pingPeriod = pongWait * 9 / 10
)

func main() {
	l, err := peer.Listen()
	if err != nil {
		os.Exit(peer.Exit(err))
	}
	s := &server{hubs: make(map[string]*hub)}
	s.upgrader = websocket.Upgrader{ReadBufferSize: 1024, WriteBufferSize: 1024}
	srv := &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	os.Exit(peer.Exit(srv.Serve(l)))
}

type server struct {
	upgrader websocket.Upgrader
	mu       sync.Mutex // guards hubs
	hubs     map[string]*hub
}

// ServeHTTP upgrades and starts the two goroutines of a connection.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	conn, err := s.upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // it has answered
	}
	c := &client{conn: conn, send: make(chan []byte, 256)}
	go c.write()
	go c.read(s)
}

// hub finds or starts the hub of a room.
func (s *server) hub(room string) *hub {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.hubs[room]
	if h == nil {
		h = &hub{
			clients: make(map[*client]bool), broadcast: make(chan []byte),
			register: make(chan *client), unregister: make(chan *client),
		}
		s.hubs[room] = h
		go h.run()
	}
	return h
}

type hub struct {
	clients              map[*client]bool
	broadcast            chan []byte
	register, unregister chan *client
}

func (h *hub) run() {
	for {
		select {
		case c := <-h.register:
			h.clients[c] = true
			c.send <- []byte("j")
		case c := <-h.unregister:
			if h.clients[c] {
				delete(h.clients, c)
				close(c.send)
			}
		case message := <-h.broadcast:
			for c := range h.clients {
				select {
				case c.send <- message:
				default:
					close(c.send)
					delete(h.clients, c)
				}
			}
		}
	}
}

type client struct {
	conn *websocket.Conn
	send chan []byte
}

// read hands messages to the hub.
func (c *client) read(s *server) {
	var h *hub
	defer func() {
		if h != nil {
			h.unregister <- c
		} else {
			close(c.send)
		}
		c.conn.Close()
	}()
	c.conn.SetReadLimit(peer.MaxMessage)
	wait := func(string) error { return c.conn.SetReadDeadline(time.Now().Add(pongWait)) }
	if wait("") != nil {
		return
	}
	c.conn.SetPongHandler(wait)
	for {
		_, message, err := c.conn.ReadMessage()
		switch {
		case err != nil || len(message) == 0:
			return
		case message[0] == 'j' && h == nil:
			h = s.hub(string(message[1:]))
			h.register <- c
		case h != nil:
			h.broadcast <- message
		}
	}
}

// write writes what the hub sends, and pings.
func (c *client) write() {
	ticker := time.NewTicker(pingPeriod)
	defer ticker.Stop()
	defer c.conn.Close()
	for {
		select {
		case message, ok := <-c.send:
			if c.conn.SetWriteDeadline(time.Now().Add(writeWait)) != nil {
				return
			}
			if !ok {
				_ = c.conn.WriteMessage(websocket.CloseMessage, nil) // it is being closed anyway
				return
			}
			if c.batch(message) != nil {
				return
			}
		case <-ticker.C:
			if c.conn.SetWriteDeadline(time.Now().Add(writeWait)) != nil ||
				c.conn.WriteMessage(websocket.PingMessage, nil) != nil {
				return
			}
		}
	}
}

// batch writes one message and, into the same one, what waits behind it.
func (c *client) batch(message []byte) error {
	w, err := c.conn.NextWriter(websocket.TextMessage)
	if err != nil {
		return err
	}
	if _, err := w.Write(message); err != nil {
		return err
	}
	newline := []byte{'\n'}
	for range len(c.send) {
		next, ok := <-c.send
		if !ok {
			break
		}
		if _, err := w.Write(newline); err != nil {
			return err
		}
		if _, err := w.Write(next); err != nil {
			return err
		}
	}
	return w.Close()
}
