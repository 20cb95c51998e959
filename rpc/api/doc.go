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
// look for as long as it is taken in at all, up to maxReceive (11 MiB, more
// than any official SDK sends). Beyond that rpc/h2 refuses the message itself:
// RESOURCE_EXHAUSTED in its own words and without the err trailer.
//
// # Strangers
//
// A key that a credential names and this node has not heard of may be new, so the
// cluster is asked before it is refused; for all callers together, twenty times a second
// at most (inquiry.go). Methods that need no credential take small messages only, and
// have few streams. Nothing is logged of a refusal: calls are counted by their status.
//
// # A subscription's stream
//
// The handler places the subscription, greets, and leaves the rest to the
// connection: a stream is an h2.Source, which moves what its topic has ready into
// the room it is given whenever it was woken. Publishing wakes it; so do timers, the
// end of the call, revocation and draining. The handler waits for the end. Items
// are the bytes that EncodeItem made when they were published: they are neither
// encoded anew nor kept per subscriber.
//
// The first message is a heartbeat. The cursor is placed before it is sent,
// because a client that has seen it may publish at once and expects that item;
// placing takes microseconds, and should it ever take longer, the heartbeat goes
// out after a second all the same and the client is not kept waiting for it.
//
// A reader that does not read stops only itself: its stream is put aside until
// its client gives credit, while the topic's log moves on, and is told then what
// it missed. After Config.Stall without progress it is cut: its handler ends, and
// what is left of it is a message that the client has a part of, if there is one,
// and the status behind it.
//
// # The record of acts
//
// What operators do goes on record (acts.go): every method that needs control, or
// carries a credential in its message, has a row that says how, and which fields of
// its message are told. An act that changes the catalog is carried by that very
// command, so neither is there without the other; any other one is put on record as
// begun before it is carried out, or not carried out, and settled afterwards. A
// method without a row is put on record without details, and fails a test. Attempts
// that were refused are put on record too, so many and no more, for each is a write
// of the whole cluster that a stranger can cause.
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
