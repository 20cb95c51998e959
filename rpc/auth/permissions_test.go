package auth

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	permissionpb "github.com/mayfly-broker/mayfly/proto/permission"
)

// want is what one credential is expected to be allowed to do with one name.
type want struct{ read, write, both bool }

func (w want) of(need Need) bool {
	return map[Need]bool{Read: w.read, Write: w.write, ReadWrite: w.both}[need]
}

var (
	none      = want{}
	full      = want{true, true, true}
	readOnly  = want{read: true}
	writeOnly = want{write: true}
)

// Every role with every selector, on its own name and on others.
func TestRolesAndSelectors(t *testing.T) {
	roles := map[string]struct {
		number int32
		want   want
	}{"read-write": {1, full}, "read-only": {2, readOnly}, "write-only": {3, writeOnly}}
	selectors := []struct {
		cache  string
		on     on
		inside []string // cache/name, allowed by the role
		beside []string // cache/name, never
	}{
		{"chat", on{}, []string{"chat/a", "chat/room-1", "chat/"}, []string{"chats/a", "cha/a", "/a", "other/room-1"}},
		{"chat", on{name: "room-1"}, []string{"chat/room-1"}, []string{"chat/room-10", "chat/room-", "chat/", "other/room-1"}},
		{"chat", on{prefix: "room-"}, []string{"chat/room-", "chat/room-1"}, []string{"chat/room", "chat/aroom-1", "other/room-1"}},
		{anyCache, on{}, []string{"chat/a", "other/b"}, nil},
		{anyCache, on{name: "room-1"}, []string{"chat/room-1", "other/room-1"}, []string{"chat/room-2"}},
		{anyCache, on{prefix: "room-"}, []string{"chat/room-1", "other/room-2"}, []string{"other/hall"}},
	}
	for _, role := range sortedKeys(roles) {
		for _, s := range selectors {
			t.Run(fmt.Sprintf("%s %s %+v", role, s.cache, s.on), func(t *testing.T) {
				r := roles[role]
				items := compile(t, explicit(cacheStatement(permissionpb.CacheRole(r.number), s.cache, s.on)))
				topics := compile(t, explicit(topicStatement(permissionpb.TopicRole(r.number), s.cache, s.on)))
				for _, at := range s.inside {
					check(t, "item", at, items.item, r.want)
					check(t, "topic", at, topics.topic, r.want)
					check(t, "topic of an item grant", at, items.topic, none)
					check(t, "item of a topic grant", at, topics.item, none)
				}
				for _, at := range s.beside {
					check(t, "item", at, items.item, none)
					check(t, "topic", at, topics.topic, none)
				}
				if items.AllowsControl() || topics.AllowsControl() {
					t.Error("a data scope allows control")
				}
			})
		}
	}
}

type testGrant struct{ *Grant }

func (g testGrant) item(cache, name string, need Need) bool {
	return g.AllowsCache(cache, []byte(name), need)
}

func (g testGrant) topic(cache, name string, need Need) bool {
	return g.AllowsTopic(cache, name, need)
}

func compile(t testing.TB, p *permissionpb.Permissions) testGrant {
	t.Helper()
	g, err := Compile(p)
	if err != nil {
		t.Fatal(err)
	}
	return testGrant{g}
}

func check(t *testing.T, what, at string, ask func(cache, name string, need Need) bool, w want) {
	t.Helper()
	cache, name, _ := strings.Cut(at, "/")
	for _, need := range []Need{Read, Write, ReadWrite} {
		if got := ask(cache, name, need); got != w.of(need) {
			t.Errorf("%s %s: %v allowed = %v, want %v", what, at, need, got, w.of(need))
		}
	}
	for _, need := range []Need{0, 4, 255} {
		if ask(cache, name, need) {
			t.Errorf("%s %s: need %d allowed", what, at, need)
		}
	}
}

func TestGrantsOfEveryoneElse(t *testing.T) {
	var nobody *Grant
	super, err := Compile(superUser())
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		grant   *Grant
		want    want
		control bool
	}{"nobody": {nobody, none, false}, "super user": {super, full, true}, "function": {compile(t, explicit(functionStatement(1, "chat", on{}))).Grant, none, false}} {
		check(t, name, "chat/a", testGrant{c.grant}.item, c.want)
		check(t, name, "chat/a", testGrant{c.grant}.topic, c.want)
		if c.grant.AllowsControl() != c.control {
			t.Errorf("%s: control = %v", name, c.grant.AllowsControl())
		}
	}
}

// Two halves do not make a whole: a call that reads and writes needs one
// statement that allows both.
func TestHalvesAreNotAWhole(t *testing.T) {
	g := compile(t, explicit(
		cacheStatement(permissionpb.CacheRole_CacheReadOnly, "chat", on{}),
		cacheStatement(permissionpb.CacheRole_CacheWriteOnly, anyCache, on{}),
	))
	check(t, "item", "chat/a", g.item, want{read: true, write: true})
}

func TestItemLeftOutMeansAll(t *testing.T) {
	p := cacheStatement(permissionpb.CacheRole_CacheReadOnly, "chat", on{})
	p.GetCachePermissions().CacheItem = nil
	check(t, "item", "chat/anything", compile(t, explicit(p)).item, readOnly)
}

func TestCompileRefuses(t *testing.T) {
	good := func() *permissionpb.PermissionsType { return cacheStatement(1, "chat", on{name: "a"}) }
	edit := func(f func(*permissionpb.CachePermissions)) *permissionpb.Permissions {
		p := good()
		f(p.GetCachePermissions())
		return explicit(p)
	}
	editTopic := func(f func(*permissionpb.TopicPermissions)) *permissionpb.Permissions {
		p := topicStatement(1, "chat", on{name: "a"})
		f(p.GetTopicPermissions())
		return explicit(p)
	}
	many := make([]*permissionpb.PermissionsType, MaxStatements+1)
	for i := range many {
		many[i] = cacheStatement(1, "chat", on{name: fmt.Sprint("k", i)})
	}
	allOf := cacheStatement(2, "chat", on{})
	allOf.GetCachePermissions().CacheItem = nil
	future := explicit(good())
	future.GetExplicit().Permissions[0].GetCachePermissions().GetItemSelector().ProtoReflect().
		SetUnknown(protowire.AppendVarint(protowire.AppendTag(nil, 9, protowire.VarintType), 1))
	futureSuper := superUser()
	futureSuper.ProtoReflect().SetUnknown(protowire.AppendVarint(protowire.AppendTag(nil, 9, protowire.VarintType), 1))

	for name, c := range map[string]struct {
		p    *permissionpb.Permissions
		says string
	}{
		"nil":                {nil, "there are none"},
		"no kind":            {&permissionpb.Permissions{}, "there are none"},
		"empty list":         {explicit(), "empty"},
		"nil explicit":       {&permissionpb.Permissions{Kind: &permissionpb.Permissions_Explicit{}}, "empty"},
		"unknown super user": {&permissionpb.Permissions{Kind: &permissionpb.Permissions_SuperUser{SuperUser: 1}}, "super user"},
		"super user, more":   {futureSuper, "super user"},
		"too many":           {explicit(many...), "21 statements"},
		"nil statement":      {explicit(nil), "neither"},
		"empty statement":    {explicit(&permissionpb.PermissionsType{}), "neither"},
		"nil cache":          {explicit(&permissionpb.PermissionsType{Kind: &permissionpb.PermissionsType_CachePermissions{}}), "role 0"},
		"nil topic":          {explicit(&permissionpb.PermissionsType{Kind: &permissionpb.PermissionsType_TopicPermissions{}}), "role 0"},
		"nil function":       {explicit(&permissionpb.PermissionsType{Kind: &permissionpb.PermissionsType_FunctionPermissions{}}), "role 0"},
		"unknown field":      {future, "unknown to this version"},
		"cache role 0":       {explicit(cacheStatement(0, "chat", on{})), "role 0"},
		"cache role 4":       {explicit(cacheStatement(4, "chat", on{})), "role 4"},
		"cache role -1":      {explicit(cacheStatement(-1, "chat", on{})), "role -1"},
		"topic role 0":       {explicit(topicStatement(0, "chat", on{})), "role 0"},
		"topic role 4":       {explicit(topicStatement(4, "chat", on{})), "role 4"},
		"function role 0":    {explicit(functionStatement(0, "chat", on{})), "role 0"},
		"function role 2":    {explicit(functionStatement(2, "chat", on{})), "role 2"},
		"no cache":           {edit(func(p *permissionpb.CachePermissions) { p.Cache = nil }), "neither a cache"},
		"empty selector":     {edit(func(p *permissionpb.CachePermissions) { p.GetCacheSelector().Kind = nil }), "neither a cache"},
		"empty cache name":   {explicit(cacheStatement(1, "", on{})), "cache name"},
		"long cache name":    {explicit(cacheStatement(1, strings.Repeat("x", 256), on{})), "256 bytes"},
		"control in cache":   {explicit(cacheStatement(1, "a\nb", on{})), "control"},
		"not UTF-8":          {explicit(cacheStatement(1, "a\xff", on{})), "UTF-8"},
		"no key":             {edit(func(p *permissionpb.CachePermissions) { p.GetItemSelector().Kind = nil }), "neither key nor prefix"},
		"empty key": {edit(func(p *permissionpb.CachePermissions) {
			p.GetItemSelector().Kind = &permissionpb.CacheItemSelector_Key{}
		}), "all items"},
		"empty prefix": {edit(func(p *permissionpb.CachePermissions) {
			p.GetItemSelector().Kind = &permissionpb.CacheItemSelector_KeyPrefix{}
		}), "all items"},
		"long key":       {explicit(cacheStatement(1, "chat", on{name: strings.Repeat("x", 1025)})), "1025 bytes"},
		"topic no cache": {editTopic(func(p *permissionpb.TopicPermissions) { p.Cache = nil }), "neither a cache"},
		"topic no topic": {editTopic(func(p *permissionpb.TopicPermissions) { p.Topic = nil }), "neither a topic"},
		"topic no name":  {editTopic(func(p *permissionpb.TopicPermissions) { p.GetTopicSelector().Kind = nil }), "neither a topic"},
		"topic empty name": {editTopic(func(p *permissionpb.TopicPermissions) {
			p.GetTopicSelector().Kind = &permissionpb.TopicSelector_TopicName{}
		}), "topic name"},
		"topic empty prefix": {editTopic(func(p *permissionpb.TopicPermissions) {
			p.GetTopicSelector().Kind = &permissionpb.TopicSelector_TopicNamePrefix{}
		}), "topic name"},
		"repeated":          {explicit(good(), topicStatement(1, "chat", on{name: "a"}), good()), "statements 1 and 3"},
		"other role":        {explicit(good(), cacheStatement(2, "chat", on{name: "a"})), "statements 1 and 2"},
		"all twice":         {explicit(cacheStatement(1, "chat", on{}), allOf), "statements 1 and 2"},
		"topics twice":      {explicit(topicStatement(1, anyCache, on{}), topicStatement(3, anyCache, on{})), "same topic names"},
		"prefixes twice":    {explicit(topicStatement(1, "c", on{prefix: "p"}), topicStatement(3, "c", on{prefix: "p"})), "same topic names"},
		"functions twice":   {explicit(functionStatement(1, "c", on{}), functionStatement(1, "c", on{})), "same function names"},
		"function, no name": {explicit(functionStatement(1, "c", on{name: strings.Repeat("f", 300)})), "300 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			g, err := Compile(c.p)
			if !errors.Is(err, ErrInvalidArgument) || g != nil {
				t.Fatalf("got %v, %v; want ErrInvalidArgument", g, err)
			}
			if !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %q does not say %q", err, c.says)
			}
		})
	}
}

func TestCompileAllowsNeighbours(t *testing.T) {
	most := make([]*permissionpb.PermissionsType, MaxStatements)
	for i := range most {
		most[i] = topicStatement(2, "chat", on{prefix: fmt.Sprint("t", i)})
	}
	for name, p := range map[string]*permissionpb.Permissions{
		"twenty":                      explicit(most...),
		"name and prefix alike":       explicit(cacheStatement(1, "chat", on{name: "a"}), cacheStatement(1, "chat", on{prefix: "a"})),
		"item and topic alike":        room(),
		"all caches and one":          explicit(cacheStatement(1, anyCache, on{}), cacheStatement(2, "chat", on{})),
		"one name of two caches":      explicit(cacheStatement(1, "a", on{name: "k"}), cacheStatement(1, "b", on{name: "k"})),
		"cache and name swap letters": explicit(cacheStatement(1, "ab", on{name: "c"}), cacheStatement(1, "a", on{name: "bc"})),
		"a key of any bytes":          explicit(cacheStatement(1, "a", on{name: "\x00\xff"})),
		"a cache called like all":     explicit(topicStatement(1, "a", on{name: "*"}), topicStatement(1, "a", on{})),
	} {
		if _, err := Compile(p); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAskingAGrantAllocatesNothing(t *testing.T) {
	g := compile(t, explicit(
		cacheStatement(2, "other", on{}),
		cacheStatement(2, "chat", on{name: "room-1"}),
		cacheStatement(2, "chat", on{prefix: "hall-"}),
		topicStatement(1, "chat", on{prefix: "room-"}),
	))
	key := []byte("hall-12345678901234567890123456789012345678901234567890")
	if n := testing.AllocsPerRun(100, func() {
		if !g.AllowsCache("chat", key, Read) || !g.AllowsTopic("chat", "room-7", ReadWrite) {
			t.Error("refused")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestDescribe(t *testing.T) {
	got, err := Describe(explicit(
		cacheStatement(2, "chat", on{name: "room-1"}),
		cacheStatement(3, anyCache, on{}),
		topicStatement(1, "chat", on{prefix: "room-"}),
		functionStatement(1, "chat", on{}),
	))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`read item "room-1" of cache "chat"`,
		`write all items of every cache`,
		`publish and subscribe to topics beginning with "room-" of cache "chat"`,
		`invoke (Mayfly runs no functions) all functions of cache "chat"`,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got %q", got)
	}
	if got, err := Describe(superUser()); err != nil || len(got) != 1 {
		t.Errorf("super user: %q, %v", got, err)
	}
	if _, err := Describe(nil); !errors.Is(err, ErrInvalidArgument) {
		t.Errorf("nil: %v", err)
	}
}

// naive answers from the message itself, statement by statement, the way
// protocol.md 6.5 tells it.
func naive(p *permissionpb.Permissions, topic bool, cache, name string, need Need) bool {
	if _, super := p.Kind.(*permissionpb.Permissions_SuperUser); super {
		return true
	}
	for _, s := range p.GetExplicit().GetPermissions() {
		var role int32
		var allCaches, inCache, picked bool
		if c := s.GetCachePermissions(); c != nil && !topic {
			role, allCaches, inCache = int32(c.Role), c.GetAllCaches() != nil, c.GetCacheSelector().GetCacheName() == cache
			switch k := c.GetItemSelector().GetKind().(type) {
			case nil:
				picked = true
			case *permissionpb.CacheItemSelector_Key:
				picked = string(k.Key) == name
			case *permissionpb.CacheItemSelector_KeyPrefix:
				picked = strings.HasPrefix(name, string(k.KeyPrefix))
			}
		}
		if c := s.GetTopicPermissions(); c != nil && topic {
			role, allCaches, inCache = int32(c.Role), c.GetAllCaches() != nil, c.GetCacheSelector().GetCacheName() == cache
			switch k := c.GetTopicSelector().GetKind().(type) {
			case nil:
				picked = true
			case *permissionpb.TopicSelector_TopicName:
				picked = k.TopicName == name
			case *permissionpb.TopicSelector_TopicNamePrefix:
				picked = strings.HasPrefix(name, k.TopicNamePrefix)
			}
		}
		able := role == 1 || role == 2 && need == Read || role == 3 && need == Write
		if able && picked && (allCaches || inCache) {
			return true
		}
	}
	return false
}

func TestGrantEqualsNaive(t *testing.T) {
	names := rapid.StringOfN(rapid.SampledFrom([]rune("ab")), 1, 3, -1)
	caches := rapid.SampledFrom([]string{"a", "b", "ab", anyCache})
	statements := rapid.Custom(func(t *rapid.T) *permissionpb.PermissionsType {
		o := on{}
		switch rapid.IntRange(0, 2).Draw(t, "selector") {
		case 1:
			o.name = names.Draw(t, "name")
		case 2:
			o.prefix = names.Draw(t, "prefix")
		}
		role := rapid.Int32Range(1, 3).Draw(t, "role")
		cache := caches.Draw(t, "cache")
		if rapid.Bool().Draw(t, "topic") {
			return topicStatement(permissionpb.TopicRole(role), cache, o)
		}
		return cacheStatement(permissionpb.CacheRole(role), cache, o)
	})
	rapid.Check(t, func(t *rapid.T) {
		p := explicit(rapid.SliceOfN(statements, 1, 6).Draw(t, "statements")...)
		if rapid.IntRange(0, 20).Draw(t, "super") == 0 {
			p = superUser()
		}
		g, err := Compile(p)
		if err != nil {
			if !errors.Is(err, ErrInvalidArgument) || !strings.Contains(err.Error(), "both about the same") {
				t.Fatalf("unexpected refusal: %v", err)
			}
			return
		}
		// The grant of a record or a claim is that of the message.
		raw, err := proto.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		again, err := compileRecord(raw)
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			cache, name := caches.Draw(t, "asked cache"), rapid.StringOfN(rapid.SampledFrom([]rune("ab")), 0, 4, -1).Draw(t, "asked name")
			need := rapid.SampledFrom([]Need{Read, Write, ReadWrite}).Draw(t, "need")
			for _, g := range []*Grant{g, again} {
				if g.AllowsCache(cache, []byte(name), need) && !g.AllowsSome(cache, need) {
					t.Fatalf("item %s/%s %v is allowed, and yet none of that cache", cache, name, need)
				}
				if got, want := g.AllowsCache(cache, []byte(name), need), naive(p, false, cache, name, need); got != want {
					t.Fatalf("item %s/%s %v: got %v", cache, name, need, got)
				}
				if got, want := g.AllowsTopic(cache, name, need), naive(p, true, cache, name, need); got != want {
					t.Fatalf("topic %s/%s %v: got %v", cache, name, need, got)
				}
			}
		}
	})
}
