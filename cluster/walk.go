package cluster

import (
	"cmp"
	"slices"
)

// walk plans the next steps of one group: leadership leaves a node that drains,
// then come the voters, then what leads to new ones, then what is left over,
// and at rest leadership is balanced.
func (p *planner) walk(g GroupPlacement) {
	o, known := p.observed(g)
	if !known {
		p.hold(g.Group, "no leader with a committed configuration is known")
		return
	}
	w := walker{planner: p, g: g, o: o}
	w.sort()
	before := len(p.Steps)
	moved := w.handOver() || w.voters() || w.strangers() || w.join() || w.leftovers()
	w.create()
	w.release()
	if !moved && len(p.Steps) == before {
		w.balance()
	}
	if g.Step != nil && !slices.ContainsFunc(p.Steps[before:], func(s Step) bool { return s.Kind.OnGroup() }) {
		p.add(recordOf(g, o)) // what was under way is done, or no longer wanted
	}
}

// walker is one group, its voters and learners sorted by what is to become of
// them.
type walker struct {
	*planner
	g GroupPlacement
	o Observed

	votes      []Replica // all of the configuration
	dead       []Replica // voters to go that can vote no more
	surplus    []Replica // voters to go that still vote, the leader last
	promotable []Replica // learners fit to vote where a voter is wanted
}

func (w *walker) sort() {
	voting := make(map[NodeID]bool)
	for _, r := range w.o.Replicas {
		if !r.Voter {
			continue
		}
		w.votes = append(w.votes, r.Replica)
		switch {
		case w.gone(w.g, r.Replica), !w.wanted(r.Replica) && w.Health[r.Replica.Node] == Down:
			w.dead = append(w.dead, r.Replica)
		case !w.wanted(r.Replica):
			w.surplus = append(w.surplus, r.Replica)
		default:
			voting[r.Replica.Node] = true
		}
	}
	for _, r := range w.o.Replicas {
		if !r.Voter && w.wanted(r.Replica) && !voting[r.Replica.Node] && w.sound(w.g, w.o, r) {
			w.promotable = append(w.promotable, r.Replica)
		}
	}
	slices.SortFunc(w.dead, Replica.Compare)
	slices.SortFunc(w.promotable, Replica.Compare)
	slices.SortFunc(w.surplus, func(a, b Replica) int {
		return cmp.Or(trueFirst(a != w.o.Leader, b != w.o.Leader), trueFirst(!w.isSound(a), !w.isSound(b)), a.Compare(b))
	})
}

// wanted reports whether the replica shall vote, by its node and the record.
func (w *walker) wanted(r Replica) bool {
	role := w.g.RoleOf(r)
	return slices.Contains(w.g.Target.Voters, r.Node) && role != 0 && role != RoleRetired
}

func (w *walker) isSound(r Replica) bool {
	seen, ok := w.o.find(r)
	return ok && w.sound(w.g, w.o, seen)
}

// voters plans the changes of votes. With an even number of voters a group
// tolerates no more than with one less, so it is passed through back to back.
func (w *walker) voters() bool {
	have, want := len(w.votes), len(w.g.Target.Voters)
	var steps []Step
	switch {
	case len(w.dead) > 0 && len(w.promotable) > 0:
		steps = append(w.leave(w.dead[0]), w.step(StepPromote, w.promotable[0]))
	case have > want && have%2 == 1 && have-len(w.dead)-len(w.surplus) < want:
		if len(w.promotable) > 0 { // who shall stay comes before others go
			steps = []Step{w.step(StepPromote, w.promotable[0])}
		}
	case have > want && len(w.dead)+len(w.surplus) > 0:
		steps = w.drop(have, want)
	case have < want && have == 1 && len(w.promotable) < 2:
		return false // two voters alone would be worse than one
	case have < want && len(w.promotable) > 0:
		steps = w.grow(have, want)
	case have == want && len(w.surplus) > 0 && len(w.promotable) > 0:
		steps = w.swap(have)
	}
	if len(steps) == 0 {
		return false
	}
	if why := w.unsafe(steps); why != "" {
		w.hold(w.g.Group, why)
		return false
	}
	w.act(steps)
	return true
}

// grow gives votes, two at once where one would make the number even.
func (w *walker) grow(have, want int) []Step {
	steps := []Step{w.step(StepPromote, w.promotable[0])}
	if have%2 == 1 && have+2 <= want && len(w.promotable) > 1 {
		steps = append(steps, w.step(StepPromote, w.promotable[1]))
	}
	return steps
}

// swap adds the successor of a live voter. A voter that was alone hands over
// at once, others go when the successor is seen to vote.
func (w *walker) swap(have int) []Step {
	successor, old := w.promotable[0], w.surplus[0]
	steps := []Step{w.step(StepPromote, successor)}
	if have == 1 {
		steps = append(steps, w.transfer(successor), w.step(w.leaveKind(old), old))
	}
	return steps
}

// drop takes votes away, two at once where one would make the number even. A
// leader that is to go hands over while the number is still odd.
func (w *walker) drop(have, want int) []Step {
	doomed := slices.Concat(w.dead, w.surplus)
	if have%2 == 0 {
		return w.leave(doomed[0])
	}
	steps := w.leave(doomed[0])
	if slices.Contains(doomed, w.o.Leader) {
		if heir, ok := w.heir(w.o.Leader); ok && w.wanted(heir) {
			return []Step{w.transfer(heir)}
		}
		return steps
	}
	if have-2 >= want && len(doomed) > 1 {
		steps = append(steps, w.leave(doomed[1])...)
	}
	return steps
}

// leave ends the vote of a replica. If it leads, its leadership goes first.
func (w *walker) leave(r Replica) []Step {
	steps := []Step{w.step(w.leaveKind(r), r)}
	if r != w.o.Leader {
		return steps
	}
	if heir, ok := w.heir(r); ok {
		return append([]Step{w.transfer(heir)}, steps...)
	}
	return steps
}

// leaveKind: where the node shall learn the group, the replica stays for that.
func (w *walker) leaveKind(r Replica) StepKind {
	role := w.g.RoleOf(r)
	if slices.Contains(w.g.Target.Learners, r.Node) && !w.gone(w.g, r) && role != 0 && role != RoleRetired {
		return StepDemote
	}
	return StepRemove
}

// heir chooses who shall lead instead of r: the preferred leader, else a voter
// that stays, else any sound one.
func (w *walker) heir(r Replica) (Replica, bool) {
	heirs := slices.DeleteFunc(slices.Clone(w.votes), func(h Replica) bool { return h == r || !w.isSound(h) })
	if len(heirs) == 0 {
		return Replica{}, false
	}
	return slices.MinFunc(heirs, func(a, b Replica) int {
		return cmp.Or(
			trueFirst(a.Node == w.g.Target.Leader, b.Node == w.g.Target.Leader),
			trueFirst(w.wanted(a), w.wanted(b)),
			trueFirst(w.mayLead(a), w.mayLead(b)),
			a.Compare(b),
		)
	}), true
}

func (w *walker) mayLead(r Replica) bool {
	m, ok := w.member(r.Node)
	return ok && m.State == Active
}

func (w *walker) step(kind StepKind, r Replica) Step {
	return Step{Kind: kind, Group: w.g.Group, Replica: r}
}

func (w *walker) transfer(to Replica) Step {
	return Step{Kind: StepTransfer, Group: w.g.Group, Replica: w.o.Leader, To: to}
}

// act plans steps on the group, the first one upon the observed configuration.
func (w *walker) act(steps []Step) {
	steps[0].Index = w.o.Index
	w.add(steps...)
}

// unsafe plays the steps through and says what is wrong with them: before and
// after each one a majority of the voters must be sound.
func (w *walker) unsafe(steps []Step) string {
	voters := slices.Clone(w.votes)
	if !w.majority(voters) {
		return "no majority of its voters is live and caught up"
	}
	for _, s := range steps {
		switch s.Kind {
		case StepPromote:
			voters = append(voters, s.Replica)
		case StepDemote, StepRemove:
			voters = slices.DeleteFunc(voters, func(r Replica) bool { return r == s.Replica })
		}
		if !w.majority(voters) {
			return "the next step (" + s.String() + ") would leave it without a live majority that is caught up"
		}
	}
	return ""
}

func (w *walker) majority(voters []Replica) bool {
	sound := 0
	for _, r := range voters {
		if w.isSound(r) {
			sound++
		}
	}
	return sound > len(voters)/2
}

// strangers removes learners that the record does not know as part of the
// group: added late, by a meta leader that had been replaced.
func (w *walker) strangers() bool {
	for _, r := range w.o.Replicas {
		if role := w.g.RoleOf(r.Replica); !r.Voter && (role == 0 || role == RoleRetired) {
			w.act([]Step{w.step(StepRemove, r.Replica)})
			return true
		}
	}
	return false
}

// join adds a created replica to the configuration, if its node is there to be
// copied to.
func (w *walker) join() bool {
	for _, r := range w.g.Created {
		if _, member := w.o.find(r); !member && w.Health[r.Node] == Live {
			w.act([]Step{w.step(StepAddLearner, r)})
			return true
		}
	}
	return false
}

// leftovers removes a learner that is not wanted or was lost.
func (w *walker) leftovers() bool {
	for _, r := range w.o.Replicas {
		if !r.Voter && (w.gone(w.g, r.Replica) || !w.g.Target.Has(r.Replica.Node)) {
			w.act([]Step{w.step(StepRemove, r.Replica)})
			return true
		}
	}
	return false
}

// create numbers one replica that is wanted and missing, where the limits on
// moves allow it.
func (w *walker) create() {
	for _, n := range slices.Concat(w.g.Target.Voters, w.g.Target.Learners) {
		if w.g.holds(n) {
			continue
		}
		if why := w.mayCreate(n); why != "" {
			w.hold(w.g.Group, "a replica on "+string(n)+" waits: "+why)
			continue
		}
		if w.g.Group != MetaGroup {
			w.begin(w.o.Leader.Node, n)
		}
		w.add(Step{Kind: StepCreate, Group: w.g.Group, Node: n})
		return
	}
}

func (w *walker) mayCreate(n NodeID) string {
	m, member := w.member(n)
	switch {
	case !member:
		return "the node was removed and nobody can take its place"
	case w.Health[n] != Live:
		return "the node is " + w.Health[n].String()
	case m.State == Draining:
		return "the node drains"
	case hasNode(w.g.Retired, n):
		return "the node has not deleted its former replica"
	case w.g.Group == MetaGroup:
		return ""
	}
	broken := slices.ContainsFunc(w.votes, func(r Replica) bool { return w.gone(w.g, r) })
	if node := w.restarting(); node != "" && !broken {
		return "node " + string(node) + " drains for a restart"
	}
	if weak, ok := w.someWeak(); ok && !w.repairs(n) {
		return "group " + weak.String() + " is below full strength"
	}
	if !w.room(w.o.Leader.Node, n) {
		return "as many copies as allowed are under way"
	}
	return ""
}

// repairs reports whether a replica on the node adds to what the group has,
// and does not just take the place of a sound voter.
func (w *walker) repairs(n NodeID) bool {
	if !slices.Contains(w.g.Target.Voters, n) {
		return true
	}
	missing, replaceable := 0, 0
	for _, voter := range w.g.Target.Voters {
		if !w.g.holds(voter) {
			missing++
		}
	}
	for _, r := range w.surplus {
		if w.isSound(r) {
			replaceable++
		}
	}
	return missing > replaceable
}

// release lets nodes delete what is retired, now that the group's leader does
// not know it either.
func (w *walker) release() {
	for _, r := range w.g.Retired {
		if _, configured := w.o.find(r); !configured && w.Health[r.Node] == Live {
			w.add(w.step(StepRelease, r))
		}
	}
}

// handOver takes leadership from a node that must not lead, to anyone who may.
func (w *walker) handOver() bool {
	if w.mayLead(w.o.Leader) {
		return false
	}
	heir, ok := w.heir(w.o.Leader)
	if !ok || !w.mayLead(heir) {
		return false
	}
	w.act([]Step{w.transfer(heir)})
	return true
}

// balance hands leadership to the preferred leader, one at a time in the whole
// cluster. That of the meta group waits until all votes are where they shall be: its
// next leader knows nothing of how the voters fare, and would watch each for as long
// again before it gave or took another vote.
func (w *walker) balance() {
	if w.balanced || w.Pinned[w.g.Group] || w.o.Leader.Node == w.g.Target.Leader {
		return
	}
	if w.g.Group == MetaGroup && w.voting() {
		return
	}
	if heir, ok := w.heir(w.o.Leader); ok && heir.Node == w.g.Target.Leader && w.mayLead(heir) {
		w.balanced = true
		w.act([]Step{w.transfer(heir)})
	}
}

// voting reports whether votes are yet to be given to live nodes or taken from them.
func (p *planner) voting() bool {
	for g := range p.Placement.All() {
		for _, n := range slices.Concat(g.Target.Voters, nodesOf(g.Voters)) {
			if p.Health[n] == Live && slices.Contains(g.Target.Voters, n) != hasNode(g.Voters, n) {
				return true
			}
		}
	}
	return false
}
