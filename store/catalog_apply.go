package store

import storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"

// Apply carries out one command of the meta group's log and returns its
// result, which is read-only; see [Machine.Apply] for what holds of both.
func (c *Catalog) Apply(cmd *CatalogCommand) *CatalogResult {
	if cmd.GetAtMs() > MaxClockMs {
		return refuseCatalog(storev1.CatalogStatus_CATALOG_STATUS_INVALID, badClock)
	}
	if cmd.GetAtMs() > c.clock {
		c.clock = cmd.GetAtMs()
		c.requests.forgetIdle(c.clock)
	}
	id := cmd.GetRequest()
	if id == nil {
		return c.execute(cmd)
	}
	first, verdict := c.requests.recall(id, c.clock)
	switch verdict {
	case requestInvalid:
		return refuseCatalog(storev1.CatalogStatus_CATALOG_STATUS_INVALID, badRequest)
	case requestForgotten:
		return refuseCatalog(storev1.CatalogStatus_CATALOG_STATUS_REQUEST_FORGOTTEN, forgottenText)
	case requestKnown:
		return first
	}
	result := c.execute(cmd)
	c.requests.remember(id, result)
	return result
}

func refuseCatalog(status CatalogStatus, detail string) *CatalogResult {
	return &CatalogResult{Status: status, Detail: detail}
}

func invalidCatalog(detail string) *CatalogResult {
	return refuseCatalog(storev1.CatalogStatus_CATALOG_STATUS_INVALID, detail)
}

func noSuch(what string) *CatalogResult {
	return refuseCatalog(storev1.CatalogStatus_CATALOG_STATUS_NOT_FOUND, "there is no "+what+" of that name")
}

func already(what string) *CatalogResult {
	return refuseCatalog(storev1.CatalogStatus_CATALOG_STATUS_ALREADY_EXISTS, "there is a "+what+" of that name already")
}

func full(detail string) *CatalogResult {
	return refuseCatalog(storev1.CatalogStatus_CATALOG_STATUS_LIMIT, detail)
}

func (c *Catalog) execute(cmd *CatalogCommand) *CatalogResult {
	switch op := cmd.GetOp().(type) {
	case *storev1.CatalogCommand_CreateCache:
		return c.createCache(op.CreateCache)
	case *storev1.CatalogCommand_DeleteCache:
		return c.deleteCache(op.DeleteCache.GetName())
	case *storev1.CatalogCommand_FlushCache:
		return c.flushCache(op.FlushCache.GetName())
	case *storev1.CatalogCommand_AddSigningKey:
		return c.addSigningKey(op.AddSigningKey.GetKey())
	case *storev1.CatalogCommand_RemoveSigningKey:
		return c.removeSigningKey(op.RemoveSigningKey.GetId())
	case *storev1.CatalogCommand_PutApiKey:
		return c.putAPIKey(op.PutApiKey.GetKey())
	case *storev1.CatalogCommand_RevokeApiKey:
		return c.revokeAPIKey(op.RevokeApiKey.GetId())
	case *storev1.CatalogCommand_SweepCredentials:
		return c.sweepCredentials()
	case *storev1.CatalogCommand_PutWebhook:
		return c.putWebhook(op.PutWebhook.GetWebhook())
	case *storev1.CatalogCommand_DeleteWebhook:
		return c.deleteWebhook(op.DeleteWebhook.GetCache(), op.DeleteWebhook.GetName())
	case *storev1.CatalogCommand_RotateWebhook:
		return c.rotateWebhook(op.RotateWebhook)
	case *storev1.CatalogCommand_UpdateCache:
		return c.updateCache(op.UpdateCache)
	default:
		return invalidCatalog(badOp)
	}
}

// changed notes that the catalog holds something else than before.
func (c *Catalog) changed() *CatalogResult {
	c.revision++
	return &CatalogResult{}
}

// nextGeneration is changed for a cache, which becomes new by it.
func (c *Catalog) nextGeneration() *CatalogResult {
	c.generation++
	r := c.changed()
	r.Generation = c.generation
	return r
}

func (c *Catalog) createCache(op *storev1.CreateCache) *CatalogResult {
	if !validName(op.GetName()) {
		return invalidCatalog(badName)
	}
	if bad := checkLimits(op.GetLimits()); bad != "" {
		return invalidCatalog(bad)
	}
	if _, ok := c.caches.Get(op.GetName()); ok {
		return already("cache")
	}
	if c.caches.Len() >= MaxCaches {
		return full("the cluster has 10,000 caches, which is the most; delete one first")
	}
	r := c.nextGeneration()
	c.caches.Set(op.GetName(), &CacheRecord{
		Name: op.GetName(), Generation: r.GetGeneration(), Limits: settle(nil, op.GetLimits()), CreatedAtMs: c.clock,
	})
	return r
}

func (c *Catalog) deleteCache(name string) *CatalogResult {
	if !validName(name) {
		return invalidCatalog(badName)
	}
	if _, ok := c.caches.Delete(name); !ok {
		return noSuch("cache")
	}
	c.dropWebhooks(name)
	return c.nextGeneration()
}

func (c *Catalog) flushCache(name string) *CatalogResult {
	if !validName(name) {
		return invalidCatalog(badName)
	}
	old, ok := c.caches.Get(name)
	if !ok {
		return noSuch("cache")
	}
	r := c.nextGeneration()
	c.caches.Set(name, &CacheRecord{
		Name: name, Generation: r.GetGeneration(), Limits: old.GetLimits(), CreatedAtMs: old.GetCreatedAtMs(),
	})
	return r
}

const badID = "an id is 1 to 255 bytes of UTF-8 without control characters"

// checkSigningKey says what is wrong with a signing key, "" for nothing.
func checkSigningKey(key *SigningKey) string {
	switch {
	case !validName(key.GetId()):
		return badID
	case !validName(key.GetAlgorithm()):
		return "a signing key names its algorithm"
	case len(key.GetSecret()) == 0 || len(key.GetSecret()) > MaxSecretBytes:
		return "the secret of a signing key has 1 to 8,192 bytes"
	}
	return ""
}

func (c *Catalog) addSigningKey(key *SigningKey) *CatalogResult {
	if bad := checkSigningKey(key); bad != "" {
		return invalidCatalog(bad)
	}
	if _, ok := c.signingKeys.Get(key.GetId()); ok {
		return already("signing key")
	}
	if c.signingKeys.Len() >= MaxSigningKeys {
		return full("the cluster has 64 signing keys, which is the most; remove an old one first")
	}
	c.signingKeys.Set(key.GetId(), key)
	return c.changed()
}

func (c *Catalog) removeSigningKey(id string) *CatalogResult {
	if _, ok := c.signingKeys.Delete(id); !ok {
		return noSuch("signing key")
	}
	return c.changed()
}

// maxWeight is how much more of a busy node one API key can have than another.
const maxWeight = 1000

// checkAPIKey says what is wrong with an API key, "" for nothing.
func checkAPIKey(key *APIKey) string {
	switch {
	case !validName(key.GetId()):
		return badID
	case len(key.GetDescription()) > MaxDescriptionBytes:
		return "the description of an API key has at most 1,024 bytes"
	case key.GetTokenId() != "" && !validName(key.GetTokenId()):
		return "a token id is at most 255 bytes of UTF-8 without control characters"
	case len(key.GetPermissions()) > MaxPermissionsBytes:
		return "the permissions of an API key take at most 16,384 bytes"
	case key.GetLimits().GetWeight() > maxWeight:
		return "the weight of an API key is at most 1,000"
	case len(key.GetRefreshDigest()) != 0 && len(key.GetRefreshDigest()) != digestBytes:
		return "the digest of a refresh token is a SHA-256, 32 bytes, or empty"
	}
	return ""
}

// putAPIKey adds an API key or replaces the one of the same id. What was
// revoked is not brought back, and is not revoked this way either.
func (c *Catalog) putAPIKey(key *APIKey) *CatalogResult {
	if bad := checkAPIKey(key); bad != "" {
		return invalidCatalog(bad)
	}
	old, known := c.apiKeys.Get(key.GetId())
	switch {
	case key.GetRevokedAtMs() != 0:
		return invalidCatalog("an API key is put unrevoked; revoke it by its own command")
	case old.GetRevokedAtMs() != 0:
		return invalidCatalog("the API key of that id is revoked for good; take another id")
	case !known && c.apiKeys.Len() >= MaxAPIKeys:
		return full("the cluster has 10,000 API keys, which is the most; revoked ones go when they expire")
	}
	c.apiKeys.Set(key.GetId(), key)
	c.secured = true
	return c.changed()
}

func (c *Catalog) revokeAPIKey(id string) *CatalogResult {
	old, ok := c.apiKeys.Get(id)
	switch {
	case !ok:
		return noSuch("API key")
	case old.GetRevokedAtMs() != 0:
		return &CatalogResult{}
	}
	c.apiKeys.Set(id, &APIKey{
		Id: id, Description: old.GetDescription(), TokenId: old.GetTokenId(),
		CreatedAtMs: old.GetCreatedAtMs(), ExpiresAtMs: old.GetExpiresAtMs(),
		Permissions: old.GetPermissions(), RefreshDigest: old.GetRefreshDigest(), Limits: old.GetLimits(),
		// At least 1, for 0 means not revoked.
		RevokedAtMs: max(c.clock, 1),
	})
	return c.changed()
}

// sweepCredentials forgets the API keys that have expired, revoked or not.
// A revoked key that never expires has to be remembered for ever.
func (c *Catalog) sweepCredentials() *CatalogResult {
	var expired []string
	c.apiKeys.Scan(func(id string, key *APIKey) bool {
		if at := key.GetExpiresAtMs(); at != 0 && at <= c.clock {
			expired = append(expired, id)
		}
		return true
	})
	if len(expired) == 0 {
		return &CatalogResult{}
	}
	for _, id := range expired {
		c.apiKeys.Delete(id)
	}
	return c.changed()
}
