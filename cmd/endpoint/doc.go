// Package endpoint knows what the official SDKs make of an endpoint, the base
// host in a credential: which names they connect to, and at which port. The
// certificate of a broker must cover those names, and all of them must lead to
// it.
//
// The package looks nothing up and must never know how a broker works. Its
// values do not change, so they may be used by many goroutines.
package endpoint
