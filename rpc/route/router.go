package route

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/fanout"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

// RouterConfig is what a Router is made of.
type RouterConfig struct {
	// Topology and Local are the node's; required.
	Topology cluster.Topology
	Local    *Local
	// Gateway names this process among those that send commands: 16 random
	// bytes, drawn at every start.
	Gateway []byte
	// Self is the node's name, and Face gives the face of another node. Without
	// Face the router knows no other node.
	Self cluster.NodeID
	Face func(cluster.NodeID) Face
	// Seeds are nodes to ask as long as this one does not know its cluster.
	Seeds []cluster.NodeID
}

// Router takes each request to the leader of its group, on this node or over
// one hop on another. It is safe for concurrent use.
type Router struct {
	topology cluster.Topology
	local    *Local
	self     cluster.NodeID
	face     func(cluster.NodeID) Face
	seeds    []cluster.NodeID
	requests []*requests // by group

	told     []atomic.Pointer[guess] // by group: what other nodes said
	waiting  atomic.Int64            // requests that wait for leaders
	catching rounds                  // see CatchUp
	hold     hold
}

// NewRouter makes the router of a node.
func NewRouter(config RouterConfig) *Router {
	r := &Router{
		topology: config.Topology, local: config.Local, self: config.Self, face: config.Face, seeds: config.Seeds,
		requests: make([]*requests, config.Topology.Groups()+1),
		told:     make([]atomic.Pointer[guess], config.Topology.Groups()+1),
		hold:     newHold(),
	}
	for i := range r.requests {
		r.requests[i] = newRequests(config.Gateway)
	}
	return r
}

// Close ends what the router does beside its callers' own work, and waits for it.
// What is asked of it afterwards is refused if it would need that.
func (r *Router) Close() { r.catching.close() }

// group returns the group that holds a key of a cache, which is also the group
// that leads the topic of that name.
func (r *Router) group(cache string, name []byte) cluster.GroupID {
	return r.topology.GroupOf(cluster.SlotOf(cache, name))
}

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
func (r *Router) once(ctx context.Context, g cluster.GroupID, command *storev1.Command) (result *storev1.Result, err error) {
	if err := r.hold.enter(); err != nil {
		return nil, err
	}
	defer r.hold.leave()
	command.Request = r.requests[g].begin()
	defer r.requests[g].finish(command.GetRequest())
	err = r.repeat(ctx, g, func(ctx context.Context, n Face) (err error) {
		result, err = n.Apply(ctx, g, command)
		return err
	})
	return result, err
}

// View answers a query about an item. The caller names cache, key and
// question. Unless it is relaxed, the answer holds everything that was
// acknowledged before the call. Errors as for Apply.
func (r *Router) View(ctx context.Context, query *storev1.Query, relaxed bool) (*storev1.Result, error) {
	g := r.group(query.GetCache(), query.GetKey())
	return r.current(ctx, query.GetCache(), func(generation uint64) (result *storev1.Result, err error) {
		query.Generation = generation
		err = r.lead(ctx, g, func(ctx context.Context, n Face) (err error) {
			defer r.idleAway(ctx, n)()
			result, err = n.View(ctx, g, query, relaxed)
			return err
		})
		return result, err
	})
}

// staleTries bounds how often one request chases a cache that is being flushed
// again and again.
const staleTries = 3

// current runs ask with the generation of the cache, and again when the
// partition knows a newer one.
func (r *Router) current(ctx context.Context, cache string, ask func(generation uint64) (*storev1.Result, error)) (*storev1.Result, error) {
	for range staleTries {
		record, err := r.Find(ctx, cache)
		if err != nil {
			return nil, err
		}
		result, err := ask(record.GetGeneration())
		if err != nil || result.GetStatus() != storev1.Status_STATUS_STALE_GENERATION {
			return result, err
		}
		if err := r.CatchUp(ctx); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%w: cache %q is being flushed", ErrNotExecuted, cache)
}

// Publish numbers a message in its topic and hands it to the subscribers. It
// does not wait for any of them. Errors: ErrCacheNotFound and the outcomes.
func (r *Router) Publish(ctx context.Context, cache, topic string, m Message) error {
	if _, err := r.Find(ctx, cache); err != nil {
		return err
	}
	g := r.group(cache, []byte(topic))
	return r.lead(ctx, g, func(ctx context.Context, n Face) error {
		defer r.idleAway(ctx, n)()
		_, err := n.Publish(ctx, g, fanout.Key{Cache: cache, Topic: topic}, m)
		return err
	})
}

// Subscribe places a reader in a topic, behind a position or, with sequence 0,
// behind the newest item. The caller closes the subscription. Errors:
// ErrCacheNotFound and the outcomes.
func (r *Router) Subscribe(ctx context.Context, cache, topic string, from fanout.Position) (*fanout.Subscription, error) {
	if _, err := r.Find(ctx, cache); err != nil {
		return nil, err
	}
	s, err := r.local.Subscribe(r.group(cache, []byte(topic)), fanout.Key{Cache: cache, Topic: topic}, from)
	if err != nil {
		return nil, err
	}
	// The cache may have been deleted in between, when its topics had no such
	// subscription to end.
	if _, ok := r.Lookup(cache); !ok {
		s.Close()
		return nil, fmt.Errorf("%w: %q", ErrCacheNotFound, cache)
	}
	return s, nil
}
