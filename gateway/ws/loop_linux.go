//go:build linux && (amd64 || arm64)

package ws

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	loopEvents = 256      // events taken from the kernel at once
	loopInput  = 64 << 10 // what all connections of a loop are read into
	// listenerGen marks events of listeners; connections have other numbers.
	listenerGen = -1
)

// loop is one event loop: a goroutine that owns the reading side of its
// connections. It waits inside Go's own poller, which watches the loop's epoll
// descriptor, so that a waiting loop holds no thread.
type loop struct {
	eng   *epoll
	epfd  int
	file  *os.File // owns epfd
	raw   syscall.RawConn
	clock clock        // engine time of its connections
	conns atomic.Int64 // to share connections out
	done  chan struct{}

	// Only the loop's goroutine uses these.
	events    [loopEvents]unix.EpollEvent
	ready     int // of events
	collect   func(fd uintptr) bool
	in        inbox    // where idle connections are read into
	again     []*econn // have used up their turn
	work, due []*econn
	listeners map[int32]*acceptor
	last      int64 // real time of the last turn

	mu       sync.Mutex // guards what follows; taken after a connection's
	timers   wheel[econn]
	posted   []*econn // want a turn
	tasks    []func() // run by the loop
	woken    bool     // the deadline of file is in the past to wake the loop
	ticking  bool     // else nothing is timed
	nextTick int64    // real time
}

func newLoop(e *epoll) (*loop, error) {
	epfd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("create epoll: %w", err)
	}
	if err := unix.SetNonblock(epfd, true); err != nil {
		unix.Close(epfd)
		return nil, fmt.Errorf("epoll non-blocking: %w", err)
	}
	l := &loop{
		eng: e, epfd: epfd, file: os.NewFile(uintptr(epfd), "epoll"), done: make(chan struct{}),
		in: inbox{buf: &buffer{b: make([]byte, loopInput)}}, listeners: make(map[int32]*acceptor),
	}
	l.raw, err = l.file.SyscallConn()
	if err == nil {
		err = l.file.SetReadDeadline(time.Time{}) // fails when Go's poller does not watch it
	}
	if err != nil {
		l.file.Close()
		return nil, fmt.Errorf("watch epoll: %w", err)
	}
	l.collect = func(uintptr) bool {
		l.ready = pollNow(l.epfd, l.events[:])
		return l.ready > 0
	}
	l.timers.tick, l.timers.of = int64(e.tick()), func(c *econn) *timed[econn] { return &c.timed }
	l.last = e.since()
	l.clock.start = e.start
	return l, nil
}

// run is the loop. It ends when the file is closed.
func (l *loop) run() {
	defer close(l.done)
	for {
		if len(l.again) > 0 {
			l.ready = pollNow(l.epfd, l.events[:])
		} else if err := l.raw.Read(l.collect); err != nil {
			l.ready = 0
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				return
			}
		}
		now := l.eng.since()
		l.clock.Add(min(now-l.last, 2*l.timers.tick))
		l.last = now
		for i := range l.ready {
			l.dispatch(&l.events[i])
		}
		l.runAgain()
		l.runPosted()
		l.runTimers(now)
	}
}

func (l *loop) dispatch(ev *unix.EpollEvent) {
	if ev.Pad == listenerGen {
		if a := l.listeners[ev.Fd]; a != nil {
			l.accept(a)
		}
		return
	}
	if c := l.eng.table.get(ev.Fd); c != nil && c.gen == ev.Pad {
		l.turn(c, ev.Events)
	}
}

// runAgain gives a turn to everybody who had more to do than one turn allows.
func (l *loop) runAgain() {
	if len(l.again) == 0 {
		return
	}
	l.work = append(l.work[:0], l.again...)
	clear(l.again)
	l.again = l.again[:0]
	for _, c := range l.work {
		c.inAgain = false
		l.turn(c, 0)
	}
	clear(l.work)
}

// post asks for a turn of a connection, from any goroutine.
func (l *loop) post(c *econn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !c.posted {
		c.posted = true
		l.posted = append(l.posted, c)
		l.wake()
	}
}

// do has the loop run a task, from any goroutine.
func (l *loop) do(task func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tasks = append(l.tasks, task)
	l.wake()
}

// wake ends the loop's wait. mu is held.
func (l *loop) wake() {
	if !l.woken {
		l.woken = true
		_ = l.file.SetReadDeadline(time.Unix(1, 0)) // closed: nobody waits
	}
}

func (l *loop) runPosted() {
	l.mu.Lock()
	if !l.woken {
		l.mu.Unlock()
		return
	}
	l.work = append(l.work[:0], l.posted...)
	clear(l.posted)
	l.posted = l.posted[:0]
	for _, c := range l.work {
		c.posted = false
	}
	tasks := l.tasks
	l.tasks = nil
	l.woken = false
	l.setDeadline()
	l.mu.Unlock()
	for _, c := range l.work {
		l.turn(c, 0)
	}
	clear(l.work)
	for _, task := range tasks {
		task()
	}
}

// setDeadline makes the wait end at the next tick. mu is held.
func (l *loop) setDeadline() {
	if l.woken {
		return
	}
	var at time.Time
	if l.ticking {
		at = l.eng.start.Add(time.Duration(l.nextTick))
	}
	_ = l.file.SetReadDeadline(at) // closed: the loop ends
}

// arm has the loop look at a connection no later than at that engine time, from
// any goroutine.
func (l *loop) arm(c *econn, at int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.timers.arm(c, at)
	l.startTicking()
}

// startTicking makes time pass for the timers. mu is held.
func (l *loop) startTicking() {
	if !l.ticking {
		l.ticking = true
		l.nextTick = l.eng.since() + l.timers.tick
		l.setDeadline()
	}
}

// runTimers looks at everything that is due.
func (l *loop) runTimers(now int64) {
	l.mu.Lock()
	if !l.ticking || now < l.nextTick {
		l.mu.Unlock()
		return
	}
	l.due = l.timers.advance(l.clock.Load(), l.due[:0])
	l.mu.Unlock()
	var ping *Frame
	for _, c := range l.due {
		ping = l.visit(c, ping)
	}
	if ping != nil {
		ping.Release()
	}
	clear(l.due)
	paused := false
	for _, a := range l.listeners {
		paused = l.resume(a, now) || paused
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.nextTick = now + l.timers.tick
	l.ticking = paused || l.timers.count > 0
	l.setDeadline()
}
