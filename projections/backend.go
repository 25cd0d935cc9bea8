package projections

import (
	"context"
	"errors"
	"fmt"

	"zombiezen.com/go/sqlite"

	"partyline/events/query"
	"partyline/projections/history"
	"partyline/projections/rooms"
)

var _ query.Backend = (*Model)(nil)

// Messages implements query.Backend.
func (m *Model) Messages(ctx context.Context, r query.MessagesRequest) (query.Page, error) {
	if err := r.Validate(); err != nil {
		return query.Page{}, err
	}
	page := query.Page{Messages: []byte("[]")}
	err := m.read(ctx, r.AtLeast, func(conn *sqlite.Conn, applied uint64) error {
		room, ok, err := rooms.Lookup(conn, r.Room)
		if err == nil && ok {
			page, err = history.Messages(conn, room.Number, r)
		}
		page.Head, page.Applied = room.LastSeq, applied
		return err
	})
	return page, err
}

// Events implements query.Backend.
func (m *Model) Events(ctx context.Context, r query.EventsRequest) (query.EventsPage, error) {
	if err := r.Validate(); err != nil {
		return query.EventsPage{}, err
	}
	var page query.EventsPage
	err := m.read(ctx, r.AtLeast, func(conn *sqlite.Conn, applied uint64) error {
		room, ok, err := rooms.Lookup(conn, r.Room)
		if err == nil && ok {
			page, err = history.Events(conn, room.Number, r)
		}
		page.Head, page.Applied = room.LastSeq, applied
		return err
	})
	return page, err
}

// Find implements query.Backend. Where an identity stored the same id twice,
// beyond the log's deduplication, the first event counts.
func (m *Model) Find(ctx context.Context, r query.FindRequest) (query.Found, error) {
	if err := r.Validate(); err != nil {
		return query.Found{}, err
	}
	var found query.Found
	err := m.read(ctx, r.AtLeast, func(conn *sqlite.Conn, applied uint64) error {
		hit, err := history.Find(conn, r.UID, r.ID, r.Familiar)
		if err != nil {
			return err
		}
		found = query.Found{Seq: hit.Seq, Time: hit.Time, Known: hit.Known, Applied: applied}
		if hit.Seq != 0 {
			found.Room, err = rooms.Name(conn, hit.Room)
		}
		return err
	})
	return found, err
}

// Target implements query.Backend.
func (m *Model) Target(ctx context.Context, r query.TargetRequest) (query.Target, error) {
	if err := r.Validate(); err != nil {
		return query.Target{}, err
	}
	var target query.Target
	err := m.read(ctx, r.AtLeast, func(conn *sqlite.Conn, applied uint64) error {
		room, ok, err := rooms.Lookup(conn, r.Room)
		if err == nil && ok {
			target, err = history.Target(conn, room.Number, r.Seq)
		}
		target.Applied = applied
		return err
	})
	return target, err
}

// Rooms implements query.Backend.
func (m *Model) Rooms(ctx context.Context, r query.RoomsRequest) (query.RoomsPage, error) {
	if err := r.Validate(); err != nil {
		return query.RoomsPage{}, err
	}
	var page query.RoomsPage
	err := m.read(ctx, r.AtLeast, func(conn *sqlite.Conn, applied uint64) (err error) {
		page, err = listRooms(conn, r)
		page.Applied = applied
		return err
	})
	return page, err
}

// listRooms joins rooms and their last messages into a page of bounded size.
func listRooms(conn *sqlite.Conn, r query.RoomsRequest) (query.RoomsPage, error) {
	var page query.RoomsPage
	list, err := selectRooms(conn, r)
	if err != nil {
		return page, err
	}
	size := 0
	for i, info := range list {
		room := info.Room
		if room.LastMessage, err = history.LastMessage(conn, info.Number); err != nil {
			return page, err
		}
		size += len(room.Name) + len(room.Topic) + len(room.LastMessage) + roomOverhead
		if r.Name == "" && (i == r.Limit || i > 0 && size > query.MaxPageBytes) {
			page.More = true
			break
		}
		page.Rooms = append(page.Rooms, room)
	}
	return page, nil
}

// roomOverhead bounds the numbers of a room in an answer.
const roomOverhead = 64

// selectRooms returns the one room asked for, or one more than the limit, to
// tell whether there are more.
func selectRooms(conn *sqlite.Conn, r query.RoomsRequest) ([]rooms.Info, error) {
	if r.Name == "" {
		return rooms.List(conn, r.After, r.Limit+1)
	}
	info, ok, err := rooms.Lookup(conn, r.Name)
	if err != nil || !ok {
		return nil, err
	}
	return []rooms.Info{info}, nil
}

// Status implements query.Backend. It is answered without the file too.
func (m *Model) Status(context.Context) (query.Status, error) {
	s := m.progress.stats()
	return query.Status{Applied: s.Applied, Last: s.Last}, nil
}

// read waits for atLeast and runs fn in one read transaction, with the sequence
// that is applied in it.
func (m *Model) read(ctx context.Context, atLeast uint64, fn func(*sqlite.Conn, uint64) error) error {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	m.progress.wait(ctx, atLeast)
	err := m.tryRead(ctx, fn)
	if sqlite.ErrCode(err).ToPrimary() == sqlite.ResultInterrupt && ctx.Err() == nil {
		// The file was exchanged under the query; the new one answers.
		err = m.tryRead(ctx, fn)
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%w: %w", query.ErrUnavailable, ctx.Err())
	case isBroken(err):
		select {
		case m.broken <- err:
		default: // reported already
		}
		return fmt.Errorf("%w: %w", query.ErrUnavailable, err)
	default:
		return err
	}
}

func (m *Model) tryRead(ctx context.Context, fn func(*sqlite.Conn, uint64) error) error {
	conn, put, err := m.take(ctx)
	if err != nil {
		return err
	}
	defer put()
	return transact(conn, fn)
}

// take returns a connection for queries, to be given back by put.
func (m *Model) take(ctx context.Context) (conn *sqlite.Conn, put func(), err error) {
	m.files.RLock()
	defer m.files.RUnlock()
	if m.store == nil {
		return nil, nil, fmt.Errorf("%w: it is not open or is being computed", query.ErrUnavailable)
	}
	pool := m.store.readers
	if conn, err = pool.Take(ctx); err != nil {
		return nil, nil, err
	}
	return conn, func() { pool.Put(conn) }, nil
}

// transact runs fn in a read transaction: everything it sees is of one moment.
func transact(conn *sqlite.Conn, fn func(*sqlite.Conn, uint64) error) (err error) {
	if err := run(conn, `BEGIN`); err != nil {
		return err
	}
	defer func() {
		conn.SetInterrupt(nil) // so that an interrupted transaction can be ended
		err = errors.Join(err, run(conn, `ROLLBACK`))
	}()
	check, err := readCheckpoint(conn)
	if err != nil {
		return err
	}
	return fn(conn, check.seq)
}
