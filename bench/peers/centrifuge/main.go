// Command centrifuge is a chat server on github.com/centrifugal/centrifuge, the
// engine of Centrifugo, with its JSON protocol and in-memory broker, without
// history, presence and join events. What its documentation recommends for many
// connections is on: pooled write buffers, and commands processed off the read
// loop, which saves stack. Everything else is as the library has it.
package main

import (
	"context"
	"net/http"
	"os"
	"time"

	"github.com/centrifugal/centrifuge"

	"partyline/bench/peers/peer"
)

func main() { os.Exit(peer.Exit(run())) }

func run() error {
	node, err := centrifuge.New(centrifuge.Config{LogLevel: centrifuge.LogLevelNone})
	if err != nil {
		return err
	}
	node.OnConnecting(func(context.Context, centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
		return centrifuge.ConnectReply{Credentials: &centrifuge.Credentials{}}, nil
	})
	node.OnConnect(func(c *centrifuge.Client) {
		c.OnSubscribe(func(_ centrifuge.SubscribeEvent, done centrifuge.SubscribeCallback) {
			done(centrifuge.SubscribeReply{}, nil)
		})
		c.OnPublish(func(_ centrifuge.PublishEvent, done centrifuge.PublishCallback) {
			done(centrifuge.PublishReply{}, nil)
		})
	})
	if err := node.Run(); err != nil {
		return err
	}
	l, err := peer.Listen()
	if err != nil {
		return err
	}
	handler := centrifuge.NewWebsocketHandler(node, centrifuge.WebsocketConfig{
		ReadBufferSize:             1024,
		UseWriteBufferPool:         true,
		ProcessCommandsOffReadLoop: true,
		MessageSizeLimit:           peer.MaxMessage,
	})
	return (&http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}).Serve(l)
}
