package rooms

import (
	"fmt"
	"time"

	"zombiezen.com/go/sqlite"

	"partyline/events/query"
)

// Info is a room without its last message, which the history knows.
type Info struct {
	Number int64
	query.Room
}

const columns = `SELECT id, name, topic, messages, events, last_seq, last_ts FROM room `

// Lookup returns the room with this name; ok is false when there is none.
func Lookup(conn *sqlite.Conn, name string) (r Info, ok bool, err error) {
	s, err := conn.Prepare(columns + `WHERE name = ?`)
	if err != nil {
		return Info{}, false, fmt.Errorf("look up room: %w", err)
	}
	s.BindText(1, name)
	if ok, err = s.Step(); err != nil || !ok {
		return Info{}, false, err
	}
	r = scan(s)
	return r, true, s.Reset()
}

// Name returns the name of the room with this number, "" for none.
func Name(conn *sqlite.Conn, number int64) (string, error) {
	s, err := conn.Prepare(`SELECT name FROM room WHERE id = ?`)
	if err != nil {
		return "", fmt.Errorf("look up name of room: %w", err)
	}
	s.BindInt64(1, number)
	if ok, err := s.Step(); err != nil || !ok {
		return "", err
	}
	name := s.ColumnText(0)
	return name, s.Reset()
}

// List returns up to limit rooms with names after the given one, by name.
func List(conn *sqlite.Conn, after string, limit int) ([]Info, error) {
	s, err := conn.Prepare(columns + `WHERE name > ? ORDER BY name LIMIT ?`)
	if err != nil {
		return nil, fmt.Errorf("list rooms: %w", err)
	}
	s.BindText(1, after)
	s.BindInt64(2, int64(limit))
	var list []Info
	for {
		ok, err := s.Step()
		if err != nil {
			return nil, fmt.Errorf("list rooms: %w", err)
		}
		if !ok {
			return list, nil
		}
		list = append(list, scan(s))
	}
}

func scan(s *sqlite.Stmt) Info {
	return Info{Number: s.ColumnInt64(0), Room: query.Room{
		Name:     s.ColumnText(1),
		Topic:    s.ColumnText(2),
		Messages: uint64(s.ColumnInt64(3)),
		Events:   uint64(s.ColumnInt64(4)),
		LastSeq:  uint64(s.ColumnInt64(5)),
		LastTime: time.Unix(0, s.ColumnInt64(6)).UTC(),
	}}
}
