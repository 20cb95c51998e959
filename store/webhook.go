package store

import (
	"unicode/utf8"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

// Webhook is where every message of a topic is posted to. It holds a secret.
type Webhook = storev1.Webhook

// Limits of webhooks, a part of the meaning of the log.
const (
	// MaxWebhooksPerCache is what the hosted service once allowed; each message
	// is posted so often at most.
	MaxWebhooksPerCache = 10
	// MaxWebhooks bounds the webhooks of all caches together.
	MaxWebhooks = 10_000
	// MaxWebhookHolder bounds the text that says whom posts are put down to, in bytes:
	// a kind and an id.
	MaxWebhookHolder = 255
	// MaxWebhookName and MaxWebhookURL are in characters, as documented by the
	// protocol.
	MaxWebhookName = 128
	MaxWebhookURL  = 1024
)

const (
	badWebhookName   = "the name of a webhook is 1 to 128 characters of UTF-8, none of them a control character"
	badWebhookTopic  = "the topic of a webhook is 1 to 255 bytes of UTF-8 without control characters"
	badWebhookURL    = "the URL of a webhook is 1 to 1,024 characters of UTF-8, none of them a control character"
	badWebhookHolder = "the holder of a webhook is at most 255 bytes of UTF-8 without control characters"
	badWebhookSecret = "the secret of a webhook is 1 to 255 bytes of UTF-8 without control characters"
)

// webhookID orders webhooks by cache and name. Neither holds a zero byte, so
// every pair has an id of its own.
func webhookID(cache, name string) string { return cache + "\x00" + name }

// validText tells whether s has 1 to most characters, none a control character.
func validText(s string, most int) bool {
	return len(s) > 0 && len(s) <= most*utf8.UTFMax && utf8.RuneCountInString(s) <= most && isPlain(s)
}

// checkWebhookName says what is wrong with the names of a webhook, "" for nothing.
func checkWebhookName(cache, name string) string {
	switch {
	case !validName(cache):
		return badName
	case !validText(name, MaxWebhookName):
		return badWebhookName
	}
	return ""
}

// checkWebhook says what is wrong with a webhook, "" for nothing. Where a URL
// leads is not looked at: that depends on who asks, and when.
func checkWebhook(w *Webhook) string {
	if bad := checkWebhookName(w.GetCache(), w.GetName()); bad != "" {
		return bad
	}
	switch {
	case !validName(w.GetTopic()):
		return badWebhookTopic
	case !validText(w.GetUrl(), MaxWebhookURL):
		return badWebhookURL
	case !validName(w.GetSecret()):
		return badWebhookSecret
	case len(w.GetHolder()) > MaxWebhookHolder || !isPlain(w.GetHolder()):
		return badWebhookHolder
	}
	return ""
}

// Webhook returns the webhook of that name in a cache.
func (c *Catalog) Webhook(cache, name string) (*Webhook, bool) {
	return c.webhooks.Get(webhookID(cache, name))
}

// Webhooks returns all webhooks by cache and name, in a slice of the caller's
// own. One that was replaced is another value, one that was not is the same.
func (c *Catalog) Webhooks() []*Webhook { return c.webhooks.Values() }

// WebhooksOf returns the webhooks of a cache by name, in a slice of the caller's
// own.
func (c *Catalog) WebhooksOf(cache string) (all []*Webhook) {
	c.webhooks.Ascend(webhookID(cache, ""), func(_ string, w *Webhook) bool {
		if w.GetCache() != cache {
			return false
		}
		all = append(all, w)
		return true
	})
	return all
}

func (c *Catalog) putWebhook(w *Webhook) *CatalogResult {
	if bad := checkWebhook(w); bad != "" {
		return invalidCatalog(bad)
	}
	if _, ok := c.caches.Get(w.GetCache()); !ok {
		return noSuch("cache")
	}
	id := webhookID(w.GetCache(), w.GetName())
	old, known := c.webhooks.Get(id)
	switch {
	case known:
		w = &Webhook{Cache: w.GetCache(), Name: w.GetName(), Topic: w.GetTopic(), Url: w.GetUrl(), Secret: old.GetSecret(), Holder: w.GetHolder()}
	case len(c.WebhooksOf(w.GetCache())) >= MaxWebhooksPerCache:
		return full("the cache has 10 webhooks, which is the most; delete one first")
	case c.webhooks.Len() >= MaxWebhooks:
		return full("the cluster has 10,000 webhooks, which is the most; delete one first")
	}
	c.webhooks.Set(id, w)
	return c.signedBy(w)
}

// signedBy is changed for a webhook.
func (c *Catalog) signedBy(w *Webhook) *CatalogResult {
	r := c.changed()
	r.Secret = w.GetSecret()
	return r
}

// deleteWebhook is content with a webhook, or a cache, that is not there.
func (c *Catalog) deleteWebhook(cache, name string) *CatalogResult {
	if bad := checkWebhookName(cache, name); bad != "" {
		return invalidCatalog(bad)
	}
	if _, ok := c.webhooks.Delete(webhookID(cache, name)); !ok {
		return &CatalogResult{}
	}
	return c.changed()
}

func (c *Catalog) rotateWebhook(op *storev1.RotateWebhook) *CatalogResult {
	if bad := checkWebhookName(op.GetCache(), op.GetName()); bad != "" {
		return invalidCatalog(bad)
	}
	if !validName(op.GetSecret()) {
		return invalidCatalog(badWebhookSecret)
	}
	old, ok := c.Webhook(op.GetCache(), op.GetName())
	if !ok {
		return noSuch("webhook")
	}
	w := &Webhook{Cache: old.GetCache(), Name: old.GetName(), Topic: old.GetTopic(), Url: old.GetUrl(), Secret: op.GetSecret(), Holder: old.GetHolder()}
	c.webhooks.Set(webhookID(op.GetCache(), op.GetName()), w)
	return c.signedBy(w)
}

// dropWebhooks forgets the webhooks of a cache that was deleted.
func (c *Catalog) dropWebhooks(cache string) {
	for _, w := range c.WebhooksOf(cache) {
		c.webhooks.Delete(webhookID(cache, w.GetName()))
	}
}

// loadWebhooks is load for the webhooks of a snapshot. The caches are there.
func (c *Catalog) loadWebhooks(m *storev1.CatalogSnapshot) string {
	if m.GetVersion() < 2 && len(m.GetWebhooks()) > 0 {
		return "webhooks in a snapshot of a version without them"
	}
	count := make(map[string]int)
	for _, w := range m.GetWebhooks() {
		if bad := checkWebhook(w); bad != "" {
			return bad
		}
		if uint32(webhookVersion(w)) > m.GetVersion() {
			return "a webhook that the version does not know"
		}
		if _, ok := c.caches.Get(w.GetCache()); !ok {
			return "a webhook without its cache"
		}
		if count[w.GetCache()]++; count[w.GetCache()] > MaxWebhooksPerCache {
			return "more webhooks in a cache than allowed"
		}
		c.webhooks.Set(webhookID(w.GetCache(), w.GetName()), w)
	}
	switch {
	case c.webhooks.Len() != len(m.GetWebhooks()):
		return "a webhook comes twice"
	case c.webhooks.Len() > MaxWebhooks:
		return "more webhooks than allowed"
	}
	return ""
}
