package cluster

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// settled is a placement in which every group is where the targets want it.
func settled(targets []Target) *Placement {
	groups := make([]GroupPlacement, len(targets))
	for i, t := range targets {
		g := GroupPlacement{Group: GroupID(i), Index: 1, Next: 2, Target: t}
		for _, n := range t.Voters {
			g.Voters = append(g.Voters, Replica{n, 1})
		}
		for _, n := range t.Learners {
			g.Learners = append(g.Learners, Replica{n, 1})
		}
		groups[i] = g
	}
	p, err := NewPlacement(1, groups)
	if err != nil {
		panic(err)
	}
	return p
}

// born is the placement of a cluster founded on one node.
func born(groups int, n NodeID) *Placement {
	return settled(slices.Repeat([]Target{{Voters: []NodeID{n}}}, groups+1))
}

func site(n int) Site { return Site{Node: nodeName(n), Standing: Takes} }

func nodeName(n int) NodeID { return NodeID(fmt.Sprintf("node-%d", n)) }

func loads(targets []Target) map[NodeID]int {
	load := make(map[NodeID]int)
	for _, t := range targets[1:] {
		for _, n := range slices.Concat(t.Voters, t.Learners) {
			load[n]++
		}
	}
	return load
}

// moved counts the replicas of data groups that are somewhere new.
func moved(p *Placement, targets []Target) int {
	count := 0
	for i, t := range targets[1:] {
		for _, n := range slices.Concat(t.Voters, t.Learners) {
			if !p.groups[i+1].Target.Has(n) {
				count++
			}
		}
	}
	return count
}

type failer interface {
	Helper()
	Fatalf(string, ...any)
}

// checkAssignment requires what holds of every assignment without zones among
// live nodes.
func checkAssignment(t failer, p *Placement, sites []Site) []Target {
	t.Helper()
	targets := Assign(p, sites)
	nodes, groups := len(sites), p.Groups()
	for i, target := range targets {
		if err := target.check(); err != nil {
			t.Fatalf("%d nodes, group %d: %v", nodes, i, err)
		}
		if target.Leader == "" {
			t.Fatalf("%d nodes, group %d has no preferred leader", nodes, i)
		}
	}
	wantVoters, wantAll := 1, min(nodes, 3)
	if nodes >= 3 {
		wantVoters = 3
	}
	load, leads := loads(targets), make(map[NodeID]int)
	for i, target := range targets {
		leads[target.Leader]++
		if i > 0 && (len(target.Voters) != wantVoters || len(target.Voters)+len(target.Learners) != wantAll) {
			t.Fatalf("%d nodes, group %d: target %+v", nodes, i, target)
		}
	}
	if meta := targets[0]; len(meta.Voters) != metaSize(nodes) || len(meta.Voters)+len(meta.Learners) != nodes {
		t.Fatalf("%d nodes: the meta group has target %+v", nodes, meta)
	}
	mean := float64(groups*wantAll) / float64(nodes)
	for _, s := range sites {
		n, have := s.Node, load[s.Node]
		whole := groups*wantAll/nodes + 1
		if groups*wantAll%nodes == 0 {
			whole--
		}
		if low, _, high := loadLimits(groups, nodes); have < low || have > high || have > whole && float64(have) > 1.15*mean {
			t.Fatalf("%d nodes: %s has %d replicas, the mean is %.2f", nodes, n, have, mean)
		}
	}
	for n, have := range leads {
		if nodes >= 3 && have > leaderLimit(groups+1, nodes) {
			t.Fatalf("%d nodes: %s is to lead %d of %d groups", nodes, n, have, groups+1)
		}
	}
	again := Assign(settled(targets), sites)
	if !slices.EqualFunc(again, targets, Target.Equal) {
		t.Fatalf("%d nodes: asked again, the assignment differs", nodes)
	}
	return targets
}

func metaSize(nodes int) int {
	switch {
	case nodes >= 5:
		return 5
	case nodes >= 3:
		return 3
	}
	return 1
}

// A cluster grows node by node from 1 to 30 and shrinks back. The load bound
// holds at every size, and what moves is no more than must.
func TestAssignGrowsAndShrinks(t *testing.T) {
	for _, groups := range []int{1, 5, 16, 64} {
		var sites []Site
		p := born(groups, nodeName(0))
		for n := range 30 {
			sites = append(sites, site(n))
			checkMoves(t, p, sites, "")
			p = settled(checkAssignment(t, p, sites))
		}
		for n := range 29 {
			leaver := nodeName(n)
			sites = sites[1:]
			checkMoves(t, p, sites, leaver)
			p = settled(checkAssignment(t, p, sites))
		}
	}
}

// checkMoves: the theoretical minimum is what a node must get that comes, or
// give that goes, and what brings all within the limits. The second is no
// excuse for a storm: it is never more than a fair share and a fifth either.
func checkMoves(t failer, p *Placement, sites []Site, leaver NodeID) {
	t.Helper()
	nodes := len(sites)
	if nodes <= 3 {
		return // groups get more or fewer replicas then
	}
	low, _, high := loadLimits(p.Groups(), nodes)
	over, under := 0, 0
	load := loads(targetsOf(p))
	left := load[leaver]
	for _, n := range sites {
		over += max(0, load[n.Node]-high)
		under += max(0, low-load[n.Node])
	}
	least := float64(max(over+left, under))
	share := float64(3*p.Groups()) / float64(nodes)
	if leaver != "" {
		share = float64(left)
	}
	got := float64(moved(p, Assign(p, sites)))
	if got < least || got > max(1.2*least, least+1) || got > max(1.2*share, share+1) {
		t.Fatalf("%d groups, %d nodes (left: %q): %v replicas moved, %v must and %.1f are a share", p.Groups(), nodes, leaver, got, least, share)
	}
}

func TestAssignProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		groups := rapid.SampledFrom([]int{1, 3, 16, 33, 64}).Draw(t, "groups")
		present := map[int]bool{0: true}
		p := born(groups, nodeName(0))
		for range rapid.IntRange(1, 12).Draw(t, "changes") {
			n := rapid.IntRange(0, 29).Draw(t, "node")
			var sites []Site
			if joined := !present[n]; joined || len(present) > 1 {
				if present[n] = joined; !joined {
					delete(present, n)
				}
				for m := range 30 {
					if present[m] {
						sites = append(sites, site(m))
					}
				}
				slices.SortFunc(sites, func(a, b Site) int { return compareNodes(a.Node, b.Node) })
				if joined {
					checkMoves(t, p, sites, "")
				} else {
					checkMoves(t, p, sites, nodeName(n))
				}
				p = settled(checkAssignment(t, p, sites))
			}
		}
	})
}

// With at least three zones no group has two replicas in one; with zones of
// equal size the load bound holds as well.
func TestAssignZones(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		zones := rapid.IntRange(2, 5).Draw(t, "zones")
		each := rapid.IntRange(2, 6).Draw(t, "nodes per zone")
		groups := rapid.SampledFrom([]int{16, 64}).Draw(t, "groups")
		p := born(groups, nodeName(0))
		var sites []Site
		for n := range zones * each {
			s := site(n)
			s.Zone = fmt.Sprintf("zone-%d", n%zones)
			sites = append(sites, s)
			slices.SortFunc(sites, func(a, b Site) int { return compareNodes(a.Node, b.Node) })
			targets := Assign(p, sites)
			for i, target := range targets[1:] {
				apart := make(map[string]bool)
				for _, v := range slices.Concat(target.Voters, target.Learners) {
					apart[zoneOf(sites, v)] = true
				}
				if want := min(len(sites), zones, 3); len(apart) != want {
					t.Fatalf("%d nodes in %d zones: group %d is in %d", len(sites), zones, i+1, len(apart))
				}
			}
			p = settled(targets)
			if again := Assign(p, sites); !slices.EqualFunc(again, targets, Target.Equal) {
				t.Fatalf("asked again, the assignment differs")
			}
		}
		for n, have := range loads(targetsOf(p)) {
			if _, _, high := loadLimits(groups, len(sites)); zones != 2 && have > high {
				t.Fatalf("%d zones of %d nodes: %s has %d replicas, the limit is %d", zones, each, n, have, high)
			}
		}
	})
}

func targetsOf(p *Placement) []Target {
	var targets []Target
	for g := range p.All() {
		targets = append(targets, g.Target)
	}
	return targets
}

func zoneOf(sites []Site, n NodeID) string {
	return sites[slices.IndexFunc(sites, func(s Site) bool { return s.Node == n })].Zone
}

// Who is doubted, rests, joins or is down is treated as its standing says.
func TestAssignStandings(t *testing.T) {
	five := []Site{site(0), site(1), site(2), site(3), site(4)}
	p := settled(Assign(settled(Assign(born(16, nodeName(0)), five)), five))
	before := targetsOf(p)
	with := func(standing Standing) []Site {
		sites := slices.Clone(five)
		sites[1].Standing = standing
		return sites
	}
	t.Run("a suspect keeps replicas and preferences", func(t *testing.T) {
		if got := Assign(p, with(Holds)); !slices.EqualFunc(got, before, Target.Equal) {
			t.Error("the targets changed")
		}
	})
	t.Run("a suspect gets nothing new", func(t *testing.T) {
		sites := append(with(Takes), Site{Node: nodeName(5), Standing: Holds})
		if load := loads(Assign(p, sites)); load[nodeName(5)] != 0 {
			t.Errorf("it got %d replicas", load[nodeName(5)])
		}
	})
	t.Run("a resting node keeps replicas, not leaderships", func(t *testing.T) {
		for i, got := range Assign(p, with(Rests)) {
			if !slices.Equal(got.Voters, before[i].Voters) || got.Leader == nodeName(1) || got.Leader == "" {
				t.Errorf("group %d: %+v, was %+v", i, got, before[i])
			}
		}
	})
	t.Run("a down node is replaced in the data groups and stays the fifth of meta", func(t *testing.T) {
		got := Assign(p, with(Yields))
		if load := loads(got); load[nodeName(1)] != 0 || !slices.Contains(got[0].Voters, nodeName(1)) {
			t.Errorf("it has %d data replicas, meta is %+v", load[nodeName(1)], got[0])
		}
	})
	t.Run("a leaving node follows meta while it holds data", func(t *testing.T) {
		got := Assign(p, with(Leaves))
		if load := loads(got); load[nodeName(1)] != 0 || !slices.Contains(got[0].Learners, nodeName(1)) || len(got[0].Voters) != 3 {
			t.Errorf("it has %d data replicas, meta is %+v", load[nodeName(1)], got[0])
		}
		if rest := Assign(settled(got), with(Leaves)); rest[0].Has(nodeName(1)) {
			t.Errorf("it holds nothing and is still in the target of meta: %+v", rest[0])
		}
	})
	t.Run("a joining node learns meta only", func(t *testing.T) {
		got := Assign(p, append(with(Takes), Site{Node: nodeName(5), Standing: Learns}))
		if load := loads(got); load[nodeName(5)] != 0 || !slices.Contains(got[0].Learners, nodeName(5)) {
			t.Errorf("it has %d data replicas, meta is %+v", load[nodeName(5)], got[0])
		}
	})
	t.Run("meta never aims at an even number", func(t *testing.T) {
		three := settled(Assign(born(16, nodeName(0)), five[:3]))
		sites := append(slices.Clone(five[:4]), Site{Node: nodeName(4), Standing: Holds})
		if got := Assign(three, sites)[0]; len(got.Voters) != 3 || len(got.Learners) != 2 {
			t.Errorf("it is %+v", got)
		}
	})
	t.Run("nobody to go to: the target stays", func(t *testing.T) {
		sites := []Site{site(0), site(1), {Node: nodeName(2), Standing: Holds}, {Node: nodeName(3), Standing: Holds}, {Node: nodeName(4), Standing: Leaves}}
		for i, got := range Assign(p, sites) {
			if len(got.Voters) < 3 {
				t.Errorf("group %d: %+v, was %+v", i, got, before[i])
			}
		}
	})
}

// The expected values are frozen: another function asks every cluster to move.
func TestAffinityIsFrozen(t *testing.T) {
	for _, g := range []struct {
		group GroupID
		node  NodeID
		want  uint64
	}{{0, "a", 0x77757daa21f86a1e}, {1, "a", 0x4005d38201b9f8b}, {1, "b", 0xafa8ed1c99e758df}, {64, "node-17.example", 0xcde63dcae8407fdd}} {
		if got := affinity(g.group, g.node); got != g.want {
			t.Errorf("affinity(%d, %q) = %#x, want %#x", g.group, g.node, got, g.want)
		}
	}
}

func BenchmarkAssign(b *testing.B) {
	var sites []Site
	for n := range 30 {
		sites = append(sites, site(n))
	}
	p := settled(Assign(born(64, nodeName(0)), sites))
	for b.Loop() {
		Assign(p, sites)
	}
}
