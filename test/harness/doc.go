// Package harness runs the real things that the stories are about: the broker
// as users start it, and the programs that use it through an official SDK.
//
// It waits for conditions, always with a deadline, and never for an amount of
// time. It ends only processes that it started, and each of them ends with the
// test that asked for it. What they printed is kept under test/out when the
// test fails, and thrown away when it passes.
//
// It must never know what the broker promises; that belongs to the stories. It
// reads nothing of the broker but what a user can see: ports, exit codes,
// printed text, the data directory.
//
// A Cluster is several servers whose words to each other go through relays of
// the harness, which cut and mend what a story wants cut and mended; see Network.
//
// A Server, a Program and an Agent belong to the test that made them and may be
// used by its goroutines together; Restart and Kill of one server exclude each
// other only in so far as the caller calls them one after the other.
package harness
