package ws

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// Every task runs beside the others at once, and the goroutines end when there is
// nothing to do: the bubble would wait for them in vain otherwise.
func TestCrew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCrew()
		for range 3 {
			var running atomic.Int32
			release := make(chan struct{})
			for range 10 {
				c.do(func() {
					running.Add(1)
					<-release
				})
			}
			synctest.Wait()
			if n := running.Load(); n != 10 {
				t.Errorf("%d of 10 tasks run", n)
			}
			close(release)
			synctest.Wait()
		}
		<-time.After(2 * crewIdle)
	})
}
