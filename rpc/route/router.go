package route

import (
	"context"
	"errors"
	"fmt"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/fanout"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

// Router takes each request to the leader of its group. It is safe for
// concurrent use.
type Router struct {
	topology cluster.Topology
	local    *Local
	requests []*requests // by group
}

// NewRouter makes the router of a node. The gateway is as in LocalConfig.
func NewRouter(topology cluster.Topology, local *Local, gateway []byte) *Router {
	r := &Router{topology: topology, local: local, requests: make([]*requests, topology.Groups()+1)}
	for i := range r.requests {
		r.requests[i] = newRequests(gateway)
	}
	return r
}

// group returns the group that holds a key of a cache, which is also the group
// that leads the topic of that name.
func (r *Router) group(cache string, name []byte) cluster.GroupID {
	return r.topology.GroupOf(cluster.SlotOf(cache, name))
}

// node returns the face of the node that leads the group.
func (r *Router) node(cluster.GroupID) Node { return r.local }

// Apply changes an item. The caller names cache, key and operation; the
// generation, the time and the request id are filled in here. The command
// belongs to the router until Apply returns. Errors: ErrCacheNotFound and the
// outcomes; what the operation itself refused is in the result.
func (r *Router) Apply(ctx context.Context, command *storev1.Command) (*storev1.Result, error) {
	g := r.group(command.GetCache(), command.GetKey())
	return r.current(ctx, command.GetCache(), func(generation uint64) (*storev1.Result, error) {
		command.Generation = generation
		return r.once(ctx, g, command)
	})
}

// once has a command carried out at most once, under an id of its own: a group
// remembers what it refused, too, so a corrected command is a new one.
func (r *Router) once(ctx context.Context, g cluster.GroupID, command *storev1.Command) (*storev1.Result, error) {
	node := r.node(g)
	command.Request = r.requests[g].begin()
	defer r.requests[g].finish(command.GetRequest())
	result, err := node.Apply(ctx, g, command)
	if errors.Is(err, ErrUnknownOutcome) && ctx.Err() == nil {
		// If the first try ran, the second returns its result and changes
		// nothing.
		return node.Apply(ctx, g, command)
	}
	return result, err
}

// View answers a query about an item. The caller names cache, key and
// question. Unless it is relaxed, the answer holds everything that was
// acknowledged before the call. Errors as for Apply.
func (r *Router) View(ctx context.Context, query *storev1.Query, relaxed bool) (*storev1.Result, error) {
	g := r.group(query.GetCache(), query.GetKey())
	node := r.node(g)
	return r.current(ctx, query.GetCache(), func(generation uint64) (*storev1.Result, error) {
		query.Generation = generation
		return node.View(ctx, g, query, relaxed)
	})
}

// staleTries bounds how often one request chases a cache that is being flushed
// again and again.
const staleTries = 3

// current runs ask with the generation of the cache, and again when the
// partition knows a newer one.
func (r *Router) current(ctx context.Context, cache string, ask func(generation uint64) (*storev1.Result, error)) (*storev1.Result, error) {
	for range staleTries {
		record, ok := r.local.catalog.cache(cache)
		if !ok {
			return nil, fmt.Errorf("%w: %q", ErrCacheNotFound, cache)
		}
		result, err := ask(record.GetGeneration())
		if err != nil || result.GetStatus() != storev1.Status_STATUS_STALE_GENERATION {
			return result, err
		}
		if err := r.local.catalog.confirm(ctx); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%w: cache %q is being flushed", ErrNotExecuted, cache)
}

// Publish numbers a message in its topic and hands it to the subscribers. It
// does not wait for any of them. Errors: ErrCacheNotFound and the outcomes.
func (r *Router) Publish(ctx context.Context, cache, topic string, m Message) error {
	if _, ok := r.local.catalog.cache(cache); !ok {
		return fmt.Errorf("%w: %q", ErrCacheNotFound, cache)
	}
	g := r.group(cache, []byte(topic))
	_, err := r.node(g).Publish(ctx, g, fanout.Key{Cache: cache, Topic: topic}, m)
	return err
}

// Subscribe places a reader in a topic, behind a position or, with sequence 0,
// behind the newest item. The caller closes the subscription. Errors:
// ErrCacheNotFound and the outcomes.
func (r *Router) Subscribe(_ context.Context, cache, topic string, from fanout.Position) (*fanout.Subscription, error) {
	if _, ok := r.local.catalog.cache(cache); !ok {
		return nil, fmt.Errorf("%w: %q", ErrCacheNotFound, cache)
	}
	s, err := r.local.Subscribe(r.group(cache, []byte(topic)), fanout.Key{Cache: cache, Topic: topic}, from)
	if err != nil {
		return nil, err
	}
	// The cache may have been deleted in between, when its topics had no such
	// subscription to end.
	if _, ok := r.local.catalog.cache(cache); !ok {
		s.Close()
		return nil, fmt.Errorf("%w: %q", ErrCacheNotFound, cache)
	}
	return s, nil
}
