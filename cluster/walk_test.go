package cluster

import (
	"crypto/sha256"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Joins, leaves, drains, crashes, lost disks, false alarms, lost requests and
// conflicts in any order: the world checks every step, and when all is well
// again everything comes to rest where it shall be.
func TestPlanWalks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		groups := rapid.SampledFrom([]int{1, 4, 9}).Draw(t, "groups")
		w := newWorld(t, groups, rapid.SampledFrom([]int{1, 3, 5}).Draw(t, "founders"))
		for range rapid.IntRange(10, 60).Draw(t, "events") {
			w.event(t)
			w.check()
		}
		w.heal()
	})
}

func (w *world) event(t *rapid.T) {
	draw := rapid.SampledFrom([]string{
		"drive", "drive", "drive", "tick", "tick", "write", "join", "leave", "drain",
		"resume", "crash", "restart", "down", "remove", "wipe", "lose", "doubt",
	}).Draw(t, "event")
	members := w.state.Members()
	m := members[rapid.IntRange(0, len(members)-1).Draw(t, "node")]
	p := w.nodes[m.Node]
	version := w.state.Version()
	lucky := func() bool { return rapid.IntRange(0, 3).Draw(t, "luck") > 0 }
	switch draw {
	case "drive":
		w.drive(func(what string) bool { return rapid.IntRange(0, 11).Draw(t, what) == 0 })
	case "tick":
		w.tick(lucky)
	case "write":
		w.write()
	case "join":
		if len(members) < w.maximum {
			w.join()
		}
	case "leave":
		if CheckLeave(w.view(), m.Node, lucky()) == nil {
			w.apply(version, &Drain{Node: m.Node, Leave: true})
		}
	case "drain":
		if CheckDrain(w.view(), m.Node) == nil {
			w.apply(version, &Drain{Node: m.Node})
		}
	case "resume":
		w.apply(0, &Resume{m.Node})
	case "crash":
		w.crash(m.Node)
	case "restart":
		w.restart(m.Node)
	case "down":
		p.down = !p.up
	case "remove":
		if CheckRemove(w.view(), m.Node, lucky()) == nil {
			if w.apply(version, &RemoveMember{Node: m.Node, Force: true}).Status == Done {
				w.crash(m.Node)
			}
		}
	case "wipe":
		w.wipe(m, version)
	case "lose":
		w.lose(t, m)
	case "doubt":
		p.doubted = !p.doubted
	}
}

// wipe gives a stopped node an empty disk, if the check allows.
func (w *world) wipe(m Member, version uint64) {
	if w.nodes[m.Node].up || CheckReplaceStore(w.view(), m.Node) != nil {
		return
	}
	fresh := w.newMember()
	delete(w.nodes, fresh.Node)
	old := m.Store
	m.Store = fresh.Store
	token := sha256.Sum256([]byte(m.Store))
	w.must(0, &AddToken{Token{Digest: token, ExpiresMs: 1 << 40}})
	w.must(version+1, &ReplaceStore{Old: old, Member: m, Token: token})
	w.nodes[m.Node].store = m.Store
	for _, g := range w.groups {
		for _, r := range slices.Concat(sortedReplicas(g.voters), sortedReplicas(g.learns)) {
			if r.Node == m.Node {
				g.have[r], g.near[r], g.blank[r] = 0, Behind, true
			}
		}
	}
	w.restart(m.Node)
}

// lose damages one replica, if its group has a sound majority without it.
func (w *world) lose(t *rapid.T, m Member) {
	held := w.state.Placement().Of(m.Node)
	if len(held) == 0 {
		return
	}
	h := held[rapid.IntRange(0, len(held)-1).Draw(t, "replica")]
	g := w.groups[h.Group]
	sound := 0
	for _, r := range w.upVoters(g) {
		if r != h.Replica && g.near[r] == CaughtUp && w.made(g, r) {
			sound++
		}
	}
	if sound <= len(g.voters)/2 {
		return
	}
	w.must(0, &LoseReplica{Group: h.Group, Replica: h.Replica})
	g.have[h.Replica], g.near[h.Replica], g.blank[h.Replica] = 0, Behind, true
	w.elect()
}

// A single node grows to three and five and shrinks back to one. Every group
// has a leader that knows all acknowledged writes all the way.
func TestPlanOneThreeFiveThreeOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, rapid.SampledFrom([]int{1, 2, 6}).Draw(t, "groups"), 1)
		w.settle()
		for range 4 {
			w.join()
			w.settle()
		}
		for range 4 {
			members := w.state.Members()
			m := members[rapid.IntRange(0, len(members)-1).Draw(t, "leaves")]
			if err := CheckLeave(w.view(), m.Node, true); err != nil {
				t.Fatalf("%v", err)
			}
			w.must(w.state.Version(), &Drain{Node: m.Node, Leave: true})
			w.settle()
			if _, still := w.state.Member(m.Node); still {
				t.Fatalf("%s did not leave", m.Node)
			}
		}
		for _, g := range w.groups {
			if len(g.voters) != 1 || g.have[g.leader] < g.acked || g.acked < 50 {
				t.Fatalf("group %s ends with voters %v and %d of %d writes", g.id, g.voters, g.have[g.leader], g.acked)
			}
		}
	})
}
