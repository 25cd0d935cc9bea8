// Package loop is an epoll event loop for many client WebSocket connections on
// one thread. Nothing in it is safe for concurrent use: whoever made a [Loop]
// calls it from one goroutine. Reads share one buffer, writes go straight to the
// socket, and the system calls that cannot block bypass the runtime's
// bookkeeping, so that the generator costs less than the servers it measures.
//
// It needs Linux 5.11 or newer (epoll_pwait2).
package loop
