// Package rpc is the floor between the doors and the pillars: api serves
// clients over the connections of h2, peer serves other nodes, auth reads
// credentials, and route is where the pillars meet. The packages api and peer
// translate and decide nothing; route decides and translates nothing.
//
// The folder itself holds no code. What lies below it must never know ring
// maths, the semantics of lists or how Raft elects.
package rpc
