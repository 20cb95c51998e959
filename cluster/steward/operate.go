package steward

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/cluster/replica"
)

// What operators and newcomers ask for. All of it must be asked of the node that
// leads the meta group; others answer ErrNotLeading. What the rules do not allow
// comes back as a *cluster.Refusal, or as an error that wraps cluster.ErrRefused
// and says why. A nil error means that the wish is on record: that it comes true
// is the steward's work, and Status shows how far it is. All of it may be
// repeated. On other errors it is unknown whether the wish is on record.

// attempts bounds how often a wish is granted on a state that has changed before
// it was recorded.
const attempts = 10

// Drain has a node give its leaderships away, as before a restart.
func (s *Steward) Drain(ctx context.Context, node cluster.NodeID) error {
	return s.decide(ctx, &cluster.Drain{Node: node}, func(v cluster.View) error { return cluster.CheckDrain(v, node) })
}

// Resume ends a drain, or a leave that is not done yet.
func (s *Steward) Resume(ctx context.Context, node cluster.NodeID) error {
	_, err := s.propose(ctx, 0, &cluster.Resume{Node: node})
	return err
}

// Leave has a node give away all it has; then it is removed. fewer allows that
// less than three nodes remain.
func (s *Steward) Leave(ctx context.Context, node cluster.NodeID, fewer bool) error {
	return s.decide(ctx, &cluster.Drain{Node: node, Leave: true}, func(v cluster.View) error { return cluster.CheckLeave(v, node, fewer) })
}

// Remove removes a node for ever: one that has left and holds nothing, or by
// force one that is down. fewer is as in Leave.
func (s *Steward) Remove(ctx context.Context, node cluster.NodeID, force, fewer bool) error {
	return s.decide(ctx, &cluster.RemoveMember{Node: node, Force: force}, func(v cluster.View) error {
		if !force {
			return nil // the record itself knows what has left
		}
		return cluster.CheckRemove(v, node, fewer)
	})
}

// replaceStore lets a member come back with the empty data directory it
// introduces itself with, and gives up the old one for ever.
func (s *Steward) replaceStore(ctx context.Context, member cluster.Member, digest cluster.Digest) error {
	var old cluster.Member
	s.cfg.Record.Read(func(state *cluster.State) { old, _ = state.Member(member.Node) })
	return s.decide(ctx, &cluster.ReplaceStore{Old: old.Store, Member: member, Token: digest}, func(v cluster.View) error {
		if slices.ContainsFunc(v.Members, func(m cluster.Member) bool { return m.Node == member.Node && m.Store == member.Store }) {
			return nil // done before
		}
		return cluster.CheckReplaceStore(v, member.Node)
	})
}

// AddToken makes a join token usable once, until it expires. Only its digest is
// recorded.
func (s *Steward) AddToken(ctx context.Context, digest cluster.Digest, expires time.Time) error {
	_, err := s.propose(ctx, 0, &cluster.AddToken{Token: cluster.Token{Digest: digest, ExpiresMs: uint64(max(0, expires.UnixMilli()))}})
	return err
}

// Admit lets a newcomer in that has brought the token with the digest, and tells
// it what it needs to begin: the settings and who is there. It becomes active
// when it follows the meta group.
//
// With replace it is no newcomer but a member whose disk was lost, and which has
// an empty one now: what it had there is given up for ever. It is refused while
// the lost disk answers, or where too few others have what it had.
func (s *Steward) Admit(ctx context.Context, member cluster.Member, digest cluster.Digest, replace bool) (cluster.Settings, []cluster.Member, error) {
	var err error
	if replace {
		err = s.replaceStore(ctx, member, digest)
	} else {
		_, err = s.propose(ctx, 0, &cluster.Join{Member: member, Token: digest})
	}
	if err != nil {
		return cluster.Settings{}, nil, err
	}
	var settings cluster.Settings
	var members []cluster.Member
	s.cfg.Record.Read(func(state *cluster.State) { settings, members = state.Settings(), state.Members() })
	return settings, members, nil
}

// Announce records what a restart has changed about a member: its process and
// addresses. It is refused while the process on record answers from the same
// data directory, for then one of the two runs on a copy.
func (s *Steward) Announce(ctx context.Context, member cluster.Member) error {
	return s.retry(ctx, func(ctx context.Context) error {
		var old cluster.Member
		var version uint64
		s.cfg.Record.Read(func(state *cluster.State) {
			old, _ = state.Member(member.Node)
			version = state.Version()
		})
		if old.Store == member.Store && old.Boot != member.Boot && s.answers(ctx, old) {
			return &cluster.Refusal{What: "announcement of a restart", Node: member.Node, Why: "the process on record is alive and answers from the same data directory; " +
				"if the directory was copied, start the copy with an empty one"}
		}
		_, err := s.propose(ctx, version, &cluster.Announce{Member: member})
		return err
	})
}

// answers reports whether the process on record is alive.
func (s *Steward) answers(ctx context.Context, m cluster.Member) bool {
	if m.Node == s.cfg.Self {
		return m.Boot == s.cfg.Boot
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Tuning.Ask)
	defer cancel()
	report, err := s.cfg.Peers.Observe(ctx, m.Node)
	return err == nil && report.Store == m.Store && report.Boot == m.Boot
}

// Transfer hands the leadership of a group to its replica on another node, once.
// The target keeps its preferred leader, so balance would take the leadership
// back at once; it leaves it alone for Tuning.Stay, or until another node leads
// the meta group. The meta group's own new leader knows nothing of that, so of
// this group alone the preference on record changes too. A leadership is not
// sent to a node that drains.
//
// When it is begun and not seen to succeed the error wraps
// replica.ErrUnknownOutcome.
func (s *Steward) Transfer(ctx context.Context, group cluster.GroupID, to cluster.NodeID) error {
	return s.retry(ctx, func(ctx context.Context) error {
		o, view, version, err := s.look(ctx)
		if err != nil {
			return err
		}
		step, err := transferStep(view, group, to)
		if err != nil {
			return err
		}
		if step.To == step.Replica { // it leads already, and shall go on
			o.pin(group, time.Now().Add(s.cfg.Tuning.Stay))
			return nil
		}
		if !o.occupy(group) {
			return fmt.Errorf("%w: another step on group %s is under way", cluster.ErrConflict, group)
		}
		defer o.vacate(group)
		c := &course{office: o, version: version}
		if group == cluster.MetaGroup {
			if err := c.propose(ctx, preference(view, to)); err != nil {
				return err
			}
		}
		if err := c.propose(ctx, step.Change()); err != nil {
			return err
		}
		o.pin(group, time.Now().Add(s.cfg.Tuning.Stay))
		if _, err := o.perform(ctx, step.Replica.Node, step, false); err != nil {
			if !errors.Is(err, replica.ErrUnknownOutcome) {
				o.pin(group, time.Time{})
			}
			return err
		}
		o.hurry()
		return nil
	})
}

// transferStep is the step that hands a group's leadership to a node, or the
// refusal. A node that leads already is handed what it has.
func transferStep(v cluster.View, group cluster.GroupID, to cluster.NodeID) (cluster.Step, error) {
	refuse := func(why string) (cluster.Step, error) {
		return cluster.Step{}, &cluster.Refusal{What: "transfer of leadership", Node: to, Why: why, Groups: []cluster.GroupID{group}}
	}
	if _, ok := v.Placement.Group(group); !ok {
		return refuse("there is no such group")
	}
	at := slices.IndexFunc(v.Members, func(m cluster.Member) bool { return m.Node == to })
	o, known := v.Observed[group]
	voter := slices.IndexFunc(o.Replicas, func(r cluster.ObservedReplica) bool { return r.Replica.Node == to && r.Voter })
	switch {
	case at < 0:
		return refuse("it is not a member of the cluster")
	case v.Members[at].State != cluster.Active:
		return refuse("it is " + string(v.Members[at].State) + ", only an active node may lead")
	case v.Health[to] != cluster.Live:
		return refuse("it is " + v.Health[to].String())
	case !known:
		return refuse("no leader of the group with a committed configuration is known; wait until it has one")
	case voter < 0:
		return refuse("it has no voter of the group")
	}
	return cluster.Step{Kind: cluster.StepTransfer, Group: group, Replica: o.Leader, To: o.Replicas[voter].Replica, Index: o.Index}, nil
}

// preference makes a node the preferred leader of the meta group.
func preference(v cluster.View, to cluster.NodeID) cluster.Op {
	meta, _ := v.Placement.Group(cluster.MetaGroup)
	target := meta.Target
	target.Leader = to
	return &cluster.Retarget{Targets: []cluster.GroupTarget{{Group: cluster.MetaGroup, Target: target}}}
}

// decide records a change that a check allows on what is seen now.
func (s *Steward) decide(ctx context.Context, op cluster.Op, check func(cluster.View) error) error {
	return s.retry(ctx, func(ctx context.Context) error {
		_, view, version, err := s.look(ctx)
		if err != nil {
			return err
		}
		if err := check(view); err != nil {
			return err
		}
		_, err = s.propose(ctx, version, op)
		return err
	})
}

// look gives the cluster as it is seen from now on, and the version of the record
// that is part of it.
func (s *Steward) look(ctx context.Context) (*office, cluster.View, uint64, error) {
	o, err := s.inOffice()
	if err != nil {
		return nil, cluster.View{}, 0, err
	}
	seen, err := o.fresh(ctx)
	if err != nil {
		return nil, cluster.View{}, 0, err
	}
	view, version := o.view(seen.verdict)
	return o, view, version, nil
}

// retry does f again while the state changes under its feet.
func (s *Steward) retry(ctx context.Context, f func(context.Context) error) error {
	var err error
	for range attempts {
		if err = f(ctx); !errors.Is(err, cluster.ErrConflict) || ctx.Err() != nil {
			return err
		}
	}
	return err
}

// propose records a change and makes an error of anything but success.
func (s *Steward) propose(ctx context.Context, expect uint64, op cluster.Op) (cluster.Outcome, error) {
	if _, err := s.inOffice(); err != nil {
		return cluster.Outcome{}, err
	}
	out, err := s.cfg.Record.Propose(ctx, cluster.Change{Expect: expect, Op: op})
	switch {
	case errors.Is(err, replica.ErrNotLeader):
		return out, fmt.Errorf("%w: %w", ErrNotLeading, err)
	case err != nil:
		return out, err
	}
	return out, out.Err()
}
