package api

import (
	"context"
	"time"

	"github.com/mayfly-broker/mayfly/fanout"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
	"github.com/mayfly-broker/mayfly/rpc/metering"
	"github.com/mayfly-broker/mayfly/rpc/route"
)

// Data is the data plane, wherever the key lives. Errors are those of
// rpc/route; what an operation itself refused is in the result's status.
type Data interface {
	// Apply changes an item. The caller sets cache, key and operation; the
	// rest is filled in by the callee, which owns the command until it
	// returns, and the bytes in it for good.
	Apply(ctx context.Context, command *storev1.Command) (*storev1.Result, error)
	// View answers a question about an item, likewise. The answer holds every
	// write acknowledged before the call, unless relaxed.
	View(ctx context.Context, query *storev1.Query, relaxed bool) (*storev1.Result, error)
}

// Topics is the topic plane, wherever the topic is led.
type Topics interface {
	// Publish numbers a message and hands it to the subscribers, without
	// waiting for any of them.
	Publish(ctx context.Context, cache, topic string, m route.Message) error
	// Subscribe places a reader: behind the newest item with sequence 0,
	// otherwise before the item named. The caller closes the subscription.
	Subscribe(ctx context.Context, cache, topic string, from fanout.Position) (Subscription, error)
}

// Subscription is a reader's place in a topic; see fanout.Subscription, which
// is one, for what each method promises.
type Subscription interface {
	Take(buf []fanout.Event) (int, error)
	Notify(call func())
	Position() fanout.Position
	// Live reports whether the topic's leader reaches the subscription; while
	// it does not, silence means nothing.
	Live() bool
	Close()
}

// Caches is the catalog of caches. Records that it returns are only read.
type Caches interface {
	// Create makes a cache that data calls see at once.
	Create(ctx context.Context, name string, limits *storev1.CacheLimits) error
	// Update changes those settings of a cache that are set, zero to the node's
	// default.
	Update(ctx context.Context, name string, limits *storev1.CacheLimits) error
	// Delete drops a cache, its items and its subscriptions.
	Delete(ctx context.Context, name string) error
	// Flush drops the items of a cache.
	Flush(ctx context.Context, name string) error
	// List returns all caches, by name.
	List(ctx context.Context) ([]*storev1.CacheRecord, error)
	// Lookup returns a cache as this node knows it now. It is asked on every
	// call, so it must be quick.
	Lookup(name string) (*storev1.CacheRecord, bool)
	// Find is Lookup that gives a cache up only when the whole cluster does not
	// know it; the error is route.ErrCacheNotFound then.
	Find(ctx context.Context, name string) (*storev1.CacheRecord, error)
}

// Memory is what caches hold.
type Memory interface {
	// CacheMemory returns what each cache holds, by name, as far as is known within
	// a second.
	CacheMemory(ctx context.Context) map[string]route.CacheMemory
}

// Webhooks is the catalog of webhooks. Records that it returns are only read.
type Webhooks interface {
	// PutWebhook records a webhook, or gives the one of that name another topic and
	// URL. It returns the secret that is in force: the given one if it is new.
	PutWebhook(ctx context.Context, w *storev1.Webhook) (secret string, err error)
	// DeleteWebhook forgets a webhook; one that is not there is no error.
	DeleteWebhook(ctx context.Context, cache, name string) error
	// RotateWebhook replaces a webhook's secret.
	RotateWebhook(ctx context.Context, cache, name, secret string) error
	// Webhook returns a webhook, or route.ErrWebhookNotFound.
	Webhook(ctx context.Context, cache, name string) (*storev1.Webhook, error)
	// Webhooks returns the webhooks of a cache, by name.
	Webhooks(ctx context.Context, cache string) ([]*storev1.Webhook, error)
}

// Credentials is the catalog of API keys, as far as it is changed or listed.
// Records that it returns are only read.
type Credentials interface {
	// PutAPIKey records a key; it is good when this returns.
	PutAPIKey(ctx context.Context, key *storev1.ApiKey) error
	// RevokeAPIKey makes a key useless, and what was minted with it.
	RevokeAPIKey(ctx context.Context, id string) error
	// RotateAPIKey records a key in the place of another one, which ends then.
	RotateAPIKey(ctx context.Context, id string, key *storev1.ApiKey, end time.Time) error
	// UpdateAPIKey changes what is set of a key that is good.
	UpdateAPIKey(ctx context.Context, update *storev1.UpdateApiKey) error
	// RefreshAPIKey records a key made with the refresh token of the one it names.
	RefreshAPIKey(ctx context.Context, key *storev1.ApiKey) error
	// FindAPIKey returns a key, or route.ErrKeyNotFound.
	FindAPIKey(ctx context.Context, id string) (*storev1.ApiKey, error)
	// DenyTokens makes the tokens of a token id useless, and those that are made
	// within ban from now. No token lives longer than maxLife.
	DenyTokens(ctx context.Context, tokenID string, ban, maxLife time.Duration) (*storev1.TokenDenial, error)
	// TokenDenials returns the token ids whose tokens were revoked.
	TokenDenials(ctx context.Context) ([]*storev1.TokenDenial, error)
	// APIKeys returns all keys, revoked ones included.
	APIKeys(ctx context.Context) ([]*storev1.ApiKey, error)
	// CatchUp returns once this node knows every key that was recorded before
	// the call.
	CatchUp(ctx context.Context) error
	// CredentialRevision changes whenever a credential may have become less good:
	// live subscriptions are checked anew then. It is asked a few times a
	// second.
	CredentialRevision() uint64
}

// SigningKeys is the catalog of signing keys. Records that it returns are only
// read.
type SigningKeys interface {
	// Rotate has a new key sign as soon as every node knows it, and returns its id,
	// and when what was signed before ends. With force it does not wait for nodes
	// that do not answer.
	Rotate(ctx context.Context, force bool) (id string, othersEnd time.Time, err error)
	// Revoke makes all that a key has signed useless at once, and returns the id of
	// the one that signs now: another one if the cluster signed with that key.
	Revoke(ctx context.Context, id string) (current string, err error)
	// AddApplicationKey records a key that an application signs with.
	AddApplicationKey(ctx context.Context, key *storev1.SigningKey) error
	// List returns all keys, by id, in a slice of the caller's own.
	List(ctx context.Context) ([]*storev1.SigningKey, error)
}

// Audit is the record of what operators do. Records that it returns are only read.
// What changes the catalog takes the act of its context along, see route.WithAct.
type Audit interface {
	// RecordAct puts on record what changes nothing in the catalog.
	RecordAct(ctx context.Context, act *storev1.Act) (number uint64, err error)
	// SettleAct says what came of an act that was put on record as begun.
	SettleAct(ctx context.Context, number uint64, outcome storev1.ActOutcome, why string) error
	// Acts returns the acts with higher numbers than after, by number.
	Acts(ctx context.Context, after uint64) ([]*storev1.Act, error)
}

// Usage is what was used, as the cluster keeps it; metering.Reader says what Report and
// Hourly promise.
type Usage interface {
	// Counted is up to when what was used can be read: the earliest of the nodes that
	// can be asked. It is zero if nobody knows.
	Counted(ctx context.Context) time.Time
	Report(ctx context.Context, in metering.Range, by metering.By) (*metering.Report, error)
	Hourly(ctx context.Context, in metering.Range, by metering.By, yield func([]metering.Row) error) error
}
