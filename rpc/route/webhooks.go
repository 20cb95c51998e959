package route

import (
	"context"
	"slices"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/fanout"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
	"github.com/mayfly-broker/mayfly/store"
)

// PutWebhook records a webhook, or replaces the topic and the URL of the one of
// that name. The secret is for a new one; what is returned is in force. Errors:
// ErrCacheNotFound, ErrInvalid, ErrLimit and the outcomes.
func (r *Router) PutWebhook(ctx context.Context, w *storev1.Webhook) (secret string, err error) {
	result, err := r.decide(ctx, &storev1.CatalogCommand{
		Op: &storev1.CatalogCommand_PutWebhook{PutWebhook: &storev1.PutWebhook{Webhook: w}},
	}, ErrCacheNotFound)
	return result.GetSecret(), err
}

// DeleteWebhook forgets a webhook; it is content if there is none. Errors:
// ErrInvalid and the outcomes.
func (r *Router) DeleteWebhook(ctx context.Context, cache, name string) error {
	_, err := r.decide(ctx, &storev1.CatalogCommand{
		Op: &storev1.CatalogCommand_DeleteWebhook{DeleteWebhook: &storev1.DeleteWebhook{Cache: cache, Name: name}},
	}, ErrWebhookNotFound)
	return err
}

// RotateWebhook has a webhook's deliveries signed with another secret from now
// on. Errors: ErrWebhookNotFound, ErrInvalid and the outcomes.
func (r *Router) RotateWebhook(ctx context.Context, cache, name, secret string) error {
	_, err := r.decide(ctx, &storev1.CatalogCommand{
		Op: &storev1.CatalogCommand_RotateWebhook{RotateWebhook: &storev1.RotateWebhook{Cache: cache, Name: name, Secret: secret}},
	}, ErrWebhookNotFound)
	return err
}

// Webhook returns a webhook. It must not be changed. Errors: ErrWebhookNotFound
// and the outcomes.
func (r *Router) Webhook(ctx context.Context, cache, name string) (*storev1.Webhook, error) {
	if err := r.CatchUp(ctx); err != nil {
		return nil, err
	}
	w := read(r.local.meta.Load(), func(c *store.Catalog) *storev1.Webhook {
		w, _ := c.Webhook(cache, name)
		return w
	})
	if w == nil {
		return nil, ErrWebhookNotFound
	}
	return w, nil
}

// Webhooks returns the webhooks of a cache, by name. They must not be changed.
// Errors: ErrCacheNotFound and the outcomes.
func (r *Router) Webhooks(ctx context.Context, cache string) ([]*storev1.Webhook, error) {
	if err := r.CatchUp(ctx); err != nil {
		return nil, err
	}
	if _, err := r.Find(ctx, cache); err != nil {
		return nil, err
	}
	return read(r.local.meta.Load(), func(c *store.Catalog) []*storev1.Webhook { return c.WebhooksOf(cache) }), nil
}

// Desk is what a node does for the topics that it numbers itself, as whoever
// delivers their webhooks sees it. It is safe for concurrent use.
type Desk struct{ r *Router }

// Desk returns the router's.
func (r *Router) Desk() Desk { return Desk{r} }

// Webhooks returns the webhooks of all caches as this node knows them now, in a
// slice of the caller's own. One that was changed is another value.
func (d Desk) Webhooks() []*storev1.Webhook {
	return read(d.r.local.meta.Load(), (*store.Catalog).Webhooks)
}

// Numbers returns the page with which this node began to number a topic, as its
// leader; 0 if it does not. Whoever led the topic before has numbered below it,
// and whoever leads it afterwards will above all that begins with it.
func (d Desk) Numbers(cache, topic string) (page uint64) {
	return d.r.local.topics.Base(uint32(d.r.group(cache, []byte(topic))))
}

// Changed returns a channel that is closed when an answer of Webhooks may be
// another one.
func (d Desk) Changed() <-chan struct{} { return d.r.local.Changed() }

// Moved returns a channel that is closed when an answer of Numbers may be another
// one.
func (d Desk) Moved() <-chan struct{} { return d.r.local.moves.next() }

// Heard reports whether a node answered when this one, elected to lead a topic,
// asked what others had seen of it: it lives, and does itself what it still has to
// do for the topic. This node hears itself.
func (d Desk) Heard(cache, topic string, node cluster.NodeID) bool {
	heard := d.r.local.heard[d.r.group(cache, []byte(topic))].Load()
	return node == d.r.self || heard != nil && slices.Contains(*heard, node)
}

// Follows reports whether this node may be the next to lead a topic that another
// node leads.
func (d Desk) Follows(cache, topic string) bool {
	g := d.r.group(cache, []byte(topic))
	return d.r.local.replica(g) != nil && d.r.local.topics.Base(uint32(g)) == 0
}

// Self is this node's name.
func (d Desk) Self() cluster.NodeID { return d.r.self }

// Read places a reader in a topic, as Router.Subscribe does, without looking after
// its cache.
func (d Desk) Read(topic fanout.Key, from fanout.Position) (*fanout.Subscription, error) {
	return d.r.local.Subscribe(d.r.group(topic.Cache, []byte(topic.Topic)), topic, from)
}

// beside is the key of a topic that no client can name, since no name holds a
// control character. It is led, and goes, with the topic it is beside of.
func beside(topic fanout.Key, name string) fanout.Key {
	return fanout.Key{Cache: topic.Cache, Topic: "\x00" + name + "\x00" + topic.Topic}
}

// Note publishes a note beside a topic that this node leads: what whoever leads it
// next should know. The value belongs to the topic from now on. A node that is alone
// writes none. Errors: ErrNotExecuted.
func (d Desk) Note(topic fanout.Key, name string, value []byte) error {
	if d.r.local.survey == nil {
		return nil
	}
	g := d.r.group(topic.Cache, []byte(topic.Topic))
	_, err := d.r.local.topics.Publish(uint32(g), beside(topic, name), time.Now(), func(fanout.Position) []byte { return value })
	return outcome(err)
}

// ReadNotes is Read for what Note publishes under a name.
func (d Desk) ReadNotes(topic fanout.Key, name string, from fanout.Position) (*fanout.Subscription, error) {
	return d.r.local.Subscribe(d.r.group(topic.Cache, []byte(topic.Topic)), beside(topic, name), from)
}
