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
	at = at.Add(3 * hushFor)
	told := 0
	for i := range 10 * maxHushed {
		if h.news(strconv.Itoa(i), at) {
			told++
		}
	}
	if told != maxHushed || len(h.told) != maxHushed {
		t.Errorf("%d things were told within a moment and %d are remembered, want %d", told, len(h.told), maxHushed)
	}
	if !h.news("c", at.Add(hushFor)) {
		t.Error("after a minute nothing is news any more")
	}
}
