package history

import (
	"slices"

	"zombiezen.com/go/sqlite"

	"partyline/events/query"
)

// Messages returns a page of folded messages as a JSON array, oldest first;
// Head and Applied are the caller's.
func Messages(conn *sqlite.Conn, room int64, r query.MessagesRequest) (query.Page, error) {
	order := `DESC`
	if r.After > 0 || r.FromStart {
		order = `ASC`
	}
	p := pageBuilder{limit: r.Limit}
	err := eachRow(conn, rowColumns+`INDEXED BY event_message
		WHERE room = ? AND kind = 1 AND seq > ? AND seq < ? ORDER BY seq `+order,
		func(s *sqlite.Stmt) {
			s.BindInt64(1, room)
			s.BindInt64(2, after(r.After))
			s.BindInt64(3, bound(r.Before))
		},
		func(m row) (bool, error) { return p.add(conn, m) })
	if err != nil {
		return query.Page{}, err
	}
	if order == `DESC` {
		slices.Reverse(p.messages)
	}
	return query.Page{Messages: p.array(), Count: len(p.messages), More: p.more}, nil
}

// pageBuilder gathers messages up to a number and a size.
type pageBuilder struct {
	limit    int
	messages [][]byte
	size     int
	more     bool
}

// add adds a message unless the page is full. A page has at least one message,
// however large, or nobody could ever get past it.
func (p *pageBuilder) add(conn *sqlite.Conn, m row) (bool, error) {
	if len(p.messages) == p.limit {
		p.more = true
		return false, nil
	}
	folded, err := render(conn, m)
	if err != nil {
		return false, err
	}
	if len(p.messages) > 0 && p.size+len(folded)+pageOverhead > query.MaxPageBytes {
		p.more = true
		return false, nil
	}
	p.messages = append(p.messages, folded)
	p.size += len(folded) + 1
	return true, nil
}

// pageOverhead bounds what an answer contains besides the messages: brackets
// and numbers.
const pageOverhead = 64

// array returns the messages as a JSON array.
func (p *pageBuilder) array() []byte {
	b := make([]byte, 0, p.size+2)
	b = append(b, '[')
	for i, m := range p.messages {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, m...)
	}
	return append(b, ']')
}

// LastMessage returns the folded last message of a room, nil for none.
func LastMessage(conn *sqlite.Conn, room int64) (folded []byte, err error) {
	err = eachRow(conn, rowColumns+`INDEXED BY event_message WHERE room = ? AND kind = 1 ORDER BY seq DESC LIMIT 1`,
		func(s *sqlite.Stmt) { s.BindInt64(1, room) },
		func(m row) (bool, error) {
			folded, err = render(conn, m)
			return false, err
		})
	return folded, err
}
