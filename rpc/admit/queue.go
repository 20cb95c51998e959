package admit

import (
	"container/heap"
	"container/list"
)

// largeCall is the size in bytes by which a call counts as one more.
const largeCall = 16 << 10

// waiter is a call that waits.
type waiter struct {
	who  Caller
	cost float64
	let  chan struct{} // closed when it is let in, or thrown out
	// Guarded by the lane's lock.
	in     bool
	group  *group
	member *member
	place  *list.Element // in the member's line; nil when it waits no more
}

// queue is those who wait. Guarded by the lane's lock.
type queue struct {
	most    int // how many may be in it
	len     int
	groups  groups
	largest ranking[*group] // first the one that has the most of the queue
	named   map[string]*group
	// now is how far the last one was that had a turn: who comes new begins there.
	now float64
}

// group takes turns with other groups. Its turn comes when it is the one that had
// least, by its weight.
type group struct {
	name    string
	weight  float64
	had     float64
	len     int
	index   int // in the heap of those who take turns
	place   int // in the ranking
	members map[string]*member
	turns   list.List        // of *member; the first is next
	largest ranking[*member] // first the one that has the most of the group
}

// member takes turns with the others of its group.
type member struct {
	name string
	line list.List // of *waiter, oldest first
	turn *list.Element

	place int // in the group's ranking
}

// push enters a waiter. When the queue is full the group that has the most of it gives
// way: the last of its calls is thrown out. ok is false if that is the new one, whose
// group has as much as any other.
func (q *queue) push(w *waiter) (evicted *waiter, ok bool) {
	if q.named == nil {
		q.named = make(map[string]*group)
	}
	g := q.named[w.who.Group]
	if q.len >= q.most {
		largest := q.largest[0]
		if g != nil && g.len == largest.len {
			return nil, false
		}
		evicted = largest.last()
		q.remove(evicted)
	}
	if g == nil {
		g = &group{name: w.who.Group, had: q.now, members: make(map[string]*member)}
		q.named[g.name] = g
		heap.Push(&q.groups, g)
		heap.Push(&q.largest, g)
	}
	g.weight = float64(max(w.who.Weight, 1))
	m := g.members[w.who.Member]
	if m == nil {
		m = &member{name: w.who.Member}
		m.turn = g.turns.PushBack(m)
		g.members[m.name] = m
		heap.Push(&g.largest, m)
	}
	w.group, w.member, w.place = g, m, m.line.PushBack(w)
	g.len++
	q.len++
	heap.Fix(&g.largest, m.place)
	heap.Fix(&q.largest, g.place)
	return evicted, true
}

// pop takes out whose turn it is. The queue is not empty.
func (q *queue) pop() *waiter {
	g := q.groups[0]
	m := g.turns.Front().Value.(*member)
	w := m.line.Front().Value.(*waiter)
	q.now = g.had
	g.had += w.cost / g.weight
	g.turns.MoveToBack(m.turn)
	q.remove(w)
	if g.len > 0 {
		heap.Fix(&q.groups, g.index)
	}
	return w
}

// remove takes out a waiter. False if it is not in.
func (q *queue) remove(w *waiter) bool {
	if w.place == nil {
		return false
	}
	g, m := w.group, w.member
	m.line.Remove(w.place)
	w.place = nil
	if m.line.Len() == 0 {
		g.turns.Remove(m.turn)
		delete(g.members, m.name)
		heap.Remove(&g.largest, m.place)
	} else {
		heap.Fix(&g.largest, m.place)
	}
	if g.len--; g.len == 0 {
		heap.Remove(&q.groups, g.index)
		heap.Remove(&q.largest, g.place)
		delete(q.named, g.name)
	} else {
		heap.Fix(&q.largest, g.place)
	}
	q.len--
	return true
}

// last is the newest call of the member that has the most of the group.
func (g *group) last() *waiter {
	return g.largest[0].line.Back().Value.(*waiter)
}

// groups is a heap: the one that had least comes first.
type groups []*group

func (h groups) Len() int           { return len(h) }
func (h groups) Less(i, j int) bool { return h[i].had < h[j].had }
func (h groups) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push implements heap.Interface.
func (h *groups) Push(x any) {
	g := x.(*group)
	g.index = len(*h)
	*h = append(*h, g)
}

// Pop implements heap.Interface.
func (h *groups) Pop() any {
	last := len(*h) - 1
	g := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return g
}
