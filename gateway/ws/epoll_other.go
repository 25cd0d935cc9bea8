//go:build !linux || !(amd64 || arm64)

package ws

import (
	"errors"
	"fmt"
)

// NewEpoll reports errors.ErrUnsupported: there is no epoll here.
func NewEpoll(Config) (Engine, error) {
	return nil, fmt.Errorf("ws: event loops: %w", errors.ErrUnsupported)
}
