package ws

import "time"

// crewIdle is how long a goroutine waits for its next task.
const crewIdle = time.Second

// crew runs tasks on goroutines that are used again while there is work: a
// handshake needs a stack that a new goroutine would have to grow, several times.
type crew struct {
	tasks chan func() // unbuffered: taken by who has nothing to do
}

func newCrew() crew { return crew{make(chan func())} }

// do runs a task at once, beside the caller.
func (c crew) do(task func()) {
	select {
	case c.tasks <- task:
	default:
		go c.work(task)
	}
}

func (c crew) work(task func()) {
	idle := time.NewTimer(crewIdle)
	defer idle.Stop()
	for {
		task()
		idle.Reset(crewIdle)
		select {
		case task = <-c.tasks:
		case <-idle.C:
			return
		}
	}
}
