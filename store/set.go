package store

import storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"

// set is distinct elements, in the order of their bytes.
type set struct {
	epoch    uint64
	elements tree[string]
	// content counts the bytes of all elements.
	content uint64
}

func newSet(epoch uint64) *set {
	return &set{epoch: epoch, elements: tree[string]{epoch: epoch}}
}

func (s *set) kind() storev1.Kind { return storev1.Kind_KIND_SET }
func (s *set) count() int         { return s.elements.length }

func (s *set) bytes() uint64 {
	return setOverhead + uint64(s.count())*elementOverhead + s.content
}

func (s *set) owned(epoch uint64) collection {
	if s.epoch == epoch {
		return s
	}
	return &set{epoch: epoch, elements: s.elements.own(epoch), content: s.content}
}

// find returns the place of an element; known is false when it is another's, or
// the end.
func (s *set) find(element string) (place int, known bool) {
	place, there := s.elements.search(func(e string) bool { return e < element })
	return place, there != nil && *there == element
}

func (s *set) contains(element string) bool {
	_, known := s.find(element)
	return known
}

func (s *set) add(element string) {
	if place, known := s.find(element); !known {
		s.elements.insert(place, element)
		s.content += uint64(len(element))
	}
}

func (s *set) remove(element string) {
	if place, known := s.find(element); known {
		s.removeAt(place, element)
	}
}

func (s *set) removeAt(place int, element string) {
	s.elements.remove(place)
	s.content -= uint64(len(element))
}

func (s *set) parts(yield func(*storev1.SnapshotRecord_Part) bool) {
	inParts(&s.elements, yield,
		func(e string) int { return len(e) },
		func(part *storev1.SnapshotRecord_Part, e string) { part.Values = append(part.Values, bytesOf(e)) })
}

func (s *set) take(key string, part *storev1.SnapshotRecord_Part) string {
	if len(part.GetFields())+len(part.GetScores()) > 0 {
		return "a part that is none of a set"
	}
	for _, e := range part.GetValues() {
		if len(key)+len(e) > MaxItemBytes {
			return "an element of an impossible length"
		}
		if n := s.count(); n > 0 && s.elements.at(n-1) >= string(e) {
			return "elements are not in order"
		}
		s.elements.push(textOf(e))
		s.content += uint64(len(e))
	}
	return ""
}

func (m *Machine) setAdd(t target, op *storev1.SetAdd) *Result {
	it := m.find(t)
	if _, ok := held[*set](it); !ok {
		return notSet
	}
	if len(op.GetElements()) == 0 {
		return done
	}
	refusal := grow(m, t, it, newSet, op.GetTtl(), len(op.GetElements()), func(s *set) {
		for _, e := range op.GetElements() {
			s.add(textOf(e))
		}
	})
	if refusal != nil {
		return refusal
	}
	return done
}

func (m *Machine) setRemove(t target, op *storev1.SetRemove) *Result {
	it := m.find(t)
	s, ok := held[*set](it)
	switch {
	case !ok:
		return notSet
	case s == nil:
		return noLength
	case op.GetAll():
		m.remove(t, it)
		return lengthOf(0)
	}
	there := present(op.GetElements(), s.contains)
	if len(there) == 0 {
		return lengthOf(s.count())
	}
	left := 0
	shrink(m, t, it, nil, func(s *set) {
		for _, e := range there {
			s.remove(e)
		}
		left = s.count()
	})
	return lengthOf(left)
}

// setComplement replaces a set by those of the elements given that it does not
// hold. Nothing left is no set.
func (m *Machine) setComplement(t target, op *storev1.SetComplement) *Result {
	it := m.find(t)
	s, ok := held[*set](it)
	switch {
	case !ok:
		return notSet
	case s == nil:
		return noLength
	}
	rest := newSet(m.epoch)
	for _, e := range op.GetElements() {
		if !s.contains(textOf(e)) {
			rest.add(textOf(e))
		}
	}
	if rest.count() == 0 {
		m.remove(t, it)
	} else {
		m.edit(t, it, func(it *item) { it.held = rest })
	}
	return lengthOf(rest.count())
}

// setPop takes out elements that the seed chooses, one after the other, until
// there are enough, or no more have room in the answer.
func (m *Machine) setPop(t target, op *storev1.SetPop) *Result {
	it := m.find(t)
	s, ok := held[*set](it)
	switch {
	case !ok:
		return notSet
	case s == nil:
		return noValues
	case op.GetCount() == 0:
		return valuesOf(nil)
	}
	most := op.GetMaxBytes()
	if most == 0 || most > MaxItemBytes {
		most = MaxItemBytes // what a record of a snapshot may hold
	}
	dice := chance(op.GetSeed())
	count := int(min(op.GetCount(), MaxPopCount))
	popped := make([][]byte, 0, min(count, s.count()))
	shrink(m, t, it, nil, func(s *set) {
		var content uint64
		for len(popped) < count && s.count() > 0 {
			place := dice.below(s.count())
			e := s.elements.at(place)
			content += uint64(len(e))
			if len(popped) > 0 && !fits(len(popped)+1, content, most) {
				return
			}
			s.removeAt(place, e)
			popped = append(popped, bytesOf(e))
		}
	})
	return valuesOf(popped)
}

func viewSet(it *item, q *Query) *Result {
	s, ok := held[*set](it)
	switch {
	case !ok:
		return notSet
	case s == nil:
		return noValues
	case !fits(s.count(), s.content, q.GetMaxBytes()):
		return tooLarge
	}
	all := make([][]byte, 0, s.count())
	for e := range s.elements.span(0, s.count()) {
		all = append(all, bytesOf(e))
	}
	return valuesOf(all)
}

// viewSample answers elements that the seed chooses, every selection being as
// likely as every other.
func viewSample(it *item, q *Query, op *storev1.Query_SetSample) *Result {
	s, ok := held[*set](it)
	switch {
	case !ok:
		return notSet
	case s == nil:
		return noValues
	case op.GetLimit() >= uint64(s.count()):
		return viewSet(it, q)
	}
	// A sample is a part, so its size is known only when it was drawn; but the
	// number of elements alone can be too many.
	count := int(min(op.GetLimit(), MaxSample))
	if !fits(count, 0, q.GetMaxBytes()) {
		return tooLarge
	}
	var content uint64
	some := make([][]byte, 0, count)
	for place := range chance(op.GetSeed()).distinct(count, s.count()) {
		e := s.elements.at(place)
		if content += uint64(len(e)); !fits(count, content, q.GetMaxBytes()) {
			return tooLarge
		}
		some = append(some, bytesOf(e))
	}
	return valuesOf(some)
}

func viewContained(it *item, elements [][]byte) *Result {
	s, ok := held[*set](it)
	switch {
	case !ok:
		return notSet
	case s == nil:
		return noContained
	}
	answer := &storev1.Result_Contained{Found: true, Present: make([]bool, len(elements))}
	for i, e := range elements {
		answer.Present[i] = s.contains(textOf(e))
	}
	return &Result{Outcome: &storev1.Result_Contained_{Contained: answer}}
}
