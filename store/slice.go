package store

import storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"

// bounds resolves a slice against a length: an absent bound is the outermost,
// a negative one counts from the end, and both are clamped to what exists.
// begin is never above end.
func bounds(s *storev1.Slice, length int) (begin, end int) {
	end = length
	if s != nil && s.Start != nil {
		begin = index(*s.Start, length)
	}
	if s != nil && s.End != nil {
		end = index(*s.End, length)
	}
	return min(begin, end), end
}

func index(i int64, length int) int {
	if i < 0 {
		// No overflow: i is negative and length is not.
		i += int64(length)
	}
	return int(min(max(i, 0), int64(length)))
}
