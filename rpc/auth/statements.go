package auth

// Statement is one thing that a caller may do, for programs and for people.
type Statement struct {
	// About is what it allows to use: "cache" for items, "topic", or "everything"
	// for a super user, in which case Role is "superuser" and the rest is empty.
	About string
	// Role bears the name that SDKs give it: readwrite, readonly and writeonly for
	// items, publishsubscribe, subscribeonly and publishonly for topics.
	Role string
	// Cache is the one cache it is about; empty for every cache.
	Cache string
	// Name is the one key or topic, or with Prefix what theirs begin with; empty
	// for all.
	Name   string
	Prefix bool
	// Text is the statement as a sentence.
	Text string
}

// roles is what SDKs call each need of a kind.
var roles = map[kind]map[Need]string{
	kindCache: {Read: "readonly", Write: "writeonly", ReadWrite: "readwrite"},
	kindTopic: {Read: "subscribeonly", Write: "publishonly", ReadWrite: "publishsubscribe"},
}

// everythingText is the sentence for super users.
const everythingText = "everything: all caches, items and topics, and control"

// Statements says what the grant allows: the very rules that calls are held to.
func (g *Grant) Statements() []Statement {
	switch {
	case g == nil:
		return nil
	case g.super:
		return []Statement{{About: "everything", Role: "superuser", Text: everythingText}}
	}
	var list []Statement
	for _, r := range g.items {
		list = append(list, statement{kindCache, r}.public())
	}
	for _, r := range g.topics {
		list = append(list, statement{kindTopic, r}.public())
	}
	return list
}

// Statements says what the caller may do; see Grant.Statements.
func (p Principal) Statements() []Statement { return p.grant.Statements() }

func (s statement) public() Statement {
	return Statement{
		About: s.kind.String(), Role: roles[s.kind][s.rule.allows], Cache: s.rule.cache,
		Name: s.rule.name, Prefix: s.rule.match == matchPrefix, Text: s.String(),
	}
}
