package route

import (
	"context"
	"fmt"

	"github.com/mayfly-broker/mayfly/cluster"
)

// Read runs look on the state of the cluster as this node knows it, while that
// does not change. What look takes out of it must not be modified. look must
// not call Local.
func (l *Local) Read(look func(*cluster.State)) {
	m := l.meta.Load()
	m.mu.RLock()
	defer m.mu.RUnlock()
	look(m.machine.cluster)
}

// Changed returns a channel that is closed when something was agreed on in the
// meta group, about the cluster or the catalog.
func (l *Local) Changed() <-chan struct{} {
	_, more := l.meta.Load().applied()
	return more
}

// Leading tells whether this node leads the meta group, the term, and a channel
// that is closed when that has changed. The channel is nil as long as the node
// has no replica of the meta group.
func (l *Local) Leading() (term uint64, leading bool, changed <-chan struct{}) {
	now, changed, _ := l.leadership(cluster.MetaGroup)
	return now.Term, now.Leading, changed
}

// Propose commits a change of the cluster's state if this node leads the meta
// group, and refuses it otherwise like Node does. It stamps the change's time.
// What the state itself refused is in the outcome.
func (l *Local) Propose(ctx context.Context, change cluster.Change) (cluster.Outcome, error) {
	m := l.meta.Load()
	if m.group == nil {
		return cluster.Outcome{}, &NotLeaderError{Group: cluster.MetaGroup}
	}
	change.AtMs = l.clock.milliseconds()
	encoded, err := change.Encode()
	if err != nil {
		return cluster.Outcome{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	outcome, err := m.propose(ctx, encoded)
	if err != nil {
		return cluster.Outcome{}, err
	}
	return outcome.(cluster.Outcome), nil
}
