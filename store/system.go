package store

import "strings"

// A cache of the system's own holds what the cluster has to remember for itself, in
// the same groups as the items of clients. Its name begins with a control character,
// which no name of a client's cache may hold: it is not in the catalog, no door
// leads to it, and nobody creates, flushes or deletes it. It has one generation for
// ever.
const (
	// UsageCache holds what was used, hour by hour.
	UsageCache = "\x01usage"
	// SystemGeneration is the generation of every cache of the system's own.
	SystemGeneration = 1
)

// IsSystemCache tells whether a name is that of a cache of the system's own.
func IsSystemCache(name string) bool {
	rest, ok := strings.CutPrefix(name, "\x01")
	return ok && validName(rest)
}
