package store

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestScheduleComesOutInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s schedule[*item]
		members := make([]*item, 40)
		for i := range members {
			members[i] = &item{key: fmt.Sprintf("%02d", i)}
		}
		in := map[*item]uint64{}
		pick := rapid.SampledFrom(members)
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				it := pick.Draw(t, "member")
				in[it] = rapid.Uint64Range(0, 20).Draw(t, "at")
				s.put(it, in[it])
			},
			"remove": func(t *rapid.T) {
				it := pick.Draw(t, "member")
				delete(in, it)
				s.remove(it)
			},
			"replace": func(t *rapid.T) {
				i := rapid.IntRange(0, len(members)-1).Draw(t, "member")
				duplicate := *members[i]
				if at, ok := in[members[i]]; ok {
					delete(in, members[i])
					in[&duplicate] = at
				}
				s.replace(members[i], &duplicate)
				members[i] = &duplicate
			},
			"": func(t *rapid.T) { verifySchedule(t, &s) },
		})
		var want, got []string
		for it, at := range in {
			want = append(want, fmt.Sprintf("%02d %s", at, it.key))
		}
		slices.Sort(want)
		for it, at, ok := s.next(); ok; it, at, ok = s.next() {
			got = append(got, fmt.Sprintf("%02d %s", at, it.key))
			s.remove(it)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("came out as %v, want %v", got, want)
		}
	})
}
