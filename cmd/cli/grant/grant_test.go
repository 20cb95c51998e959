package grant

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	permissionpb "github.com/mayfly-broker/mayfly/proto/permission"
)

func TestParse(t *testing.T) {
	all := &permissionpb.All{}
	tests := []struct {
		text string
		want *permissionpb.PermissionsType
	}{
		{"cache:readwrite:chat", cache(&permissionpb.CachePermissions{
			Role:      permissionpb.CacheRole_CacheReadWrite,
			Cache:     &permissionpb.CachePermissions_CacheSelector{CacheSelector: cacheNamed("chat")},
			CacheItem: &permissionpb.CachePermissions_AllItems{AllItems: all},
		})},
		{"cache:writeonly:*:key=a:b=c", cache(&permissionpb.CachePermissions{
			Role:  permissionpb.CacheRole_CacheWriteOnly,
			Cache: &permissionpb.CachePermissions_AllCaches{AllCaches: all},
			CacheItem: &permissionpb.CachePermissions_ItemSelector{ItemSelector: &permissionpb.CacheItemSelector{
				Kind: &permissionpb.CacheItemSelector_Key{Key: []byte("a:b=c")}}},
		})},
		{"cache:readonly:chat:key-prefix=room-", cache(&permissionpb.CachePermissions{
			Role:  permissionpb.CacheRole_CacheReadOnly,
			Cache: &permissionpb.CachePermissions_CacheSelector{CacheSelector: cacheNamed("chat")},
			CacheItem: &permissionpb.CachePermissions_ItemSelector{ItemSelector: &permissionpb.CacheItemSelector{
				Kind: &permissionpb.CacheItemSelector_KeyPrefix{KeyPrefix: []byte("room-")}}},
		})},
		{"topic:publishsubscribe:*", topics(&permissionpb.TopicPermissions{
			Role:  permissionpb.TopicRole_TopicReadWrite,
			Cache: &permissionpb.TopicPermissions_AllCaches{AllCaches: all},
			Topic: &permissionpb.TopicPermissions_AllTopics{AllTopics: all},
		})},
		{"topic:subscribeonly:chat:topic=room-1", topics(&permissionpb.TopicPermissions{
			Role:  permissionpb.TopicRole_TopicReadOnly,
			Cache: &permissionpb.TopicPermissions_CacheSelector{CacheSelector: cacheNamed("chat")},
			Topic: &permissionpb.TopicPermissions_TopicSelector{TopicSelector: &permissionpb.TopicSelector{
				Kind: &permissionpb.TopicSelector_TopicName{TopicName: "room-1"}}},
		})},
		{"topic:publishonly:chat:topic-prefix=room-", topics(&permissionpb.TopicPermissions{
			Role:  permissionpb.TopicRole_TopicWriteOnly,
			Cache: &permissionpb.TopicPermissions_CacheSelector{CacheSelector: cacheNamed("chat")},
			Topic: &permissionpb.TopicPermissions_TopicSelector{TopicSelector: &permissionpb.TopicSelector{
				Kind: &permissionpb.TopicSelector_TopicNamePrefix{TopicNamePrefix: "room-"}}},
		})},
	}
	for _, tt := range tests {
		got, err := Parse(tt.text)
		if err != nil || !proto.Equal(got, tt.want) {
			t.Errorf("%s: got %v, %v\nwant %v", tt.text, got, err, tt.want)
			continue
		}
		if text := Format(Explicit([]*permissionpb.PermissionsType{got})); text[0] != tt.text {
			t.Errorf("%s came back as %s", tt.text, text)
		}
	}
}

func cache(p *permissionpb.CachePermissions) *permissionpb.PermissionsType {
	return &permissionpb.PermissionsType{Kind: &permissionpb.PermissionsType_CachePermissions{CachePermissions: p}}
}

func topics(p *permissionpb.TopicPermissions) *permissionpb.PermissionsType {
	return &permissionpb.PermissionsType{Kind: &permissionpb.PermissionsType_TopicPermissions{TopicPermissions: p}}
}

func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                                    "want KIND:ROLE:CACHE",
		"topic:chat":                          "want KIND:ROLE:CACHE",
		"list:readwrite:chat":                 `"list" is no kind; want cache or topic`,
		"topic:readwrite:chat":                `"readwrite" is no role for topics; want publishsubscribe, subscribeonly or publishonly`,
		"cache:publishonly:chat":              `"publishonly" is no role for caches; want readwrite, readonly or writeonly`,
		"cache:readonly:":                     "the cache is missing",
		"topic:subscribeonly:chat:room-1":     `"room-1" is no selector; want topic=NAME or topic-prefix=PREFIX`,
		"topic:subscribeonly:chat:key=a":      `"key" is no selector of topics`,
		"cache:readonly:chat:topic=a":         `"topic" is no selector of items`,
		"cache:readonly:chat:key-prefix=":     "key-prefix= is empty",
		"cache:readonly:chat:":                "is no selector",
		"topic:subscribeonly:chat:topic=\xff": "names are UTF-8 text",
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want an error with %q", text, err, want)
		}
	}
}

func TestFormatOfOthers(t *testing.T) {
	if got := Format(SuperUser()); len(got) != 1 || got[0] != "superuser" {
		t.Errorf("super user: got %q", got)
	}
	if got := Format(nil); len(got) != 0 {
		t.Errorf("nothing: got %q", got)
	}
	odd := &permissionpb.PermissionsType{Kind: &permissionpb.PermissionsType_FunctionPermissions{}}
	if got := Format(Explicit([]*permissionpb.PermissionsType{odd, cache(nil)})); got[0] != "other" || got[1] != "cache:none:" {
		t.Errorf("odd ones: got %q", got)
	}
}

// What is written reads back as the same permission, whatever the names.
func TestWrittenReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringMatching(`[ -~é]+`).Draw(t, "name")
		cacheName := rapid.StringMatching(`[ -9;-~]+`).Draw(t, "cache")
		role := rapid.SampledFrom(Roles()).Draw(t, "role")
		build, selectors := Cache, []string{byKey, byKeyPrefix}
		if IsTopicRole(role) {
			build, selectors = Topic, []string{byTopic, byTopicPrefix}
		}
		permission, err := build(role, cacheName, rapid.SampledFrom(selectors).Draw(t, "selector"), name)
		if err != nil {
			t.Fatal(err)
		}
		back, err := Parse(Format(Explicit([]*permissionpb.PermissionsType{permission}))[0])
		if err != nil || !proto.Equal(permission, back) {
			t.Fatalf("%v became %v, %v", permission, back, err)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add("topic:publishsubscribe:chat:topic=room-1")
	f.Add("cache:readwrite:*:key-prefix=")
	f.Fuzz(func(t *testing.T, text string) {
		permission, err := Parse(text)
		if err != nil {
			return
		}
		if got := Format(Explicit([]*permissionpb.PermissionsType{permission}))[0]; got != text {
			t.Errorf("%q came back as %q", text, got)
		}
	})
}
