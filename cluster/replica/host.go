package replica

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/mayfly-broker/mayfly/cluster"
)

// openAtOnce bounds how many groups are checked and started side by side.
const openAtOnce = 8

// Host holds the replicas of one node: the meta group and all data groups.
type Host struct {
	cfg      Config
	identity manifest
	topology cluster.Topology
	groups   []*Group // by group id
	lock     *os.File
	cancel   context.CancelFunc
	watch    sync.WaitGroup

	closeOnce sync.Once
	closeErr  error
}

// Open checks the data directory, founds what is to be founded and starts all
// groups. It does not wait for leaders; see WaitLeaders.
//
// Nothing runs after an error. ErrDirLocked, ErrDamaged and ErrStoreLost tell
// why a directory is refused; every damaged group is named. ctx bounds the
// opening only: it is looked at between the steps.
func Open(ctx context.Context, cfg Config) (*Host, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	h := &Host{cfg: cfg}
	if err := h.identify(); err != nil {
		return nil, errors.Join(err, h.unlock())
	}
	space := newSpaceGuard(cfg)
	if err := h.openGroups(ctx, space); err != nil {
		return nil, errors.Join(err, h.unlock())
	}
	// The host outlives the opening, so ctx only lends its values.
	watchCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	h.cancel = cancel
	h.watch.Go(func() { space.run(watchCtx, cfg.tuning.spaceInterval) })
	return h, nil
}

// identify takes the directory and learns or makes up who this node is.
func (h *Host) identify() error {
	var m *manifest
	var err error
	if h.cfg.Dir == "" {
		m, err = newManifest(h.cfg)
	} else {
		if err := mkdirSynced(h.cfg.Dir); err != nil {
			return fmt.Errorf("replica: making the data directory: %w", err)
		}
		if h.lock, err = lockDir(h.cfg.Dir); err != nil {
			return err
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

// openGroups checks every storage before it touches any, opens them, records
// that the replicas are now started, and only then lets them take part: whoever
// finds them empty later knows that something was lost.
func (h *Host) openGroups(ctx context.Context, space *spaceGuard) error {
	found := make([]evidence, len(h.identity.Replicas))
	err := h.eachReplica(ctx, func(i int, record replicaRecord) (err error) {
		if h.cfg.Dir != "" {
			found[i], err = inspect(h.cfg.Dir, record)
		}
		return err
	})
	h.groups = make([]*Group, len(h.identity.Replicas))
	if err == nil {
		err = h.eachReplica(ctx, func(i int, record replicaRecord) (err error) {
			h.groups[i], err = openGroup(h.cfg, h.identity.Node, record, found[i], space)
			return err
		})
	}
	if err == nil {
		err = h.recordStarted()
	}
	if err == nil {
		err = h.eachReplica(ctx, func(i int, _ replicaRecord) error { return h.groups[i].start(ctx, h.cfg) })
	}
	for _, g := range h.groups {
		if err == nil {
			err = g.stop.arm(h.cfg.Fatal)
		}
	}
	if err != nil {
		return errors.Join(err, h.abandon(context.WithoutCancel(ctx)))
	}
	return nil
}

// eachReplica calls f for every replica, several at a time, and joins all
// errors, so that one start names all that is wrong.
func (h *Host) eachReplica(ctx context.Context, f func(i int, record replicaRecord) error) error {
	var group errgroup.Group
	group.SetLimit(openAtOnce)
	errs := make([]error, len(h.identity.Replicas))
	for i, record := range h.identity.Replicas {
		group.Go(func() error {
			if errs[i] = ctx.Err(); errs[i] == nil {
				errs[i] = f(i, record)
			}
			return nil
		})
	}
	_ = group.Wait()
	return errors.Join(errs...)
}

func (h *Host) recordStarted() error {
	changed := false
	for i := range h.identity.Replicas {
		if r := &h.identity.Replicas[i]; r.State == replicaCreated {
			r.State, changed = replicaStarted, true
		}
	}
	if !changed || h.cfg.Dir == "" {
		return nil
	}
	return h.identity.save(h.cfg.Dir)
}

// abandon undoes a half finished opening.
func (h *Host) abandon(ctx context.Context) error {
	var errs []error
	for _, g := range h.groups {
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

// Node is the name of this node.
func (h *Host) Node() cluster.NodeID { return h.identity.Node }

// ClusterID is the random name of the cluster, made at its birth.
func (h *Host) ClusterID() string { return h.identity.ClusterID }

// StoreID is the random name of the data directory: a copy of a directory has
// the same one, an emptied and reborn node a new one.
func (h *Host) StoreID() string { return h.identity.StoreID }

// Topology maps slots to the groups of this host.
func (h *Host) Topology() cluster.Topology { return h.topology }

// Group gives a group of the host's topology; any other id is a programming
// error and panics.
func (h *Host) Group(id cluster.GroupID) *Group { return h.groups[id] }

// Groups gives all groups, the meta group first. The caller must not change
// the slice.
func (h *Host) Groups() []*Group { return h.groups }

// WaitLeaders waits until every group has a leader this node knows of.
func (h *Host) WaitLeaders(ctx context.Context) error {
	for _, g := range h.groups {
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
		h.cancel()
		errs := make([]error, len(h.groups)+1)
		var closing sync.WaitGroup
		for i, g := range h.groups {
			closing.Go(func() { errs[i] = g.close(ctx) })
		}
		closing.Wait()
		h.watch.Wait()
		if !slices.ContainsFunc(h.groups, func(g *Group) bool { return !g.stopped }) {
			errs = append(errs, h.unlock())
		}
		h.closeErr = errors.Join(errs...)
	})
	return h.closeErr
}
