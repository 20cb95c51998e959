// Package cli is the mayfly command: flags, environment and files in, exit code
// and words for people out. One file holds one group of commands.
//
// It starts a broker through a function it is handed, and talks to a running
// one as any client does, over gRPC. It must never know how a broker works
// inside: no store, no topics, no groups; a rule about data found here has lost
// its way home.
//
// A [Program] is one invocation and owns nothing global, so tests run many of
// them in one process. Within an invocation one goroutine does the work; a
// second watches for signals.
//
// Credentials go into the metadata of calls and, where a user asked for one to
// be made, to standard output. They never go into an error or a log.
package cli
