package vend

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	permissionpb "github.com/mayfly-broker/mayfly/proto/permission"
	"github.com/mayfly-broker/mayfly/rpc/auth"
)

// names are the templates of one permission; those it has none of are empty.
type names struct {
	cache, name template
}

// compileAllow reads the templates in the permissions.
func (p *plan) compileAllow() error {
	switch {
	case len(p.Allow) == 0:
		return errors.New("the token would allow nothing; name permissions, such as topic:subscribeonly:chat:topic=room-{room}")
	case len(p.Allow) > auth.MaxStatements:
		return fmt.Errorf("%d permissions, the most is %d", len(p.Allow), auth.MaxStatements)
	}
	for i, permission := range p.Allow {
		n, err := p.readNames(permission)
		if err != nil {
			return fmt.Errorf("permission %d: %w", i+1, err)
		}
		p.names = append(p.names, n)
	}
	// The same names in the same places are the same names for every caller.
	explicit := &permissionpb.ExplicitPermissions{Permissions: p.Allow}
	_, err := auth.Compile(&permissionpb.Permissions{Kind: &permissionpb.Permissions_Explicit{Explicit: explicit}})
	return err
}

func (p *plan) readNames(permission *permissionpb.PermissionsType) (n names, err error) {
	places, err := placesOf(permission)
	if err != nil {
		return names{}, err
	}
	if n.cache, err = p.adopted(places.cache.get()); err != nil {
		return names{}, err
	}
	if n.name, err = p.adopted(places.name.get()); err != nil {
		return names{}, err
	}
	if places.prefix && n.name.openEnd() {
		last := n.name.values[len(n.name.values)-1]
		return names{}, fmt.Errorf("the prefix ends with {%[1]s}, so it would open whatever else begins with the caller's %[1]s; end it with a separator, as in {%[1]s}/", last)
	}
	return n, nil
}

func (p *plan) adopted(text string) (template, error) {
	t, err := parse(text)
	if err != nil {
		return template{}, err
	}
	return t, p.adopt(t)
}

// fill returns the permission with the values in its names. The permission that is
// the template is only read.
func (n names) fill(permission *permissionpb.PermissionsType, values map[string]string) (*permissionpb.PermissionsType, error) {
	filled := proto.CloneOf(permission)
	places, err := placesOf(filled)
	if err != nil {
		return nil, err
	}
	for _, one := range []struct {
		place place
		t     template
	}{{places.cache, n.cache}, {places.name, n.name}} {
		text, err := one.t.fill(values)
		if err != nil {
			return nil, err
		}
		one.place.set(text)
	}
	return filled, nil
}

// places are where a permission holds names.
type places struct {
	cache, name place
	// prefix: name is one.
	prefix bool
}

// place is a name within a message; the zero place is none.
type place struct {
	text  *string
	bytes *[]byte
}

func (p place) get() string {
	switch {
	case p.text != nil:
		return *p.text
	case p.bytes != nil:
		return string(*p.bytes)
	default:
		return ""
	}
}

func (p place) set(text string) {
	switch {
	case p.text != nil:
		*p.text = text
	case p.bytes != nil:
		*p.bytes = []byte(text)
	}
}

func placesOf(permission *permissionpb.PermissionsType) (places, error) {
	switch kind := permission.GetKind().(type) {
	case *permissionpb.PermissionsType_CachePermissions:
		p := places{cache: cachePlace(kind.CachePermissions.GetCacheSelector())}
		switch item := kind.CachePermissions.GetItemSelector().GetKind().(type) {
		case *permissionpb.CacheItemSelector_Key:
			p.name = place{bytes: &item.Key}
		case *permissionpb.CacheItemSelector_KeyPrefix:
			p.name, p.prefix = place{bytes: &item.KeyPrefix}, true
		}
		return p, nil
	case *permissionpb.PermissionsType_TopicPermissions:
		p := places{cache: cachePlace(kind.TopicPermissions.GetCacheSelector())}
		switch topic := kind.TopicPermissions.GetTopicSelector().GetKind().(type) {
		case *permissionpb.TopicSelector_TopicName:
			p.name = place{text: &topic.TopicName}
		case *permissionpb.TopicSelector_TopicNamePrefix:
			p.name, p.prefix = place{text: &topic.TopicNamePrefix}, true
		}
		return p, nil
	default:
		return places{}, errors.New("it is about neither a cache nor a topic")
	}
}

func cachePlace(selector *permissionpb.CacheSelector) place {
	if kind, ok := selector.GetKind().(*permissionpb.CacheSelector_CacheName); ok {
		return place{text: &kind.CacheName}
	}
	return place{}
}
