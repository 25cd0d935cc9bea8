package ws

import "fmt"

// New makes the engine of that kind: "epoll" (event loops, see [NewEpoll]),
// "goroutine" (see [NewGoroutine]), or "auto", the best one of this system.
func New(kind string, cfg Config) (Engine, error) {
	switch kind {
	case "", "auto", "epoll":
		return NewEpoll(cfg)
	case "goroutine":
		return NewGoroutine(cfg)
	}
	return nil, fmt.Errorf("ws: unknown engine %q", kind)
}
