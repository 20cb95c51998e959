package recovery

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/cluster/replica"
	"github.com/mayfly-broker/mayfly/rpc/route"
)

// Plan is what the survivors hold and what is to be done.
type Plan struct {
	ClusterID string
	// Nodes are the survivors, in the order of their directories.
	Nodes []Node
	// Groups are those that survivors hold something of, by number.
	Groups []Group
	// Missing are groups that no survivor holds anything of. If their voters are
	// dead, all that they held is lost.
	Missing []cluster.GroupID
	// Damaged names replicas of survivors that cannot be used.
	Damaged error
}

// Node is a survivor.
type Node struct {
	Name cluster.NodeID
	Dir  string
}

// Group is one group.
type Group struct {
	Group cluster.GroupID
	// Copies are what survivors hold of it, the one that knows most first.
	Copies []Copy
	// Voters are the group's, as far as the first of the copies knows.
	Voters []cluster.Replica
	// Lost: most of the voters are dead. The first copy becomes the whole group.
	Lost bool
}

// Copy is a replica on a survivor.
type Copy struct {
	Node
	replica.Survivor
}

// ErrNothingLost: every group keeps the majority of its voters.
var ErrNothingLost = errors.New("no group has lost the majority of its voters")

// Look surveys the data directories of stopped nodes, changes nothing, and plans
// how the cluster is brought back without the dead, who are named. It fails when that cannot be
// said: directories of several clusters, a survivor that is not among them and
// may know more, a lost group of which nothing is left, or ErrNothingLost.
func Look(dirs, names []string) (*Plan, error) {
	dead, err := parse(names)
	if err != nil {
		return nil, err
	}
	p := new(Plan)
	groups := 0
	copies := make(map[cluster.GroupID][]Copy)
	for _, dir := range dirs {
		node, known, list, err := p.survey(dir)
		if err != nil {
			return nil, err
		}
		if slices.Contains(dead, node.Name) {
			return nil, fmt.Errorf("node %s is said to be dead, and %s is its data directory; a node whose data is there is no dead one", node.Name, dir)
		}
		groups = max(groups, known)
		for _, s := range list {
			copies[s.Group] = append(copies[s.Group], Copy{node, s})
		}
	}
	for g, list := range copies {
		p.Groups = append(p.Groups, newGroup(g, list, dead))
	}
	for g := cluster.MetaGroup; int(g) <= groups; g++ {
		if copies[g] == nil {
			p.Missing = append(p.Missing, g)
		}
	}
	slices.SortFunc(p.Groups, func(a, b Group) int { return cmp.Compare(a.Group, b.Group) })
	return p, p.check(dead)
}

func parse(names []string) ([]cluster.NodeID, error) {
	var nodes []cluster.NodeID
	for _, text := range names {
		n, err := cluster.ParseNodeID(text)
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, n)
	}
	return nodes, nil
}

// survey reads one directory. known is how many data groups its cluster has.
func (p *Plan) survey(dir string) (node Node, known int, list []replica.Survivor, err error) {
	id, err := replica.ReadIdentity(dir)
	if err != nil {
		if errors.Is(err, replica.ErrDirLocked) {
			err = fmt.Errorf("%w; stop the node first", err)
		}
		return node, 0, nil, err
	}
	node = Node{id.Node, dir}
	switch {
	case p.ClusterID != "" && p.ClusterID != id.ClusterID:
		return node, 0, nil, fmt.Errorf("%s belongs to cluster %s, %s to cluster %s", p.Nodes[0].Dir, p.ClusterID, dir, id.ClusterID)
	case slices.ContainsFunc(p.Nodes, func(n Node) bool { return n.Name == node.Name }):
		return node, 0, nil, fmt.Errorf("%s is a second data directory of node %s", dir, node.Name)
	}
	p.ClusterID = id.ClusterID
	p.Nodes = append(p.Nodes, node)
	list, damage := replica.Survey(dir)
	p.Damaged = errors.Join(p.Damaged, damage)
	// A replica that was made and never heard of its group holds nothing of it.
	return node, id.Groups, slices.DeleteFunc(list, func(s replica.Survivor) bool { return s.LastIndex == 0 }), nil
}

func newGroup(id cluster.GroupID, copies []Copy, dead []cluster.NodeID) Group {
	slices.SortFunc(copies, func(a, b Copy) int {
		return cmp.Or(cmp.Compare(b.LastTerm, a.LastTerm), cmp.Compare(b.LastIndex, a.LastIndex), cmp.Compare(a.Name, b.Name))
	})
	g := Group{Group: id, Copies: copies}
	if known := copies[0].Configurations; len(known) > 0 {
		g.Voters = known[len(known)-1].Voters
	}
	alive := slices.DeleteFunc(slices.Clone(g.Voters), func(r cluster.Replica) bool { return slices.Contains(dead, r.Node) })
	g.Lost = len(g.Voters) > 0 && len(alive) <= len(g.Voters)/2
	return g
}

// check refuses what cannot be carried out well.
func (p *Plan) check(dead []cluster.NodeID) error {
	if len(p.Groups) == 0 && p.Damaged != nil {
		return p.Damaged
	}
	lost := 0
	for _, g := range p.Groups {
		if !g.Lost {
			continue
		}
		lost++
		for _, v := range g.Voters {
			if !slices.Contains(dead, v.Node) && !slices.ContainsFunc(p.Nodes, func(n Node) bool { return n.Name == v.Node }) {
				return fmt.Errorf("group %s lost most of its voters, and node %s may know more of it than those that are here; "+
					"stop it and name its data directory too, or say that it is dead as well", g.Group.Name(), v.Node)
			}
		}
	}
	if lost == 0 {
		return ErrNothingLost
	}
	return nil
}

// Lost lists the groups that are to be brought back.
func (p *Plan) Lost() []Group {
	return slices.DeleteFunc(slices.Clone(p.Groups), func(g Group) bool { return !g.Lost })
}

// Recover brings the lost groups back. When it fails half way, those that were
// brought back are no longer lost, and a new Look plans the rest. logger may be
// nil.
func (p *Plan) Recover(logger *slog.Logger) error {
	var done []string
	for _, g := range p.Lost() {
		from := g.Copies[0]
		err := replica.RecoverGroup(replica.Recovery{
			Dir: from.Dir, Group: g.Group, Voters: []cluster.Replica{{Node: from.Name, Number: g.number()}},
			StateMachine: route.Machine(g.Group), Logger: logger,
		})
		if err != nil {
			return fmt.Errorf("%w (brought back before that: %s); when the cause is gone, try again", err, cmp.Or(strings.Join(done, ", "), "none"))
		}
		done = append(done, g.Group.Name())
	}
	return nil
}

// number is one that the group never gave out.
func (g Group) number() uint64 {
	var highest uint64
	for _, c := range g.Copies {
		highest = max(highest, c.Number)
		for _, conf := range c.Configurations {
			for _, r := range slices.Concat(conf.Voters, conf.Learners) {
				highest = max(highest, r.Number)
			}
		}
	}
	return cluster.RecoveryNumber(highest)
}
