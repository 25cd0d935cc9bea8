package ws_test

import (
	"fmt"
	"io"
	"net"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	gobwas "github.com/gobwas/ws"

	"partyline/gateway/ws"
	"partyline/gateway/ws/conformance"
)

// crowd connects n peers, whose bytes one goroutine for each throws away.
func crowd(b *testing.B, s conformance.Server, h *handler, n int) (conns []ws.Conn, received *atomic.Int64) {
	b.Helper()
	received = new(atomic.Int64)
	for range n {
		p := dial(b, s)
		_ = p.SetDeadline(time.Time{})
		conns = append(conns, wait(b, h.opened))
		go func() {
			buf := make([]byte, 4<<10)
			for {
				n, err := p.Read(buf)
				received.Add(int64(n))
				if err != nil {
					return
				}
			}
		}()
	}
	return conns, received
}

func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkBroadcast sends one frame to 1,000 sockets. cpu-µs/delivery is that
// of the whole process: the peers' reading, and the kernel's work on both ends of
// the loopback, are in it and the same for both engines. bench/ separates them.
func BenchmarkBroadcast(b *testing.B) {
	for name, engine := range engines {
		b.Run(name, func(b *testing.B) {
			h := newHandler()
			s := startListener(b, engine, ws.Config{Handler: h, Heartbeat: time.Hour, MaxQueueBytes: 64 << 20}, nil)
			b.Cleanup(func() { shutdown(b, s.Engine) })
			const members = 1000
			conns, received := crowd(b, s, h, members)
			f := ws.NewText(make([]byte, 150))
			defer f.Release()
			want := int64(0)
			before := cpu(b)
			b.ReportAllocs()
			for b.Loop() {
				for _, c := range conns {
					c.Send(f)
				}
				want += members * (150 + 4)
			}
			eventually(b, "delivered", func() bool { return received.Load() == want })
			b.ReportMetric(float64((cpu(b)-before).Microseconds())/float64(b.N*members), "cpu-µs/delivery")
		})
	}
}

// BenchmarkIdle tells what an idle connection costs: heap and stacks of the
// server (the peers' plain sockets cost the same with either engine, and are
// subtracted), and the time to open one.
func BenchmarkIdle(b *testing.B) {
	const n = 2000
	for name, engine := range engines {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				h := newHandler()
				s := startListener(b, engine, ws.Config{Handler: h, Heartbeat: time.Hour}, nil)
				peers := make([]net.Conn, 0, n)
				for range 10 { // what is there once
					peers = append(peers, dial(b, s).Conn)
					wait(b, h.opened)
				}
				addr := peers[0].RemoteAddr().(*net.TCPAddr)
				runtime.GC()
				runtime.GC()
				base := memory()
				raw := make([]int, 0, n)
				started := time.Now()
				for range n {
					raw = append(raw, rawDial(b, addr))
					wait(b, h.opened)
				}
				opening := time.Since(started)
				runtime.GC()
				runtime.GC()
				b.ReportMetric((memory()-base)/n, "B/conn")
				b.ReportMetric(float64(opening.Microseconds())/n, "µs/open")
				for _, fd := range raw {
					_ = syscall.Close(fd)
				}
				for _, p := range peers {
					p.Close()
				}
				shutdown(b, s.Engine)
			}
		})
	}
}

func memory() float64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc + m.StackInuse)
}

// rawDial opens a WebSocket on a bare descriptor, which costs no heap.
func rawDial(b *testing.B, addr *net.TCPAddr) int {
	b.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err == nil {
		err = syscall.Connect(fd, &syscall.SockaddrInet4{Port: addr.Port, Addr: [4]byte(addr.IP.To4())})
	}
	if err == nil {
		_, err = syscall.Write(fd, []byte(request))
	}
	var answer [1024]byte
	if err == nil {
		_, err = syscall.Read(fd, answer[:])
	}
	if err != nil {
		b.Fatal(err)
	}
	return fd
}

// BenchmarkEcho is one message there and back.
func BenchmarkEcho(b *testing.B) {
	for name, engine := range engines {
		for _, pipelined := range []int{1, 16} {
			b.Run(fmt.Sprint(name, "/", pipelined), func(b *testing.B) {
				s := startListener(b, engine, ws.Config{Handler: ws.NewEcho(false), Heartbeat: time.Hour}, nil)
				b.Cleanup(func() { shutdown(b, s.Engine) })
				p := dial(b, s)
				_ = p.SetDeadline(time.Time{})
				frame, err := gobwas.CompileFrame(gobwas.MaskFrame(gobwas.NewTextFrame(make([]byte, 150))))
				if err != nil {
					b.Fatal(err)
				}
				var burst []byte
				for range pipelined {
					burst = append(burst, frame...)
				}
				answer := make([]byte, pipelined*(2+2+150))
				b.ReportAllocs()
				for b.Loop() {
					if _, err := p.Write(burst); err != nil {
						b.Fatal(err)
					}
					if _, err := io.ReadFull(p.br, answer); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
