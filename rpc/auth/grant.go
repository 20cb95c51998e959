package auth

import (
	"slices"
	"strings"
)

// Need is what a call does with an item or a topic: it tells the caller about
// it (Read), changes it (Write), or does both in one (ReadWrite).
type Need uint8

// The needs. For topics, subscribing is Read and publishing is Write.
const (
	Read      Need           = 1 << iota // tells about stored state
	Write                                // changes it and tells nothing
	ReadWrite = Read | Write             // needs one statement that allows both
)

// String names the need as it is told to people.
func (n Need) String() string {
	switch n {
	case Read:
		return "read"
	case Write:
		return "write"
	case ReadWrite:
		return "read and write"
	default:
		return "nothing"
	}
}

// Grant is what a credential may do, in a form that is quick to ask: no
// allocation, at most MaxStatements comparisons. It is immutable; a nil Grant
// allows nothing.
type Grant struct {
	super  bool
	items  []rule
	topics []rule
}

// rule is one statement.
type rule struct {
	// allows holds the bits of what may be done.
	allows   Need
	anyCache bool
	cache    string
	match    match
	// name is an item key or topic name, or a prefix of it.
	name string
}

// match is how a rule picks names.
type match uint8

const (
	matchAll match = iota + 1
	matchExact
	matchPrefix
)

// everything is the grant of super users, the admin and open mode.
var everything = &Grant{super: true}

// AllowsCache reports whether the item with that key (for a collection, its
// name) of that cache may be used so. A call on several keys asks for each. One
// statement alone must allow all that is needed. The key is only read.
func (g *Grant) AllowsCache(cache string, key []byte, need Need) bool {
	if g == nil || !need.sound() {
		return false
	}
	if g.super {
		return true
	}
	for i := range g.items {
		if r := &g.items[i]; r.covers(cache, need) && r.picks(key) {
			return true
		}
	}
	return false
}

// AllowsSome reports whether there could be an item of that cache that may be used so,
// which is what a call on no key at all has to be asked.
func (g *Grant) AllowsSome(cache string, need Need) bool {
	if g == nil || !need.sound() {
		return false
	}
	return g.super || slices.ContainsFunc(g.items, func(r rule) bool { return r.covers(cache, need) })
}

// AllowsTopic reports whether that topic of that cache may be used so: Read is
// subscribing, Write is publishing.
func (g *Grant) AllowsTopic(cache, topic string, need Need) bool {
	if g == nil || !need.sound() {
		return false
	}
	if g.super {
		return true
	}
	for i := range g.topics {
		if r := &g.topics[i]; r.covers(cache, need) && r.picksName(topic) {
			return true
		}
	}
	return false
}

// AllowsControl reports whether caches may be created, deleted, flushed and
// listed, and whether the other services of the control plane are open. Only
// super users, the admin and open mode may; no statement grants it.
func (g *Grant) AllowsControl() bool { return g != nil && g.super }

func (n Need) sound() bool { return n >= Read && n <= ReadWrite }

func (r *rule) covers(cache string, need Need) bool {
	return r.allows&need == need && (r.anyCache || r.cache == cache)
}

// picks and picksName are one rule for bytes and for text; neither converts in a
// way that allocates.
func (r *rule) picks(key []byte) bool {
	switch r.match {
	case matchAll:
		return true
	case matchExact:
		return string(key) == r.name
	case matchPrefix:
		return len(key) >= len(r.name) && string(key[:len(r.name)]) == r.name
	default:
		return false
	}
}

func (r *rule) picksName(name string) bool {
	switch r.match {
	case matchAll:
		return true
	case matchExact:
		return name == r.name
	case matchPrefix:
		return strings.HasPrefix(name, r.name)
	default:
		return false
	}
}
