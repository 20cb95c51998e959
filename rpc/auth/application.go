package auth

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	permissionpb "github.com/mayfly-broker/mayfly/proto/permission"
)

// applicationIDPrefix begins the id of a signing key that an application holds.
const applicationIDPrefix = "mfa_"

// MaxApplicationKeyLife is the longest life of such a key: it lies where the
// application does, so it has to be changed now and then.
const MaxApplicationKeyLife = 366 * 24 * time.Hour

// isApplicationID tells the id of a key that an application holds from that of the
// cluster's own.
func isApplicationID(id string) bool { return strings.HasPrefix(id, applicationIDPrefix) }

// ApplicationKey makes a signing key for an application, which signs disposable
// tokens of its own with it (see doc.go), for that long. They are good for as long
// as whoever asked for the key is, like tokens that it minted itself. It fails with
// ErrPermissionDenied when the caller may not mint, and with ErrInvalidArgument when
// the life makes no sense.
func (m *Minter) ApplicationKey(caller Principal, validFor time.Duration, now time.Time) (SigningKey, error) {
	if err := MayMintDisposable(caller); err != nil {
		return SigningKey{}, err
	}
	if validFor < time.Minute || validFor > MaxApplicationKeyLife {
		return SigningKey{}, invalid("a signing key must live at least a minute and at most %d days", MaxApplicationKeyLife/(24*time.Hour))
	}
	id, err := randomID(m.random, applicationIDPrefix)
	if err != nil {
		return SigningKey{}, err
	}
	secret := make([]byte, signingSecretSize)
	if _, err := io.ReadFull(m.random, secret); err != nil {
		return SigningKey{}, fmt.Errorf("signing secret: %w", err)
	}
	return SigningKey{
		ID: id, Algorithm: AlgorithmHS256, Secret: secret, CreatedAtMs: millis(now),
		EndsAtMs: millis(sooner(now.Add(validFor), caller.ExpiresAt)), Application: true, Parent: parent(caller),
	}, nil
}

// JWK is the key as its holder gets it, with the secret: the JSON text of a JWK
// (RFC 7517).
func (k SigningKey) JWK() (string, error) {
	raw, err := json.Marshal(struct {
		Type      string `json:"kty"`
		Use       string `json:"use"`
		Algorithm string `json:"alg"`
		ID        string `json:"kid"`
		Secret    string `json:"k"`
	}{"oct", "sig", k.Algorithm, k.ID, partEncoding.EncodeToString(k.Secret)})
	return string(raw), err
}

// applicationClaims reads the payload of a token that an application has signed, in
// the words of the cluster's own tokens.
func applicationClaims(raw []byte, key SigningKey) (claims, error) {
	members, err := object(raw)
	if err != nil {
		return claims{}, err
	}
	c := claims{Use: useToken, Parent: key.Parent}
	if err := readStrings(members, map[string]*string{"iss": &c.Issuer, "aud": &c.Audience, "jti": &c.ID, "sub": &c.TokenID}); err != nil {
		return claims{}, err
	}
	if err := c.readDates(members); err != nil {
		return claims{}, err
	}
	if c.explicit, err = scopeClaim(members["scope"]); err != nil {
		return claims{}, fmt.Errorf(`claim "scope": %w`, err)
	}
	switch {
	case len(c.ID) > maxIDLength:
		return claims{}, fmt.Errorf(`claim "jti" has %d bytes, the most is %d`, len(c.ID), maxIDLength)
	case c.ExpiresAt == nil:
		return claims{}, errors.New(`a token without "exp"`)
	case *c.ExpiresAt <= c.IssuedAt:
		return claims{}, errors.New(`claim "exp" is not after "iat"`)
	}
	if err := checkLabel(`claim "jti"`, c.ID, maxIDLength); err != nil {
		return claims{}, err
	}
	c.ID = applicationTokenID(raw, c.ID, key)
	return c, checkLabel("token id", c.TokenID, MaxTokenIDLength)
}

// applicationTokenID tells a token of an application from all others, which limits
// and records go by: an application may leave the id out, and neither another one nor
// the cluster knows which it gives.
func applicationTokenID(payload []byte, said string, key SigningKey) string {
	if said == "" {
		sum := sha256.Sum256(payload)
		said = tokenIDPrefix + idEncoding.EncodeToString(sum[:])[:20]
	}
	return key.ID + "." + said
}

// scopeClaim reads what a token of an application may do: a list of statements. A
// member that is not known is refused, for it could have narrowed the statement.
func scopeClaim(raw json.RawMessage) (*permissionpb.Permissions, error) {
	var list []json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil || len(list) == 0 {
		return nil, errors.New("want a list of objects, each with role and cache")
	}
	if len(list) > MaxStatements {
		return nil, fmt.Errorf("%d statements, the most is %d", len(list), MaxStatements)
	}
	explicit := &permissionpb.ExplicitPermissions{}
	for _, raw := range list {
		p, err := scopeStatement(raw)
		if err != nil {
			return nil, err
		}
		explicit.Permissions = append(explicit.Permissions, p)
	}
	return &permissionpb.Permissions{Kind: &permissionpb.Permissions_Explicit{Explicit: explicit}}, nil
}

// everyCache stands for all caches in place of a name, which it cannot be.
const everyCache = "*"

func scopeStatement(raw json.RawMessage) (*permissionpb.PermissionsType, error) {
	said, err := stringObject(raw)
	if err != nil {
		return nil, err
	}
	role, cache := said["role"], said["cache"]
	delete(said, "role")
	delete(said, "cache")
	item, isItem := itemRoles[role]
	topic, isTopic := topicRoles[role]
	switch {
	case cache == "":
		return nil, errors.New(`a statement without cache; "*" is every one`)
	case len(said) > 1:
		return nil, errors.New("a statement has one of key, key_prefix, topic, topic_prefix at most, and nothing else")
	case isItem:
		return itemsOf(item, cache, said)
	case isTopic:
		return topicsOf(topic, cache, said)
	}
	return nil, errors.New("want role readwrite, readonly or writeonly for items, publishsubscribe, subscribeonly or publishonly for topics")
}

func namedCache(name string) *permissionpb.CacheSelector {
	return &permissionpb.CacheSelector{Kind: &permissionpb.CacheSelector_CacheName{CacheName: name}}
}

// itemsOf is about all items of the cache, or what the one member picks.
func itemsOf(role permissionpb.CacheRole, cache string, picked map[string]string) (*permissionpb.PermissionsType, error) {
	p := &permissionpb.CachePermissions{Role: role, CacheItem: &permissionpb.CachePermissions_AllItems{AllItems: &permissionpb.All{}}}
	p.Cache = &permissionpb.CachePermissions_CacheSelector{CacheSelector: namedCache(cache)}
	if cache == everyCache {
		p.Cache = &permissionpb.CachePermissions_AllCaches{AllCaches: &permissionpb.All{}}
	}
	for member, name := range picked {
		selector := new(permissionpb.CacheItemSelector)
		p.CacheItem = &permissionpb.CachePermissions_ItemSelector{ItemSelector: selector}
		switch member {
		case "key":
			selector.Kind = &permissionpb.CacheItemSelector_Key{Key: []byte(name)}
		case "key_prefix":
			selector.Kind = &permissionpb.CacheItemSelector_KeyPrefix{KeyPrefix: []byte(name)}
		default:
			return nil, errors.New("a statement about items has key or key_prefix, and nothing else")
		}
	}
	return &permissionpb.PermissionsType{Kind: &permissionpb.PermissionsType_CachePermissions{CachePermissions: p}}, nil
}

// topicsOf is the same for topics.
func topicsOf(role permissionpb.TopicRole, cache string, picked map[string]string) (*permissionpb.PermissionsType, error) {
	p := &permissionpb.TopicPermissions{Role: role, Topic: &permissionpb.TopicPermissions_AllTopics{AllTopics: &permissionpb.All{}}}
	p.Cache = &permissionpb.TopicPermissions_CacheSelector{CacheSelector: namedCache(cache)}
	if cache == everyCache {
		p.Cache = &permissionpb.TopicPermissions_AllCaches{AllCaches: &permissionpb.All{}}
	}
	for member, name := range picked {
		selector := new(permissionpb.TopicSelector)
		p.Topic = &permissionpb.TopicPermissions_TopicSelector{TopicSelector: selector}
		switch member {
		case "topic":
			selector.Kind = &permissionpb.TopicSelector_TopicName{TopicName: name}
		case "topic_prefix":
			selector.Kind = &permissionpb.TopicSelector_TopicNamePrefix{TopicNamePrefix: name}
		default:
			return nil, errors.New("a statement about topics has topic or topic_prefix, and nothing else")
		}
	}
	return &permissionpb.PermissionsType{Kind: &permissionpb.PermissionsType_TopicPermissions{TopicPermissions: p}}, nil
}
