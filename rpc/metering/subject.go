package metering

import (
	"strings"
	"unicode/utf8"
)

// Subject is what a use is put down to.
type Subject struct {
	// Cache is the cache, empty for a call that was refused before its cache was
	// found.
	Cache string
	// Prefix is what Rules make of a topic's name; empty for what concerns no topic.
	Prefix string
	// Holder is who showed the credential.
	Holder Holder
}

// Holder is who showed a credential.
type Holder struct {
	Kind HolderKind
	// Name is the token id or the key id; empty where the kind says it all.
	Name string
}

// HolderKind is what a holder is known by.
type HolderKind uint8

// The kinds of holders.
const (
	// Anonymous showed no credential, while none was needed.
	Anonymous HolderKind = iota
	// Admin showed the admin credential, or a token minted with it that has no id.
	Admin
	// ByToken is known by the token id, which whoever minted the credential chose.
	ByToken
	// ByKey is known by the id of the API key, its own or the one that minted its token.
	ByKey
	// Nobody is whoever is not known.
	Nobody
)

// String writes the holder as tables and reports name it; no two are written alike.
func (h Holder) String() string {
	switch h.Kind {
	case Admin:
		return "admin"
	case ByToken:
		return "token:" + h.Name
	case ByKey:
		return "key:" + h.Name
	case Nobody:
		return ""
	default:
		return "anonymous"
	}
}

// ParseHolder reads what String has written; any other text is Nobody.
func ParseHolder(text string) Holder {
	kind, name, named := strings.Cut(text, ":")
	switch {
	case named && kind == "token":
		return Holder{ByToken, name}
	case named && kind == "key":
		return Holder{ByKey, name}
	case text == "admin":
		return Holder{Kind: Admin}
	case text == "anonymous":
		return Holder{Kind: Anonymous}
	default:
		return Holder{Kind: Nobody}
	}
}

// Rules say which topics are counted together.
type Rules struct {
	// Prefixes are prefixes that topics are counted under; the longest that fits
	// decides.
	Prefixes []string
	// Separators: of every other topic, what goes up to and with the first of these
	// characters is the prefix. A topic without any counts under its whole name.
	Separators string
}

// DefaultSeparators are what people put between the parts of a name.
const DefaultSeparators = "-:/."

// PrefixOf returns the prefix that a topic counts under, a part of its name.
func (r *Rules) PrefixOf(topic string) string {
	longest := 0
	for _, p := range r.Prefixes {
		if len(p) > longest && strings.HasPrefix(topic, p) {
			longest = len(p)
		}
	}
	if longest > 0 {
		return topic[:longest]
	}
	i := strings.IndexAny(topic, r.Separators)
	if i < 0 {
		return topic
	}
	_, size := utf8.DecodeRuneInString(topic[i:])
	return topic[:i+size]
}
