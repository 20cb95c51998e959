package api

import (
	"cmp"
	"math"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	adminv1 "github.com/mayfly-broker/mayfly/proto/admin/v1"
	"github.com/mayfly-broker/mayfly/store"
)

// maxName is the longest name of a cache or topic in bytes, and maxKey the
// longest key: a name's bound is a sane one where the original documents none,
// a key's leaves room for what people hash keys from.
const (
	maxName = 255
	maxKey  = 64 << 10
)

// operators is the package of the services for operators, which are Mayfly's own.
var operators = adminv1.File_admin_v1_admin_proto.Package()

// checkKnown refuses what an operator asks for with words that this version does not
// know: to leave out a limit that somebody means to set is worse than to do nothing,
// and what goes into the catalog must be read by all nodes. What SDKs send may grow: the
// original passes over what it does not know.
func (c *call) checkKnown() error {
	m := c.request.message
	if c.method.need == control && m.ProtoReflect().Descriptor().FullName().Parent() == operators && !store.KnowsAll(m) {
		return invalid("the request holds a field that this version does not know; upgrade the nodes, or use a program of their version")
	}
	return nil
}

// checkName checks the name of a cache or topic; what says of which.
func checkName(what, name string) error {
	switch {
	case strings.TrimSpace(name) == "":
		return invalid("the %s name is empty, it needs 1 to %d bytes", what, maxName)
	case len(name) > maxName:
		return invalid("the %s name has %d bytes, the most is %d", what, len(name), maxName)
	case !utf8.ValidString(name):
		return invalid("the %s name is not UTF-8", what)
	case strings.ContainsFunc(name, unicode.IsControl):
		return invalid("the %s name holds a control character", what)
	}
	return nil
}

// checkCacheName checks the name of a cache. It travels in a header, so it must
// be printable ASCII as well.
func checkCacheName(name string) error {
	if err := checkName("cache", name); err != nil {
		return err
	}
	for i := range len(name) {
		if name[i] < ' ' || name[i] > '~' {
			return invalid("the cache name holds a character that is not printable ASCII")
		}
	}
	return nil
}

// checkKey checks the key of an item.
func checkKey(key []byte) error {
	switch {
	case len(key) == 0:
		return invalid("the key is empty, it needs 1 to %d bytes", maxKey)
	case len(key) > maxKey:
		return invalid("the key has %d bytes, the most is %d", len(key), maxKey)
	}
	return nil
}

// checkCollection checks the name of a collection, which is a key that is never
// blank.
func checkCollection(name []byte) error {
	if len(strings.TrimSpace(string(name[:min(len(name), maxName)]))) == 0 && len(name) <= maxName {
		return invalid("the collection's name is empty, it needs 1 to %d bytes", maxKey)
	}
	return checkKey(name)
}

// checkTTL checks the life of an item in milliseconds. Zero arrives from clients
// that were given none and leave the field out.
func (c *call) checkTTL(milliseconds uint64) error {
	limit := c.maxTTL()
	switch {
	case milliseconds == 0:
		return invalid("the time to live is zero, it must be at least 1 ms")
	case milliseconds > uint64(limit/time.Millisecond):
		return invalid("the time to live is %d ms, the most is %d ms", milliseconds, limit/time.Millisecond)
	}
	return nil
}

// checkItem checks the key, the life and the size of a scalar to be written.
func (c *call) checkItem(key, value []byte, ttl uint64) error {
	if err := checkKey(key); err != nil {
		return err
	}
	if err := c.checkTTL(ttl); err != nil {
		return err
	}
	if limit := c.maxItem(); len(key)+len(value) > limit {
		return itemTooLarge(limit)
	}
	return nil
}

// checkElements checks what is to be put into a collection.
func (c *call) checkElements(name []byte, values ...[]byte) error {
	limit := c.bounds.ElementBytes
	for _, v := range values {
		if len(v) > limit {
			return elementTooLarge(limit)
		}
		if most := c.maxItem(); len(name)+len(v) > most {
			return itemTooLarge(most)
		}
	}
	return nil
}

// The limits of the call's cache: its own where it has one, the node's
// otherwise.

func (c *call) maxTTL() time.Duration {
	own := c.cache.GetLimits().GetMaxTtlSeconds()
	if own == 0 || own > uint64(c.bounds.MaxTTL/time.Second) {
		return c.bounds.MaxTTL
	}
	return time.Duration(own) * time.Second
}

func (c *call) maxItem() int {
	return ownKiB(c.cache.GetLimits().GetMaxItemSizeKb(), c.bounds.ItemBytes)
}

func (c *call) maxMessage() int {
	return ownKiB(c.cache.GetLimits().GetMaxPublishMessageSizeKb(), c.bounds.MessageBytes)
}

// maxSubscriptions is how many subscriptions the cache may have in the whole cluster,
// or on this node when it has no limit of its own.
func (c *call) maxSubscriptions() uint32 {
	return cmp.Or(c.cache.GetLimits().GetMaxSubscriptionCount(), uint32(min(c.bounds.Subscriptions, math.MaxUint32)))
}

// ownKiB is a cache's own limit in bytes. The node's is the most it can be.
func ownKiB(own uint32, node int) int {
	if own == 0 {
		return node
	}
	return int(min(int64(own)<<10, int64(node)))
}
