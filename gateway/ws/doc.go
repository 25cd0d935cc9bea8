// Package ws is the WebSocket engine: it accepts sockets, answers the opening
// handshake (RFC 6455 section 4), reads and checks frames, and writes queued
// frames. What requests and messages mean is decided by a [Handler] and the
// [Session] that it returns.
//
// # Use
//
//	engine, err := ws.New("auto", ws.Config{Handler: h})
//	go engine.Serve(ctx, listener)       // the dedicated listener, plain or TLS
//	engine.Upgrade(w, r, attempt)        // a request on an HTTP server
//	engine.Shutdown(ctx)                 // 1001 to everybody, then wait
//
// # Engines
//
// [NewEpoll] runs event loops on Linux: an idle connection is a struct of less
// than a kilobyte, without goroutine, buffers or timers. The calls of its
// sessions come from the loops, so a [Session] must not wait for anything: it
// would hold up every connection of its loop. A [Handler] may, for it is asked on
// a goroutine of its own. TLS connections, and those of listeners that are not
// plain TCP ones, have no descriptor that could be used: they run on the
// goroutine engine behind the same limits. [NewGoroutine] runs everything on
// every system. Both pass the suite in ws/conformance; ADR 0008 has the reasons.
//
// # Promises
//
// The calls of one [Session] are serial: Open first, then Message, at last
// Closed exactly once, however peer, server, network and shutdown race. Methods
// of [Conn] may be called from anywhere and never block. Frames of one
// connection leave in the order of the Send calls.
//
// A slow reader hurts only itself: what its socket does not take is queued, the
// queue is bounded in bytes, and beyond that the connection is told
// ([Options].SlowFrame), closed with 4008 and its queue dropped. To read that the
// peer has to read what its socket holds first. It has [Config].SlowTimeout for
// it; a peer that does not wake up by then sees the connection break, and the
// reason in [CloseInfo] ends with ", not told".
//
// Everything that a peer can make the engine keep is bounded: request heads (16
// KiB, 100 headers, in time), handshakes in progress, connections, messages
// (bytes over all fragments, and time from first to last byte), answers to
// pings, and the time that a close may take.
//
// # What the peer must keep to
//
// RFC 6455, strictly: masked frames, reserved bits 0, known opcodes, short
// unfragmented control frames, valid close codes, UTF-8, lengths in their
// shortest form (section 5.2 demands it). Everything else is answered with a
// Close frame that says why, followed by FIN once the input is drained, so that
// the peer can read the code.
package ws
