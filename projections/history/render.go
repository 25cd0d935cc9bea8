package history

import (
	"encoding/json"

	"zombiezen.com/go/sqlite"
)

func render(conn *sqlite.Conn, m row) ([]byte, error) {
	ev, err := m.decode()
	if err != nil {
		return nil, err
	}
	c, err := getChange(conn, m.seq)
	if err != nil {
		return nil, err
	}
	if c.edited != 0 {
		ev.Text = c.text
	}
	return json.Marshal(map[string]any{"seq": m.seq, "text": ev.Text, "deleted": c.deleted})
}
