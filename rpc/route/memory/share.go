package memory

import "math/bits"

// Share is one leader's part of a budget that it shares with others: that of a
// cache, which is spread over all groups, or that of a node, which holds replicas of
// groups that others lead.
type Share struct {
	// Budget is what all may hold together and Total what they hold, in bytes.
	Budget, Total uint64
	// Mine is what the groups hold that this leader leads.
	Mine uint64
	// Groups is how many groups share the budget, and Led how many of them this
	// leader leads.
	Groups, Led int
	// Wanted is what a write of this leader waits for, which may be more than is
	// kept free otherwise.
	Wanted uint64
}

// Add counts a group in that holds so many bytes of what the budget is for.
func (s *Share) Add(bytes uint64, led bool) {
	s.Groups++
	s.Total += bytes
	if led {
		s.Led++
		s.Mine += bytes
	}
}

// headroomPart and mostHeadroom say how much of a budget is kept free for writes to
// come: a twentieth, 32 MiB at most.
const (
	headroomPart = 20
	mostHeadroom = 32 << 20
)

// Headroom is what is kept free of the budget, so that writes need not wait until
// something gives way.
func (s Share) Headroom() uint64 {
	free := min(s.Budget/headroomPart, mostHeadroom)
	if s.Led > 0 {
		// Of all that is free only this leader's part is its own.
		high, wanted := bits.Mul64(s.Wanted, uint64(s.Groups))
		if high > 0 {
			return s.Budget
		}
		free = max(free, wanted/uint64(s.Led)+uint64(s.Groups))
	}
	return min(free, s.Budget)
}

// Room is how many bytes this leader may add: of what is left its part by the
// groups that it leads, so that all together stay within the budget although they
// do not ask each other. It is negative when the budget is exceeded.
func (s Share) Room() int64 {
	if s.Total > s.Budget {
		return -int64(s.Part(s.Total - s.Budget))
	}
	if s.Groups == 0 {
		return 0
	}
	return int64(scale(s.Budget-s.Total, uint64(s.Led), uint64(s.Groups)))
}

// Most is how many bytes this leader could add if nothing were held.
func (s Share) Most() int64 { return Share{Budget: s.Budget, Groups: s.Groups, Led: s.Led}.Room() }

// Excess reports whether some of the headroom is missing.
func (s Share) Excess() bool { return s.missing() > 0 }

// missing is how many bytes of the headroom are missing.
func (s Share) missing() uint64 { return above(s.Total, s.Budget-s.Headroom()) }

// even is what this leader would hold if the budget without its headroom were used up
// and every group held as much as the others.
func (s Share) even() uint64 {
	if s.Groups == 0 {
		return 0
	}
	return scale(s.Budget-s.Headroom(), uint64(s.Led), uint64(s.Groups))
}

// Part is this leader's part of an amount, by what it holds, rounded up.
func (s Share) Part(amount uint64) uint64 {
	if s.Total == 0 || s.Mine == 0 {
		return 0
	}
	return min(scale(amount, s.Mine, s.Total)+1, s.Mine)
}

// scale is amount * part / whole, for a part that is not above the whole.
func scale(amount, part, whole uint64) uint64 {
	high, low := bits.Mul64(amount, min(part, whole))
	quotient, _ := bits.Div64(high, low, whole)
	return quotient
}
