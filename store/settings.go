package store

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

const (
	badSettings = "an update names at least one setting of the cache"
	badEviction = "the eviction must be lru, lfu or off"
	badKept     = "a kind of item that is kept must be a scalar, list, dictionary, set or sorted set"
)

// allKinds has the bit of every kind of item.
const allKinds = 1<<kinds - 1<<storev1.Kind_KIND_SCALAR

// checkLimits says what is wrong with the settings of a cache, "" for nothing.
func checkLimits(l *storev1.CacheLimits) string {
	switch e := l.GetEviction(); {
	case e < storev1.Eviction_EVICTION_UNSPECIFIED || e > storev1.Eviction_EVICTION_OFF:
		return badEviction
	case l.GetKeptKinds()&^allKinds != 0:
		return badKept
	}
	return ""
}

// updateCache changes those settings of a cache that the update names. The cache
// keeps its generation, and with it everything it holds.
func (c *Catalog) updateCache(op *storev1.UpdateCache) *CatalogResult {
	if !validName(op.GetName()) {
		return invalidCatalog(badName)
	}
	if !names(op.GetLimits()) {
		return invalidCatalog(badSettings)
	}
	if bad := checkLimits(op.GetLimits()); bad != "" {
		return invalidCatalog(bad)
	}
	old, ok := c.caches.Get(op.GetName())
	if !ok {
		return noSuch("cache")
	}
	c.caches.Set(op.GetName(), &CacheRecord{
		Name: old.GetName(), Generation: old.GetGeneration(), CreatedAtMs: old.GetCreatedAtMs(),
		Limits: settle(old.GetLimits(), op.GetLimits()),
	})
	r := c.changed()
	r.Generation = old.GetGeneration()
	return r
}

// names tells whether any setting is set, to zero or not.
func names(l *storev1.CacheLimits) (any bool) {
	l.ProtoReflect().Range(func(protoreflect.FieldDescriptor, protoreflect.Value) bool {
		any = true
		return false
	})
	return any
}

// settle returns the settings that an update leaves: new ones, which hold no zero,
// since zero and absent are the same.
func settle(old, update *storev1.CacheLimits) *storev1.CacheLimits {
	settled := &storev1.CacheLimits{}
	proto.Merge(settled, old)
	proto.Merge(settled, update)
	m := settled.ProtoReflect()
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if v.Equal(f.Default()) {
			m.Clear(f)
		}
		return true
	})
	return settled
}

// limitsVersion returns the version that first knew all of these settings.
func limitsVersion(l *storev1.CacheLimits) byte {
	version := byte(1)
	l.ProtoReflect().Range(func(f protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
		if f.Number() > 7 {
			version = 3
		}
		return version == 1
	})
	return version
}
