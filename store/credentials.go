package store

import (
	"cmp"
	"slices"

	"google.golang.org/protobuf/proto"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

// TokenDenial refuses the tokens of a token id that were made before a moment.
type TokenDenial = storev1.TokenDenial

// Limits of credentials, a part of the meaning of the log.
const (
	// MaxApplicationKeys leaves the cluster's own signing keys room to rotate.
	MaxApplicationKeys = MaxSigningKeys - 16
	// MaxTokenDenials bounds the token ids that are refused at a time.
	MaxTokenDenials = 10_000
	// MaxBanMs is the longest time for which tokens may be refused that are not
	// made yet: a year.
	MaxBanMs = 365 * 24 * 3600 * 1000
	// maxLifeMs bounds how long a denial is kept behind that, a month.
	maxLifeMs = 31 * 24 * 3600 * 1000
	// RefreshWindowMs is how long the refresh token of an API key works after its
	// first use: whoever lost the answer asks again, and so may the other
	// processes that share the key.
	RefreshWindowMs = 10 * 60 * 1000
	// MaxRefreshes is how many keys are made with one refresh token at most, since
	// its holder needs no other right to fill the catalog with keys.
	MaxRefreshes = 10
	// MaxFamily is how many keys there may be at a time that come from one key by
	// refreshing it and what came of it: each has a refresh token of its own, so
	// MaxRefreshes alone bounds nothing.
	MaxFamily = 100
)

// CredentialRevision grows with every change of what credentials are good for,
// and with every Restore. It counts for this value in memory only.
func (c *Catalog) CredentialRevision() uint64 { return c.credentials }

// SigningKey returns the signing key of that id, which may have ended.
func (c *Catalog) SigningKey(id string) (*SigningKey, bool) { return c.signingKeys.Get(id) }

// CurrentSigningKey returns the key that the cluster signs with, nil while there
// is none.
func (c *Catalog) CurrentSigningKey() (current *SigningKey) {
	c.signingKeys.Scan(func(_ string, key *SigningKey) bool {
		if key.GetUsedFromMs() != 0 && key.GetEndsAtMs() == 0 {
			current = key
		}
		return true
	})
	return current
}

// TokenDenial returns what is said of a token id; nil when nothing is.
func (c *Catalog) TokenDenial(tokenID string) *TokenDenial {
	denial, _ := c.denials.Get(tokenID)
	return denial
}

// TokenDenials returns all token ids that are refused tokens, by token id, in a
// slice of the caller's own.
func (c *Catalog) TokenDenials() []*TokenDenial { return c.denials.Values() }

// credentialsChanged is changed for what credentials depend on.
func (c *Catalog) credentialsChanged() *CatalogResult {
	c.credentials++
	return c.changed()
}

// checkSigningKey says what is wrong with a signing key, "" for nothing.
func checkSigningKey(key *SigningKey) string {
	switch {
	case !validName(key.GetId()):
		return badID
	case !validName(key.GetAlgorithm()):
		return "a signing key names its algorithm"
	case len(key.GetSecret()) == 0 || len(key.GetSecret()) > MaxSecretBytes:
		return "the secret of a signing key has 1 to 8,192 bytes"
	case key.GetApplication() != (key.GetParent() != "") || len(key.GetParent()) > MaxNameBytes:
		return "a signing key of an application, and no other, says what it was made with"
	case key.GetApplication() && (key.GetEndsAtMs() == 0 || key.GetUsedFromMs() != 0):
		return "a signing key of an application has an end, and the cluster does not use it"
	}
	return ""
}

func (c *Catalog) addSigningKey(key *SigningKey, first bool) *CatalogResult {
	if bad := checkSigningKey(key); bad != "" {
		return invalidCatalog(bad)
	}
	if !key.GetApplication() && (key.GetUsedFromMs() != 0 || key.GetEndsAtMs() != 0) {
		return invalidCatalog("a signing key is added unused and without an end; use it by its own command")
	}
	current := c.CurrentSigningKey()
	_, known := c.signingKeys.Get(key.GetId())
	switch {
	case known, first && current != nil:
		return already("signing key")
	case key.GetApplication() && c.applicationKeys() >= MaxApplicationKeys:
		return full("the cluster has 48 signing keys of applications, which is the most; revoke an old one first")
	case !key.GetApplication() && c.signingKeys.Len()-c.applicationKeys() >= MaxSigningKeys-MaxApplicationKeys:
		return full("the cluster has 16 signing keys of its own, which is the most; old ones go when they end, or revoke one")
	case !key.GetApplication() && current == nil:
		key = proto.Clone(key).(*SigningKey)
		key.UsedFromMs = max(c.clock, 1)
	}
	c.signingKeys.Set(key.GetId(), key)
	return c.credentialsChanged()
}

func (c *Catalog) applicationKeys() (n int) {
	c.signingKeys.Scan(func(_ string, key *SigningKey) bool {
		if key.GetApplication() {
			n++
		}
		return true
	})
	return n
}

// useSigningKey has all other keys of the cluster's own end, in use or not: a key
// that was published and never used is one that nobody waits for.
func (c *Catalog) useSigningKey(op *storev1.UseSigningKey) *CatalogResult {
	key, ok := c.signingKeys.Get(op.GetId())
	switch {
	case !ok:
		return noSuch("signing key")
	case key.GetApplication():
		return invalidCatalog("the signing key of an application is not for the cluster to sign with")
	case key.GetEndsAtMs() != 0:
		return invalidCatalog("the signing key of that id is to end; add another one")
	case op.GetOthersEndMs() > MaxClockMs:
		return invalidCatalog(badClock)
	case key.GetUsedFromMs() != 0:
		return &CatalogResult{}
	}
	for _, other := range c.signingKeys.Values() {
		if other.GetApplication() || other.GetEndsAtMs() != 0 || other == key {
			continue
		}
		ending := proto.Clone(other).(*SigningKey)
		ending.EndsAtMs = max(op.GetOthersEndMs(), c.clock, 1)
		c.signingKeys.Set(ending.GetId(), ending)
	}
	used := proto.Clone(key).(*SigningKey)
	used.UsedFromMs = max(c.clock, 1)
	c.signingKeys.Set(used.GetId(), used)
	return c.credentialsChanged()
}

func (c *Catalog) removeSigningKey(id string) *CatalogResult {
	key, ok := c.signingKeys.Get(id)
	if !ok {
		return noSuch("signing key")
	}
	if key == c.CurrentSigningKey() {
		return invalidCatalog("the cluster signs with this key; have it use another one first")
	}
	c.signingKeys.Delete(id)
	return c.credentialsChanged()
}

// addAPIKey puts a key that must be new.
func (c *Catalog) addAPIKey(key *APIKey) *CatalogResult {
	if _, known := c.apiKeys.Get(key.GetId()); known {
		return already("API key")
	}
	return c.putAPIKey(key)
}

// liveAPIKey returns a key that is neither revoked nor past its end, or how the
// command fails.
func (c *Catalog) liveAPIKey(id string) (*APIKey, *CatalogResult) {
	key, ok := c.apiKeys.Get(id)
	switch {
	case !ok:
		return nil, noSuch("API key")
	case key.GetRevokedAtMs() != 0:
		return nil, invalidCatalog("the API key of that id is revoked")
	case key.GetExpiresAtMs() != 0 && key.GetExpiresAtMs() <= c.clock:
		return nil, invalidCatalog("the API key of that id has expired")
	}
	return key, nil
}

func (c *Catalog) rotateAPIKey(op *storev1.RotateApiKey) *CatalogResult {
	old, refused := c.liveAPIKey(op.GetId())
	switch {
	case refused != nil:
		return refused
	case old.GetSuccessor() != "":
		return invalidCatalog("the API key of that id was rotated already; rotate the key that took its place")
	case op.GetEndMs() > MaxClockMs:
		return invalidCatalog(badClock)
	}
	key := op.GetKey()
	if key != nil {
		key = proto.Clone(key).(*APIKey)
		key.Account = accountOf(old)
	}
	if r := c.addAPIKey(key); r.GetStatus() != storev1.CatalogStatus_CATALOG_STATUS_OK {
		return r
	}
	ending := proto.Clone(old).(*APIKey)
	ending.Successor = op.GetKey().GetId()
	if end := max(op.GetEndMs(), c.clock, 1); ending.GetExpiresAtMs() == 0 || end < ending.GetExpiresAtMs() {
		ending.ExpiresAtMs = end
	}
	c.apiKeys.Set(ending.GetId(), ending)
	return c.credentialsChanged()
}

func (c *Catalog) updateAPIKey(op *storev1.UpdateApiKey) *CatalogResult {
	old, refused := c.liveAPIKey(op.GetId())
	if refused != nil {
		return refused
	}
	updated := proto.Clone(old).(*APIKey)
	if op.Description != nil {
		updated.Description = op.GetDescription()
	}
	limits := updated.GetLimits()
	if limits == nil {
		limits = new(storev1.KeyLimits)
	}
	for _, f := range []struct{ to, from *uint32 }{
		{&limits.MaxTrafficRate, op.MaxTrafficRate},
		{&limits.MaxThroughputKbps, op.MaxThroughputKbps},
		{&limits.MaxSubscriptionCount, op.MaxSubscriptionCount},
		{&limits.Weight, op.Weight},
	} {
		if f.from != nil {
			*f.to = *f.from
		}
	}
	updated.Limits = limits
	if limits.GetMaxTrafficRate() == 0 && limits.GetMaxThroughputKbps() == 0 && limits.GetMaxSubscriptionCount() == 0 && limits.GetWeight() == 0 {
		updated.Limits = nil // as in a key that was made without
	}
	return c.putAPIKey(updated)
}

func (c *Catalog) refreshAPIKey(op *storev1.RefreshApiKey) *CatalogResult {
	old, refused := c.liveAPIKey(op.GetId())
	switch {
	case refused != nil:
		return refused
	case old.GetSuccessor() != "":
		return invalidCatalog("the API key of that id was rotated; use the key that took its place")
	case op.GetKey().GetRefreshedFrom() != op.GetId():
		return invalidCatalog("a refreshed API key names the one it was made with")
	case old.GetRefreshedAtMs() != 0 && c.clock >= old.GetRefreshedAtMs()+RefreshWindowMs:
		return invalidCatalog("this refresh token was used before; use the one that came with the newer key")
	case old.GetRefreshes() >= MaxRefreshes:
		return invalidCatalog("ten keys were made with this refresh token, which is the most; use one of them")
	}
	family := familyOf(old)
	if c.relatives(family) >= MaxFamily {
		return invalidCatalog("one hundred keys that come from the same one by refreshing are there, which is the most; old ones go when they expire")
	}
	key := proto.Clone(op.GetKey()).(*APIKey)
	key.Family, key.Account = family, accountOf(old)
	if r := c.addAPIKey(key); r.GetStatus() != storev1.CatalogStatus_CATALOG_STATUS_OK {
		return r
	}
	refreshed := proto.Clone(old).(*APIKey)
	refreshed.Refreshes++
	if refreshed.GetRefreshedAtMs() == 0 {
		refreshed.RefreshedAtMs = max(c.clock, 1)
	}
	c.apiKeys.Set(refreshed.GetId(), refreshed)
	return c.credentialsChanged()
}

// familyOf names the key that a key comes from by refreshing, which may be gone.
func familyOf(key *APIKey) string {
	if key.GetFamily() != "" {
		return key.GetFamily()
	}
	return key.GetId()
}

// accountOf names the key whose limits a key shares: the first of those that came one
// from the other, which may be gone. A rotated key is of no family, for it outlives
// the revocation of the one before; yet both are good for a while, and so is what
// either was refreshed to.
func accountOf(key *APIKey) string { return cmp.Or(key.GetAccount(), key.GetId()) }

// relatives counts the keys of a family, revoked ones too, which take room as well.
func (c *Catalog) relatives(family string) (n int) {
	c.apiKeys.Scan(func(_ string, key *APIKey) bool {
		if familyOf(key) == family {
			n++
		}
		return true
	})
	return n
}

// revokeAPIKey revokes a key, and those that its holder made with its refresh
// token: nobody else gave them out.
func (c *Catalog) revokeAPIKey(id string) *CatalogResult {
	if _, ok := c.apiKeys.Get(id); !ok {
		return noSuch("API key")
	}
	all := c.apiKeys.Values()
	news := false
	// An id may come again, in a circle even: nobody else sees to that. Of the key that
	// all of them come from the family is meant: one in between may be gone.
	for ids, i := []string{id}, 0; i < len(ids); i++ {
		old, _ := c.apiKeys.Get(ids[i])
		if old.GetRevokedAtMs() == 0 {
			revoked := proto.Clone(old).(*APIKey)
			revoked.RevokedAtMs = max(c.clock, 1) // 0 means not revoked
			c.apiKeys.Set(revoked.GetId(), revoked)
			news = true
		}
		for _, key := range all {
			if (key.GetRefreshedFrom() == ids[i] || key.GetFamily() == id) && !slices.Contains(ids, key.GetId()) {
				ids = append(ids, key.GetId())
			}
		}
	}
	if !news {
		return &CatalogResult{}
	}
	return c.credentialsChanged()
}

// checkDenial says what is wrong with a denial, "" for nothing.
func checkDenial(d *TokenDenial) string {
	switch {
	case !validName(d.GetTokenId()):
		return "a token id is 1 to 255 bytes of UTF-8 without control characters"
	case d.GetDeniedAtMs() == 0:
		return "a denial of tokens without the time at which it was made"
	case d.GetNotBeforeMs() == 0 || d.GetUntilMs() < d.GetNotBeforeMs():
		return "a denial of tokens that ends before it means anything"
	}
	return ""
}

func (c *Catalog) denyTokens(op *storev1.DenyTokens) *CatalogResult {
	if op.GetBanMs() > MaxBanMs || op.GetLifeMs() > maxLifeMs {
		return invalidCatalog("tokens are refused for a year ahead at most")
	}
	// Tokens that are made afterwards tell by the time which denial they come after, so
	// no two of one id have the same.
	denial := &TokenDenial{TokenId: op.GetTokenId(), DeniedAtMs: max(c.clock, 1, c.TokenDenial(op.GetTokenId()).GetDeniedAtMs()+1)}
	// What was made within the same millisecond is refused too.
	denial.NotBeforeMs = c.clock + op.GetBanMs() + 1
	denial.UntilMs = denial.GetNotBeforeMs() + op.GetLifeMs()
	if bad := checkDenial(denial); bad != "" {
		return invalidCatalog(bad)
	}
	if _, known := c.denials.Get(op.GetTokenId()); !known && c.denials.Len() >= MaxTokenDenials {
		return full("the tokens of 10,000 token ids are revoked, which is the most; old revocations go when no token from before can live")
	}
	c.denials.Set(op.GetTokenId(), denial)
	return c.credentialsChanged()
}

// CredentialsDue tells whether SweepCredentials at that time, in milliseconds since
// the Unix epoch, would forget something.
func (c *Catalog) CredentialsDue(now uint64) bool {
	keys, signing, denials := c.ended(now)
	return len(keys)+len(signing)+len(denials) > 0
}

// ended lists the credentials whose time is over.
func (c *Catalog) ended(now uint64) (keys, signing, denials []string) {
	c.apiKeys.Scan(func(id string, key *APIKey) bool {
		if at := key.GetExpiresAtMs(); at != 0 && at <= now {
			keys = append(keys, id)
		}
		return true
	})
	c.signingKeys.Scan(func(id string, key *SigningKey) bool {
		if at := key.GetEndsAtMs(); at != 0 && at <= now {
			signing = append(signing, id)
		}
		return true
	})
	c.denials.Scan(func(id string, denial *TokenDenial) bool {
		if denial.GetUntilMs() <= now {
			denials = append(denials, id)
		}
		return true
	})
	return keys, signing, denials
}

// sweepCredentials forgets API keys and signing keys that have ended, revoked or
// not, and denials that no living token is under. A revoked key that never expires
// has to be remembered for ever.
func (c *Catalog) sweepCredentials() *CatalogResult {
	keys, signing, denials := c.ended(c.clock)
	if len(keys)+len(signing)+len(denials) == 0 {
		return &CatalogResult{}
	}
	for _, id := range keys {
		c.apiKeys.Delete(id)
	}
	for _, id := range signing {
		c.signingKeys.Delete(id)
	}
	for _, id := range denials {
		c.denials.Delete(id)
	}
	return c.credentialsChanged()
}

// loadCredentials is load for signing keys, API keys and denials.
func (c *Catalog) loadCredentials(m *storev1.CatalogSnapshot) string {
	if m.GetVersion() < 3 && len(m.GetDenials()) > 0 {
		return "revoked tokens in a snapshot of a version without them"
	}
	current := 0
	for _, key := range m.GetSigningKeys() {
		if bad := checkSigningKey(key); bad != "" {
			return bad
		}
		if key.GetUsedFromMs() != 0 && key.GetEndsAtMs() == 0 {
			current++
		}
		c.signingKeys.Set(key.GetId(), key)
	}
	if current > 1 {
		return "two signing keys in use at once"
	}
	for _, key := range m.GetApiKeys() {
		if bad := checkAPIKey(key); bad != "" {
			return bad
		}
		c.apiKeys.Set(key.GetId(), key)
	}
	for _, denial := range m.GetDenials() {
		if bad := checkDenial(denial); bad != "" {
			return bad
		}
		c.denials.Set(denial.GetTokenId(), denial)
	}
	switch {
	case c.denials.Len() != len(m.GetDenials()):
		return "a revoked token id comes twice"
	case c.denials.Len() > MaxTokenDenials:
		return "more revoked token ids than allowed"
	}
	return ""
}
