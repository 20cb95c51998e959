// Package abuse does to a broker what nobody should, and looks after two things
// meanwhile: how much memory it takes, and whether honest clients are served.
//
//	victim        a broker with its key, and where the attackers come from
//	honest        a client that publishes, listens, writes and reads, and one that
//	              connects anew again and again; both with their times
//	wire          HTTP/2 and WebSocket without manners
//	connections, http2, http1, messages, credentials
//	              the attacks
//	report        the table
//
// `make test` has each attack for a second or two and demands that memory stays
// below a bound and that no honest call fails. `make abuse` has them at their full
// size, and prints the table of docs/operations.md. Attackers share the machine with
// their victim, so honest times under attack are worse than they would be elsewhere;
// none is demanded.
//
// The package must never know how the broker works. An attack ends with its context
// and waits for all that it started.
package abuse
