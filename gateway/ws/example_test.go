package ws_test

import (
	"context"
	"fmt"
	"net"

	gobwas "github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"partyline/gateway/ws"
)

// An echo server on a port of its own, and one message to it.
func Example() {
	engine, err := ws.New("auto", ws.Config{Handler: ws.NewEcho(true)})
	if err != nil {
		fmt.Println(err)
		return
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	served := make(chan error, 1)
	go func() { served <- engine.Serve(ctx, ln) }()

	nc, _, _, err := gobwas.Dial(ctx, "ws://"+ln.Addr().String()+"/ws/echo/")
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = wsutil.WriteClientText(nc, []byte("hello"))
	answer, _, err := wsutil.ReadServerData(nc)
	fmt.Printf("%s %v\n", answer, err)
	nc.Close()

	cancel() // no new connections
	fmt.Println(<-served, engine.Shutdown(context.Background()))
	// Output:
	// hello <nil>
	// <nil> <nil>
}
