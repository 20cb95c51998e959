package grant

import (
	permissionpb "github.com/mayfly-broker/mayfly/proto/permission"
)

// superUser is what Format writes for a permission to do everything.
const superUser = "superuser"

// Format writes permissions, one text each. What [Parse] made reads back the
// same; what this program has no words for is written as "other".
func Format(permissions *permissionpb.Permissions) []string {
	if _, ok := permissions.GetKind().(*permissionpb.Permissions_SuperUser); ok {
		return []string{superUser}
	}
	texts := []string{}
	for _, p := range permissions.GetExplicit().GetPermissions() {
		texts = append(texts, format(p))
	}
	return texts
}

func format(permission *permissionpb.PermissionsType) string {
	switch kind := permission.GetKind().(type) {
	case *permissionpb.PermissionsType_CachePermissions:
		p := kind.CachePermissions
		return "cache:" + nameOf(cacheRoles, p.GetRole()) + ":" + cacheName(p.GetAllCaches(), p.GetCacheSelector()) + item(p.GetItemSelector())
	case *permissionpb.PermissionsType_TopicPermissions:
		p := kind.TopicPermissions
		return "topic:" + nameOf(topicRoles, p.GetRole()) + ":" + cacheName(p.GetAllCaches(), p.GetCacheSelector()) + topic(p.GetTopicSelector())
	default:
		return "other"
	}
}

func nameOf[R comparable](roles map[string]R, role R) string {
	for name, r := range roles {
		if r == role {
			return name
		}
	}
	return "none"
}

func cacheName(all *permissionpb.All, selector *permissionpb.CacheSelector) string {
	if all != nil {
		return everyCache
	}
	return selector.GetCacheName()
}

func item(selector *permissionpb.CacheItemSelector) string {
	switch kind := selector.GetKind().(type) {
	case *permissionpb.CacheItemSelector_Key:
		return ":" + byKey + "=" + string(kind.Key)
	case *permissionpb.CacheItemSelector_KeyPrefix:
		return ":" + byKeyPrefix + "=" + string(kind.KeyPrefix)
	default:
		return ""
	}
}

func topic(selector *permissionpb.TopicSelector) string {
	switch kind := selector.GetKind().(type) {
	case *permissionpb.TopicSelector_TopicName:
		return ":" + byTopic + "=" + kind.TopicName
	case *permissionpb.TopicSelector_TopicNamePrefix:
		return ":" + byTopicPrefix + "=" + kind.TopicNamePrefix
	default:
		return ""
	}
}
