package admit

// ranked is something of which a ranking knows how much it has of what is shared.
type ranked interface {
	comparable
	size() int
	// at notes its place in the ranking.
	at(place int)
}

// ranking is a heap: the one that has the most comes first. Whoever changes a size has
// it put in order, so that the largest is found without looking at all of them. The
// lane's lock guards it.
type ranking[T ranked] []T

func (g *group) size() int    { return g.len }
func (g *group) at(place int) { g.place = place }

func (m *member) size() int    { return m.line.Len() }
func (m *member) at(place int) { m.place = place }

// Len implements heap.Interface.
func (r ranking[T]) Len() int { return len(r) }

// Less implements heap.Interface.
func (r ranking[T]) Less(i, j int) bool { return r[i].size() > r[j].size() }

// Swap implements heap.Interface.
func (r ranking[T]) Swap(i, j int) {
	r[i], r[j] = r[j], r[i]
	r[i].at(i)
	r[j].at(j)
}

// Push implements heap.Interface.
func (r *ranking[T]) Push(x any) {
	one := x.(T)
	one.at(len(*r))
	*r = append(*r, one)
}

// Pop implements heap.Interface.
func (r *ranking[T]) Pop() any {
	last := len(*r) - 1
	one := (*r)[last]
	var none T
	(*r)[last] = none
	*r = (*r)[:last]
	return one
}
