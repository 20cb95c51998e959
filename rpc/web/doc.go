// Package web is the part of the client port that is not native gRPC, and the
// fork in the way to both.
//
// # One port
//
// A Port shares one listener between two protocols. Every HTTP/2 connection
// opens with the words "PRI * HTTP/2.0" (RFC 9113, 3.4), and no HTTP/1 request
// can; so a connection is read up to the first byte that tells, and handed to
// the listener of its side: HTTP/2 to rpc/h2, the rest to net/http. grpc-go
// could serve its calls through net/http as well; a call then costs 2.4 times as
// much as over its own transport.
//
// Accepting never waits for a peer: each new connection is read by a goroutine
// of its own, under a deadline. Connections that have not told yet are counted,
// and when there are too many the one that waited longest makes room: a peer
// with something to say has said it within a round trip.
//
// There are only so many connections at a time (guests.go), and one network gets most
// of them and never all; see rpc/share for the rule. What a network asks for in vain is
// counted (temper.go): each connection has the number from its wrapper, rpc/h2 by the
// method Fault, the HTTP side by the context of the request. Whoever is told to rest
// does so in its own goroutine, so that resting costs nothing and nobody else waits.
// Bodies and answers above 64 KiB take room (room.go) from what all requests share.
//
// Within TLS (secure.go) what was agreed on in the handshake (ALPN) tells the sides
// apart, and nothing else: a client that agreed on nothing speaks HTTP/1. A browser
// agrees on HTTP/2, so rpc/h2 hands requests that are not native gRPC to Handler,
// which is the same handler that HTTP/1 has. WebSockets need HTTP/1; browsers open a
// connection of their own for them, since rpc/h2 does not offer them. As long as no
// calls are served, and from the moment on that none will be, HTTP/2 is not offered,
// so that /readyz says why. Handshakes are counted and timed like connections that
// have not told yet, and happen on the same goroutines, never in the way of Accept. A
// port that speaks TLS speaks nothing else; HTTP/1 clients that come without are
// told so. A client that offers acme-tls/1 alone is an ACME server that wants proof of
// a name; it is shown what Prove finds, and its connection is over.
//
// What was read to tell the sides apart is given back by the first Read of a
// thin wrapper, which also counts connections and bytes. Peeking with MSG_PEEK
// would leave nothing to give back, but then nobody would be there to count.
//
// # Pages
//
// The official SDK for pages speaks gRPC-Web in its text form: base64 in both
// directions, each frame of an answer a padded chunk of its own, the status in a
// last frame of trailers, HTTP 200 whatever happens. grpcweb.go translates that,
// and the binary form, into the one way in that native calls take too
// (api.Server.Call): credentials are looked at before the body, limits, counters
// and handlers are the same. What pages receive on a stream stays in their memory,
// so streams end after a while, cleanly, and the SDK goes on in the next one.
//
// Plain HTTP takes the same way in: caches.go, lists.go, topics.go and events.go make the
// message of a call out of a request, and an answer out of those of the call.
// Tokens are no call: vend.go asks rpc/vend for them.
//
// A WebSocket is many such calls on a connection that net/http no longer looks
// after: socket.go is its life, socketwords.go what is said on it, socketstream.go
// its subscriptions. Each has a goroutine, as have the socket's reader and its
// watch, and the socket waits for all of them. It is never the end of a socket that
// one subscription fails; when one ends well, as streams do whose node stops or
// whose topic moves, all of them are asked to, and the socket is closed, so that its
// client has one way to come back.
//
// What a topic says goes to many in the same words: encodings.go keeps the last
// messages in the form in which they are sent, so that an item for ten thousand
// readers is made into JSON once.
//
// A browser is also a way around a loopback address and a firewall: any page in it
// may send requests. origin.go keeps out those that have no business here.
//
// # What it must never know
//
// Topics, lists, nodes, Raft, how numbers become metrics. Whether the node is
// ready, and why not, is asked of a function.
//
// # Concurrency and memory
//
// A Port and a Server may be used by many goroutines. Each has one goroutine of
// the caller's, in Serve, and one per connection, more for a WebSocket; Port.Close
// and Server.Stop wait for them. A connection belongs to the side that accepted it.
//
// No credential is logged or put into an answer.
package web
