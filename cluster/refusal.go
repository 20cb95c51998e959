package cluster

import (
	"fmt"
	"strings"
)

// Refusal says why an operator's wish is not granted, and names the groups
// that stand against it. It is an error that is compared with errors.As.
type Refusal struct {
	What   string    // what was asked for, as "drain"
	Node   NodeID    // of which node
	Why    string    // the reason, and what would help
	Groups []GroupID // the groups it is about, ascending; may be empty
}

// Error tells all of it in one line.
func (r *Refusal) Error() string {
	text := fmt.Sprintf("cluster: %s of node %s refused: %s", r.What, r.Node, r.Why)
	if len(r.Groups) == 0 {
		return text
	}
	names := make([]string, len(r.Groups))
	for i, g := range r.Groups {
		names[i] = g.Name()
	}
	return text + " (groups " + strings.Join(names, ", ") + ")"
}

// CheckDrain tells whether a node may drain for a restart: every group that has
// a vote there keeps a majority of live, caught-up voters without it and
// without the other nodes that drain. Nil means it may. To be asked by the meta
// leader, whose Drain change then carries the version of the state it looked at.
func CheckDrain(v View, n NodeID) error {
	c := check{View: v, what: "drain", node: n}
	m, err := c.member()
	if err != nil {
		return err
	}
	if m.State == Joining {
		return c.refuse("it is joining, wait until it is active")
	}
	without := func(r Replica) bool {
		other, member := v.member(r.Node)
		return r.Node == n || member && other.State == Draining
	}
	return c.quorums(without, "they would lose their majority of live, caught-up voters while it is away; wait until their replicas have caught up, or add nodes")
}

// CheckLeave tells whether a node may give everything away and be removed.
// Unless fewer is set, three active, live nodes must remain; one must in any
// case, and every group with a replica there must be able to change.
func CheckLeave(v View, n NodeID, fewer bool) error {
	c := check{View: v, what: "leave", node: n}
	if _, err := c.member(); err != nil {
		return err
	}
	remaining := c.remaining()
	if remaining == 0 {
		return c.refuse("no active and live node remains that could take its data", c.hosted()...)
	}
	if remaining < ReplicationFactor && !fewer {
		return c.refuse(fmt.Sprintf("%d active and live nodes would remain, groups have %d voters; add a node first, or allow fewer", remaining, ReplicationFactor), c.hosted()...)
	}
	return c.quorums(func(Replica) bool { return false }, "they have no majority of live, caught-up voters now, so their replicas cannot be moved; bring the missing nodes back first")
}

// CheckRemove tells whether a node may be removed by force: it is down or was
// never active, and every group that has a vote there keeps a majority of live,
// caught-up voters without it. Unless fewer is set, three other active, live
// nodes must remain.
func CheckRemove(v View, n NodeID, fewer bool) error {
	c := check{View: v, what: "forced removal", node: n}
	m, err := c.member()
	if err != nil {
		return err
	}
	if m.State != Joining && v.Health[n] != Down {
		return c.refuse(fmt.Sprintf("it is %s; removing by force is for nodes that are down; let it leave instead, or wait until it counts as down", v.Health[n]))
	}
	without := func(r Replica) bool { return r.Node == n }
	if err := c.quorums(without, "they have no majority of live, caught-up voters without it; bring it or others back, or recover the cluster"); err != nil {
		return err
	}
	if left := c.remaining(); m.State != Joining && left < ReplicationFactor && !fewer {
		return c.refuse(fmt.Sprintf("%d active and live nodes would remain, groups have %d voters; add a node first, or allow fewer", left, ReplicationFactor), c.hosted()...)
	}
	return nil
}

// CheckReplaceStore tells whether a node may come back with an empty disk: the
// process with the old one is not live, and every group that had a vote on it
// has a majority without it, from which the new disk can be filled.
func CheckReplaceStore(v View, n NodeID) error {
	c := check{View: v, what: "replacement of the store", node: n}
	if _, err := c.member(); err != nil {
		return err
	}
	if v.Health[n] == Live {
		return c.refuse("a process with its present store is live; stop it first, or give the new node a name of its own")
	}
	without := func(r Replica) bool { return r.Node == n }
	return c.quorums(without, "they have no majority of live, caught-up voters without the old store, so the new one cannot be filled; bring other nodes back, or recover the cluster")
}

type check struct {
	View
	what string
	node NodeID
}

func (c check) refuse(why string, groups ...GroupID) *Refusal {
	return &Refusal{What: c.what, Node: c.node, Why: why, Groups: groups}
}

func (c check) member() (Member, error) {
	m, ok := c.View.member(c.node)
	if !ok {
		return Member{}, c.refuse("it is not a member of the cluster")
	}
	return m, nil
}

// remaining counts the other nodes that can be given replicas.
func (c check) remaining() int {
	count := 0
	for _, m := range c.Members {
		if m.Node != c.node && m.State == Active && c.Health[m.Node] == Live {
			count++
		}
	}
	return count
}

// hosted lists the groups that rely on the node.
func (c check) hosted() []GroupID {
	var groups []GroupID
	for g := range c.Placement.All() {
		if hasNode(g.Voters, c.node) || hasNode(g.Learners, c.node) {
			groups = append(groups, g.Group)
		}
	}
	return groups
}

// quorums refuses when a group that the node votes in has no sound majority
// without some of its voters, or is unknown.
func (c check) quorums(without func(Replica) bool, why string) error {
	var short, unknown []GroupID
	for g := range c.Placement.All() {
		o, known := c.observed(g)
		if !known {
			if hasNode(g.Voters, c.node) {
				unknown = append(unknown, g.Group)
			}
			continue
		}
		voters, sound, here := 0, 0, false
		for _, r := range o.Replicas {
			if !r.Voter {
				continue
			}
			voters++
			here = here || r.Replica.Node == c.node
			if !without(r.Replica) && c.sound(g, o, r) {
				sound++
			}
		}
		if here && sound <= voters/2 {
			short = append(short, g.Group)
		}
	}
	switch {
	case len(short) > 0:
		return c.refuse(why, append(short, unknown...)...)
	case len(unknown) > 0:
		return c.refuse("no leader of groups that vote there is known, so nobody can tell what they would lose", unknown...)
	}
	return nil
}
