package cluster

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
)

// world is a naive model of a whole cluster: processes, disks and Raft groups,
// with a driver that does what doc.go tells a meta leader to do. It fails the
// test as soon as something happens that must not.
type world struct {
	t       failer
	state   *State
	follow  *State // a replica of state that sees every change as bytes
	nodes   map[NodeID]*process
	groups  []*raftGroup
	used    map[string]bool // replica ids that were ever part of a group
	born    int             // counts names, stores and tokens
	maximum int             // of nodes at a time
}

type process struct {
	up, down, doubted bool
	store             string
}

// raftGroup is a Raft group as far as membership goes: a log of which only its
// length counts, and replicas that have some of it.
type raftGroup struct {
	id     GroupID
	index  uint64 // of the configuration
	voters map[Replica]bool
	learns map[Replica]bool
	have   map[Replica]int // entries on the disk of each replica
	acked  int             // entries a client was told are safe
	near   map[Replica]Progress
	blank  map[Replica]bool // their disk was lost: they must never take part again
	leader Replica
}

func newWorld(t failer, groups, voters int) *world {
	w := &world{t: t, state: NewState(), follow: NewState(), nodes: make(map[NodeID]*process), used: make(map[string]bool), maximum: 8}
	var found Found
	found.Settings = Settings{ClusterID: "model", Groups: groups}
	for range voters {
		m := w.newMember()
		found.Members = append(found.Members, m)
		found.Voters = append(found.Voters, m.Node)
	}
	w.must(0, &found)
	for i := range groups + 1 {
		g := &raftGroup{
			id: GroupID(i), index: 1, voters: make(map[Replica]bool), learns: make(map[Replica]bool),
			have: make(map[Replica]int), near: make(map[Replica]Progress), blank: make(map[Replica]bool),
		}
		for _, n := range found.Voters {
			r := Replica{n, FirstReplica}
			g.voters[r], g.near[r] = true, CaughtUp
			w.used[r.ID(g.id)] = true
		}
		w.groups = append(w.groups, g)
	}
	w.elect()
	return w
}

func (w *world) newMember() Member {
	w.born++
	m := member(fmt.Sprintf("node-%d", w.born))
	m.Store = fmt.Sprintf("store-%d", w.born)
	w.nodes[m.Node] = &process{up: true, store: m.Store}
	return m
}

// apply commits a change on both replicas of the state.
func (w *world) apply(expect uint64, op Op) Outcome {
	w.t.Helper()
	c := Change{Expect: expect, Op: op}
	data, err := c.Encode()
	if err != nil {
		w.t.Fatalf("%T: %v", op, err)
	}
	decoded, err := DecodeChange(data)
	if err != nil {
		w.t.Fatalf("%T: %v", op, err)
	}
	before := w.state.Snapshot()
	out := w.state.Apply(c)
	if followed := w.follow.Apply(decoded); followed != out {
		w.t.Fatalf("%T: one replica says %+v, the other %+v", op, out, followed)
	}
	if out.Status != Done && string(before) != string(w.state.Snapshot()) {
		w.t.Fatalf("%T had an effect: %+v", op, out)
	}
	return out
}

func (w *world) must(expect uint64, op Op) {
	w.t.Helper()
	if out := w.apply(expect, op); out.Status != Done {
		w.t.Fatalf("%T: %v", op, out.Err())
	}
}

func (w *world) isUp(r Replica) bool {
	p := w.nodes[r.Node]
	return p != nil && p.up
}

// runs: the node is up and has the replica's disk.
func (w *world) runs(g *raftGroup, r Replica) bool { return w.isUp(r) && !g.blank[r] }

func (w *world) upVoters(g *raftGroup) []Replica {
	var up []Replica
	for _, r := range sortedReplicas(g.voters) {
		if w.runs(g, r) {
			up = append(up, r)
		}
	}
	return up
}

func sortedReplicas(set map[Replica]bool) []Replica {
	return slices.SortedFunc(maps.Keys(set), Replica.Compare)
}

func (w *world) hasQuorum(g *raftGroup) bool { return len(w.upVoters(g)) > len(g.voters)/2 }

// elect gives every group that can have one a leader: of a majority that is up
// the one with the longest log. It must know all that was acknowledged.
func (w *world) elect() {
	for _, g := range w.groups {
		if !w.hasQuorum(g) {
			g.leader = Replica{}
			continue
		}
		if g.voters[g.leader] && w.runs(g, g.leader) {
			continue
		}
		up := w.upVoters(g)
		g.leader = slices.MaxFunc(up, func(a, b Replica) int { return g.have[a] - g.have[b] })
		if g.have[g.leader] < g.acked {
			w.t.Fatalf("group %s: the new leader %v has %d of %d acknowledged writes", g.id, g.leader, g.have[g.leader], g.acked)
		}
	}
}

// write appends to every group that accepts writes; only replicas that keep up
// have it at once.
func (w *world) write() {
	for _, g := range w.groups {
		if g.leader.IsZero() {
			continue
		}
		next := g.have[g.leader] + 1
		kept := 0
		for r := range g.near {
			if (g.voters[r] || g.learns[r]) && w.runs(g, r) && (g.near[r] != Behind || r == g.leader) {
				g.have[r] = next
			}
		}
		for r := range g.voters {
			if w.runs(g, r) && g.have[r] == next {
				kept++
			}
		}
		if kept > len(g.voters)/2 {
			g.acked = next
		}
	}
}

// tick lets some replicas get on, at the pace that lucky allows.
func (w *world) tick(lucky func() bool) {
	w.elect()
	for _, g := range w.groups {
		if g.leader.IsZero() {
			continue
		}
		g.near[g.leader] = CaughtUp
		for _, r := range slices.Concat(sortedReplicas(g.voters), sortedReplicas(g.learns)) {
			if w.runs(g, r) && w.made(g, r) && lucky() {
				g.near[r] = min(g.near[r]+1, CaughtUp)
				g.have[r] = g.have[g.leader]
			}
		}
	}
}

// made reports whether the replica has a state that counts: it is on record and
// not known to be lost.
func (w *world) made(g *raftGroup, r Replica) bool {
	record, _ := w.state.Placement().Group(g.id)
	role := record.RoleOf(r)
	return role != 0 && role != RoleRetired && !hasReplica(record.Lost, r)
}

func (w *world) crash(n NodeID) {
	w.nodes[n].up = false
	for _, g := range w.groups {
		for r := range g.near {
			if r.Node == n {
				g.near[r] = Behind
			}
		}
	}
	w.elect()
}

func (w *world) restart(n NodeID) {
	w.nodes[n].up, w.nodes[n].down = true, false
	w.elect()
}

func (w *world) view() View {
	observed := make(map[GroupID]Observed)
	for _, g := range w.groups {
		if g.leader.IsZero() {
			continue
		}
		o := Observed{Leader: g.leader, Index: g.index}
		for _, r := range slices.Concat(sortedReplicas(g.voters), sortedReplicas(g.learns)) {
			o.Replicas = append(o.Replicas, ObservedReplica{r, g.voters[r], g.near[r]})
		}
		observed[g.id] = o
	}
	health := make(map[NodeID]Health)
	for n, p := range w.nodes {
		switch {
		case p.up && !p.doubted:
			health[n] = Live
		case p.down:
			health[n] = Down
		}
	}
	return w.state.View(observed, health)
}

// sound counts what the invariant is about.
func (w *world) soundMajority(g *raftGroup) bool {
	sound := 0
	for _, r := range w.upVoters(g) {
		if (g.near[r] == CaughtUp || r == g.leader) && w.made(g, r) {
			sound++
		}
	}
	return sound > len(g.voters)/2
}

// drive is one round of the meta leader. With trouble, requests and answers get
// lost, leaders die between two steps and others change the state meanwhile.
func (w *world) drive(trouble func(string) bool) Agenda {
	w.elect()
	agenda := Plan(w.view())
	version := w.state.Version()
	void, index := make(map[GroupID]bool), make(map[GroupID]uint64)
	for _, s := range agenda.Steps {
		if trouble("meta leader lost") {
			return agenda
		}
		if trouble("state changed meanwhile") {
			w.addToken()
			if s.Kind.OnGroup() && s.Index == 0 {
				s.Index = 1
			}
			if out := w.apply(version, s.Change()); out.Status != Conflict && s.Kind != StepRelease {
				w.t.Fatalf("%v: on another version it was %+v", s, out)
			}
			return agenda
		}
		if void[s.Group] && (s.Kind.OnGroup() || s.Kind == StepRelease) {
			continue
		}
		if s.Kind.OnGroup() && s.Index == 0 {
			s.Index = index[s.Group]
		}
		if s.Kind == StepRelease && !w.release(s) {
			continue
		}
		out := w.apply(version, s.Change())
		if out.Status != Done {
			w.t.Fatalf("%v: %v", s, out.Err())
		}
		version = out.Version
		if s.Kind.OnGroup() {
			if trouble("request lost") || !w.perform(s) || trouble("answer lost") {
				void[s.Group] = true
				continue
			}
			index[s.Group] = w.groups[s.Group].index
		}
		w.check()
	}
	return agenda
}

// perform is the leader of a group doing what it is asked.
func (w *world) perform(s Step) bool {
	g := w.groups[s.Group]
	if g.leader.IsZero() || g.index != s.Index {
		return false
	}
	before := w.soundMajority(g)
	if s.Kind == StepTransfer {
		if s.Replica != g.leader || !g.voters[s.To] || g.near[s.To] != CaughtUp || !w.isUp(s.To) {
			w.t.Fatalf("group %s: %v, but leader is %v", g.id, s, g.leader)
		}
		g.leader = s.To
		return true
	}
	voters, learns := maps.Clone(g.voters), maps.Clone(g.learns)
	switch s.Kind {
	case StepAddLearner:
		if id := s.Replica.ID(g.id); w.used[id] {
			w.t.Fatalf("replica id %s is used again", id)
		} else {
			w.used[id] = true
		}
		for r := range g.have {
			record, _ := w.state.Placement().Group(g.id)
			if r.Node == s.Replica.Node && record.RoleOf(r) != 0 && !hasReplica(record.Lost, r) && !g.blank[r] {
				w.t.Fatalf("group %s: %v, but the node still has %v", g.id, s, r)
			}
		}
		learns[s.Replica] = true
	case StepPromote:
		if !learns[s.Replica] {
			w.t.Fatalf("group %s: %v, which is no learner", g.id, s)
		}
		delete(learns, s.Replica)
		voters[s.Replica] = true
	case StepDemote, StepRemove:
		if s.Replica == g.leader {
			w.t.Fatalf("group %s: %v, which leads", g.id, s)
		}
		delete(voters, s.Replica)
		delete(learns, s.Replica)
		if s.Kind == StepDemote {
			learns[s.Replica] = true
		}
	}
	old := *g
	g.voters, g.learns = voters, learns
	if !w.hasQuorum(g) {
		if before {
			w.t.Fatalf("group %s: %v leaves it without a majority", g.id, s)
		}
		g.voters, g.learns = old.voters, old.learns
		return false
	}
	g.index++
	if before && !w.soundMajority(g) {
		w.t.Fatalf("group %s: %v leaves it without a sound majority", g.id, s)
	}
	return true
}

// release is a node deleting a replica.
func (w *world) release(s Step) bool {
	g := w.groups[s.Group]
	if g.voters[s.Replica] || g.learns[s.Replica] {
		w.t.Fatalf("%v is to be deleted while part of its group", s)
	}
	if !w.isUp(s.Replica) {
		return false
	}
	delete(g.have, s.Replica)
	delete(g.near, s.Replica)
	return true
}

// check requires what must hold at every moment.
func (w *world) check() {
	w.t.Helper()
	p := w.state.Placement()
	if _, err := NewPlacement(p.Version(), p.groups); err != nil {
		w.t.Fatalf("%v", err)
	}
	for _, g := range w.groups {
		if g.leader.IsZero() || !w.soundMajority(g) {
			continue
		}
		if g.have[g.leader] < g.acked {
			w.t.Fatalf("group %s lost acknowledged writes", g.id)
		}
	}
}

func (w *world) addToken() Digest {
	w.born++
	d := Digest(sha256.Sum256(fmt.Append(nil, w.born)))
	w.must(0, &AddToken{Token{Digest: d, ExpiresMs: 1}})
	if w.born%2 == 0 {
		w.must(0, &RemoveToken{d})
	}
	return d
}

func (w *world) join() NodeID {
	m := w.newMember()
	w.born++
	d := Digest(sha256.Sum256(fmt.Append(nil, "join", w.born)))
	w.must(0, &AddToken{Token{Digest: d, ExpiresMs: 1 << 40}})
	w.must(0, &Join{Member: m, Token: d})
	return m.Node
}

// heal brings everybody back and lets everything come to rest.
func (w *world) heal() {
	for _, m := range w.state.Members() {
		w.restart(m.Node)
		w.nodes[m.Node].doubted = false
		if m.State == Draining && !m.Leaving {
			w.must(0, &Resume{m.Node})
		}
	}
	w.settle()
}

func (w *world) settle() {
	w.t.Helper()
	never := func(string) bool { return false }
	for range 3000 {
		w.tick(func() bool { return true })
		w.write()
		for _, g := range w.groups { // all are up, so all are served
			if w.hasQuorum(g) && (g.leader.IsZero() || g.acked != g.have[g.leader]) {
				w.t.Fatalf("group %s acknowledged %d of %d writes, leader %v", g.id, g.acked, g.have[g.leader], g.leader)
			}
		}
		agenda := w.drive(never)
		if len(agenda.Steps) == 0 && w.calm() {
			w.rested(agenda)
			return
		}
	}
	agenda := Plan(w.view())
	w.t.Fatalf("the plan does not end: %v, held %v", agenda.Steps, agenda.Held)
}

// calm: no replica has any way to go.
func (w *world) calm() bool {
	for _, g := range w.groups {
		for _, r := range slices.Concat(sortedReplicas(g.voters), sortedReplicas(g.learns)) {
			if w.isUp(r) && g.near[r] != CaughtUp {
				return false
			}
		}
	}
	return true
}

// rested requires that everything is where it shall be.
func (w *world) rested(last Agenda) {
	w.t.Helper()
	if !w.state.Equal(w.follow) {
		w.t.Fatalf("two replicas of the state differ")
	}
	for _, m := range w.state.Members() {
		if m.State != Active {
			w.t.Fatalf("node %s is %s and nothing is left to do", m.Node, m.State)
		}
	}
	for g := range w.state.Placement().All() {
		raft := w.groups[g.Group]
		if g.Moving() || g.Step != nil {
			w.t.Fatalf("group %s is at rest as %+v, held %v", g.Group, g, last.Held)
		}
		if !slices.Equal(g.Voters, sortedReplicas(raft.voters)) || !slices.Equal(g.Learners, sortedReplicas(raft.learns)) {
			w.t.Fatalf("group %s is on record as %+v, but has voters %v and learners %v", g.Group, g, raft.voters, raft.learns)
		}
		if raft.leader.Node != g.Target.Leader {
			w.t.Fatalf("group %s is led by %s, not by %s", g.Group, raft.leader.Node, g.Target.Leader)
		}
	}
	sites := w.view().Sites()
	targets := targetsOf(w.state.Placement())
	load := loads(targets)
	low, _, high := loadLimits(len(targets)-1, len(sites))
	for _, s := range sites {
		if load[s.Node] < low || load[s.Node] > high {
			w.t.Fatalf("%d nodes: %s holds %d replicas, not %d to %d", len(sites), s.Node, load[s.Node], low, high)
		}
	}
}

func member(name string) Member {
	return Member{
		Node: NodeID(name), Store: "store-" + name, Boot: "boot-" + name,
		PeerAddr: "10.0.0.1:7947", GossipAddr: "[fe80::1]:7946", State: Active,
	}
}
