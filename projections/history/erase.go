package history

import (
	"maps"
	"slices"

	"zombiezen.com/go/sqlite"

	"partyline/projections/readmodel"
)

// erasure gathers what one erase event does.
type erasure struct {
	w       *Writer
	fixes   map[int64]*readmodel.RoomFix
	refold  map[uint64]bool // messages that lost a change
	retopic map[int64]bool  // rooms that lost a topic
}

// erase removes the events that an erase event names, and every trace of them,
// as if they had never been: whoever computes the tables from the log after the
// erasure gets the same. Only earlier events can be named, in any room.
func (w *Writer) erase(rec *readmodel.Record) ([]readmodel.RoomFix, error) {
	e := erasure{
		w: w, fixes: map[int64]*readmodel.RoomFix{},
		refold: map[uint64]bool{}, retopic: map[int64]bool{},
	}
	for _, seq := range rec.Event.Seqs {
		if seq >= rec.Stored.Seq {
			continue
		}
		if err := e.remove(seq); err != nil {
			return nil, err
		}
	}
	for _, seq := range slices.Sorted(maps.Keys(e.refold)) {
		if err := e.fold(seq); err != nil {
			return nil, err
		}
	}
	var fixes []readmodel.RoomFix
	for _, room := range slices.Sorted(maps.Keys(e.fixes)) {
		fix := e.fixes[room]
		if err := w.last(fix, e.retopic[room]); err != nil {
			return nil, err
		}
		fixes = append(fixes, *fix)
	}
	return fixes, nil
}

func (e *erasure) fix(room int64) *readmodel.RoomFix {
	f := e.fixes[room]
	if f == nil {
		f = &readmodel.RoomFix{Room: room}
		e.fixes[room] = f
	}
	return f
}

// remove deletes one event.
func (e *erasure) remove(seq uint64) error {
	r, ok, err := get(e.w.conn, seq)
	if err != nil || !ok {
		return err
	}
	fix := e.fix(r.room)
	fix.Events--
	switch {
	case r.kind == kindMessage:
		c, err := e.w.changed(seq)
		if err != nil {
			return err
		}
		if !c.deleted {
			fix.Messages--
		}
		if err := e.w.forget(seq); err != nil {
			return err
		}
	case isChange(r.kind):
		ev, err := r.decode()
		if err != nil {
			return err
		}
		e.refold[ev.Target] = true
	case r.kind == kindRoom:
		e.retopic[r.room] = true
	}
	return exec(e.w.conn, `DELETE FROM event WHERE seq = ?`, func(s *sqlite.Stmt) { s.BindInt64(1, int64(seq)) })
}

// fold computes a message again from the changes that are left.
func (e *erasure) fold(target uint64) error {
	message, ok, err := get(e.w.conn, target)
	if err != nil || !ok || message.kind != kindMessage {
		return err
	}
	before, err := e.w.changed(target)
	if err != nil {
		return err
	}
	if err := e.w.forget(target); err != nil {
		return err
	}
	if before.deleted {
		e.fix(message.room).Messages++
	}
	changes, err := selectRows(e.w.conn, rowColumns+`WHERE target = ? ORDER BY seq`,
		func(s *sqlite.Stmt) { s.BindInt64(1, int64(target)) })
	if err != nil {
		return err
	}
	for _, r := range changes {
		ev, err := r.decode()
		if err != nil {
			return err
		}
		n, err := e.w.change(r.room, r.stored(), &ev)
		if err != nil {
			return err
		}
		e.fix(message.room).Messages += n
	}
	return nil
}

// last fills in what is the room's last event and, where it may have changed,
// its topic.
func (w *Writer) last(fix *readmodel.RoomFix, retopic bool) error {
	rows, err := selectRows(w.conn, rowColumns+`WHERE room = ? ORDER BY seq DESC LIMIT 1`,
		func(s *sqlite.Stmt) { s.BindInt64(1, fix.Room) })
	if err != nil {
		return err
	}
	for _, r := range rows {
		fix.LastSeq, fix.LastTime = r.seq, r.time
	}
	if !retopic {
		return nil
	}
	fix.TopicChanged = true
	rows, err = selectRows(w.conn, rowColumns+`WHERE room = ? AND kind = 5 ORDER BY seq DESC LIMIT 1`,
		func(s *sqlite.Stmt) { s.BindInt64(1, fix.Room) })
	if err != nil {
		return err
	}
	for _, r := range rows {
		ev, err := r.decode()
		if err != nil {
			return err
		}
		fix.Topic = ev.Topic
	}
	return nil
}
