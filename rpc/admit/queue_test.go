package admit

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// crowd is a queue and, beside it, all who should be in it, oldest first.
type crowd struct {
	*rapid.T
	queue
	in []*waiter
}

func (c *crowd) gone(w *waiter) {
	c.Helper()
	i := slices.Index(c.in, w)
	if i < 0 {
		c.Fatal("one came out that was not in, or twice")
	}
	c.in = slices.Delete(c.in, i, i+1)
}

// has counts who is in of a group, or of one of its members.
func (c *crowd) has(of func(Caller) bool) (n int) {
	for _, w := range c.in {
		if of(w.who) {
			n++
		}
	}
	return n
}

func ofGroup(who Caller) func(Caller) bool {
	return func(other Caller) bool { return other.Group == who.Group }
}

func ofMember(who Caller) func(Caller) bool {
	return func(other Caller) bool { return other == who }
}

// most is the most that any of those who are in has.
func (c *crowd) most(in []*waiter, of func(Caller) func(Caller) bool) (most int) {
	for _, w := range in {
		most = max(most, c.has(of(w.who)))
	}
	return most
}

// come has somebody come, and sees who gives way.
func (c *crowd) come() {
	name := rapid.SampledFrom([]string{"a", "b", "c", "d"})
	w := &waiter{who: Caller{Group: name.Draw(c.T, "group"), Member: name.Draw(c.T, "member")}, cost: 1}
	full, had, most := len(c.in) == c.queue.most, c.has(ofGroup(w.who)), c.most(c.in, ofGroup)
	evicted, ok := c.push(w)
	switch {
	case !full && (evicted != nil || !ok):
		c.Fatal("somebody had to give way while there was room")
	case full && ok != (had < most):
		c.Fatalf("let in: %v, where its group has %d and another %d", ok, had, most)
	case full && ok:
		if n := c.has(ofGroup(evicted.who)); n != most {
			c.Fatalf("one of a group with %d gave way, another has %d", n, most)
		}
		group := slices.DeleteFunc(slices.Clone(c.in), func(x *waiter) bool { return x.who.Group != evicted.who.Group })
		if n, most := c.has(ofMember(evicted.who)), c.most(group, ofMember); n != most {
			c.Fatalf("one of a member with %d gave way, another of its group has %d", n, most)
		}
		if slices.ContainsFunc(c.in[slices.Index(c.in, evicted)+1:], func(x *waiter) bool { return x.who == evicted.who }) {
			c.Fatal("not the newest of its member gave way")
		}
		c.gone(evicted)
	}
	if ok {
		c.in = append(c.in, w)
	}
}

// serve takes out whose turn it is.
func (c *crowd) serve() {
	least := slices.MinFunc(c.in, func(a, b *waiter) int { return int(a.group.had) - int(b.group.had) }).group.had
	w := c.pop()
	if w.group.had-1 > least {
		c.Fatalf("%s had %v before one that had %v", w.group.name, w.group.had-1, least)
	}
	if i := slices.IndexFunc(c.in, func(x *waiter) bool { return x.who == w.who }); c.in[i] != w {
		c.Fatal("of one member not the oldest")
	}
	c.gone(w)
}

// Against a naive model: groups go before those that had more, of a full queue the
// largest gives way, and nobody is lost.
func TestQueueAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := &crowd{T: t, queue: queue{most: rapid.IntRange(1, 24).Draw(t, "most")}}
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			switch what := rapid.IntRange(0, 4).Draw(t, "what"); {
			case what < 3:
				c.come()
			case len(c.in) == 0:
			case what == 3:
				c.serve()
			default:
				w := c.in[rapid.IntRange(0, len(c.in)-1).Draw(t, "which")]
				if !c.remove(w) || c.remove(w) {
					t.Fatal("one that waits was not there, or twice")
				}
				c.gone(w)
			}
			if c.len != len(c.in) {
				t.Fatalf("%d in the queue, want %d", c.len, len(c.in))
			}
		}
		for len(c.in) > 0 {
			c.serve()
		}
		if c.len != 0 || len(c.named) != 0 || len(c.groups) != 0 || len(c.largest) != 0 {
			t.Fatal("something is left")
		}
	})
}

// BenchmarkPush has somebody come to a queue that is full of groups, or of one group's
// members.
func BenchmarkPush(b *testing.B) {
	for name, as := range map[string]func(i int) Caller{
		"groups":  func(i int) Caller { return Caller{Group: fmt.Sprint(i / 2)} },
		"members": func(i int) Caller { return Caller{Group: "a", Member: fmt.Sprint(i / 2)} },
	} {
		b.Run(name, func(b *testing.B) {
			q := queue{most: Queue}
			for i := range Queue {
				q.push(&waiter{who: as(i), cost: 1})
			}
			b.ReportAllocs()
			for b.Loop() {
				w := &waiter{who: Caller{Group: "quiet"}, cost: 1}
				if _, ok := q.push(w); !ok {
					b.Fatal("refused")
				}
				q.remove(w)
				q.push(&waiter{who: as(0), cost: 1})
			}
		})
	}
}
