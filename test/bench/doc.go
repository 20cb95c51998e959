// Command bench measures what Mayfly costs, beside other servers in the same
// run: `make bench`. It is a module of its own, so that nats-server is a tool
// of the benchmark and no dependency of the product.
//
// # Method
//
// Every server is a process of its own, on loopback, and so is every client;
// what counts is the processor time that the server's process used between the
// first operation and the last, read from the kernel, not how fast the machine
// as a whole was: the clients need most of that. Servers that are compared do
// the same work in turns, A B B A, round after round, each round with a client
// process of its own. A machine that is busy, hot or virtual is so for all of
// them, and the ratio of two neighbouring rounds says what single numbers
// cannot: seconds differ from machine to machine and from hour to hour, by more
// than the targets allow. A verdict is the median of the ratios of the rounds.
//
// Fan-out: items are published to one topic at an even pace that leaves the
// server, the clients and the kernel some air; the same pace for all. Every
// subscriber counts what it gets, and a round that loses anything fails. How
// many subscriptions share a connection decides much of the cost, since a server
// writes once for all of them: both ends are measured, up to 100 on each as in a
// topic client of the SDKs, and one on each as in phones and browsers. NATS
// always gets the same number of connections. A publish to Mayfly is a call with
// an answer, one to NATS is not; this is how both are used, and it is part of
// the cost per delivery. To tell it from the spreading, the same is published at
// the same pace with nobody listening, right before.
//
// Calls: a number of callers on one connection for each 64, each with one call
// under way. The floor of a get is an empty grpc-go server that answers
// messages of the same sizes (package echo).
//
// Fairness: one caller writes, one write after the other, alone and then beside a
// client with another API key that has ten thousand writes under way all the time.
//
// Memory: what a fresh server's resident memory has grown by a few seconds
// after everything is in place. Go frees memory late, so this is an upper bound
// with up to as much garbage as data in it; it is what an operator sees. For
// collections it is compared with redis-server, which keeps small ones packed.
//
// Server-sent events: as many readers of one topic as a limit of open files allows,
// up to ten thousand, each on a connection as browsers are, beside as many over
// native gRPC on connections of their own. Both are the same program, in processes
// of their own, so memory per reader can be told as well.
//
// Cluster: three nodes on loopback beside one node with the same work, and each
// cost is the sum over all nodes. Items go in at one node and out at another, at
// a pace far below what either can do, with the topic led by the first, by the
// second and by the third: what counts is latency, and the CPU has in it what
// the nodes take at rest. Lists are pushed to and read through the node that
// leads them all and through one that leads none of them, so the two rows bound
// what clients see who know nothing of leaders. Three nodes that share the
// processors and the disk of one show the price of replication and nothing of
// what three machines could do. Recovery is the time that a writer at one node
// waits after kill -9 of the node that led its list; the cluster is whole again
// before the next kill, of another node.
//
// # The house
//
// This folder decides what is measured, in which order, and what is said about
// it; package load is the clients, proc the processes, echo the floor. The main
// goroutine owns everything here and starts no other; all children and the
// temporary folder end with it, on an interrupt too.
package main
