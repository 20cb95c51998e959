package replica

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/mayfly-broker/mayfly/cluster"
)

// openAtOnce bounds how many groups are checked and started side by side.
const openAtOnce = 8

// Host holds the replicas of one node, at most one of each group.
type Host struct {
	cfg      Config
	topology cluster.Topology
	space    *spaceGuard
	terms    *termDesk
	lock     *Lock
	cancel   context.CancelFunc
	watch    sync.WaitGroup
	groups   atomic.Pointer[groupTable]

	// changing is held while a replica is started, removed or purged.
	changing sync.Mutex
	closed   bool
	stuck    []*Group // removed, but did not stop

	// identity changes in its Replicas only, under both locks.
	mu       sync.RWMutex
	identity manifest

	closeOnce sync.Once
	closeErr  error
}

// groupTable is the groups of a host at a moment. It is immutable.
type groupTable struct {
	byID []*Group // nil where this node has no replica
	list []*Group // those that are there, the meta group first
}

// with is the table with the slot of a group filled or, with nil, emptied.
func (t *groupTable) with(id cluster.GroupID, g *Group) *groupTable {
	next := &groupTable{byID: slices.Clone(t.byID)}
	next.byID[id] = g
	for _, g := range next.byID {
		if g != nil {
			next.list = append(next.list, g)
		}
	}
	return next
}

// Open checks the data directory, founds what is to be founded and starts all
// replicas of this node. It does not wait for leaders; see WaitLeaders.
//
// Nothing runs after an error. ErrDirLocked, ErrDamaged and ErrStoreLost tell
// why a directory is refused; every damaged group is named. ctx bounds the
// opening only: it is looked at between the steps.
func Open(ctx context.Context, cfg Config) (*Host, error) {
	h := &Host{lock: cfg.Lock}
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, errors.Join(err, h.unlock())
	}
	h.cfg = cfg
	if err := h.identify(); err != nil {
		return nil, errors.Join(err, h.unlock())
	}
	if cfg.Connect != nil {
		if h.cfg.Network, err = cfg.Connect(h.Identity()); err != nil {
			return nil, errors.Join(err, h.unlock())
		}
	}
	h.space = newSpaceGuard(cfg)
	h.terms = newTermDesk(cfg)
	groups, err := h.launch(ctx, h.identity.Replicas.living())
	if err != nil {
		h.terms.close()
		return nil, errors.Join(err, h.unlock())
	}
	table := &groupTable{byID: make([]*Group, h.topology.Groups()+1)}
	for _, g := range groups {
		table = table.with(g.id, g)
	}
	h.groups.Store(table)
	// The host outlives the opening, so ctx only lends its values.
	watchCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	h.cancel = cancel
	h.watch.Go(func() { h.space.run(watchCtx, cfg.tuning.spaceInterval) })
	return h, nil
}

// identify takes the directory and learns or makes up who this node is.
func (h *Host) identify() error {
	var m *manifest
	var err error
	if h.cfg.Dir == "" {
		m, err = newManifest(h.cfg)
	} else {
		if h.lock == nil {
			if h.lock, err = LockDir(h.cfg.Dir); err != nil {
				return err
			}
		}
		m, err = loadOrCreateManifest(h.cfg)
	}
	if err != nil {
		return err
	}
	h.identity = *m
	h.topology, err = cluster.NewTopology(m.DataGroups)
	return err
}

func (h *Host) unlock() error {
	if h.lock == nil {
		return nil
	}
	return h.lock.Close()
}

// launch starts replicas side by side, or none. It checks every storage before
// it touches any, opens them, records that the replicas are now started, and
// only then lets them take part: whoever finds them empty later knows that
// something was lost.
func (h *Host) launch(ctx context.Context, replicas records) ([]*Group, error) {
	found := make([]evidence, len(replicas))
	groups := make([]*Group, len(replicas))
	err := eachReplica(ctx, replicas, func(i int, record replicaRecord) (err error) {
		if h.cfg.Dir != "" {
			found[i], err = inspect(h.cfg.Dir, record)
		}
		return err
	})
	if err == nil {
		err = eachReplica(ctx, replicas, func(i int, record replicaRecord) (err error) {
			groups[i], err = h.openGroup(record, found[i])
			return err
		})
	}
	if err == nil {
		err = h.recordStarted(replicas)
	}
	if err == nil {
		err = eachReplica(ctx, replicas, func(i int, _ replicaRecord) error { return groups[i].start(ctx, h.cfg, h.terms) })
	}
	for _, g := range groups {
		if err == nil {
			err = g.stop.arm(h.cfg.Fatal)
		}
	}
	if err != nil {
		return nil, errors.Join(err, abandon(context.WithoutCancel(ctx), groups))
	}
	return groups, nil
}

// eachReplica calls f for every replica, several at a time, and joins all
// errors, so that one start names all that is wrong.
func eachReplica(ctx context.Context, replicas records, f func(i int, record replicaRecord) error) error {
	var group errgroup.Group
	group.SetLimit(openAtOnce)
	errs := make([]error, len(replicas))
	for i, record := range replicas {
		group.Go(func() error {
			// A store that fails ends its goroutine.
			errs[i] = fmt.Errorf("group %s: its storage failed", record.Group)
			if err := ctx.Err(); err != nil {
				errs[i] = err
			} else {
				errs[i] = f(i, record)
			}
			return nil
		})
	}
	_ = group.Wait()
	return errors.Join(errs...)
}

func (h *Host) recordStarted(replicas records) error {
	next := h.identity.Replicas
	for _, r := range replicas {
		if r.State == StateCreated {
			r.State = StateStarted
			next = next.with(r)
		}
	}
	return h.record(next)
}

// record makes the node's list of replicas durable. After an error the list in
// memory is the old one, and asking again is safe.
func (h *Host) record(next records) error {
	if slices.Equal(next, h.identity.Replicas) {
		return nil
	}
	if h.cfg.Dir != "" {
		m := h.identity
		m.Replicas = next
		if err := m.save(h.cfg.Dir); err != nil {
			return fmt.Errorf("replica: recording the replicas of this node: %w", err)
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.identity.Replicas = next
	return nil
}

// abandon undoes a half finished launch.
func abandon(ctx context.Context, groups []*Group) error {
	var errs []error
	for _, g := range groups {
		switch {
		case g == nil:
		case g.raft == nil:
			errs = append(errs, g.store.close())
		default:
			errs = append(errs, g.close(ctx))
		}
	}
	return errors.Join(errs...)
}

// Identity says who this host is. The caller must not change its lists.
func (h *Host) Identity() Identity { return h.identity.identity() }

// identity tells what never changes of a manifest.
func (m *manifest) identity() Identity {
	return Identity{ClusterID: m.ClusterID, Node: m.Node, StoreID: m.StoreID, Groups: m.DataGroups, Founders: m.Founders}
}

// Node is the name of this node.
func (h *Host) Node() cluster.NodeID { return h.identity.Node }

// ClusterID is the random name of the cluster, made at its birth.
func (h *Host) ClusterID() string { return h.identity.ClusterID }

// StoreID is the random name of the data directory: a copy of a directory has
// the same one, an emptied and reborn node a new one.
func (h *Host) StoreID() string { return h.identity.StoreID }

// Topology maps slots to the groups of the cluster, whether or not this node
// has a replica of them.
func (h *Host) Topology() cluster.Topology { return h.topology }

// Group gives this node's replica of a group, nil when it has none. The answer
// costs an atomic load; it should not be kept where replicas come and go.
func (h *Host) Group(id cluster.GroupID) *Group {
	table := h.groups.Load()
	if uint64(id) >= uint64(len(table.byID)) {
		return nil
	}
	return table.byID[id]
}

// Groups gives the groups this node has a replica of, the meta group first. The
// caller must not change the slice.
func (h *Host) Groups() []*Group { return h.groups.Load().list }

// LeadingGroups lists the groups this node leads at the moment.
func (h *Host) LeadingGroups() []*Group {
	var leading []*Group
	for _, g := range h.Groups() {
		if g.IsLeader() {
			leading = append(leading, g)
		}
	}
	return leading
}

// WaitLeaders waits until every group of this node has a leader it knows of.
func (h *Host) WaitLeaders(ctx context.Context) error {
	for _, g := range h.Groups() {
		if _, err := g.WaitLeader(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Close refuses new commands, answers those under way, stops all groups and
// releases the directory. It waits for every goroutine of the host, unless ctx
// ends first; then commands that were not answered have an unknown outcome. The
// directory stays locked should a group not stop at all.
// Later calls wait for the first and return its error.
func (h *Host) Close(ctx context.Context) error {
	h.closeOnce.Do(func() {
		h.changing.Lock()
		defer h.changing.Unlock()
		h.closed = true
		h.cancel()
		groups := h.Groups()
		errs := make([]error, len(groups)+1)
		var closing sync.WaitGroup
		for i, g := range groups {
			closing.Go(func() { errs[i] = g.close(ctx) })
		}
		closing.Wait()
		h.terms.close()
		h.watch.Wait()
		if len(h.stuck) == 0 && !slices.ContainsFunc(groups, func(g *Group) bool { return !g.stopped }) {
			errs = append(errs, h.unlock())
		}
		h.closeErr = errors.Join(errs...)
	})
	return h.closeErr
}
