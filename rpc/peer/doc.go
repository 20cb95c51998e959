// Package peer carries what nodes of one cluster say to each other over one
// port: the Raft streams of every group, the calls of the Peer service, and the
// few words of nodes that are about to be born.
//
// A Mux owns the port. Every connection opens with a hello that says who calls
// (cluster, node, store, boot) and what for (calls, or the stream of one
// replica); a connection whose hello does not fit is closed before anything
// else of it is read. That is what stops recycled addresses, cloned disks and
// two clusters on one network from talking to each other.
//
// Server translates calls into the words of a route.Node, Client translates
// them back: a Client is the face of another node, and a Pool keeps one for each.
// The Server is wired to this node's own face, never to a router, so nothing can
// be forwarded twice.
//
// # Mirrors
//
// Between two nodes there is one stream for all topics that the one leads and
// the other is interested in. The Server joins it with a fanout.Mux, Upstream
// with a fanout.Relay (see there for who calls what when); both translate
// portions and decide nothing. No item is queued for a stream: a message holds
// about 128 KiB, the connection's window at most 16 MiB, and what that does not
// take stays in the topics' logs, from which a slow node loses the oldest and is
// told exactly which. Each topic tells every second how far it is while items
// flow, and once more. The stream's first request says who asks; a topic that is
// refused is over, a stream that is refused is over under handle 0.
//
// # Birth
//
// A node that belongs to no cluster yet has a port and a name, no Mux. Join asks
// the members of a cluster to let it in, for a token; a Mux answers through its
// Doorkeeper. Convene finds the other newborn nodes that shall found a cluster
// with it. Both end with a Charter, which the caller has on disk before it does
// anything else, and which a Mux then repeats to those founding members that
// have missed it. Why nothing is ever founded twice is told at Convene and in
// assembly.go.
//
// # Versions
//
// A hello tells which versions of the peer protocol a node speaks, and both
// sides speak the highest one they share. So a cluster is upgraded one node
// after the other. Messages grow by fields and reasons that older nodes pass
// over without doing harm; only a change of meaning takes a new version.
//
// # Outcomes
//
// What became of a request is told in a Refusal and never by the status of a
// call, so errors.Is and errors.As find the same things on both sides. A status
// only says that the connection failed, and the Client alone decides what that
// means: a change that had left has an unknown outcome, everything else was not
// executed. Nothing here repeats a request.
//
// # Time
//
// A request carries what is left of its caller's deadline, ten seconds at most.
// The server gives it that much, less what it spent on the way (lateness.go),
// and refuses it unread when nothing is left. Wall clocks play no part.
//
// # Memory
//
// What is sent is only read, and must not be changed before the call returns.
// What is received belongs to whoever receives it. The bytes of all requests
// being served are bounded (ServerConfig.InFlightBytes); a decoded command may
// take several times its bytes, which the doors bound by counting elements.
//
// The package must never know what a command means, where a key belongs, or
// who leads a group.
//
// # Concurrency
//
// Everything exported may be used by many goroutines. Close of a Mux waits for
// its own goroutines; connections it handed out are closed by their takers. Join
// and Convene have ended all of theirs when they return. Server.Stop ends mirrors
// and waits for every call. A node stops in this order: Server, Pool, replica
// host, Mux.
package peer
