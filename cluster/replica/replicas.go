package replica

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"

	"github.com/mayfly-broker/mayfly/cluster"
)

// LocalReplica is a replica in the books of a node.
type LocalReplica struct {
	Group  cluster.GroupID
	Number uint64
	State  State
}

// Replicas lists every replica this node holds or remembers to have held, by
// group and number. Of those that were purged only the newest of each group is
// remembered.
func (h *Host) Replicas() []LocalReplica {
	h.mu.RLock()
	defer h.mu.RUnlock()
	list := make([]LocalReplica, len(h.identity.Replicas))
	for i, r := range h.identity.Replicas {
		list[i] = LocalReplica(r)
	}
	return list
}

// StartReplica makes an empty replica of a group and starts it. It takes part
// in nothing until the group's leader adds it, see Group.AddLearner. From then
// on it is started by Open. A replica that runs already is left alone, so the
// call may be repeated, also after an error and after a restart.
//
// The number is given out by the meta group. ErrRetired: this number or a later
// one was used here before. ErrHeld: another replica of the group must be
// removed first. ctx is looked at between the steps.
func (h *Host) StartReplica(ctx context.Context, group cluster.GroupID, number uint64) error {
	if err := h.checkReplica(group, number); err != nil {
		return err
	}
	h.changing.Lock()
	defer h.changing.Unlock()
	if h.closed {
		return fmt.Errorf("group %s: %w", group, ErrClosed)
	}
	record, _, err := h.identity.Replicas.claim(group, number)
	if err != nil {
		return fmt.Errorf("group %s: %w", group, err)
	}
	if h.Group(group) != nil {
		return nil
	}
	if slices.ContainsFunc(h.stuck, func(g *Group) bool { return g.id == group }) {
		return fmt.Errorf("group %s: the replica before this one did not stop, this process must end first", group)
	}
	if err := h.record(h.identity.Replicas.with(record)); err != nil {
		return err
	}
	groups, err := h.launch(ctx, records{record})
	if err != nil {
		return err
	}
	h.groups.Store(h.groups.Load().with(group, groups[0]))
	h.cfg.Logger.Info("a replica waits to be added to its group", slog.Uint64("group", uint64(group)), slog.Uint64("number", number))
	return nil
}

// RemoveReplica stops a replica for ever: its number can never be started on
// this node again, whether or not it ever was. Its data stays until Purge. The
// call may be repeated. ctx bounds the wait for commands under way, as in Close.
//
// Call it when the replica is no longer in its group's configuration. The
// Group that Host.Group gave answers ErrClosed from now on.
func (h *Host) RemoveReplica(ctx context.Context, group cluster.GroupID, number uint64) error {
	if err := h.checkReplica(group, number); err != nil {
		return err
	}
	h.changing.Lock()
	defer h.changing.Unlock()
	if h.closed {
		return fmt.Errorf("group %s: %w", group, ErrClosed)
	}
	all := h.identity.Replicas
	record, known := all.find(group, number)
	switch {
	case known && !record.State.alive():
		return nil
	case !known:
		if _, _, err := all.claim(group, number); errors.Is(err, ErrRetired) {
			return nil // a later number retired it already
		}
		// Nothing to stop, but a late order to start it must be refused.
		return h.record(all.with(replicaRecord{Group: group, Number: number, State: StatePurged}))
	}
	record.State = StateRemoved
	if err := h.record(all.with(record)); err != nil {
		return err
	}
	g := h.Group(group)
	if g == nil {
		return nil // it never got as far as running
	}
	h.groups.Store(h.groups.Load().with(group, nil))
	err := g.close(ctx)
	if !g.stopped {
		h.stuck = append(h.stuck, g)
	}
	return err
}

// Purge deletes the data of a replica that was removed. That it is gone for
// good is for the caller to know: the meta group and the group's leader must
// both say that it is no longer part of the group. The call may be repeated.
func (h *Host) Purge(group cluster.GroupID, number uint64) error {
	if err := h.checkReplica(group, number); err != nil {
		return err
	}
	h.changing.Lock()
	defer h.changing.Unlock()
	record, known := h.identity.Replicas.find(group, number)
	self := cluster.Replica{Node: h.Node(), Number: number}.ID(group)
	switch {
	case h.closed:
		return fmt.Errorf("group %s: %w", group, ErrClosed)
	case !known, record.State == StatePurged:
		return nil
	case record.State != StateRemoved:
		return fmt.Errorf("group %s: replica number %d is %s, only the data of a removed one is deleted", group, number, record.State)
	case slices.ContainsFunc(h.stuck, func(g *Group) bool { return g.replica == self }):
		return fmt.Errorf("group %s: replica number %d did not stop, its files are in use until this process ends", group, number)
	}
	if h.cfg.Dir != "" {
		dir := replicaDir(h.cfg.Dir, record)
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("group %s: deleting %s: %w", group, dir, err)
		}
	}
	record.State = StatePurged
	return h.record(h.identity.Replicas.with(record))
}

func (h *Host) checkReplica(group cluster.GroupID, number uint64) error {
	switch {
	case !h.topology.Contains(group):
		return fmt.Errorf("replica: there is no group %s, the last one is %d", group, h.topology.Groups())
	case number == 0:
		return fmt.Errorf("replica: group %s: replica numbers count from 1", group)
	}
	return nil
}
