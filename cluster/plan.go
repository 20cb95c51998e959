package cluster

import (
	"cmp"
	"slices"
)

// Limits on moves, so that a cluster at work stays at work (reliability.md
// section 4). A move counts while its learner copies; the meta group is small
// and exempt.
const (
	movesPerNode    = 1 // in each direction
	movesPerCluster = 2
)

// Agenda is what to do next.
type Agenda struct {
	// Steps in their order. Steps of one group are to be carried out back to
	// back; when one fails, the rest of its group is void. Take a new view and
	// plan again when they are through, or when anything was not as expected.
	Steps []Step
	// Held tells why something that should be done is not, for operators.
	Held []Hold
}

// Hold is one reason to wait.
type Hold struct {
	Group GroupID
	Why   string
}

// Plan gives the next steps from what is to what shall be. It decides from the
// view alone and remembers nothing, so it does not matter which meta leader
// carried out the steps before. It ends: with a view that does not change by
// itself there comes an empty agenda.
//
// A step that changes a group is planned only if afterwards a majority of the
// group's voters is live and caught up. A live replica is replaced by adding
// before removing; a dead one by removing it once the successor has caught up,
// with the promotion back to back, for adding first would ask for three of
// four where only three live.
func Plan(v View) Agenda {
	p := planner{View: v}
	p.bookkeeping()
	p.membership()
	p.retarget()
	if len(p.Steps) > 0 {
		return p.Agenda // what follows would be planned on an old record
	}
	p.count()
	groups := slices.Clone(v.Placement.groups)
	slices.SortStableFunc(groups, func(a, b GroupPlacement) int {
		return cmp.Or(trueFirst(a.Group == MetaGroup, b.Group == MetaGroup), trueFirst(p.weak[a.Group], p.weak[b.Group]))
	})
	for _, g := range groups {
		p.walk(g)
	}
	return p.Agenda
}

type planner struct {
	View
	Agenda
	traffic
	weak map[GroupID]bool // below full strength, or unknown
	// balanced: a leadership was moved for balance in this agenda.
	balanced bool
}

func (p *planner) add(steps ...Step) { p.Steps = append(p.Steps, steps...) }

func (p *planner) hold(g GroupID, why string) { p.Held = append(p.Held, Hold{g, why}) }

// bookkeeping brings the record up to what was observed.
func (p *planner) bookkeeping() {
	for g := range p.Placement.All() {
		if o, ok := p.recovered(g); ok {
			p.add(recoveryOf(g, o))
			continue
		}
		if o, ok := p.observed(g); ok && o.Index > g.Index {
			p.add(recordOf(g, o))
			continue
		}
		for _, r := range g.Created {
			if p.gone(g, r) || !g.Target.Has(r.Node) {
				p.add(Step{Kind: StepRetire, Group: g.Group, Replica: r})
			}
		}
	}
}

// recordOf notes the replicas of a configuration as far as the record knows
// them. Strangers are left out; the walk removes them.
func recordOf(g GroupPlacement, o Observed) Step {
	record := Record{Group: g.Group, Index: o.Index}
	for _, r := range o.Replicas {
		switch role := g.RoleOf(r.Replica); {
		case role == 0 || role == RoleRetired:
		case r.Voter:
			record.Voters = withReplica(record.Voters, r.Replica)
		default:
			record.Learners = withReplica(record.Learners, r.Replica)
		}
	}
	return Step{Kind: StepRecord, Group: g.Group, record: record}
}

// membership lets members in that follow the meta group, and lets those go
// that hold nothing any more.
func (p *planner) membership() {
	meta := p.Placement.groups[MetaGroup]
	o, known := p.observed(meta)
	for _, m := range p.Members {
		switch {
		case m.State == Joining && known:
			if slices.ContainsFunc(o.Replicas, func(r ObservedReplica) bool { return r.Replica.Node == m.Node && p.sound(meta, o, r) }) {
				p.add(Step{Kind: StepActivate, Node: m.Node})
			}
		case m.Leaving && len(p.Placement.Of(m.Node)) == 0:
			p.add(Step{Kind: StepDepart, Node: m.Node})
		}
	}
}

// retarget compares the targets on record with the best ones.
func (p *planner) retarget() {
	var changed []GroupTarget
	for i, t := range Assign(p.Placement, p.Sites()) {
		if g := GroupID(i); !t.Equal(p.Placement.groups[i].Target) {
			changed = append(changed, GroupTarget{Group: g, Target: t})
		}
	}
	if len(changed) > 0 {
		p.add(Step{Kind: StepRetarget, targets: changed})
	}
}

// count finds what is under way and which groups are below full strength.
func (p *planner) count() {
	p.traffic = traffic{in: make(map[NodeID]int), out: make(map[NodeID]int)}
	p.weak = make(map[GroupID]bool)
	for g := range p.Placement.All() {
		o, known := p.observed(g)
		sound := 0
		for _, r := range o.Replicas {
			if r.Voter && p.sound(g, o, r) {
				sound++
			}
		}
		p.weak[g.Group] = !known || sound < len(g.Target.Voters)
		if g.Group == MetaGroup {
			continue
		}
		for _, r := range slices.Concat(g.Created, g.Learners) {
			seen, _ := o.find(r)
			if seen.Progress == Behind && p.Health[r.Node] == Live && !p.gone(g, r) {
				p.begin(o.Leader.Node, r.Node)
			}
		}
	}
}

// someWeak names a group below full strength.
func (p *planner) someWeak() (GroupID, bool) {
	for g := range p.Placement.All() {
		if p.weak[g.Group] {
			return g.Group, true
		}
	}
	return 0, false
}

// traffic counts the copies under way.
type traffic struct {
	in, out map[NodeID]int
	total   int
}

func (t *traffic) begin(from, to NodeID) {
	t.out[from]++
	t.in[to]++
	t.total++
}

func (t *traffic) room(from, to NodeID) bool {
	return t.out[from] < movesPerNode && t.in[to] < movesPerNode && t.total < movesPerCluster
}
