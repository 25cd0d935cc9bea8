package ws

import (
	"errors"
	"fmt"
)

// New makes the engine of that kind: "epoll" (event loops, see [NewEpoll];
// errors.ErrUnsupported where there is none), "goroutine" (see [NewGoroutine]),
// or "auto", the best one of this system. It starts nothing.
func New(kind string, cfg Config) (Engine, error) {
	switch kind {
	case "auto":
		e, err := NewEpoll(cfg)
		if errors.Is(err, errors.ErrUnsupported) {
			return NewGoroutine(cfg)
		}
		return e, err
	case "epoll":
		return NewEpoll(cfg)
	case "goroutine":
		return NewGoroutine(cfg)
	}
	return nil, fmt.Errorf("ws: unknown engine %q", kind)
}
