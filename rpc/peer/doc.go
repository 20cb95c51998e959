// Package peer carries what nodes of one cluster say to each other over one
// port: the Raft streams of every group, and the calls of the Peer service.
//
// A Mux owns the port. Every connection opens with a hello that says who calls
// (cluster, node, store, boot) and what for (calls, or the stream of one
// replica); a connection whose hello does not fit is closed before anything
// else of it is read. That is what stops recycled addresses, cloned disks and
// two clusters on one network from talking to each other.
//
// Server translates calls into the words of a route.Node, Client translates
// them back: a Client is the face of another node. The Server is wired to this
// node's own face, never to a router, so nothing can be forwarded twice.
//
// The package must never know what a command means, where a key belongs, or
// who leads a group.
//
// Everything exported may be used by many goroutines. Close of a Mux closes
// every connection it handed out and waits for its goroutines.
package peer
