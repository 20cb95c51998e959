package route

import (
	"errors"

	"github.com/mayfly-broker/mayfly/fanout"
)

// Message is one topic message on its way to the topic's leader.
type Message struct {
	// Text says that Value is text, so that subscribers receive it as text.
	Text bool
	// Value is the payload. The router and everyone behind it only read it;
	// the caller must not change it afterwards.
	Value []byte
	// PublisherID is the token id of the verified publisher, empty when it has
	// none.
	PublisherID string
}

// EncodeItem returns the bytes that every subscriber's stream sends for the
// message at this position. It is called once per item, by the topic's leader.
type EncodeItem func(at fanout.Position, m Message) []byte

// What a call through the router can fail with, beside the context's own
// error. Test with errors.Is.
var (
	// ErrCacheNotFound: no cache of that name exists.
	ErrCacheNotFound = errors.New("cache not found")
	// ErrCacheExists: a cache of that name exists already.
	ErrCacheExists = errors.New("cache already exists")
	// ErrNotExecuted: nothing was done, and the same call may be sent again:
	// there is no leader at the moment, or the node is stopping.
	ErrNotExecuted = errors.New("not executed")
	// ErrUnknownOutcome: the change may or may not have been made.
	ErrUnknownOutcome = errors.New("outcome unknown")
	// ErrOverloaded: refused before any work, since too much is waiting.
	ErrOverloaded = errors.New("too many operations are waiting")
	// ErrLimit: the change would pass a limit of the cluster.
	ErrLimit = errors.New("limit reached")
	// ErrTooManyKeys: the cache may not have one more item.
	ErrTooManyKeys = errors.New("too many keys")
	// ErrInvalid: the request is malformed.
	ErrInvalid = errors.New("invalid request")
	// ErrWebhookNotFound: the cache has no webhook of that name.
	ErrWebhookNotFound = errors.New("webhook not found")
	// ErrKeyNotFound: no API key has that id.
	ErrKeyNotFound = errors.New("API key not found")
	// ErrSigningKeyNotFound: no signing key has that id.
	ErrSigningKeyNotFound = errors.New("signing key not found")
)
