// Package doctor looks at a broker from a client's side: whether everything is
// there that the official SDKs need to reach it, and if not, what to mend.
//
// An examination goes from the ground up: names (names.go), ports (ports.go), TLS
// and certificates (secure.go), and then, all at the same time, calls
// (native.go), what stands in between (keepalive.go, streams.go), pages
// (pages.go), plain HTTP and the clock (plain.go), and the credential
// (credential.go). A check that needs what an earlier one found broken is not
// made, and says so. Each step has a deadline of its own.
//
// A credential is sent only to a server that has proved who it is, or, where the
// user has chosen to do without TLS, to the one that was named. It is never part
// of a finding. What a server says may be: whoever prints findings makes sure
// that it does not steer a terminal.
//
// The package must never know how a broker works inside, nor how findings are
// shown. An exam belongs to one call of Examine, which waits for every goroutine
// that it starts.
package doctor
