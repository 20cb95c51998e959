// Package api serves the public gRPC services: it checks who calls and whether
// the arguments make sense, translates the call into the words of rpc/route, and
// the answer back into the words of the wire. One file per service.
//
// # The way in
//
// Every service is registered through the door (door.go), which wraps each
// generated handler. The door runs the checks that all calls share, in the
// order clients rely on: credential, permission, cache, arguments. What a method
// needs stands in one table (rules.go); a method that is not in it cannot be
// registered. The door reads the credential before the body, decodes the body
// itself, so that size, element count and malformed bytes get answers that SDKs
// understand, and turns errors into statuses and trailers (status.go) on the
// way out. There are no interceptors.
//
// A request above Config.Limits.RequestBytes is answered in the words SDKs
// look for as long as grpc-go takes it in at all, up to maxReceive (11 MiB, more
// than any official SDK sends). Beyond that grpc-go refuses the message itself:
// RESOURCE_EXHAUSTED in its own words and without the err trailer.
//
// # A subscription's stream
//
// The handler's goroutine is the stream's only one. It takes what the topic has
// ready, hands it to the transport, and waits on the subscription's one channel;
// timers, the end of the call, revocation and draining ring that same channel.
// Items are the bytes that EncodeItem made when they were published: the codec
// passes them through, so they are neither encoded nor copied per subscriber.
//
// The first message is a heartbeat. The cursor is placed before it is sent,
// because a client that has seen it may publish at once and expects that item;
// placing takes microseconds, and should it ever take longer, the heartbeat goes
// out after a second all the same and the client is not kept waiting for it.
//
// A reader that does not read stops only itself: it blocks in its own flow
// control while the topic's log moves on, and is told what it missed. After
// Config.Stall without progress its stream ends. grpc-go keeps the trailers of
// such a stream, and the at most 64 KiB before them, until the connection is
// gone.
//
// # What it must never know
//
// Which node a key lives on, how lists work, what is in a token, Raft.
//
// # Concurrency and memory
//
// A Server may be used by many goroutines. It starts one, the watch that ends
// streams whose credential was revoked, at the first Serve; Stop waits for it
// and for all handlers. Bytes of requests belong to the call and are handed to
// the ports, which may keep them; results and records that ports return are only
// read. The bytes of items are shared by all streams and never written.
//
// No key, value, message or credential is logged or put into an error.
package api
