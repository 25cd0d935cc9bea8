package query

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"
)

// status is the first byte of every answer.
type status byte

const (
	statusOK status = iota
	statusInvalid
	statusUnavailable
	statusInternal
)

// maxErrorText bounds the text of an error that travels to the asker.
const maxErrorText = 200

// errMalformed is what decoding an answer that makes no sense returns.
var errMalformed = errors.New("malformed answer")

// encoder appends the parts of an answer to b.
type encoder struct{ b []byte }

func (e *encoder) uint(v uint64) { e.b = binary.AppendUvarint(e.b, v) }
func (e *encoder) bool(v bool) {
	if v {
		e.b = append(e.b, 1)
		return
	}
	e.b = append(e.b, 0)
}
func (e *encoder) bytes(v []byte)   { e.uint(uint64(len(v))); e.b = append(e.b, v...) }
func (e *encoder) string(v string)  { e.uint(uint64(len(v))); e.b = append(e.b, v...) }
func (e *encoder) time(v time.Time) { e.b = binary.AppendVarint(e.b, unixNano(v)) }

// unixNano maps the zero time, which has no nanosecond number, to the smallest.
func unixNano(t time.Time) int64 {
	if t.IsZero() {
		return math.MinInt64
	}
	return t.UnixNano()
}

// decoder takes the parts of an answer from b. After the first part that is
// missing or out of range all further ones are zero and err is set.
type decoder struct {
	b   []byte
	err error
}

func (d *decoder) fail() { d.b, d.err = nil, errMalformed }

func (d *decoder) uint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[n:]
	return v
}

// count decodes the number of elements that follow. Each takes at least one
// byte, which bounds what a caller allocates for them.
func (d *decoder) count() int {
	n := d.uint()
	if n > uint64(len(d.b)) {
		d.fail()
		return 0
	}
	return int(n)
}

func (d *decoder) int() int {
	n := d.uint()
	if n > math.MaxInt32 {
		d.fail()
		return 0
	}
	return int(n)
}

func (d *decoder) bool() bool {
	if len(d.b) == 0 || d.b[0] > 1 {
		d.fail()
		return false
	}
	v := d.b[0] == 1
	d.b = d.b[1:]
	return v
}

// bytes returns a part of the answer itself, nil when it is empty.
func (d *decoder) bytes() []byte {
	n := d.count()
	if n == 0 {
		return nil
	}
	v := d.b[:n:n]
	d.b = d.b[n:]
	return v
}

func (d *decoder) string() string { return string(d.bytes()) }

func (d *decoder) time() time.Time {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.fail()
		return time.Time{}
	}
	d.b = d.b[n:]
	if v == math.MinInt64 {
		return time.Time{}
	}
	return time.Unix(0, v).UTC()
}

// answer is what an operation returns.
type answer interface {
	encode(*encoder)
}

func (p Page) encode(e *encoder) {
	e.bytes(p.Messages)
	e.uint(uint64(p.Count))
	e.bool(p.More)
	e.uint(p.Head)
	e.uint(p.Applied)
}

func (d *decoder) page() Page {
	return Page{Messages: d.bytes(), Count: d.int(), More: d.bool(), Head: d.uint(), Applied: d.uint()}
}

func (p EventsPage) encode(e *encoder) {
	e.uint(uint64(len(p.Events)))
	for _, ev := range p.Events {
		e.uint(ev.Seq)
		e.uint(ev.Prev)
		e.time(ev.Time)
		e.bytes(ev.Data)
	}
	e.bool(p.More)
	e.uint(uint64(p.Remain))
	e.uint(p.Head)
	e.uint(p.Applied)
}

func (d *decoder) eventsPage() EventsPage {
	var p EventsPage
	for range d.count() {
		if d.err != nil {
			break
		}
		p.Events = append(p.Events, RawEvent{Seq: d.uint(), Prev: d.uint(), Time: d.time(), Data: d.bytes()})
	}
	p.More, p.Remain, p.Head, p.Applied = d.bool(), d.int(), d.uint(), d.uint()
	return p
}

func (f Found) encode(e *encoder) {
	e.uint(f.Seq)
	e.time(f.Time)
	e.string(f.Room)
	e.bool(f.Known)
	e.uint(f.Applied)
}

func (d *decoder) found() Found {
	return Found{Seq: d.uint(), Time: d.time(), Room: d.string(), Known: d.bool(), Applied: d.uint()}
}

func (t Target) encode(e *encoder) {
	e.bool(t.Exists)
	e.bool(t.Deleted)
	e.string(t.UID)
	e.uint(t.Applied)
}

func (d *decoder) target() Target {
	return Target{Exists: d.bool(), Deleted: d.bool(), UID: d.string(), Applied: d.uint()}
}

func (p RoomsPage) encode(e *encoder) {
	e.uint(uint64(len(p.Rooms)))
	for _, r := range p.Rooms {
		e.string(r.Name)
		e.string(r.Topic)
		e.uint(r.Messages)
		e.uint(r.Events)
		e.uint(r.LastSeq)
		e.time(r.LastTime)
		e.bytes(r.LastMessage)
	}
	e.bool(p.More)
	e.uint(p.Applied)
}

func (d *decoder) roomsPage() RoomsPage {
	var p RoomsPage
	for range d.count() {
		if d.err != nil {
			break
		}
		p.Rooms = append(p.Rooms, Room{
			Name: d.string(), Topic: d.string(), Messages: d.uint(), Events: d.uint(),
			LastSeq: d.uint(), LastTime: d.time(), LastMessage: d.bytes(),
		})
	}
	p.More, p.Applied = d.bool(), d.uint()
	return p
}

func (s Status) encode(e *encoder) {
	e.uint(s.Applied)
	e.uint(s.Last)
}

func (d *decoder) status() Status { return Status{Applied: d.uint(), Last: d.uint()} }

// encodeAnswer makes the payload of a reply.
func encodeAnswer(a answer, err error) []byte {
	if err != nil {
		return encodeError(err)
	}
	e := encoder{b: []byte{byte(statusOK)}}
	a.encode(&e)
	return e.b
}

// encodeError tells the asker what kind of error it was. The text travels only
// with invalid requests: everything else may name internals.
func encodeError(err error) []byte {
	switch {
	case errors.Is(err, ErrInvalid):
		text := err.Error()
		if len(text) > maxErrorText {
			text = text[:maxErrorText]
		}
		return append([]byte{byte(statusInvalid)}, text...)
	case errors.Is(err, ErrUnavailable):
		return []byte{byte(statusUnavailable)}
	default:
		return []byte{byte(statusInternal)}
	}
}

// openAnswer takes the status from a reply and returns its body.
func openAnswer(data []byte) (*decoder, error) {
	if len(data) == 0 {
		return nil, errMalformed
	}
	switch status(data[0]) {
	case statusOK:
		return &decoder{b: data[1:]}, nil
	case statusInvalid:
		return nil, fmt.Errorf("%w (%s)", ErrInvalid, data[1:])
	case statusUnavailable:
		return nil, ErrUnavailable
	case statusInternal:
		return nil, errors.New("read model failed")
	default:
		return nil, errMalformed
	}
}
