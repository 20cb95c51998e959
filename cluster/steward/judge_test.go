package steward

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/cluster/replica"
)

var dawn = time.Unix(1_000_000, 0)

func usual(t testing.TB) Tuning {
	t.Helper()
	tuning, err := Tuning{}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	return tuning
}

var alice = cluster.Member{Node: "a", Store: "store-a", Boot: "boot-1"}

func TestHealth(t *testing.T) {
	right := Report{Node: "a", Store: "store-a", Boot: "boot-1"}
	type event struct {
		at time.Duration
		do func(j *judge, now time.Time)
	}
	hears := func(at time.Duration, r Report) event {
		return event{at, func(j *judge, now time.Time) { j.hear(alice, r, now) }}
	}
	doubted := func(at time.Duration) event {
		return event{at, func(j *judge, now time.Time) { j.doubt("a", now) }}
	}
	reborn := func(at time.Duration) event {
		return event{at, func(j *judge, now time.Time) {
			m := alice
			m.Store = "store-new"
			j.members([]cluster.Member{m}, now)
		}}
	}
	otherStore, otherBoot, otherNode := right, right, right
	otherStore.Store, otherBoot.Boot, otherNode.Node = "store-b", "boot-2", "b"
	const s, m = time.Second, time.Minute
	for name, c := range map[string]struct {
		events []event
		at     time.Duration
		want   cluster.Health
		note   string
	}{
		"not heard yet":                  {nil, 1 * s, cluster.Suspect, ""},
		"never heard, just in time":      {nil, 10*m - 1, cluster.Suspect, ""},
		"never heard since office":       {nil, 10 * m, cluster.Down, ""},
		"just heard":                     {[]event{hears(1*s, right)}, 1 * s, cluster.Live, ""},
		"silent, still live":             {[]event{hears(1*s, right)}, 6*s - 1, cluster.Live, ""},
		"silent for 5 s":                 {[]event{hears(1*s, right)}, 6 * s, cluster.Suspect, ""},
		"silent for nearly 10 min":       {[]event{hears(1*m, right)}, 11*m - 1, cluster.Suspect, ""},
		"silent for 10 min":              {[]event{hears(1*m, right)}, 11 * m, cluster.Down, ""},
		"back from the dead":             {[]event{hears(1*m, right), hears(30*m, right)}, 30 * m, cluster.Live, ""},
		"doubted":                        {[]event{hears(1*s, right), doubted(2 * s)}, 2 * s, cluster.Suspect, ""},
		"doubted and heard":              {[]event{hears(1*s, right), doubted(2 * s), hears(3*s, right)}, 3 * s, cluster.Live, ""},
		"doubt hurries no death":         {[]event{hears(1*s, right), doubted(2 * s)}, 10*m + s - 1, cluster.Suspect, ""},
		"an old doubt":                   {[]event{doubted(1 * s), hears(1*s, right)}, 2 * s, cluster.Live, ""},
		"another disk":                   {[]event{hears(1*s, right), hears(2*s, otherStore)}, 2 * s, cluster.Suspect, "mayfly node replace"},
		"another disk only, for long":    {[]event{hears(5*m, otherStore)}, 10 * m, cluster.Down, "mayfly node replace"},
		"the disk is back":               {[]event{hears(1*s, otherStore), hears(2*s, right)}, 2 * s, cluster.Live, ""},
		"another name":                   {[]event{hears(1*s, otherNode)}, 1 * s, cluster.Suspect, `node "b" answers`},
		"a restart not announced yet":    {[]event{hears(1*s, right), hears(30*s, otherBoot), hears(39*s, otherBoot)}, 39 * s, cluster.Live, ""},
		"a restart never announced":      {[]event{hears(1*s, otherBoot), hears(11*s, otherBoot)}, 11 * s, cluster.Live, "does not announce"},
		"a restart announced late":       {[]event{hears(1*s, otherBoot), hears(11*s, otherBoot), hears(12*s, right)}, 12 * s, cluster.Live, ""},
		"a new store starts anew":        {[]event{hears(1*s, right), reborn(9 * m)}, 10*m + s, cluster.Suspect, ""},
		"a new store is not the old one": {[]event{reborn(1 * s), hears(2*s, right)}, 2 * s, cluster.Suspect, ""},
	} {
		t.Run(name, func(t *testing.T) {
			j := newJudge(usual(t))
			j.members([]cluster.Member{alice}, dawn)
			for _, e := range c.events {
				e.do(j, dawn.Add(e.at))
			}
			if got := j.health("a", dawn.Add(c.at)); got != c.want {
				t.Errorf("it is %s, want %s", got, c.want)
			}
			if note := j.nodes["a"].note; !strings.Contains(note, c.note) || (c.note == "") != (note == "") {
				t.Errorf("the operator reads %q, want %q", note, c.note)
			}
		})
	}
	if got := newJudge(usual(t)).health("x", dawn); got != cluster.Suspect {
		t.Errorf("a stranger is %s", got)
	}
}

// claim is a report of a replica that thinks it leads.
func claim(term, index uint64, committed bool) ReplicaReport {
	r := ReplicaReport{Group: 1, Number: 1, Progress: replica.Progress{Term: term, Leading: true, Configuration: index, Applied: index, Last: index}}
	if committed {
		r.Configuration = &replica.Configuration{Index: index, Committed: true, Voters: []cluster.Replica{{Node: "a", Number: 1}, {Node: "b", Number: 1}}}
	}
	return r
}

func told(reports map[cluster.NodeID]ReplicaReport) answers {
	a := make(answers)
	for n, r := range reports {
		a[n] = Report{Node: n, Replicas: []ReplicaReport{r}}
	}
	return a
}

func TestWhoLeads(t *testing.T) {
	type reports = map[cluster.NodeID]ReplicaReport
	follower := ReplicaReport{Group: 1, Number: 1, Progress: replica.Progress{Term: 9}}
	for name, c := range map[string]struct {
		first, second reports
		want          cluster.NodeID
	}{
		"one":                              {reports{"a": claim(3, 7, true), "b": follower}, reports{}, "a"},
		"nobody":                           {reports{"b": follower}, reports{"b": follower}, ""},
		"the higher term":                  {reports{"a": claim(3, 7, true), "b": claim(4, 7, true)}, reports{"a": claim(3, 7, true)}, "b"},
		"not sure of its configuration":    {reports{"a": claim(3, 7, false)}, reports{}, ""},
		"a newer one that is not sure":     {reports{"a": claim(3, 7, true), "b": claim(4, 7, false)}, reports{}, ""},
		"a newer one, seen second":         {reports{"a": claim(3, 7, true)}, reports{"b": claim(4, 7, true)}, ""},
		"seen second only":                 {reports{}, reports{"a": claim(3, 7, true)}, ""},
		"an older one, seen second":        {reports{"b": claim(4, 7, true)}, reports{"a": claim(3, 7, true)}, "b"},
		"one that was given up":            {reports{"a": claim(3, 7, true), "z": claim(9, 7, true)}, reports{"z": claim(9, 7, true)}, "a"},
		"a claim to configuration 0":       {reports{"a": claim(3, 0, true)}, reports{}, ""},
		"the same one in a newer term":     {reports{"a": claim(3, 7, true)}, reports{"a": claim(5, 7, true)}, ""},
		"the same one, now it is not sure": {reports{"a": claim(3, 7, true)}, reports{"a": claim(3, 8, false)}, "a"},
	} {
		t.Run(name, func(t *testing.T) {
			g := cluster.GroupPlacement{Group: 1, Retired: []cluster.Replica{{Node: "z", Number: 1}}}
			leader, _, ok := leaderOf(g, told(c.first), told(c.second))
			if ok != (c.want != "") || ok && leader.Node != c.want {
				t.Errorf("%v leads (%v), want %q", leader, ok, c.want)
			}
		})
	}
}

// sighting is one round as far as one follower goes.
type sighting struct {
	after time.Duration // since the sighting before
	kind  int
}

// Kinds of sightings.
const (
	isNear = iota
	lags
	unheard
	otherConfiguration
	leaderless
	kinds
)

// A replica is caught up when it is near now and was so for as long as it takes,
// with no look in between that found it lagging and no time too long without
// any look that found it near. The model reads that from the whole history.
func TestCaughtUpAgainstHistory(t *testing.T) {
	tuning := usual(t)
	lapse := 2 * (tuning.Round + tuning.Ask)
	reached := 0
	rapid.Check(t, func(t *rapid.T) {
		j := newJudge(tuning)
		history := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) sighting {
			after := rapid.SampledFrom([]time.Duration{100, 900, 1000, 1000, 2500, 4000, 4001}).Draw(t, "ms")
			kind := max(isNear, rapid.IntRange(-25, kinds-1).Draw(t, "kind")) // mostly near
			return sighting{after * time.Millisecond, kind}
		}), 20, 60).Draw(t, "history")
		now := dawn
		var times []time.Time
		for i, s := range history {
			now = now.Add(s.after)
			times = append(times, now)
			got := seen(j, s.kind, now)
			want := expected(history[:i+1], times, lapse, tuning.Settle)
			if s.kind != leaderless && got != want {
				t.Fatalf("after %v: %v, want %v", history[:i+1], got, want)
			}
			if got == cluster.CaughtUp {
				reached++
			}
		}
	})
	if reached == 0 {
		t.Error("no replica was ever caught up")
	}
}

// seen lets the judge see one round and gives what it thinks of the follower.
func seen(j *judge, kind int, now time.Time) cluster.Progress {
	leader := claim(3, 50, true)
	leader.Progress.Applied, leader.Progress.Last = 1000, 1000
	follower := ReplicaReport{Group: 1, Number: 1, Progress: replica.Progress{Term: 3, Configuration: 50, Applied: 1000, Last: 1000}}
	first, second := told(map[cluster.NodeID]ReplicaReport{"a": leader}), answers{}
	switch kind {
	case lags:
		follower.Progress.Last = 800
	case otherConfiguration:
		follower.Progress.Configuration = 49
	case leaderless:
		first = answers{}
	}
	if kind != unheard {
		second = told(map[cluster.NodeID]ReplicaReport{"b": follower})
	}
	v := j.judge(onlyGroup(), first, second, now)
	for _, r := range v.observed[1].Replicas {
		if r.Replica.Node == "b" {
			return r.Progress
		}
	}
	return cluster.Behind
}

func onlyGroup() *cluster.Placement {
	target := cluster.Target{Voters: []cluster.NodeID{"a"}}
	p, err := cluster.NewPlacement(1, []cluster.GroupPlacement{{Group: 0, Next: 1, Target: target}, {Group: 1, Next: 1, Target: target}})
	if err != nil {
		panic(err)
	}
	return p
}

// expected reads the history backwards.
func expected(history []sighting, times []time.Time, lapse, settle time.Duration) cluster.Progress {
	last := len(history) - 1
	now := times[last]
	begin := time.Time{} // of the unbroken time near
	link := now
	for i := last; i >= 0 && link.Sub(times[i]) <= lapse; i-- {
		if history[i].kind == lags {
			break
		}
		if history[i].kind == isNear {
			begin, link = times[i], times[i]
		}
	}
	switch {
	case begin.IsZero():
		return cluster.Behind
	case history[last].kind == isNear && now.Sub(begin) >= settle:
		return cluster.CaughtUp
	default:
		return cluster.Near
	}
}

// A leader is caught up with itself, and goes on being so when it hands over.
func TestFormerLeaderStaysCaughtUp(t *testing.T) {
	j := newJudge(usual(t))
	p := onlyGroup()
	reports := func(leader cluster.NodeID, term uint64) answers {
		m := make(map[cluster.NodeID]ReplicaReport)
		for _, n := range []cluster.NodeID{"a", "b"} {
			r := claim(term, 7, true)
			if n != leader {
				r.Progress.Leading, r.Configuration = false, nil
			}
			m[n] = r
		}
		return told(m)
	}
	now := dawn
	for range 11 {
		now = now.Add(time.Second)
		all := reports("a", 3)
		j.judge(p, all, all, now)
	}
	now = now.Add(time.Second)
	all := reports("b", 4)
	v := j.judge(p, all, all, now)
	for _, r := range v.observed[1].Replicas {
		if r.Progress != cluster.CaughtUp {
			t.Errorf("%v after the handover: %v", r.Replica, r.Progress)
		}
	}
	if fmt.Sprint(v.observed[1].Leader) != "{b 1}" || v.observed[1].Index != 7 {
		t.Errorf("observed %+v", v.observed[1])
	}
}

func TestConfigIsChecked(t *testing.T) {
	if _, err := New(Config{}); err == nil {
		t.Error("a steward of nothing was made")
	}
	for name, tuning := range map[string]Tuning{
		"negative":         {Round: -1},
		"down before late": {SuspectAfter: time.Hour},
	} {
		if _, err := tuning.withDefaults(); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}
