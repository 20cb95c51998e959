package api

import (
	"fmt"

	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
	"github.com/mayfly-broker/mayfly/rpc/auth"
)

// aboutTopic is a message of Pubsub; the cache header is not looked at.
type aboutTopic interface {
	GetCacheName() string
	GetTopic() string
}

// authorize checks the permission, then whether the cache exists. Names are
// checked in between: one that cannot be a cache's is wrong, not missing.
func (c *call) authorize(message any) error {
	switch c.method.need {
	case nothing, ownCredential:
		return nil
	case control:
		if !c.who.AllowsControl() {
			return denied("this call needs a super user API key or the admin credential")
		}
		return nil
	case readItem:
		return c.authorizeItems(message, auth.Read)
	case writeItem:
		return c.authorizeItems(message, auth.Write)
	case readWriteItem:
		return c.authorizeItems(message, auth.ReadWrite)
	case subscribe:
		return c.authorizeTopic(message, auth.Read)
	case publish:
		return c.authorizeTopic(message, auth.Write)
	default:
		return fmt.Errorf("no rule for %s", c.method.name)
	}
}

func (c *call) authorizeItems(message any, need auth.Need) error {
	cache := c.header("cache")
	none := true
	allowed, known := everyKey(message, func(key []byte) bool {
		none = false
		return c.who.AllowsCache(cache, key, need)
	})
	if none { // and still, whether there is such a cache is not for everybody to know
		allowed = c.who.AllowsSome(cache, need)
	}
	switch {
	case !known:
		return fmt.Errorf("%T holds no key that could be checked", message)
	case !allowed:
		return denied("this credential does not allow to %s this item", need)
	}
	return c.open(cache)
}

func (c *call) authorizeTopic(message any, need auth.Need) error {
	m, ok := message.(aboutTopic)
	if !ok {
		return fmt.Errorf("%T names no topic", message)
	}
	if !c.who.AllowsTopic(m.GetCacheName(), m.GetTopic(), need) {
		verb := "subscribe to"
		if need == auth.Write {
			verb = "publish to"
		}
		return denied("this credential does not allow to %s this topic", verb)
	}
	if err := c.open(m.GetCacheName()); err != nil {
		return err
	}
	if err := checkName("topic", m.GetTopic()); err != nil {
		return err
	}
	c.topic = m.GetTopic()
	return nil
}

// open finds the cache that the call is about.
func (c *call) open(name string) error {
	if err := checkCacheName(name); err != nil {
		return err
	}
	record, ok := c.door.caches.Lookup(name)
	if !ok {
		var err error
		if record, err = c.door.caches.Find(c, name); err != nil {
			return err
		}
	}
	c.cache = record
	return nil
}

func denied(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{auth.ErrPermissionDenied}, args...)...)
}

// everyKey asks about each key a message names, and reports whether all were
// allowed. The key of a collection is its name. known is false for a message
// that this function was never told about.
func everyKey(message any, allowed func(key []byte) bool) (all, known bool) {
	switch m := message.(type) {
	case interface{ GetCacheKey() []byte }:
		return allowed(m.GetCacheKey()), true
	case interface{ GetListName() []byte }:
		return allowed(m.GetListName()), true
	case interface{ GetDictionaryName() []byte }:
		return allowed(m.GetDictionaryName()), true
	case *cachepb.SortedSetUnionStoreRequest:
		for _, source := range m.GetSources() {
			if !allowed(source.GetSetName()) {
				return false, true
			}
		}
		return allowed(m.GetSetName()), true
	case interface{ GetSetName() []byte }:
		return allowed(m.GetSetName()), true
	case interface{ GetLeaderboard() string }:
		return allowed([]byte(m.GetLeaderboard())), true
	case *cachepb.KeysExistRequest:
		for _, key := range m.GetCacheKeys() {
			if !allowed(key) {
				return false, true
			}
		}
		return true, true
	case *cachepb.GetBatchRequest:
		for _, item := range m.GetItems() {
			if !allowed(item.GetCacheKey()) {
				return false, true
			}
		}
		return true, true
	case *cachepb.SetBatchRequest:
		for _, item := range m.GetItems() {
			if !allowed(item.GetCacheKey()) {
				return false, true
			}
		}
		return true, true
	default:
		return false, false
	}
}
