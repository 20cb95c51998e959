// Package certify orders the certificate of the client port from an ACME server
// (RFC 8555), and has all nodes of a cluster show the same one.
//
// What the nodes share is on a shelf that somebody else keeps: the account's
// key, the certificate with its key, and, while there is an order, what proves to
// the ACME server that the names lead here (TLS-ALPN-01, RFC 8737). The server
// asks for proof at one of the names, and so at any node; every node has it.
// Only the node that leads orders. When it stops leading in the middle of an
// order, the order comes to nothing or to a second good certificate, no more.
//
// A certificate that is there is served whatever becomes of the ACME server: an
// order that fails is a line in the log, and is tried again later. A third of its
// life before its end a certificate is ordered anew.
//
// It must never know what the shelf is made of, nor how connections are
// accepted. A Keeper may be used by many goroutines; it starts none, and Run is
// its caller's. Keys are never logged.
package certify
