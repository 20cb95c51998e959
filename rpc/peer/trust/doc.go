// Package trust makes the nodes of one cluster know each other: by certificates
// of an authority of the cluster's own, over TLS 1.3 and nothing else.
//
// It must never know what is said on a connection, who is a member, where the
// authority is kept, or what a client is: the certificates of the client port,
// and the authorities that the system believes, mean nothing here.
//
// # The authority, and who holds it
//
// A cluster makes its authority when it is born, and agrees on it (cluster.Trust).
// Every member holds its key, since every member follows the meta group. So a
// node issues its own certificate: at every start, for its name and data directory
// and for 90 days, with a key that never leaves the process; and again, while
// connections go on, when 30 of them are left or the authority is a new one. There
// is nothing to be asked for, to be stored, or to be found expired on the day on
// which a cluster is started again after a year. What the key is worth is told by
// what its holders can do anyway: each of them has the record and all data. A
// node that is no longer trusted is removed, which no certificate outlives
// (peer.Guard); then the authority is rotated, since that node has seen it.
//
// # Three ways in
//
// What a connection is for is said in its TLS handshake, as the protocol that is
// asked for. Peer is for members: both show a certificate of the authority, whose
// name must be the one of the hello that follows. Join is for a newcomer, which
// has no certificate; it knows the authority by the pin in its join token. Found
// is for nodes that are about to found a cluster: there is no authority yet, so
// each derives one from the secret that they were all started with (Founding).
//
// The server name of a handshake is the caller's own. Servers need none, since
// one port has one certificate; and so a node whose certificate is refused can be
// named in the log of who refused it. It is a claim and decides nothing.
//
// # Concurrency and memory
//
// A Wallet may be used by many goroutines; Adopt and Renew swap what it holds, and
// connections that are open go on. Nothing here starts a goroutine. Keys are in
// none of the errors.
package trust
