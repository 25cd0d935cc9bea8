package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// wireFrame is any frame of the server.
type wireFrame struct {
	Type      string          `json:"type"`
	ID        string          `json:"id"`
	Room      string          `json:"room"`
	UID       string          `json:"uid"`
	Epoch     string          `json:"epoch"`
	Seq       uint64          `json:"seq"`
	Prev      uint64          `json:"prev"`
	TS        string          `json:"ts"`
	Event     wireEvent       `json:"event"`
	LastSeq   uint64          `json:"last_seq"`
	Messages  []wireMessage   `json:"messages"`
	More      bool            `json:"more"`
	Replayed  *int            `json:"replayed"`
	Reset     bool            `json:"reset"`
	Duplicate bool            `json:"duplicate"`
	Code      string          `json:"code"`
	Message   string          `json:"message"`
	Reason    string          `json:"reason"`
	Raw       json.RawMessage `json:"-"`
}

type wireEvent struct {
	Kind   string `json:"kind"`
	ID     string `json:"id"`
	UID    string `json:"uid"`
	User   string `json:"user"`
	Text   string `json:"text"`
	Target uint64 `json:"target"`
	Emoji  string `json:"emoji"`
	On     bool   `json:"on"`
}

type wireMessage struct {
	Seq       uint64         `json:"seq"`
	ID        string         `json:"id"`
	UID       string         `json:"uid"`
	Text      string         `json:"text"`
	Edited    string         `json:"edited"`
	Deleted   bool           `json:"deleted"`
	Reactions map[string]int `json:"reactions"`
}

// chatClient is one WebSocket connection to the chat.
type chatClient struct {
	conn   net.Conn
	reader io.Reader // may hold bytes that came with the 101
}

// dialChat opens a connection as a user with a client key.
func dialChat(addr, user, key string) (*chatClient, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	target := url.URL{Scheme: "ws", Host: addr, Path: "/ws/chat/", RawQuery: url.Values{"user": {user}, "client": {key}}.Encode()}
	dialer := ws.Dialer{Protocols: []string{"partyline.v1"}}
	conn, early, _, err := dialer.Dial(ctx, target.String())
	if err != nil {
		return nil, fmt.Errorf("dialing as %s: %w", user, err)
	}
	c := &chatClient{conn: conn, reader: conn}
	if early != nil {
		c.reader = io.MultiReader(early, conn)
	}
	return c, nil
}

// send writes one frame.
func (c *chatClient) send(frame map[string]any) error {
	data, err := json.Marshal(frame)
	if err != nil {
		return err
	}
	c.conn.SetWriteDeadline(time.Now().Add(patience))
	return wsutil.WriteClientText(c.conn, data)
}

// errClosed is returned after the server's Close frame.
type errClosed struct {
	code   ws.StatusCode
	reason string
}

func (e errClosed) Error() string { return fmt.Sprintf("closed with %d %s", e.code, e.reason) }

func asClosed(err error, into *errClosed) bool { return errors.As(err, into) }

// read returns the next frame; pings are answered.
func (c *chatClient) read() (wireFrame, error) {
	var f wireFrame
	for {
		c.conn.SetReadDeadline(time.Now().Add(patience))
		header, err := ws.ReadHeader(c.reader)
		if err != nil {
			return f, err
		}
		payload := make([]byte, header.Length)
		if _, err := io.ReadFull(c.reader, payload); err != nil {
			return f, err
		}
		switch header.OpCode {
		case ws.OpPing:
			if err := wsutil.WriteClientMessage(c.conn, ws.OpPong, payload); err != nil {
				return f, err
			}
		case ws.OpClose:
			code, reason := ws.ParseCloseFrameData(payload)
			return f, errClosed{code, reason}
		case ws.OpText:
			if !bytes.HasPrefix(payload, []byte(`{"type":`)) {
				return f, errors.New("type is not the first member of " + string(payload))
			}
			f.Raw = payload
			return f, json.Unmarshal(payload, &f)
		}
	}
}

// await reads until a frame of the type comes; others go to seen.
func (c *chatClient) await(typ string, seen func(wireFrame)) (wireFrame, error) {
	for {
		f, err := c.read()
		if err != nil {
			return f, fmt.Errorf("waiting for %s: %w", typ, err)
		}
		if f.Type == typ {
			return f, nil
		}
		if f.Type == "error" {
			return f, fmt.Errorf("waiting for %s: error %s: %s", typ, f.Code, f.Message)
		}
		if seen != nil {
			seen(f)
		}
	}
}

func (c *chatClient) close() { c.conn.Close() }

// ask sends a frame and awaits the answer of a type.
func (c *chatClient) ask(frame map[string]any, typ string) (wireFrame, error) {
	if err := c.send(frame); err != nil {
		return wireFrame{}, err
	}
	return c.await(typ, nil)
}
