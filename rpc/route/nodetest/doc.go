// Package nodetest is the conformance suite of route.Node: what every face of a
// node must do, whether the node is this one or is reached over a wire. It is
// imported by tests only.
//
// A face is made from a route.Local that stands on real Raft groups in memory.
// Whatever the suite asks of the face must then be indistinguishable from asking
// the Local itself: results, sentinels, hints, and what is certain after a call
// that was given up.
//
// The package must never know how a face reaches its node. It starts hosts and
// keepers and waits for them in the test's clean-up; everything it hands to a
// Face is safe for concurrent use.
package nodetest
