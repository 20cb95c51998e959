package test

import (
	"slices"
	"strings"

	permissionpb "github.com/mayfly-broker/mayfly/proto/permission"
)

// need is what somebody must be allowed who calls a method or asks for a path.
type need string

const (
	anybody    need = "nothing"
	reads      need = "to read the items"
	writes     need = "to write the items"
	both       need = "to read and write the items, by one statement"
	subscribes need = "to subscribe to the topic"
	publishes  need = "to publish to the topic"
	operates   need = "to operate the broker"
	observes   need = "to operate the broker, or any API key"
	acts       need = "to operate the broker, which the story had better not do" // so only refusals are tried
	mints      need = "to operate the broker, by the credential in the message"
	renews     need = "a key and its own refresh token, which nobody here has"
	never      need = "something else than a credential of Mayfly"
)

// needs is section 6.5 of the protocol's reference, written down once more and on
// purpose not read from the broker: the rules there must say the same. A method that
// the broker serves and that is not here fails the story.
var needs = []struct {
	service string
	need    need
	methods string
}{
	{"cache_client.Scs", reads, `Get GetWithHash GetBatch KeysExist ItemGetTtl ItemGetType
		DictionaryGet DictionaryFetch DictionaryLength SetFetch SetSample SetContains SetLength ListFetch ListLength
		SortedSetFetch SortedSetGetScore SortedSetGetRank SortedSetLength SortedSetLengthByScore`},
	{"cache_client.Scs", writes, `Set SetBatch Delete DictionarySet DictionaryDelete SetUnion SetDifference
		ListRemove ListErase ListRetain SortedSetPut SortedSetRemove`},
	{"cache_client.Scs", both, `SetIf SetIfHash SetIfNotExists UpdateTtl Increment DictionaryIncrement SortedSetIncrement
		ListPushFront ListPushBack ListConcatenateFront ListConcatenateBack ListPopFront ListPopBack SetPop SortedSetUnionStore`},
	{"leaderboard.Leaderboard", reads, `GetLeaderboardLength GetByRank GetByScore GetRank GetCompetitionRank`},
	{"leaderboard.Leaderboard", writes, `UpsertElements RemoveElements DeleteLeaderboard`},
	{"cache_client.pubsub.Pubsub", subscribes, `Subscribe`},
	{"cache_client.pubsub.Pubsub", publishes, `Publish`},
	{"control_client.ScsControl", operates, `CreateCache ListCaches FlushCache RevokeSigningKey ListSigningKeys`},
	{"control_client.ScsControl", acts, `DeleteCache CreateSigningKey`},
	{"webhook.Webhook", operates, `PutWebhook DeleteWebhook ListWebhooks GetWebhookSecret RotateWebhookSecret`},
	{"auth.Auth", anybody, `Login`},
	{"auth.Auth", mints, `GenerateApiToken`},
	{"auth.Auth", renews, `RefreshApiToken`},
	{"token.Token", mints, `GenerateDisposableToken`},
	{"mayfly.admin.v1.Admin", operates, `ListApiKeys RevokeApiKey Version ClusterStatus DrainNode ResumeNode RemoveNode`},
	{"mayfly.admin.v1.Admin", acts, `CreateApiKey LeaveNode TransferLeadership CreateJoinToken JoinCluster RotateKeys`},
	{"mayfly.admin.v1.Caches", operates, `CreateCache UpdateCache DescribeCaches`},
	{"mayfly.admin.v1.Usage", operates, `ReportUsage ExportUsage`},
	{"mayfly.admin.v1.Credentials", operates, `ListRevocations ListSigningKeys RevokeSigningKey RotateApiKey UpdateApiKey`},
	{"mayfly.admin.v1.Credentials", acts, `RotateSigningKey RevokeTokens`},
	{"mayfly.admin.v1.Audit", operates, `ListActs`},
	{"cache_client.Ping", anybody, `Ping`},
	{"grpc.health.v1.Health", anybody, `Check List Watch`},
	{"grpc.reflection.v1.ServerReflection", anybody, `ServerReflectionInfo`},
	{"grpc.reflection.v1alpha.ServerReflection", anybody, `ServerReflectionInfo`},
}

// routes are what plain HTTP offers, each with a query and a body that make sense; one
// path may be asked in several ways. A verb of /openapi.json that is not here fails
// the story. {name} is the name of the item or the topic.
var routes = []struct {
	verb, path, query string
	need              need
	kind              kind
	body              string
}{
	{"GET", "/cache/{cache}", "key={name}", reads, aScalar, ""},
	{"HEAD", "/cache/{cache}", "key={name}", reads, aScalar, ""},
	{"PUT", "/cache/{cache}", "key={name}&ttl_seconds=60", writes, aScalar, "7"},
	{"DELETE", "/cache/{cache}", "key={name}", writes, aScalar, ""},
	{"GET", "/cache/{cache}/lists/{name}", "start=0", reads, aList, ""},
	{"POST", "/cache/{cache}/lists/{name}", "ttl_seconds=60&at=front", both, aList, "7"},
	{"DELETE", "/cache/{cache}/lists/{name}", "", writes, aList, ""},
	{"DELETE", "/cache/{cache}/lists/{name}", "value=17", writes, aList, ""},
	{"DELETE", "/cache/{cache}/lists/{name}", "start=1", writes, aList, ""},
	{"GET", "/cache/{cache}/lists/{name}/length", "", reads, aList, ""},
	{"POST", "/cache/{cache}/lists/{name}/pop", "at=back", both, aList, ""},
	{"GET", "/topics/{cache}/{topic}", "sequence_number=1", subscribes, aTopic, ""},
	{"GET", "/topics/{cache}/{topic}", "events", subscribes, aTopic, ""}, // as server-sent events
	{"POST", "/topics/{cache}/{topic}", "", publishes, aTopic, "7"},
	{"GET", "/metrics", "", observes, broker, ""},
	{"HEAD", "/metrics", "", observes, broker, ""},
	{"GET", "/usage", "", operates, broker, ""},
	{"GET", "/vend/{name}", "", never, broker, ""},
	{"POST", "/vend/{name}", "", never, broker, ""},
	{"GET", "/", "", anybody, broker, ""},
	{"HEAD", "/", "", anybody, broker, ""},
	{"GET", "/livez", "", anybody, broker, ""},
	{"HEAD", "/livez", "", anybody, broker, ""},
	{"GET", "/readyz", "", anybody, broker, ""},
	{"HEAD", "/readyz", "", anybody, broker, ""},
	{"GET", "/openapi.json", "", anybody, broker, ""},
	{"HEAD", "/openapi.json", "", anybody, broker, ""},
	// What the console asks, which is in no document.
	{"GET", "/console/", "", anybody, broker, ""},
	{"GET", "/console/api/session", "", anybody, broker, ""},
	{"GET", "/console/api/cluster", "", operates, broker, ""},
	{"GET", "/console/api/usage", "", operates, broker, ""},
	{"GET", "/console/api/topic", "cache=mine&topic=room-1", operates, broker, ""},
	{"POST", "/console/api/inspect", "", operates, broker, "{}"},
}

// kind is what a call is about.
type kind string

const (
	broker       kind = "the broker"
	aTopic       kind = "a topic"
	aScalar      kind = "a scalar"
	aList        kind = "a list"
	aDictionary  kind = "a dictionary"
	aSet         kind = "a set"
	aSortedSet   kind = "a sorted set"
	aLeaderboard kind = "a leaderboard"
)

// place is an item or a topic that somebody reaches for.
type place struct{ cache, name string }

// The cache, name and prefix that credentials are for, and the places that they try:
// their own, those that look alike, and those that are not there.
const (
	ownCache, ownName, ownPrefix = "mine", "room-1", "room-"
	noCache                      = "nowhere"
)

var places = func() (all []place) {
	for _, cache := range []string{ownCache, "other", noCache} {
		for _, name := range []string{ownName, "room-10", "room-", "room", "elsewhere"} {
			all = append(all, place{cache, name})
		}
	}
	return all
}()

// Roles have the numbers of the protocol.
const (
	readWrite = 1
	readOnly  = 2
	writeOnly = 3
)

var roleNames = []string{"", "readwrite", "readonly", "writeonly"}

// statement is one permission.
type statement struct {
	topics bool // of topics; else of items
	role   int
	cache  string // empty for all caches
	exact  string // the name; empty for prefix
	prefix string // what the names begin with; empty for all
}

// allows is how 6.5 says that a statement is understood.
func (s statement) allows(n need, at place) bool {
	var role bool
	switch n {
	case reads:
		role = !s.topics && s.role != writeOnly
	case writes:
		role = !s.topics && s.role != readOnly
	case both:
		role = !s.topics && s.role == readWrite
	case subscribes:
		role = s.topics && s.role != writeOnly
	case publishes:
		role = s.topics && s.role != readOnly
	}
	name := s.exact == at.name || s.exact == "" && strings.HasPrefix(at.name, s.prefix)
	return role && name && (s.cache == "" || s.cache == at.cache)
}

// grant is what somebody is allowed who has a credential.
type grant struct {
	name       string
	operator   bool // the admin, or a super user
	key        bool // an API key; else a disposable token
	statements []statement
}

// allows reports whether a call passes. What is about several places is allowed if it
// is for each.
func (g grant) allows(n need, at ...place) bool {
	switch n {
	case anybody:
		return true
	case never, renews:
		return false
	case operates, acts, mints:
		return g.operator
	case observes:
		return g.operator || g.key
	}
	if g.operator {
		return true
	}
	for _, one := range at {
		any := false
		for _, s := range g.statements {
			any = any || s.allows(n, one)
		}
		if !any {
			return false
		}
	}
	return true
}

// allowsSome reports whether some item of a cache may be meant by a call that names none.
func (g grant) allowsSome(n need, cache string) bool {
	return g.operator || slices.ContainsFunc(g.statements, func(s statement) bool {
		return s.allows(n, place{cache, s.exact + s.prefix})
	})
}

// isAbout reports whether a grant says anything about things of a kind.
func (g grant) isAbout(is kind) bool {
	return g.operator || slices.ContainsFunc(g.statements, func(s statement) bool { return s.topics == (is == aTopic) })
}

// grants are every role for every selector of items and of topics, and those of a kind
// of their own.
func grants() []grant {
	all := []grant{
		{name: "admin", operator: true},
		{name: "super user", operator: true, key: true},
		{name: "key for one room", key: true, statements: []statement{
			{role: readOnly, cache: ownCache, exact: ownName}, {topics: true, role: writeOnly, cache: ownCache, exact: ownName},
		}},
		{name: "reads one, writes alike", statements: []statement{ // which together let nobody do both
			{role: readOnly, cache: ownCache, exact: ownName}, {role: writeOnly, cache: ownCache, prefix: ownPrefix},
			{topics: true, role: writeOnly, exact: ownName}, {topics: true, role: readOnly, cache: "other"},
		}},
	}
	for _, topics := range []bool{false, true} {
		for role := readWrite; role <= writeOnly; role++ {
			for _, cache := range []string{ownCache, ""} {
				for _, s := range []statement{{exact: ownName}, {prefix: ownPrefix}, {}} {
					s.topics, s.role, s.cache = topics, role, cache
					plane := map[bool]string{false: "items ", true: "topics "}[topics]
					name := plane + roleNames[role] + " in " + strings.TrimSuffix("cache "+cache, " ") + " called " + s.exact + s.prefix + "*"
					all = append(all, grant{name: strings.Replace(name, ownName+"*", ownName, 1), statements: []statement{s}})
				}
			}
		}
	}
	return all
}

// permissions are a grant in the words of the protocol.
func (g grant) permissions() *permissionpb.Permissions {
	if g.operator {
		return &permissionpb.Permissions{Kind: &permissionpb.Permissions_SuperUser{}}
	}
	explicit := &permissionpb.ExplicitPermissions{}
	for _, s := range g.statements {
		explicit.Permissions = append(explicit.Permissions, s.permission())
	}
	return &permissionpb.Permissions{Kind: &permissionpb.Permissions_Explicit{Explicit: explicit}}
}

func (s statement) permission() *permissionpb.PermissionsType {
	selected := &permissionpb.CacheSelector{Kind: &permissionpb.CacheSelector_CacheName{CacheName: s.cache}}
	if s.topics {
		p := &permissionpb.TopicPermissions{
			Role:  permissionpb.TopicRole(s.role),
			Cache: &permissionpb.TopicPermissions_AllCaches{AllCaches: &permissionpb.All{}},
			Topic: &permissionpb.TopicPermissions_AllTopics{AllTopics: &permissionpb.All{}},
		}
		if s.cache != "" {
			p.Cache = &permissionpb.TopicPermissions_CacheSelector{CacheSelector: selected}
		}
		if s.exact != "" {
			p.Topic = &permissionpb.TopicPermissions_TopicSelector{TopicSelector: &permissionpb.TopicSelector{Kind: &permissionpb.TopicSelector_TopicName{TopicName: s.exact}}}
		} else if s.prefix != "" {
			p.Topic = &permissionpb.TopicPermissions_TopicSelector{TopicSelector: &permissionpb.TopicSelector{Kind: &permissionpb.TopicSelector_TopicNamePrefix{TopicNamePrefix: s.prefix}}}
		}
		return &permissionpb.PermissionsType{Kind: &permissionpb.PermissionsType_TopicPermissions{TopicPermissions: p}}
	}
	p := &permissionpb.CachePermissions{
		Role:      permissionpb.CacheRole(s.role),
		Cache:     &permissionpb.CachePermissions_AllCaches{AllCaches: &permissionpb.All{}},
		CacheItem: &permissionpb.CachePermissions_AllItems{AllItems: &permissionpb.All{}},
	}
	if s.cache != "" {
		p.Cache = &permissionpb.CachePermissions_CacheSelector{CacheSelector: selected}
	}
	if s.exact != "" {
		p.CacheItem = &permissionpb.CachePermissions_ItemSelector{ItemSelector: &permissionpb.CacheItemSelector{Kind: &permissionpb.CacheItemSelector_Key{Key: []byte(s.exact)}}}
	} else if s.prefix != "" {
		p.CacheItem = &permissionpb.CachePermissions_ItemSelector{ItemSelector: &permissionpb.CacheItemSelector{Kind: &permissionpb.CacheItemSelector_KeyPrefix{KeyPrefix: []byte(s.prefix)}}}
	}
	return &permissionpb.PermissionsType{Kind: &permissionpb.PermissionsType_CachePermissions{CachePermissions: p}}
}
