package store

// scheduled is something that waits for an instant in a [schedule].
type scheduled interface {
	comparable
	// label orders what is due at the same instant.
	label() string
	// place is where the schedule keeps its position: one past the index in
	// the heap, 0 when it is not scheduled.
	place() *int
}

// schedule is a priority queue by (instant, label) whose members can be moved
// and removed. It is a heap of arity four: most entries are pushed with the
// latest instant so far and stay where they are. The order in which members
// come out does not depend on how they came in.
type schedule[T scheduled] struct {
	heap []appointment[T]
}

type appointment[T scheduled] struct {
	at  uint64
	who T
}

const arity = 4

func (s *schedule[T]) len() int { return len(s.heap) }

// next returns the first member and its instant.
func (s *schedule[T]) next() (who T, at uint64, ok bool) {
	if len(s.heap) == 0 {
		return who, 0, false
	}
	return s.heap[0].who, s.heap[0].at, true
}

// put schedules who at the given instant, or moves it there.
func (s *schedule[T]) put(who T, at uint64) {
	p := *who.place()
	if p == 0 {
		s.heap = append(s.heap, appointment[T]{at, who})
		s.up(len(s.heap) - 1)
		return
	}
	i := p - 1
	switch before := s.heap[i].at; {
	case at < before:
		s.heap[i].at = at
		s.up(i)
	case at > before:
		s.heap[i].at = at
		s.down(i)
	}
}

// remove takes who out; it is no error when it is not in.
func (s *schedule[T]) remove(who T) {
	p := who.place()
	if *p == 0 {
		return
	}
	i, last := *p-1, len(s.heap)-1
	*p = 0
	moved := s.heap[last]
	s.heap[last] = appointment[T]{}
	s.heap = s.heap[:last]
	if i == last {
		s.shrink()
		return
	}
	s.set(i, moved)
	s.up(i)
	s.down(*moved.who.place() - 1)
	s.shrink()
}

// replace puts a copy in the place of the original.
func (s *schedule[T]) replace(original, duplicate T) {
	if p := *original.place(); p != 0 {
		s.heap[p-1].who = duplicate
	}
}

// shrink gives back memory when less than a quarter of it is in use.
func (s *schedule[T]) shrink() {
	if n := len(s.heap); cap(s.heap) > 64 && n < cap(s.heap)/4 {
		s.heap = append(make([]appointment[T], 0, 2*n), s.heap...)
	}
}

func (s *schedule[T]) set(i int, a appointment[T]) {
	s.heap[i] = a
	*a.who.place() = i + 1
}

func (a appointment[T]) before(b appointment[T]) bool {
	return a.at < b.at || a.at == b.at && a.who.label() < b.who.label()
}

func (s *schedule[T]) up(i int) {
	a := s.heap[i]
	for i > 0 {
		parent := (i - 1) / arity
		if !a.before(s.heap[parent]) {
			break
		}
		s.set(i, s.heap[parent])
		i = parent
	}
	s.set(i, a)
}

func (s *schedule[T]) down(i int) {
	a := s.heap[i]
	for {
		first := arity*i + 1
		if first >= len(s.heap) {
			break
		}
		least := first
		for j := first + 1; j < min(first+arity, len(s.heap)); j++ {
			if s.heap[j].before(s.heap[least]) {
				least = j
			}
		}
		if !s.heap[least].before(a) {
			break
		}
		s.set(i, s.heap[least])
		i = least
	}
	s.set(i, a)
}
