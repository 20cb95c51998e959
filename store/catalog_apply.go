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
	if act := cmd.GetAct(); act != nil {
		if bad := checkAct(act); bad != "" {
			return invalidCatalog(bad)
		}
	}
	id := cmd.GetRequest()
	if id == nil {
		return c.carryOut(cmd)
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
	result := c.carryOut(cmd)
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

// carryOut executes a command and puts the act that it carries on record, whatever
// comes of it.
func (c *Catalog) carryOut(cmd *CatalogCommand) *CatalogResult {
	result := c.execute(cmd)
	if act := cmd.GetAct(); act != nil {
		return c.record(act, result)
	}
	return result
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
		return c.addSigningKey(op.AddSigningKey.GetKey(), op.AddSigningKey.GetFirst())
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
	case *storev1.CatalogCommand_PutDeposit:
		return c.putDeposit(op.PutDeposit.GetDeposit())
	case *storev1.CatalogCommand_RotateWebhook:
		return c.rotateWebhook(op.RotateWebhook)
	case *storev1.CatalogCommand_UpdateCache:
		return c.updateCache(op.UpdateCache)
	case *storev1.CatalogCommand_UseSigningKey:
		return c.useSigningKey(op.UseSigningKey)
	case *storev1.CatalogCommand_RotateApiKey:
		return c.rotateAPIKey(op.RotateApiKey)
	case *storev1.CatalogCommand_UpdateApiKey:
		return c.updateAPIKey(op.UpdateApiKey)
	case *storev1.CatalogCommand_RefreshApiKey:
		return c.refreshAPIKey(op.RefreshApiKey)
	case *storev1.CatalogCommand_DenyTokens:
		return c.denyTokens(op.DenyTokens)
	case *storev1.CatalogCommand_RecordAct:
		return &CatalogResult{}
	case *storev1.CatalogCommand_SettleAct:
		return c.settleAct(op.SettleAct)
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
	case len(key.GetDigest()) != 0 && len(key.GetDigest()) != digestBytes:
		return "the digest of an API key is a SHA-256, 32 bytes, or empty"
	case key.GetSuccessor() != "" && !validName(key.GetSuccessor()), key.GetRefreshedFrom() != "" && !validName(key.GetRefreshedFrom()),
		key.GetFamily() != "" && !validName(key.GetFamily()), key.GetAccount() != "" && !validName(key.GetAccount()):
		return badID
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
	return c.credentialsChanged()
}
