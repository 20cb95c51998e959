package store

import (
	"github.com/tidwall/btree"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

// The vocabulary of the catalog, as generated. What the catalog hands out is
// shared and read-only: a change replaces a record, it never writes to one.
type (
	// CatalogCommand is one change of the catalog.
	CatalogCommand = storev1.CatalogCommand
	// CatalogResult is the answer to a catalog command.
	CatalogResult = storev1.CatalogResult
	// CatalogStatus says how a catalog command went.
	CatalogStatus = storev1.CatalogStatus
	// CacheRecord is one cache: its generation and its limits.
	CacheRecord = storev1.CacheRecord
	// SigningKey signs API keys and tokens. It holds a secret.
	SigningKey = storev1.SigningKey
	// APIKey is what the cluster remembers of an API key.
	APIKey = storev1.ApiKey
)

// Limits of the catalog, which every node keeps in memory as a whole. Like
// those of the machine they are part of the meaning of the log.
const (
	// MaxCaches is how many caches may exist at a time.
	MaxCaches = 10_000
	// MaxAPIKeys bounds the API keys, revoked ones included until they expire.
	MaxAPIKeys = 10_000
	// MaxSigningKeys leaves room for the old keys of many rotations.
	MaxSigningKeys = 64
	// MaxSecretBytes bounds the secret of a signing key; a private RSA key of
	// 4096 bits takes about 3 KiB.
	MaxSecretBytes = 8 << 10
	// MaxDescriptionBytes bounds what people write about an API key.
	MaxDescriptionBytes = 1 << 10
	// MaxPermissionsBytes bounds the encoded permissions of an API key.
	MaxPermissionsBytes = 16 << 10
	// digestBytes is the length of a SHA-256.
	digestBytes = 32
)

// Catalog is what the whole cluster agrees on about caches, their webhooks and credentials. It
// is a machine like [Machine], and the same holds for its determinism, for
// concurrency and for who owns memory.
type Catalog struct {
	clock uint64
	// generation is the last one given to a cache.
	generation uint64
	secured    bool
	revision   uint64
	// credentials is the revision of what credentials depend on.
	credentials uint64

	caches      *btree.Map[string, *CacheRecord]
	signingKeys *btree.Map[string, *SigningKey]
	apiKeys     *btree.Map[string, *APIKey]
	denials     *btree.Map[string, *TokenDenial] // by token id
	webhooks    *btree.Map[string, *Webhook]     // by webhookID
	acts        acts
	deposits    *btree.Map[string, *Deposit]
	requests    *requests[*CatalogResult]
}

// NewCatalog returns an empty catalog whose clock stands at 0.
func NewCatalog() *Catalog {
	return &Catalog{
		caches:      btree.NewMap[string, *CacheRecord](treeDegree),
		signingKeys: btree.NewMap[string, *SigningKey](treeDegree),
		apiKeys:     btree.NewMap[string, *APIKey](treeDegree),
		denials:     btree.NewMap[string, *TokenDenial](treeDegree),
		webhooks:    btree.NewMap[string, *Webhook](treeDegree),
		acts:        newActs(),
		deposits:    btree.NewMap[string, *Deposit](treeDegree),
		requests:    newRequests(catalogResultSize),
	}
}

func catalogResultSize(r *CatalogResult) int { return len(r.GetDetail()) + len(r.GetSecret()) }

// Clock returns the catalog's time, in milliseconds since the Unix epoch.
func (c *Catalog) Clock() uint64 { return c.clock }

// Revision grows with every change of what the catalog holds, and with every
// Restore; while it stays the same, so do all answers. It counts for this
// value in memory only: replicas need not agree on it.
func (c *Catalog) Revision() uint64 { return c.revision }

// Secured tells whether an API key was ever created. It stays true when all
// of them are gone.
func (c *Catalog) Secured() bool { return c.secured }

// Cache returns the cache of that name.
func (c *Catalog) Cache(name string) (*CacheRecord, bool) { return c.caches.Get(name) }

// Caches returns all caches by name, in a slice of the caller's own.
func (c *Catalog) Caches() []*CacheRecord { return c.caches.Values() }

// SigningKeys returns all signing keys by id, in a slice of the caller's own.
func (c *Catalog) SigningKeys() []*SigningKey { return c.signingKeys.Values() }

// APIKey returns the API key of that id, which may be expired or revoked.
func (c *Catalog) APIKey(id string) (*APIKey, bool) { return c.apiKeys.Get(id) }

// APIKeys returns all API keys by id, in a slice of the caller's own.
func (c *Catalog) APIKeys() []*APIKey { return c.apiKeys.Values() }
