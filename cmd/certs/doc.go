// Package certs makes an authority of one's own and certificates for the client
// port of brokers, and says what is in a certificate.
//
// Everything is in files of one folder, PEM: ca.crt and ca.key are the
// authority's, tls.crt and tls.key the broker's. Keys are readable by their owner
// alone. An authority that is there is used again, so that clients that trust it
// need not be told anything when a certificate is renewed; it is replaced only by
// who asks for that. A certificate that another authority has made is never
// overwritten.
//
// The package reads no clock: moments are handed in. It knows nothing of
// brokers. A function may be called by many goroutines, but not for the same
// folder.
package certs
