package history

import (
	"math"
	"time"

	"zombiezen.com/go/sqlite"

	"partyline/events/query"
)

// bound returns an upper bound for SQLite: 0 means none, and no sequence is
// above the largest int64.
func bound(v uint64) int64 {
	if v == 0 || v > math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(v)
}

// after returns a lower bound for SQLite.
func after(v uint64) int64 { return int64(min(v, math.MaxInt64)) }

// Events returns raw events of a room, oldest first; Head and Applied are the
// caller's.
func Events(conn *sqlite.Conn, room int64, r query.EventsRequest) (query.EventsPage, error) {
	var page query.EventsPage
	bind := func(s *sqlite.Stmt) {
		s.BindInt64(1, room)
		s.BindInt64(2, after(r.After))
		s.BindInt64(3, bound(r.UpTo))
	}
	remain, err := selectInt(conn, `SELECT COUNT(*) FROM (SELECT 1 FROM event INDEXED BY event_room
		WHERE room = ? AND seq > ? AND seq <= ? LIMIT 100001)`, bind)
	if err != nil || remain == 0 {
		return page, err
	}
	page.Remain = int(remain)
	prev, err := previous(conn, room, r.After)
	if err != nil {
		return page, err
	}
	size := 0
	err = eachRow(conn, rowColumns+`INDEXED BY event_room WHERE room = ? AND seq > ? AND seq <= ? ORDER BY seq`, bind,
		func(e row) (bool, error) {
			size += len(e.data) + eventOverhead
			if len(page.Events) == r.Limit || len(page.Events) > 0 && size > query.MaxPageBytes {
				return false, nil
			}
			page.Events = append(page.Events, query.RawEvent{Seq: e.seq, Prev: prev, Time: fromNano(e.time), Data: e.data})
			prev = e.seq
			return true, nil
		})
	page.More = len(page.Events) < page.Remain
	return page, err
}

// eventOverhead bounds the numbers of a raw event in an answer.
const eventOverhead = 40

// previous returns the sequence of the room's last event up to seq.
func previous(conn *sqlite.Conn, room int64, seq uint64) (uint64, error) {
	prev, err := selectInt(conn, `SELECT seq FROM event INDEXED BY event_room
		WHERE room = ? AND seq <= ? ORDER BY seq DESC LIMIT 1`, func(s *sqlite.Stmt) {
		s.BindInt64(1, room)
		s.BindInt64(2, after(seq))
	})
	return uint64(prev), err
}

// Hit answers Find.
type Hit struct {
	Seq   uint64 // 0: nothing is stored under the id
	Room  int64  // number of the room
	Time  time.Time
	Known bool // the identity has stored something
}

// maxSameHash bounds the rows that are compared for one hash. Ids are chosen by
// clients, but a hash has 32 bits of an identity that they do not choose.
const maxSameHash = 256

// Find returns the first event that an identity stored under an id. Of a familiar
// one it is not asked whether it has stored anything.
func Find(conn *sqlite.Conn, uid, id string, familiar bool) (Hit, error) {
	var hit Hit
	n := 0
	err := eachRow(conn, rowColumns+`INDEXED BY event_id WHERE id = ? ORDER BY seq`,
		func(s *sqlite.Stmt) { s.BindInt64(1, idHash(uid, id)) },
		func(r row) (bool, error) {
			ev, err := r.decode()
			if err != nil {
				return false, err
			}
			if ev.UID == uid && ev.ID == id {
				hit = Hit{Seq: r.seq, Room: r.room, Time: fromNano(r.time), Known: true}
				return false, nil
			}
			n++
			return n < maxSameHash, nil
		})
	if err != nil || hit.Known {
		return hit, err
	}
	if hit.Known = familiar; familiar {
		return hit, nil
	}
	hit.Known, err = known(conn, uid)
	return hit, err
}

// known reports whether an identity has stored anything. When more foreign rows
// than the bound come first it says yes, which costs the asker a look-up only.
func known(conn *sqlite.Conn, uid string) (found bool, err error) {
	least, most := idRange(uid)
	n := 0
	err = eachRow(conn, rowColumns+`INDEXED BY event_id WHERE id BETWEEN ? AND ?`,
		func(s *sqlite.Stmt) { s.BindInt64(1, least); s.BindInt64(2, most) },
		func(r row) (bool, error) {
			ev, err := r.decode()
			if err != nil {
				return false, err
			}
			n++
			found = ev.UID == uid || n == maxSameHash
			return !found, nil
		})
	return found, err
}

// Target says what a message is to those who want to change it; Applied is the
// caller's.
func Target(conn *sqlite.Conn, room int64, seq uint64) (query.Target, error) {
	r, ok, err := get(conn, seq)
	if err != nil || !ok || r.room != room || r.kind != kindMessage {
		return query.Target{}, err
	}
	ev, err := r.decode()
	if err != nil {
		return query.Target{}, err
	}
	c, err := getChange(conn, seq)
	return query.Target{Exists: true, Deleted: c.deleted, UID: ev.UID}, err
}
