package faults

import (
	"slices"
	"testing"
	"time"
)

func TestPlansFollowTheSeed(t *testing.T) {
	plan := Plan(7, 4, 3, time.Minute)
	if !slices.Equal(plan, Plan(7, 4, 3, time.Minute)) {
		t.Error("the same seed made two plans")
	}
	if slices.Equal(plan, Plan(8, 4, 3, time.Minute)) {
		t.Error("two seeds made the same plan")
	}
	for _, length := range []time.Duration{10 * time.Second, time.Minute, time.Hour} {
		var total time.Duration
		for _, s := range Plan(1, 4, 3, length) {
			total += s.Calm + s.Lasts
		}
		if total > length || total < length/4 {
			t.Errorf("a plan for %s takes %s", length, total)
		}
	}
}

func TestLongPlansHaveEverything(t *testing.T) {
	missing := slices.Clone(harms)
	for _, s := range Plan(1, 4, 3, 5*time.Minute) {
		missing = slices.DeleteFunc(missing, func(h Harm) bool { return h == s.Harm })
		if s.Group > 4 || s.Node > 2 {
			t.Errorf("%v is about what is not there", s)
		}
	}
	if len(missing) > 0 {
		t.Errorf("five minutes without %v", missing)
	}
}
