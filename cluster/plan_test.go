package cluster

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// grown is a cluster of so many nodes at rest, founded on one.
func grown(t failer, groups, nodes int) *world {
	w := newWorld(t, groups, 1)
	w.settle()
	for range nodes - 1 {
		w.join()
		w.settle()
	}
	return w
}

func calmly(string) bool { return false }

// story drives until nothing more happens without further progress of
// replicas, or tick rounds are used up, and gives the steps of one group, those
// of one agenda on one line.
func (w *world) story(group GroupID, rounds int) []string {
	var lines []string
	for range rounds {
		agenda := w.drive(calmly)
		var line []string
		for _, s := range agenda.Steps {
			if s.Group == group && (s.Kind.OnGroup() || s.Kind == StepCreate || s.Kind == StepRelease) {
				line = append(line, string(s.Kind))
			}
		}
		if len(line) > 0 {
			lines = append(lines, strings.Join(line, ", "))
		}
		w.tick(func() bool { return true })
	}
	return lines
}

func expectStory(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("the story is\n  %s\nand should be\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

func TestPlanStories(t *testing.T) {
	t.Run("one node becomes two: learners, no second voter", func(t *testing.T) {
		w := grown(t, 1, 1)
		w.join()
		expectStory(t, w.story(1, 20), "create", "add-learner")
	})
	t.Run("two become three: both learners are promoted back to back", func(t *testing.T) {
		w := grown(t, 1, 2)
		w.join()
		expectStory(t, w.story(1, 20), "create", "add-learner", "promote, promote")
	})
	t.Run("four become five: meta gets two votes at once", func(t *testing.T) {
		w := grown(t, 1, 4)
		w.join()
		expectStory(t, w.story(MetaGroup, 20), "create", "add-learner", "promote, promote")
	})
	t.Run("a live voter leaves: its successor is added before it goes", func(t *testing.T) {
		w := grown(t, 1, 4)
		leaver := follower(w, 1)
		w.must(w.state.Version(), &Drain{Node: leaver, Leave: true})
		expectStory(t, w.story(1, 40), "create", "add-learner", "promote", "remove", "release")
	})
	t.Run("a leader leaves: leadership goes first", func(t *testing.T) {
		w := grown(t, 1, 4)
		w.must(w.state.Version(), &Drain{Node: w.groups[1].leader.Node, Leave: true})
		expectStory(t, w.story(1, 40), "transfer, create", "add-learner", "promote", "remove", "release", "transfer")
	})
	t.Run("a dead voter is removed when its successor has caught up, and not before", func(t *testing.T) {
		w := grown(t, 1, 5)
		dead := follower(w, 1)
		w.crash(dead)
		w.nodes[dead].down = true
		expectStory(t, w.story(1, 40), "create", "add-learner", "remove, promote")
	})
	t.Run("three become one: two votes go at once, and the data of the others", func(t *testing.T) {
		w := grown(t, 1, 3)
		leader := w.groups[1].leader.Node
		for _, m := range slices.Clone(w.state.Members()) {
			if m.Node != leader {
				w.must(w.state.Version(), &Drain{Node: m.Node, Leave: true})
			}
		}
		expectStory(t, w.story(1, 40), "remove, remove", "release, release")
	})
	t.Run("all voters leave: who stays votes before the first goes", func(t *testing.T) {
		w := grown(t, 1, 4)
		for _, r := range sortedReplicas(w.groups[1].voters) {
			w.must(w.state.Version(), &Drain{Node: r.Node, Leave: true})
		}
		expectStory(t, w.story(1, 60), "create", "add-learner", "promote", "transfer", "remove", "remove, remove, release", "release, release")
	})
	t.Run("the only voter leaves: the other takes over in one go", func(t *testing.T) {
		w := grown(t, 1, 2)
		w.must(w.state.Version(), &Drain{Node: w.groups[1].leader.Node, Leave: true})
		expectStory(t, w.story(1, 40), "promote, transfer, remove", "release")
	})
	t.Run("a lost replica is replaced on its own node", func(t *testing.T) {
		w := grown(t, 1, 3)
		lost := Replica{Node: follower(w, 1)}
		for r := range w.groups[1].voters {
			if r.Node == lost.Node {
				lost = r
			}
		}
		w.must(0, &LoseReplica{Group: 1, Replica: lost})
		expectStory(t, w.story(1, 40), "create", "add-learner", "remove, promote", "release")
		g, _ := w.state.Placement().Group(1)
		if !hasNode(g.Voters, lost.Node) || hasReplica(g.Voters, lost) {
			t.Errorf("the voters are %v, lost was %v", g.Voters, lost)
		}
	})
	t.Run("a drained node gives its leadership away and keeps its replicas", func(t *testing.T) {
		w := grown(t, 1, 3)
		w.must(w.state.Version(), &Drain{Node: w.groups[1].leader.Node})
		expectStory(t, w.story(1, 20), "transfer")
	})
}

// follower is a voter of the group that does not lead it.
func follower(w *world, g GroupID) NodeID {
	for _, r := range sortedReplicas(w.groups[g].voters) {
		if r != w.groups[g].leader {
			return r.Node
		}
	}
	panic("no follower")
}

// No more copies are begun than the limits allow, however many are due.
func TestPlanThrottles(t *testing.T) {
	w := grown(t, 16, 4)
	newcomers := []NodeID{w.join(), w.join(), w.join()}
	never := func() bool { return false }
	for range 20 { // the learners of meta catch up, nothing else does
		w.drive(calmly)
		w.tick(never)
		for r := range w.groups[MetaGroup].learns {
			w.groups[MetaGroup].near[r] = CaughtUp
		}
	}
	in, out, total := make(map[NodeID]int), make(map[NodeID]int), 0
	for _, g := range w.groups[1:] {
		for r := range g.learns {
			total++
			in[r.Node]++
			out[g.leader.Node]++
		}
	}
	if total != 2 {
		t.Errorf("%d copies are under way, two are allowed", total)
	}
	for _, n := range newcomers {
		if in[n] > 1 {
			t.Errorf("%d copies to %s", in[n], n)
		}
	}
	for n, copies := range out {
		if copies > 1 {
			t.Errorf("%d copies from %s", copies, n)
		}
	}
	if held := fmt.Sprint(Plan(w.view()).Held); !strings.Contains(held, "as many copies as allowed are under way") {
		t.Errorf("held: %s", held)
	}
}

// Nothing is moved for balance or for a leave while a group is below strength
// or a node drains for a restart.
func TestPlanHoldsMoves(t *testing.T) {
	for _, c := range []struct {
		name  string
		cause func(w *world, n NodeID)
		why   string
	}{
		{"a suspect node", func(w *world, n NodeID) { w.nodes[n].doubted = true }, "is below full strength"},
		{"a restart", func(w *world, n NodeID) { w.must(w.state.Version(), &Drain{Node: n}) }, "drains for a restart"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := grown(t, 16, 4)
			c.cause(w, nodeName(1))
			w.join()
			for range 20 {
				for _, s := range w.drive(calmly).Steps {
					if s.Kind == StepCreate && s.Group != MetaGroup {
						t.Fatalf("%v", s)
					}
				}
				w.tick(func() bool { return true })
			}
			if held := fmt.Sprint(Plan(w.view()).Held); !strings.Contains(held, c.why) {
				t.Errorf("held: %s", held)
			}
		})
	}
}

// The limits on replacing what is only down.
func TestDownIsReplacedWithinLimits(t *testing.T) {
	for _, c := range []struct {
		name           string
		nodes          int
		down, suspects []int
		drains         int
		want           int // the node that yields, -1 for none
	}{
		{"three nodes: nowhere to go", 3, []int{1}, nil, -1, -1},
		{"four nodes", 4, []int{1}, nil, -1, 1},
		{"more than a third is absent", 5, []int{1}, []int{2}, -1, -1},
		{"a third is absent", 6, []int{1}, []int{2}, -1, 1},
		{"one at a time, the one with less to replace", 7, []int{4, 2}, nil, -1, 2},
		{"only suspect", 5, nil, []int{2}, -1, -1},
		{"during a restart", 5, []int{1}, nil, 2, -1},
		{"a drained node that died", 5, []int{1}, nil, 1, -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			var sites []Site
			v := View{Health: make(map[NodeID]Health)}
			for n := range c.nodes {
				m := member(string(nodeName(n)))
				if n == c.drains {
					m.State = Draining
				}
				sites, v.Members = append(sites, site(n)), append(v.Members, m)
				v.Health[m.Node] = Live
			}
			for _, n := range c.suspects {
				v.Health[nodeName(n)] = Suspect
			}
			for _, n := range c.down {
				v.Health[nodeName(n)] = Down
			}
			v.Placement = settled(Assign(born(16, nodeName(0)), sites))
			got := -1
			for i, s := range v.Sites() {
				if s.Standing == Yields {
					got = i
				}
			}
			if got != c.want {
				t.Errorf("node %d yields, %d should", got, c.want)
			}
		})
	}
}

// A learner that an old meta leader added late is no part of the plan.
func TestPlanRemovesStrangers(t *testing.T) {
	w := grown(t, 1, 3)
	stranger := Replica{"node-99", 7}
	w.groups[1].learns[stranger] = true
	w.groups[1].index++
	w.story(1, 5)
	if w.groups[1].learns[stranger] {
		t.Error("it is still there")
	}
}

// A replica that the group still knows is not deleted, whatever the record says.
func TestPlanReleasesOnlyWhatTheGroupLetGo(t *testing.T) {
	p := settled([]Target{{Voters: []NodeID{"a"}, Leader: "a"}, {Voters: []NodeID{"a"}, Leader: "a"}})
	late := Replica{"b", 1}
	g := p.groups[1]
	g.Retired = []Replica{late}
	v := View{
		Members: []Member{member("a"), member("b")}, Placement: p.with(2, g),
		Health:   map[NodeID]Health{"a": Live, "b": Live},
		Observed: map[GroupID]Observed{1: {Replica{"a", 1}, 1, []ObservedReplica{{Replica{"a", 1}, true, CaughtUp}, {late, false, CaughtUp}}}},
	}
	kinds := func() (kinds []StepKind) {
		pl := planner{View: v}
		pl.count()
		pl.walk(g)
		for _, s := range pl.Steps {
			kinds = append(kinds, s.Kind)
		}
		return kinds
	}
	if got := kinds(); !slices.Equal(got, []StepKind{StepRemove}) {
		t.Errorf("while it is a learner: %v", got)
	}
	v.Observed[1] = Observed{Replica{"a", 1}, 1, v.Observed[1].Replicas[:1]}
	if got := kinds(); !slices.Equal(got, []StepKind{StepRelease}) {
		t.Errorf("once it is not: %v", got)
	}
	g.Target.Learners = []NodeID{"b"}
	v.Placement = p.with(3, g)
	if got := kinds(); !slices.Equal(got, []StepKind{StepRelease}) {
		t.Errorf("wanted again before it is deleted: %v", got)
	}
}

// The meta group comes first: all others need it to move.
func TestPlanBeginsWithMeta(t *testing.T) {
	w := grown(t, 3, 3)
	n := other(w, w.groups[1].leader.Node)
	for _, h := range w.state.Placement().Of(n) {
		w.must(0, &LoseReplica{h.Group, h.Replica})
	}
	var order []GroupID
	for _, s := range Plan(w.view()).Steps {
		if s.Kind == StepCreate {
			order = append(order, s.Group)
		}
	}
	if !slices.Equal(order, []GroupID{0, 1}) {
		t.Errorf("replicas are created in the order %v", order)
	}
}

// Votes are taken from followers before the leader, and where the leader has
// to go it hands over while the number of voters is odd.
func TestPlanDropsTheLeaderLast(t *testing.T) {
	for _, c := range []struct {
		voters, target, leader string
		want                   []string
	}{
		{"abc", "a", "c", []string{"transfer c a"}},
		{"abc", "a", "a", []string{"demote b", "demote c"}},
		{"abcd", "abx", "c", []string{"demote d"}},
		{"abcd", "abc", "d", []string{"transfer d a", "demote d"}},
		{"abcde", "abc", "e", []string{"transfer e a"}},
		{"abcde", "abc", "a", []string{"demote d", "demote e"}},
	} {
		v := View{Health: make(map[NodeID]Health)}
		o := Observed{Index: 1, Leader: Replica{NodeID(c.leader), 1}}
		g := GroupPlacement{Group: 1, Index: 1, Next: 2, Target: Target{Leader: "a"}}
		for _, n := range "abcdex" {
			name := NodeID(n)
			v.Members, v.Health[name] = append(v.Members, member(string(n))), Live
			if strings.ContainsRune(c.voters, n) {
				g.Voters = append(g.Voters, Replica{name, 1})
				o.Replicas = append(o.Replicas, ObservedReplica{Replica{name, 1}, true, CaughtUp})
			}
			if strings.ContainsRune(c.target, n) {
				g.Target.Voters = append(g.Target.Voters, name)
			} else {
				g.Target.Learners = append(g.Target.Learners, name)
			}
		}
		v.Placement, v.Observed = indexed(1, []GroupPlacement{{}, g}), map[GroupID]Observed{1: o}
		p := planner{View: v}
		p.count()
		p.walk(g)
		var got []string
		for _, s := range p.Steps {
			if s.Kind.OnGroup() {
				got = append(got, strings.TrimSpace(fmt.Sprint(s.Kind, " ", s.Replica.Node, " ", s.To.Node)))
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("voters %s, target %s, leader %s: %q, want %q", c.voters, c.target, c.leader, got, c.want)
		}
	}
}

// A leadership that an operator put somewhere is not taken back for balance, and
// does not keep others from being balanced; a node that drains gives it away.
func TestPlanLeavesPinnedLeadershipsAlone(t *testing.T) {
	w := grown(t, 3, 3)
	for _, g := range w.groups[1:] {
		record, _ := w.state.Placement().Group(g.id)
		for r := range g.voters {
			if r.Node != record.Target.Leader {
				g.leader = r
			}
		}
	}
	transfers := func(v View) (groups []GroupID) {
		for _, s := range Plan(v).Steps {
			if s.Kind == StepTransfer {
				groups = append(groups, s.Group)
			}
		}
		return groups
	}
	v := w.view()
	if got := transfers(v); !slices.Equal(got, []GroupID{1}) {
		t.Errorf("balanced are %v", got)
	}
	v.Pinned = map[GroupID]bool{1: true, 3: true}
	if got := transfers(v); !slices.Equal(got, []GroupID{2}) {
		t.Errorf("with 1 and 3 pinned, balanced are %v", got)
	}
	w.must(w.state.Version(), &Drain{Node: w.groups[1].leader.Node})
	for steps := Plan(w.view()).Steps; len(steps) == 1 && steps[0].Kind == StepRetarget; steps = Plan(w.view()).Steps {
		w.must(w.state.Version(), steps[0].Change())
	}
	v = w.view()
	v.Pinned = map[GroupID]bool{1: true}
	if got := transfers(v); !slices.Contains(got, 1) {
		t.Errorf("of a node that drains, leaderships of %v are taken", got)
	}
}

// The meta group's leadership is not balanced while votes are yet to be given or
// taken, for who is new in office would have to watch all replicas from the
// beginning.
func TestPlanKeepsItsLeaderWhileVotesMove(t *testing.T) {
	w := grown(t, 3, 3)
	w.join()
	moving, settled := 0, false
	for range 100 {
		record, _ := w.state.Placement().Group(MetaGroup)
		for r := range w.groups[MetaGroup].voters {
			if !settled && r.Node != record.Target.Leader {
				w.groups[MetaGroup].leader = r
			}
		}
		settled = true
		for g := range w.state.Placement().All() {
			for _, n := range g.Target.Voters {
				settled = settled && hasNode(g.Voters, n)
			}
			settled = settled && len(g.Voters) == len(g.Target.Voters)
		}
		for _, s := range Plan(w.view()).Steps {
			if s.Group == MetaGroup && s.Kind == StepTransfer && !settled {
				t.Fatalf("%v while votes move", s)
			}
		}
		if !settled {
			moving++
		}
		w.tick(func() bool { return true })
		w.drive(calmly)
	}
	record, _ := w.state.Placement().Group(MetaGroup)
	if moving == 0 || w.groups[MetaGroup].leader.Node != record.Target.Leader {
		t.Errorf("votes moved for %d rounds; then %s leads the meta group, %s shall", moving, w.groups[MetaGroup].leader.Node, record.Target.Leader)
	}
}

// A step that is no longer wanted does not stay on record.
func TestPlanDropsAbandonedSteps(t *testing.T) {
	w := grown(t, 1, 3)
	g := w.groups[1]
	voter := Replica{Node: follower(w, 1)}
	for r := range g.voters {
		if r.Node == voter.Node {
			voter = r
		}
	}
	w.must(w.state.Version(), &BeginStep{Step{Kind: StepRemove, Group: 1, Replica: voter, Index: g.index}})
	w.drive(calmly)
	if record, _ := w.state.Placement().Group(1); record.Step != nil || len(g.voters) != 3 {
		t.Errorf("the record says %v, the voters are %v", record.Step, g.voters)
	}
}

// An observation that makes no sense is survived.
func TestPlanSurvivesNonsense(t *testing.T) {
	w := grown(t, 2, 3)
	view := w.view()
	r := view.Observed[1].Leader
	for _, o := range []Observed{
		{},
		{Leader: r, Index: 1 << 60},
		{Leader: r, Index: 1 << 60, Replicas: []ObservedReplica{{r, true, CaughtUp}, {r, true, CaughtUp}, {r, true, CaughtUp}, {r, true, CaughtUp}, {r, true, CaughtUp}}},
		{Leader: Replica{"nobody", 1}, Index: 1 << 60, Replicas: []ObservedReplica{{Replica{"nobody", 1}, true, CaughtUp}, {Replica{}, false, CaughtUp}}},
	} {
		view.Observed = map[GroupID]Observed{1: o, 77: o}
		for _, s := range Plan(view).Steps {
			c := Change{Expect: w.state.Version(), Op: s.Change()}
			if _, err := c.Encode(); err != nil {
				t.Errorf("%v: %v", s, err)
			}
			clone := *w.state
			if out := clone.Apply(c); out.Status == Conflict {
				t.Errorf("%v: %v", s, out)
			}
		}
		g := view.Placement.groups[1]
		g.Index = min(g.Index, o.Index)
		p := planner{View: view}
		p.count()
		p.walk(g)
	}
}

func BenchmarkPlan(b *testing.B) {
	w := grown(b, 64, 9)
	for b.Loop() {
		Plan(w.view())
	}
}
