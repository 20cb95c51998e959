// Package fault makes a broker that apps are tested against fail on purpose: as
// the headers of a call ask for it, at random but repeatably, or by cutting its port.
//
// Injector decides about calls, Line is what the connections
// of a listener run through and can be cut, and Admin serves
// the two addresses that cut and mend the line. The headers are those that the retry
// suites of the official SDKs send to a local test server, see Injector.Call.
//
// It must never know what a call does, and nothing of it is part of a broker that
// keeps data: only `mayfly dev` makes an Injector or a Line.
//
// All types are safe for concurrent use. The Injector starts no goroutines and holds at
// most maxRequests small counters; a Line holds the connections that are open.
package fault
