package store

import (
	"cmp"
	"math"
	"slices"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

// sortedSet is distinct members, each with a score. It is kept in the order of
// scores, which gives ranks and ranges and is what a snapshot sees, and once it
// has more than a few members also by member, which finds a score. A tree is
// slower at that than a hash table, but it never stops to grow. It is no part of
// a snapshot, so it is written in place: only the newest of the copies of a set
// may read it.
type sortedSet struct {
	epoch   uint64
	byScore tree[scored]
	// byMember holds every member, or none while they are few.
	byMember tree[scored]
	// content counts the bytes of all members.
	content uint64
}

// fewMembers is how many members are looked through for one: no more than fit one
// node, and what that takes is about a search. Most sets are that small, and take
// half of the memory that way. One that shrinks keeps its second order until half
// of that many are left.
const fewMembers = 30

type scored struct {
	member string
	score  float64 // never NaN
}

// compare orders by score, then by the bytes of the member.
func (a scored) compare(b scored) int {
	if c := cmp.Compare(a.score, b.score); c != 0 {
		return c
	}
	return cmp.Compare(a.member, b.member)
}

func newSortedSet(epoch uint64) *sortedSet {
	return &sortedSet{epoch: epoch, byScore: tree[scored]{epoch: epoch}, byMember: tree[scored]{epoch: epoch}}
}

func (s *sortedSet) kind() storev1.Kind { return storev1.Kind_KIND_SORTED_SET }
func (s *sortedSet) count() int         { return s.byScore.length }

func (s *sortedSet) bytes() uint64 {
	return sortedSetOverhead + uint64(s.count())*memberOverhead + s.content
}

func (s *sortedSet) owned(epoch uint64) collection {
	if s.epoch == epoch {
		return s
	}
	return &sortedSet{epoch: epoch, byScore: s.byScore.own(epoch), byMember: s.byMember, content: s.content}
}

// find returns a member with its score, and where it is among members if they are
// in that order; known is false when it is not there, and place is then where it
// would be.
func (s *sortedSet) find(member string) (place int, e scored, known bool) {
	if s.byMember.length == 0 {
		for e := range s.byScore.span(0, s.count()) {
			if e.member == member {
				return 0, e, true
			}
		}
		return 0, scored{}, false
	}
	place, there := s.byMember.search(func(e scored) bool { return e.member < member })
	if there == nil || there.member != member {
		return place, scored{}, false
	}
	return place, *there, true
}

func (s *sortedSet) contains(member string) bool {
	_, _, known := s.find(member)
	return known
}

// place returns how many members come before e.
func (s *sortedSet) place(e scored) int {
	place, _ := s.byScore.search(func(other scored) bool { return other.compare(e) < 0 })
	return place
}

// below returns how many scores are below a bound, or at most the bound.
func (s *sortedSet) below(score float64, inclusive bool) int {
	place, _ := s.byScore.search(func(e scored) bool {
		return e.score < score || inclusive && e.score == score
	})
	return place
}

// put gives a member its score.
func (s *sortedSet) put(member string, score float64) {
	place, old, known := s.find(member)
	e := scored{member, score}
	switch {
	case !known:
		s.content += uint64(len(member))
	case old.score == score:
		return
	default:
		e.member = old.member // one copy of its bytes is enough
		s.byScore.remove(s.place(old))
	}
	s.byScore.insert(s.place(e), e)
	switch {
	case s.byMember.length == 0:
		s.index()
	case known:
		s.byMember.replace(place, e)
	default:
		s.byMember.insert(place, e)
	}
}

// index begins the order by member once there are enough.
func (s *sortedSet) index() {
	if s.count() > fewMembers {
		for _, e := range s.members() {
			s.byMember.push(e)
		}
	}
}

// members returns all members with their scores, by member.
func (s *sortedSet) members() []scored {
	if s.byMember.length > 0 {
		return slices.Collect(s.byMember.span(0, s.count()))
	}
	all := slices.Collect(s.byScore.span(0, s.count()))
	slices.SortFunc(all, func(a, b scored) int { return cmp.Compare(a.member, b.member) })
	return all
}

func (s *sortedSet) remove(member string) {
	place, e, known := s.find(member)
	if !known {
		return
	}
	s.byScore.remove(s.place(e))
	s.content -= uint64(len(member))
	switch {
	case s.byMember.length == 0:
	case s.count() <= fewMembers/2:
		s.byMember = tree[scored]{epoch: s.byMember.epoch}
	default:
		s.byMember.remove(place)
	}
}

func (s *sortedSet) parts(yield func(*storev1.SnapshotRecord_Part) bool) {
	inParts(&s.byScore, yield,
		func(e scored) int { return len(e.member) },
		func(part *storev1.SnapshotRecord_Part, e scored) {
			part.Values = append(part.Values, bytesOf(e.member))
			part.Scores = append(part.Scores, e.score)
		})
}

func (s *sortedSet) take(key string, part *storev1.SnapshotRecord_Part) string {
	if len(part.GetScores()) != len(part.GetValues()) || len(part.GetFields()) > 0 {
		return "a part that is none of a sorted set"
	}
	for i, member := range part.GetValues() {
		e := scored{textOf(member), part.GetScores()[i]}
		if len(key)+len(member) > MaxItemBytes || math.IsNaN(e.score) {
			return "a member of an impossible length or score"
		}
		place, _, known := s.find(e.member)
		if n := s.count(); known || n > 0 && s.byScore.at(n-1).compare(e) >= 0 {
			return "members are not in order, or one comes twice"
		}
		s.byScore.push(e)
		s.content += uint64(len(member))
		if s.byMember.length > 0 {
			s.byMember.insert(place, e)
		} else {
			s.index()
		}
	}
	return ""
}

func (m *Machine) sortedSetPut(t target, op *storev1.SortedSetPut) *Result {
	it := m.find(t)
	if _, ok := held[*sortedSet](it); !ok {
		return notSortedSet
	}
	if len(op.GetMembers()) == 0 {
		return done
	}
	refusal := grow(m, t, it, newSortedSet, op.GetTtl(), len(op.GetMembers()), func(s *sortedSet) {
		for i, member := range op.GetMembers() {
			s.put(textOf(member), op.GetScores()[i])
		}
	})
	if refusal != nil {
		return refusal
	}
	return done
}

func (m *Machine) sortedSetIncrement(t target, op *storev1.SortedSetIncrement) *Result {
	it := m.find(t)
	s, ok := held[*sortedSet](it)
	if !ok {
		return notSortedSet
	}
	sum := op.GetAmount()
	if s != nil {
		_, old, _ := s.find(textOf(op.GetMember()))
		sum += old.score
	}
	if math.IsNaN(sum) {
		return noScore
	}
	refusal := grow(m, t, it, newSortedSet, op.GetTtl(), 1, func(s *sortedSet) {
		s.put(textOf(op.GetMember()), sum)
	})
	if refusal != nil {
		return refusal
	}
	return scoreOf(sum)
}

func (m *Machine) sortedSetRemove(t target, op *storev1.SortedSetRemove) *Result {
	it := m.find(t)
	s, ok := held[*sortedSet](it)
	switch {
	case !ok:
		return notSortedSet
	case s == nil:
		return done
	case op.GetAll():
		m.remove(t, it)
		return done
	}
	there := present(op.GetMembers(), s.contains)
	if len(there) == 0 && !op.GetTtl().GetRefresh() {
		return done
	}
	shrink(m, t, it, op.GetTtl(), func(s *sortedSet) {
		for _, member := range there {
			s.remove(member)
		}
	})
	return done
}
