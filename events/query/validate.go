package query

import "fmt"

// Bounds of requests. Names and ids of the wire contract are at most 64 bytes.
const (
	maxName        = 64
	maxMessages    = 200
	maxEvents      = 1000
	maxRooms       = 200
	maxRemain      = 100_001
	maxRequestSize = 4 << 10
)

// RemainMax is where counting [EventsPage].Remain stops.
const RemainMax = maxRemain

// Validate returns an error that wraps [ErrInvalid] when r breaks its bounds.
func (r MessagesRequest) Validate() error {
	if err := checkName("room", r.Room); err != nil {
		return err
	}
	if r.Before != 0 && (r.After != 0 || r.FromStart) {
		return fmt.Errorf("%w: before and after together", ErrInvalid)
	}
	return checkLimit(r.Limit, 0, maxMessages)
}

// Validate returns an error that wraps [ErrInvalid] when r breaks its bounds.
func (r EventsRequest) Validate() error {
	if err := checkName("room", r.Room); err != nil {
		return err
	}
	return checkLimit(r.Limit, 1, maxEvents)
}

// Validate returns an error that wraps [ErrInvalid] when r breaks its bounds.
func (r FindRequest) Validate() error {
	if err := checkName("uid", r.UID); err != nil {
		return err
	}
	return checkName("id", r.ID)
}

// Validate returns an error that wraps [ErrInvalid] when r breaks its bounds.
func (r TargetRequest) Validate() error { return checkName("room", r.Room) }

// Validate returns an error that wraps [ErrInvalid] when r breaks its bounds.
func (r RoomsRequest) Validate() error {
	if r.Name != "" {
		return checkName("name", r.Name)
	}
	if len(r.After) > maxName {
		return fmt.Errorf("%w: after is longer than %d bytes", ErrInvalid, maxName)
	}
	return checkLimit(r.Limit, 1, maxRooms)
}

func checkName(what, s string) error {
	if s == "" || len(s) > maxName {
		return fmt.Errorf("%w: %s needs 1 to %d bytes", ErrInvalid, what, maxName)
	}
	return nil
}

func checkLimit(n, least, most int) error {
	if n < least || n > most {
		return fmt.Errorf("%w: limit %d is not within %d and %d", ErrInvalid, n, least, most)
	}
	return nil
}
