package auth

import (
	"maps"

	permissionpb "github.com/mayfly-broker/mayfly/proto/permission"
)

// The roles of items and of topics by the names that SDKs give them.
var (
	itemRoles = map[string]permissionpb.CacheRole{
		"readwrite": permissionpb.CacheRole_CacheReadWrite,
		"readonly":  permissionpb.CacheRole_CacheReadOnly,
		"writeonly": permissionpb.CacheRole_CacheWriteOnly,
	}
	topicRoles = map[string]permissionpb.TopicRole{
		"publishsubscribe": permissionpb.TopicRole_TopicReadWrite,
		"subscribeonly":    permissionpb.TopicRole_TopicReadOnly,
		"publishonly":      permissionpb.TopicRole_TopicWriteOnly,
	}
)

// ItemRoles returns the roles for items by their names, in a map of the caller's own.
func ItemRoles() map[string]permissionpb.CacheRole { return maps.Clone(itemRoles) }

// TopicRoles returns the roles for topics by their names, in a map of the caller's own.
func TopicRoles() map[string]permissionpb.TopicRole { return maps.Clone(topicRoles) }
