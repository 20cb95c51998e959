package peer

import (
	"strconv"
	"testing"
	"time"
)

func TestHush(t *testing.T) {
	var h hush
	at := time.Unix(0, 0)
	for _, c := range []struct {
		what string
		at   time.Duration
		want bool
	}{
		{"a", 0, true},
		{"a", hushFor - 1, false},
		{"b", hushFor - 1, true},
		{"a", hushFor, true},
		{"a", hushFor + 1, false},
	} {
		if got := h.news(c.what, at.Add(c.at)); got != c.want {
			t.Errorf("%s after %v is news: %v", c.what, c.at, got)
		}
	}
	for i := range 10 * maxHushed {
		if !h.news(strconv.Itoa(i), at) {
			t.Errorf("%d is no news", i)
		}
	}
	if len(h.told) > maxHushed {
		t.Errorf("%d things are remembered, at most %d are to be", len(h.told), maxHushed)
	}
}
