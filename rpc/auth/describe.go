package auth

import (
	"fmt"

	permissionpb "github.com/mayfly-broker/mayfly/proto/permission"
)

// Describe says in one line per statement what the permissions allow. It fails
// as Compile does.
func Describe(permissions *permissionpb.Permissions) ([]string, error) {
	if _, err := Compile(permissions); err != nil {
		return nil, err
	}
	if isSuperUser(permissions) {
		return []string{everythingText}, nil
	}
	var lines []string
	for _, p := range permissions.GetExplicit().GetPermissions() {
		s, err := compileStatement(p)
		if err != nil {
			return nil, invalid("permissions: %v", err)
		}
		lines = append(lines, s.String())
	}
	return lines, nil
}

// verbs is what each kind of statement calls its needs.
var verbs = map[kind]map[Need]string{
	kindCache:    {Read: "read", Write: "write", ReadWrite: "read and write"},
	kindTopic:    {Read: "subscribe to", Write: "publish to", ReadWrite: "publish and subscribe to"},
	kindFunction: {0: "invoke (Mayfly runs no functions)"},
}

// nouns is what each kind of statement is about.
var nouns = map[kind][2]string{
	kindCache:    {"item", "items"},
	kindTopic:    {"topic", "topics"},
	kindFunction: {"function", "functions"},
}

// String is the statement as a sentence.
func (s statement) String() string {
	noun := nouns[s.kind]
	names := "all " + noun[1]
	switch s.rule.match {
	case matchExact:
		names = fmt.Sprintf("%s %q", noun[0], s.rule.name)
	case matchPrefix:
		names = fmt.Sprintf("%s beginning with %q", noun[1], s.rule.name)
	}
	cache := "every cache"
	if !s.rule.anyCache {
		cache = fmt.Sprintf("cache %q", s.rule.cache)
	}
	return fmt.Sprintf("%s %s of %s", verbs[s.kind][s.rule.allows], names, cache)
}
