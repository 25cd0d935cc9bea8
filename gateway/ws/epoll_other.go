//go:build !linux || !(amd64 || arm64)

package ws

// NewEpoll makes the goroutine engine here: there is no epoll.
func NewEpoll(cfg Config) (Engine, error) { return NewGoroutine(cfg) }
