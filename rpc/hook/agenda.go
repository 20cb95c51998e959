package hook

import (
	"container/heap"
	"time"
)

// agenda is a heap of the webhooks that have something to do by the clock, by when.
type agenda []*post

// plan is a webhook's place in the agenda. The zero value is none.
type plan struct {
	at     time.Time
	served time.Time // when its last attempt began
	place  int       // behind its index; 0 for none
}

// put plans a webhook for a moment, or strikes it off. Webhooks that could do with
// a worker all the time take turns: nobody is planned for before it was served last.
func (a *agenda) put(p *post, at time.Time, ok bool) {
	if !ok {
		if p.plan.place > 0 {
			heap.Remove(a, p.plan.place-1)
		}
		return
	}
	p.plan.at = latest(at, p.plan.served)
	if p.plan.place > 0 {
		heap.Fix(a, p.plan.place-1)
	} else {
		heap.Push(a, p)
	}
}

func (a agenda) Len() int           { return len(a) }
func (a agenda) Less(i, j int) bool { return a[i].plan.at.Before(a[j].plan.at) }
func (a agenda) Swap(i, j int) {
	a[i], a[j] = a[j], a[i]
	a[i].plan.place, a[j].plan.place = i+1, j+1
}

// Push implements heap.Interface.
func (a *agenda) Push(p any) {
	*a = append(*a, p.(*post))
	p.(*post).plan.place = len(*a)
}

// Pop implements heap.Interface.
func (a *agenda) Pop() any {
	old := *a
	p := old[len(old)-1]
	old[len(old)-1] = nil
	*a = old[:len(old)-1]
	p.plan.place = 0
	return p
}
