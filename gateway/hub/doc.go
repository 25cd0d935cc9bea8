// Package hub is what connections talk to: sessions, rooms, joins, the way into
// the log and back, presence, typing and read markers.
//
// Make a [Hub] with [New], run it with [Hub.Run], and give the engine one
// [Hub.NewSession] per accepted connection.
//
// # Rooms
//
// A room is followed through one [stream.Feed] subscription while somebody is in
// it, and 30 s longer. Each event is encoded once, into one [ws.Frame] that all
// members share and that the room's ring keeps (256 events or 256 KiB a room,
// 64 MiB in all; the oldest goes first). Delivering an event to a member
// allocates nothing.
//
// # Ordering
//
// For one room a connection gets its joined and then every event above
// last_seq, growing, without holes, each once. That holds because everything
// that decides about it happens under the room's lock in one step: a member is
// sent joined, what the ring holds above its position, and becomes live. Where
// the ring does not reach back far enough, joined is sent alone, and pages of
// events follow from the read model (or the log, where the read model is behind)
// until the ring covers the rest. A read model that is ahead of the live copies
// is fine too: the member then becomes live with the first event above its
// position.
//
// The storing frames of one connection are published in the order in which they
// came. What needs no question to anybody is handed to the publisher at once;
// what does (joins, history, targets, ids that may have been stored before) goes
// to a queue with one worker goroutine per connection, which exists only while
// the queue is not empty, and everything behind it waits there too.
//
// # Back-pressure
//
// The reader of a connection never waits. At most 256 frames or 512 KiB of one
// connection wait for their turn, and at most 1,024 of its events are on their
// way into the log; what is more is refused with "overloaded" and
// retry_after_ms, and the client sends it again. A full publisher is
// "storage_unavailable". Outbound queues are the engine's: a connection that
// lets its queue run over is closed with 4008. A replay never causes that: it
// pauses while more than 256 KiB wait. At most 32 joins ask the read model at a
// time, and all who want the same tail of a room share one question. At most 64
// ids are looked up at a time; others wait their turn. A look-up does not wait
// for a read model that is behind by less than the log itself remembers ids.
//
// # Acknowledgements
//
// An ack is sent when the publisher says that the event is as durable as
// configured. Its time is that of the live copy; when that does not come, the
// event is read from the log. The latest 32,768 acknowledged ids are answered
// from memory.
//
// # Presence
//
// A user is there from the first joined connection until 75 s after the last
// one, whether it left or was cut. Changes are told once a second. New members
// get a presence frame with everybody who is there, in rooms of up to 200
// people; in larger ones only numbers are told.
//
// Gateways tell one another over core NATS: changes, the count and a digest of
// everybody they announce; who finds that a digest does not match asks for all.
// A gateway that is silent for the grace period is forgotten with its people.
//
// # Permissions
//
// The NATS user of a gateway has to publish and subscribe to presence.*,
// typing.* and receipt.* (core NATS), and to read and write the key-value bucket
// READ ($JS.API.STREAM.INFO.KV_READ, $JS.API.DIRECT.GET.KV_READ.>, $KV.READ.>),
// which has to exist. Without the bucket read markers are not kept, and the log
// says so.
//
// # Testing
//
// The dependencies are small interfaces ([Log], [Publisher], [Feed],
// [query.Backend]); [ws.Conn] is an interface too.
package hub
