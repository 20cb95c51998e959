// Package gossip hears who is around. It wraps memberlist, which no other
// package may import, with the settings and the guards that Mayfly needs.
//
// It must never know topics, caches, commands, groups or placement, and it
// carries none of them: a node tells its ids, its addresses and its version, in
// at most 512 bytes.
//
// # What is heard is a hint
//
// Whoever holds the secret can say anything of anybody, that a node left among
// it, and old packets can be played again. So what is heard may make a node
// suspect sooner, offer an address to dial, or start a join. It never places,
// removes, promotes or elects: the members on record in the meta group decide
// who exists, and a peer connection checks who is there.
//
// The secret belongs to the nodes alone: memberlist trusts the form of what is
// encrypted with it, so a holder can make a node fail. Who lacks it gets no
// further than the label and the cipher, within bounds on streams, their
// length, and lines in the log.
//
// # Who looks for whom
//
// A Mesh that hears nobody asks its seeds every 10 seconds, and at any time
// asks the nodes on record that it does not hear (Config.Registered). The
// second is what heals a partition: memberlist forgets who was gone for some
// minutes, and then neither side tries again.
//
// A member that is not alive may have died, left, be cut off or be stopped;
// these look alike from here. A stopped process is given up after 9 to 12
// seconds and back as soon as it goes on. Absence means the same as not alive.
//
// # Concurrency and memory
//
// All methods may be called at any time from any goroutine. memberlist calls
// back while it holds its lock; what it says is copied into a table at once, and
// the one ring of Changes is all that is sent. The logger is called under that
// lock too, so its handler must not call this package.
//
// Everything handed out is a copy. Close waits for the goroutines of this
// package and closes every stream; those of the library end within seconds
// after, when the probes they had under way run out.
package gossip
