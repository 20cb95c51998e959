package auth

import (
	"fmt"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	permissionpb "github.com/mayfly-broker/mayfly/proto/permission"
)

// Limits of permissions.
const (
	// MaxStatements is how many statements one credential may hold
	// (protocol.md 10.1).
	MaxStatements = 20
	// MaxNameSize is the longest cache or topic name, in bytes.
	MaxNameSize = 255
	// MaxKeySize is the longest item key or prefix in a statement, in bytes.
	// Items may have longer keys; a shorter prefix picks them as well.
	MaxKeySize = 1 << 10
)

// Compile checks permissions and returns what they grant. It fails with
// ErrInvalidArgument when there are none or too many, when a role, a cache or a
// selector is missing, empty or unknown, and when two statements of one kind
// pick the same names of the same cache, whatever their roles. Function
// statements are checked like the others and grant nothing: no function runs
// here. The message is only read and not kept.
func Compile(permissions *permissionpb.Permissions) (*Grant, error) {
	switch kind := permissions.GetKind().(type) {
	case *permissionpb.Permissions_SuperUser:
		if kind.SuperUser != permissionpb.SuperUserPermission_SuperUser || hasUnknown(permissions.ProtoReflect()) {
			return nil, invalid("permissions: an unknown kind of super user")
		}
		return everything, nil
	case *permissionpb.Permissions_Explicit:
		if hasUnknown(permissions.ProtoReflect()) {
			return nil, invalid("permissions: they hold a field unknown to this version, which could narrow them")
		}
		return compileExplicit(kind.Explicit)
	default:
		return nil, invalid("permissions: there are none, name at least one statement")
	}
}

// compileRecord is Compile for the encoded form that key records hold.
func compileRecord(raw []byte) (*Grant, error) {
	var p permissionpb.Permissions
	if err := proto.Unmarshal(raw, &p); err != nil {
		return nil, invalid("permissions: %v", err)
	}
	return Compile(&p)
}

// decodeExplicit reads the form that a token's claim holds. A super user cannot
// be said in it.
func decodeExplicit(claim string) (*permissionpb.Permissions, error) {
	raw, err := partEncoding.DecodeString(claim)
	if err != nil {
		return nil, invalid("permissions: not base64url")
	}
	var p permissionpb.ExplicitPermissions
	if err := proto.Unmarshal(raw, &p); err != nil {
		return nil, invalid("permissions: %v", err)
	}
	return &permissionpb.Permissions{Kind: &permissionpb.Permissions_Explicit{Explicit: &p}}, nil
}

// encodeExplicit is the reverse of decodeExplicit.
func encodeExplicit(p *permissionpb.ExplicitPermissions) (string, error) {
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(p)
	if err != nil {
		return "", invalid("permissions: %v", err)
	}
	return partEncoding.EncodeToString(raw), nil
}

// isSuperUser reports whether the permissions are those of a super user; the
// presence of the field counts.
func isSuperUser(p *permissionpb.Permissions) bool {
	_, super := p.GetKind().(*permissionpb.Permissions_SuperUser)
	return super
}

// kind tells statements apart that never speak about the same thing.
type kind uint8

const (
	kindCache kind = iota + 1
	kindTopic
	kindFunction
)

// String is for error texts.
func (k kind) String() string { return [...]string{"", "cache", "topic", "function"}[k] }

// statement is one statement, checked.
type statement struct {
	kind kind
	rule rule
}

// target is what two statements must not share.
func (s statement) target() statement {
	s.rule.allows = 0
	return s
}

func compileExplicit(explicit *permissionpb.ExplicitPermissions) (*Grant, error) {
	list := explicit.GetPermissions()
	switch {
	case len(list) == 0:
		return nil, invalid("permissions: the list is empty, name at least one statement")
	case len(list) > MaxStatements:
		return nil, invalid("permissions: %d statements, the most is %d", len(list), MaxStatements)
	}
	g := &Grant{}
	seen := make(map[statement]int, len(list))
	for i, p := range list {
		s, err := compileStatement(p)
		if err != nil {
			return nil, invalid("permissions: statement %d: %v", i+1, err)
		}
		if first, twice := seen[s.target()]; twice {
			return nil, invalid("permissions: statements %d and %d are both about the same %s names, keep one", first, i+1, s.kind)
		}
		seen[s.target()] = i + 1
		switch s.kind {
		case kindCache:
			g.items = append(g.items, s.rule)
		case kindTopic:
			g.topics = append(g.topics, s.rule)
		}
	}
	return g, nil
}

func compileStatement(p *permissionpb.PermissionsType) (s statement, err error) {
	switch p := p.GetKind().(type) {
	case *permissionpb.PermissionsType_CachePermissions:
		s.kind = kindCache
		s.rule, err = compileCache(p.CachePermissions)
	case *permissionpb.PermissionsType_TopicPermissions:
		s.kind = kindTopic
		s.rule, err = compileTopic(p.TopicPermissions)
	case *permissionpb.PermissionsType_FunctionPermissions:
		s.kind = kindFunction
		s.rule, err = compileFunction(p.FunctionPermissions)
	default:
		err = fmt.Errorf("it is about neither a cache nor a topic")
	}
	return s, err
}

func compileCache(p *permissionpb.CachePermissions) (r rule, err error) {
	switch p.GetRole() {
	case permissionpb.CacheRole_CacheReadWrite:
		r.allows = ReadWrite
	case permissionpb.CacheRole_CacheReadOnly:
		r.allows = Read
	case permissionpb.CacheRole_CacheWriteOnly:
		r.allows = Write
	default:
		return r, fmt.Errorf("cache role %d grants nothing, choose read-write, read-only or write-only", p.GetRole())
	}
	_, r.anyCache = p.GetCache().(*permissionpb.CachePermissions_AllCaches)
	if r.cache, err = cacheName(r.anyCache, p.GetCacheSelector()); err != nil {
		return r, err
	}
	selector, named := p.GetCacheItem().(*permissionpb.CachePermissions_ItemSelector)
	if !named {
		// SDKs leave the item out when they mean all (protocol.md 6.5).
		r.match = matchAll
		return r, nil
	}
	switch k := selector.ItemSelector.GetKind().(type) {
	case *permissionpb.CacheItemSelector_Key:
		r.match, r.name = matchExact, string(k.Key)
	case *permissionpb.CacheItemSelector_KeyPrefix:
		r.match, r.name = matchPrefix, string(k.KeyPrefix)
	default:
		return r, fmt.Errorf("the item selector holds neither key nor prefix")
	}
	if n := len(r.name); n == 0 || n > MaxKeySize {
		return r, fmt.Errorf("the key or prefix has %d bytes, it needs 1 to %d; for all items use all items", n, MaxKeySize)
	}
	return r, nil
}

func compileTopic(p *permissionpb.TopicPermissions) (r rule, err error) {
	switch p.GetRole() {
	case permissionpb.TopicRole_TopicReadWrite:
		r.allows = ReadWrite
	case permissionpb.TopicRole_TopicReadOnly:
		r.allows = Read
	case permissionpb.TopicRole_TopicWriteOnly:
		r.allows = Write
	default:
		return r, fmt.Errorf("topic role %d grants nothing, choose publish-subscribe, subscribe-only or publish-only", p.GetRole())
	}
	_, r.anyCache = p.GetCache().(*permissionpb.TopicPermissions_AllCaches)
	if r.cache, err = cacheName(r.anyCache, p.GetCacheSelector()); err != nil {
		return r, err
	}
	if _, all := p.GetTopic().(*permissionpb.TopicPermissions_AllTopics); all {
		r.match = matchAll
		return r, nil
	}
	switch k := p.GetTopicSelector().GetKind().(type) {
	case *permissionpb.TopicSelector_TopicName:
		r.match, r.name = matchExact, k.TopicName
	case *permissionpb.TopicSelector_TopicNamePrefix:
		r.match, r.name = matchPrefix, k.TopicNamePrefix
	default:
		return r, fmt.Errorf("it names neither a topic, nor a prefix, nor all topics")
	}
	return r, checkName("topic", r.name)
}

func compileFunction(p *permissionpb.FunctionPermissions) (r rule, err error) {
	if p.GetRole() != permissionpb.FunctionRole_FunctionInvoke {
		return r, fmt.Errorf("function role %d grants nothing, the only other one is invoke", p.GetRole())
	}
	_, r.anyCache = p.GetCache().(*permissionpb.FunctionPermissions_AllCaches)
	if r.cache, err = cacheName(r.anyCache, p.GetCacheSelector()); err != nil {
		return r, err
	}
	if _, all := p.GetFunction().(*permissionpb.FunctionPermissions_AllFunctions); all {
		r.match = matchAll
		return r, nil
	}
	switch k := p.GetFunctionSelector().GetKind().(type) {
	case *permissionpb.FunctionSelector_FunctionName:
		r.match, r.name = matchExact, k.FunctionName
	case *permissionpb.FunctionSelector_FunctionNamePrefix:
		r.match, r.name = matchPrefix, k.FunctionNamePrefix
	default:
		return r, fmt.Errorf("it names neither a function, nor a prefix, nor all functions")
	}
	return r, checkName("function", r.name)
}

// cacheName returns the one cache a statement is about, none when it is about
// all.
func cacheName(all bool, selector *permissionpb.CacheSelector) (string, error) {
	if all {
		return "", nil
	}
	if selector.GetKind() == nil {
		return "", fmt.Errorf("it names neither a cache nor all caches")
	}
	return selector.GetCacheName(), checkName("cache", selector.GetCacheName())
}

// checkName holds a name or a prefix to what caches and topics may be called.
func checkName(what, name string) error {
	if name == "" || len(name) > MaxNameSize {
		return fmt.Errorf("the %s name or prefix has %d bytes, it needs 1 to %d", what, len(name), MaxNameSize)
	}
	if !utf8.ValidString(name) {
		return fmt.Errorf("the %s name or prefix is not UTF-8", what)
	}
	return checkLabel(what+" name or prefix", name, MaxNameSize)
}

// hasUnknown reports whether a field unknown to this version is anywhere in the
// message. Ignoring one could grant more than its author meant.
func hasUnknown(m protoreflect.Message) bool {
	if len(m.GetUnknown()) > 0 {
		return true
	}
	unknown := false
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		switch {
		case field.Message() == nil:
		case field.IsList():
			for i := range value.List().Len() {
				unknown = unknown || hasUnknown(value.List().Get(i).Message())
			}
		default:
			unknown = hasUnknown(value.Message())
		}
		return !unknown
	})
	return unknown
}
