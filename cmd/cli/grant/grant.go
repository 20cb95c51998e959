package grant

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	permissionpb "github.com/mayfly-broker/mayfly/proto/permission"
	"github.com/mayfly-broker/mayfly/rpc/auth"
)

// The roles of caches and of topics by name.
var cacheRoles, topicRoles = auth.ItemRoles(), auth.TopicRoles()

// Every selector of each kind; everything is the absence of one.
const (
	byKey         = "key"
	byKeyPrefix   = "key-prefix"
	byTopic       = "topic"
	byTopicPrefix = "topic-prefix"
)

// everyCache stands for all caches in place of a name.
const everyCache = "*"

// IsCacheRole reports whether word is a role for items.
func IsCacheRole(word string) bool { _, ok := cacheRoles[word]; return ok }

// IsTopicRole reports whether word is a role for topics.
func IsTopicRole(word string) bool { _, ok := topicRoles[word]; return ok }

// Roles lists the roles of both kinds, for completion.
func Roles() []string {
	return append(slices.Sorted(maps.Keys(cacheRoles)), slices.Sorted(maps.Keys(topicRoles))...)
}

// Parse reads one permission in the form that the package comment describes.
// The selector's text is taken as it is, colons included; a cache whose name
// holds a colon cannot be written, use [Cache] or [Topic].
func Parse(text string) (*permissionpb.PermissionsType, error) {
	parts := strings.SplitN(text, ":", 4)
	if len(parts) < 3 {
		return nil, fmt.Errorf("permission %q: want KIND:ROLE:CACHE or KIND:ROLE:CACHE:SELECTOR, such as topic:subscribeonly:chat:topic=room-1", text)
	}
	selector, name := "", ""
	if len(parts) == 4 {
		var ok bool
		if selector, name, ok = strings.Cut(parts[3], "="); !ok || selector == "" {
			return nil, fmt.Errorf("permission %q: %q is no selector; want %s", text, parts[3], selectorsOf(parts[0]))
		}
	}
	permission, err := build(parts[0], parts[1], parts[2], selector, name)
	if err != nil {
		return nil, fmt.Errorf("permission %q: %w", text, err)
	}
	return permission, nil
}

func selectorsOf(kind string) string {
	if kind == "topic" {
		return "topic=NAME or topic-prefix=PREFIX"
	}
	return "key=KEY or key-prefix=PREFIX"
}

func build(kind, role, cache, selector, name string) (*permissionpb.PermissionsType, error) {
	switch kind {
	case "cache":
		return Cache(role, cache, selector, name)
	case "topic":
		return Topic(role, cache, selector, name)
	default:
		return nil, fmt.Errorf("%q is no kind; want cache or topic", kind)
	}
}

// check refuses what is wrong in both kinds alike.
func check(cache, selector, name string) error {
	switch {
	case cache == "":
		return fmt.Errorf("the cache is missing; want its name, or %s for every cache", everyCache)
	case !utf8.ValidString(cache) || !utf8.ValidString(name):
		return fmt.Errorf("names are UTF-8 text")
	case selector != "" && name == "":
		return fmt.Errorf("%s= is empty; leave it out to mean everything in the cache", selector)
	}
	return nil
}

// Cache makes a permission for items. Selector is "" for every item, or "key"
// or "key-prefix" with the text in name; cache "*" is every cache.
func Cache(role, cache, selector, name string) (*permissionpb.PermissionsType, error) {
	p := &permissionpb.CachePermissions{Role: cacheRoles[role]}
	if !IsCacheRole(role) {
		return nil, fmt.Errorf("%q is no role for caches; want readwrite, readonly or writeonly", role)
	}
	if err := check(cache, selector, name); err != nil {
		return nil, err
	}
	p.Cache = &permissionpb.CachePermissions_CacheSelector{CacheSelector: cacheNamed(cache)}
	if cache == everyCache {
		p.Cache = &permissionpb.CachePermissions_AllCaches{AllCaches: &permissionpb.All{}}
	}
	item := &permissionpb.CacheItemSelector{}
	p.CacheItem = &permissionpb.CachePermissions_ItemSelector{ItemSelector: item}
	switch selector {
	case "":
		p.CacheItem = &permissionpb.CachePermissions_AllItems{AllItems: &permissionpb.All{}}
	case byKey:
		item.Kind = &permissionpb.CacheItemSelector_Key{Key: []byte(name)}
	case byKeyPrefix:
		item.Kind = &permissionpb.CacheItemSelector_KeyPrefix{KeyPrefix: []byte(name)}
	default:
		return nil, fmt.Errorf("%q is no selector of items; want %s", selector, selectorsOf("cache"))
	}
	return &permissionpb.PermissionsType{Kind: &permissionpb.PermissionsType_CachePermissions{CachePermissions: p}}, nil
}

// Topic makes a permission for topics. Selector is "" for every topic, or
// "topic" or "topic-prefix" with the text in name; cache "*" is every cache.
func Topic(role, cache, selector, name string) (*permissionpb.PermissionsType, error) {
	p := &permissionpb.TopicPermissions{Role: topicRoles[role]}
	if !IsTopicRole(role) {
		return nil, fmt.Errorf("%q is no role for topics; want publishsubscribe, subscribeonly or publishonly", role)
	}
	if err := check(cache, selector, name); err != nil {
		return nil, err
	}
	p.Cache = &permissionpb.TopicPermissions_CacheSelector{CacheSelector: cacheNamed(cache)}
	if cache == everyCache {
		p.Cache = &permissionpb.TopicPermissions_AllCaches{AllCaches: &permissionpb.All{}}
	}
	topic := &permissionpb.TopicSelector{}
	p.Topic = &permissionpb.TopicPermissions_TopicSelector{TopicSelector: topic}
	switch selector {
	case "":
		p.Topic = &permissionpb.TopicPermissions_AllTopics{AllTopics: &permissionpb.All{}}
	case byTopic:
		topic.Kind = &permissionpb.TopicSelector_TopicName{TopicName: name}
	case byTopicPrefix:
		topic.Kind = &permissionpb.TopicSelector_TopicNamePrefix{TopicNamePrefix: name}
	default:
		return nil, fmt.Errorf("%q is no selector of topics; want %s", selector, selectorsOf("topic"))
	}
	return &permissionpb.PermissionsType{Kind: &permissionpb.PermissionsType_TopicPermissions{TopicPermissions: p}}, nil
}

func cacheNamed(name string) *permissionpb.CacheSelector {
	return &permissionpb.CacheSelector{Kind: &permissionpb.CacheSelector_CacheName{CacheName: name}}
}

// Explicit joins permissions into what a request carries.
func Explicit(permissions []*permissionpb.PermissionsType) *permissionpb.Permissions {
	return &permissionpb.Permissions{Kind: &permissionpb.Permissions_Explicit{
		Explicit: &permissionpb.ExplicitPermissions{Permissions: permissions},
	}}
}

// SuperUser is the permission to do everything.
func SuperUser() *permissionpb.Permissions {
	return &permissionpb.Permissions{Kind: &permissionpb.Permissions_SuperUser{}}
}
