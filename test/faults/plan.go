package faults

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// Harm is one way to hurt a cluster.
type Harm string

// The ways to hurt a cluster. Where a node is spoken of it is, mostly, the leader
// of a group.
const (
	Kill     Harm = "kill"     // power off, and on again
	Freeze   Harm = "freeze"   // stop in the middle of everything, and go on
	Isolate  Harm = "isolate"  // cut off from all others, both ways
	Mute     Harm = "mute"     // hears the others, is not heard
	Deaf     Harm = "deaf"     // is heard, hears nobody
	Quarrel  Harm = "quarrel"  // cut off from one other
	Restart  Harm = "restart"  // stop in order, and start
	Rolling  Harm = "rolling"  // restart all, one after the other
	Transfer Harm = "transfer" // hand the leadership of a group to another
	Blackout Harm = "blackout" // power off everywhere
	Hiccups  Harm = "hiccups"  // freeze one after the other, for a moment
	Swap     Harm = "swap"     // cut one off, and kill another when it is back
	Usurp    Harm = "usurp"    // freeze one, and cut it off before it goes on
)

// harms are all of them. The first ones are enough to be rid of a leader in every
// way there is; a short round draws from these.
var harms = []Harm{Kill, Freeze, Isolate, Mute, Restart, Deaf, Quarrel, Transfer, Hiccups, Usurp, Rolling, Swap, Blackout}

const shortHarms = 5

// Step is one entry of a plan.
type Step struct {
	Calm  time.Duration // before it
	Harm  Harm
	Group int // the group whose leader is meant; -1 means a node by its number
	Node  int // that number, and who the other one is where there are two
	Lasts time.Duration
}

// String is the step for people.
func (s Step) String() string {
	whom := fmt.Sprint("node ", s.Node+1)
	if s.Group >= 0 {
		whom = fmt.Sprint("the leader of group ", s.Group)
	}
	return fmt.Sprintf("calm %s, %s %s (other %d) for %s", s.Calm, s.Harm, whom, s.Node+1, s.Lasts)
}

// Plan draws from the seed what is done to a cluster within about the given time.
// A plan that is short has each of the common harms once, in random order, as
// far as the time reaches.
func Plan(seed uint64, groups, nodes int, length time.Duration) (steps []Step) {
	r := rand.New(rand.NewPCG(seed, 1))
	var turn []Harm
	for total, drawn := time.Duration(0), 0; ; drawn++ {
		if len(turn) == 0 {
			turn = append(turn, harms...)
			if drawn == 0 {
				turn = turn[:shortHarms]
			}
			r.Shuffle(len(turn), func(i, j int) { turn[i], turn[j] = turn[j], turn[i] })
		}
		s := Step{
			Calm: between(r, 1000, 3000), Harm: turn[0], Group: r.IntN(groups + 1), Node: r.IntN(nodes), Lasts: lasts(r, turn[0]),
		}
		turn = turn[1:]
		if r.IntN(4) == 0 {
			s.Group = -1
		}
		if total += s.Calm + s.Lasts; total > length {
			return steps
		}
		steps = append(steps, s)
	}
}

// lasts draws how long a harm lasts: around the time in which a leader is given
// up, which is where things go wrong.
func lasts(r *rand.Rand, h Harm) time.Duration {
	switch h {
	case Transfer, Rolling:
		return 0
	case Kill, Restart, Blackout:
		return between(r, 0, 4000)
	case Hiccups:
		return between(r, 300, 2500)
	default:
		return between(r, 1500, 9000)
	}
}

func between(r *rand.Rand, least, most int64) time.Duration {
	return time.Duration(least+r.Int64N(most-least+1)) * time.Millisecond
}

// describe lists a plan for people, one step per line.
func describe(plan []Step) string {
	var lines strings.Builder
	for _, s := range plan {
		fmt.Fprintln(&lines, "  ", s)
	}
	return lines.String()
}
