package steward

import (
	"fmt"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/cluster/replica"
)

// announceTime is how long a process may answer before it has announced itself,
// which every restart does as soon as there is somebody to take note of it.
const announceTime = 10 * time.Second

// judge tells from what nodes answer who lives, who leads, and who follows. It
// belongs to one term of office: what it never heard of, it does not assume. It
// has no clock, and its caller owns the lock.
type judge struct {
	tuning Tuning
	nodes  map[cluster.NodeID]*life
	near   map[groupReplica]streak
}

// life is what was heard of a member.
type life struct {
	store   string    // the one on record, whose life this is
	since   time.Time // from when on it could be heard
	heard   time.Time // when it last answered, zero for never
	doubted time.Time // when somebody last doubted it
	boot    string    // the process that answered last
	booted  time.Time // when that one answered first
	trust   uint64    // the serial number of what it trusts by
	other   bool      // the newest answer came from another node or disk
	note    string    // what an operator should know
}

type groupReplica struct {
	group   cluster.GroupID
	replica cluster.Replica
}

// streak is a time for which a replica was near its leader.
type streak struct{ since, seen time.Time }

// answers are the reports of one round, those that count.
type answers map[cluster.NodeID]Report

// replica gives the report of one replica.
func (a answers) replica(g cluster.GroupID, r cluster.Replica) (ReplicaReport, bool) {
	for _, report := range a[r.Node].Replicas {
		if report.Group == g && report.Number == r.Number {
			return report, true
		}
	}
	return ReplicaReport{}, false
}

func newJudge(tuning Tuning) *judge {
	return &judge{tuning: tuning, nodes: make(map[cluster.NodeID]*life), near: make(map[groupReplica]streak)}
}

// members brings the judge up to date with who belongs to the cluster. Whoever
// is new, or has a new store, could not be heard before now.
func (j *judge) members(members []cluster.Member, now time.Time) {
	nodes := make(map[cluster.NodeID]*life, len(members))
	for _, m := range members {
		l := j.nodes[m.Node]
		if l == nil || l.store != m.Store {
			l = &life{store: m.Store, since: now}
		}
		nodes[m.Node] = l
	}
	j.nodes = nodes
}

// hear takes note of an answer from the address of a member, and reports
// whether it counts: an answer from another disk says nothing about the
// replicas on record.
func (j *judge) hear(m cluster.Member, r Report, now time.Time) bool {
	l := j.nodes[m.Node]
	if l == nil || l.store != m.Store {
		return false
	}
	l.other, l.note = true, ""
	switch {
	case r.Node != m.Node:
		l.note = fmt.Sprintf("node %.*q answers at its address", cluster.MaxNodeIDLen, string(r.Node))
	case r.Store != m.Store:
		l.note = "it answers with another data directory than the one on record; if its disk was lost, bring it back with `mayfly node replace`"
	default:
		l.other, l.heard, l.trust = false, now, r.Trust
		if r.Boot != l.boot {
			l.boot, l.booted = r.Boot, now
		}
		if r.Boot != m.Boot && now.Sub(l.booted) >= announceTime {
			l.note = "the process that answers does not announce itself: the process on record may be alive, and one of the two run on a copy of the data directory"
		}
	}
	return !l.other
}

// doubt makes a node suspect until it is heard again.
func (j *judge) doubt(n cluster.NodeID, now time.Time) {
	if l := j.nodes[n]; l != nil {
		l.doubted = now
	}
}

func (j *judge) health(n cluster.NodeID, now time.Time) cluster.Health {
	l := j.nodes[n]
	switch {
	case l == nil:
		return cluster.Suspect
	case now.Sub(later(l.heard, l.since)) >= j.tuning.DownAfter:
		return cluster.Down
	case l.heard.IsZero(), l.other, l.doubted.After(l.heard), now.Sub(l.heard) >= j.tuning.SuspectAfter:
		return cluster.Suspect
	default:
		return cluster.Live
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// verdict is what was seen at one time. It is immutable.
type verdict struct {
	at       time.Time
	health   map[cluster.NodeID]cluster.Health
	nodes    map[cluster.NodeID]life
	observed map[cluster.GroupID]cluster.Observed
	leaders  map[cluster.GroupID]ReplicaReport // of those observed, told first
	answers  answers                           // told second
}

// judge gives a verdict on two rounds of answers, of which the second began
// when the first was over: so a leader's account is older than its followers'.
func (j *judge) judge(p *cluster.Placement, first, second answers, now time.Time) *verdict {
	v := &verdict{
		at: now, health: make(map[cluster.NodeID]cluster.Health), nodes: make(map[cluster.NodeID]life),
		observed: make(map[cluster.GroupID]cluster.Observed), leaders: make(map[cluster.GroupID]ReplicaReport),
		answers: second,
	}
	for n, l := range j.nodes {
		v.health[n], v.nodes[n] = j.health(n, now), *l
	}
	for g := range p.All() {
		if leader, report, ok := leaderOf(g, first, second); ok {
			v.leaders[g.Group] = report
			v.observed[g.Group] = j.observe(g.Group, leader, report, second, now)
		}
	}
	for key, s := range j.near {
		if now.Sub(s.seen) > j.lapse() {
			delete(j.near, key)
		}
	}
	return v
}

// leaderOf finds who leads a group: of those that claim it the one with the
// highest term, as long as it said so in the first round and its configuration
// is committed. One that was given up leads a group of the past.
func leaderOf(g cluster.GroupPlacement, first, second answers) (leader cluster.Replica, report ReplicaReport, ok bool) {
	var term uint64
	for round, reports := range []answers{first, second} {
		for n, all := range reports {
			for _, r := range all.Replicas {
				claims := cluster.Replica{Node: n, Number: r.Number}
				if r.Group == g.Group && r.Progress.Leading && r.Progress.Term > term && g.RoleOf(claims) != cluster.RoleRetired {
					leader, report, ok = claims, r, round == 0
					term = r.Progress.Term
				}
			}
		}
	}
	return leader, report, ok && report.Configuration != nil && report.Configuration.Index > 0
}

// observe is what a group's leader says about it, and how its replicas follow.
func (j *judge) observe(g cluster.GroupID, leader cluster.Replica, report ReplicaReport, second answers, now time.Time) cluster.Observed {
	o := cluster.Observed{Leader: leader, Index: report.Configuration.Index}
	add := func(list []cluster.Replica, voter bool) {
		for _, r := range list {
			own, answered := second.replica(g, r)
			progress := j.progress(groupReplica{g, r}, report.Progress, own.Progress, answered, now)
			if r == leader { // its streak counts when another leads
				progress = cluster.CaughtUp
			}
			o.Replicas = append(o.Replicas, cluster.ObservedReplica{Replica: r, Voter: voter, Progress: progress})
		}
	}
	add(report.Configuration.Voters, true)
	add(report.Configuration.Learners, false)
	return o
}

// progress counts for how long a replica has been near its leader. Right after
// a change of configuration or leader, or when one answer is late, nobody can
// say so; a replica that is near again soon was near all the time. One that
// lags begins anew.
func (j *judge) progress(key groupReplica, leader, own replica.Progress, answered bool, now time.Time) cluster.Progress {
	s, running := j.near[key]
	running = running && now.Sub(s.seen) <= j.lapse()
	switch {
	case answered && own.Near(leader):
		if !running {
			s.since = now
		}
		s.seen = now
		j.near[key] = s
		if now.Sub(s.since) >= j.tuning.Settle {
			return cluster.CaughtUp
		}
		return cluster.Near
	case running && (!answered || own.Configuration != leader.Configuration || own.Applied < leader.Configuration):
		return cluster.Near
	default:
		delete(j.near, key)
		return cluster.Behind
	}
}

// lapse is for how long a replica need not be seen near: two rounds may fail.
func (j *judge) lapse() time.Duration { return 2 * (j.tuning.Round + j.tuning.Ask) }
