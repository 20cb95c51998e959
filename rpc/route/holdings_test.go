package route

import (
	"testing"
	"time"

	"github.com/mayfly-broker/mayfly/fanout"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
	"github.com/mayfly-broker/mayfly/store"
)

// What leaders told holds by the latest term, for the caches that have a budget.
func TestHoldingsAreThoseOfTheLatestTerm(t *testing.T) {
	topics, err := fanout.New(fanout.Config{}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	defer topics.Close()
	l := NewLocal(LocalConfig{Topics: topics})
	l.HearMemory("b", MemoryReport{Groups: []GroupMemory{{Group: 3, Term: 1, Bytes: 60, Caches: []store.Held{{Cache: "x", Bytes: 10}, {Cache: "y", Bytes: 20}}}}})
	l.HearMemory("c", MemoryReport{Groups: []GroupMemory{{Group: 3, Term: 2, Bytes: 50, Caches: []store.Held{{Cache: "other", Bytes: 9}, {Cache: "y", Bytes: 30}}}}})
	for range 20 { // in whatever order they come
		h := l.memory.holdings([]*storev1.CacheRecord{{Name: "x"}, {Name: "y"}})[3]
		if !h.known || h.led || h.bytes != 50 || h.caches[0] != 0 || h.caches[1] != 30 {
			t.Fatalf("%+v", h)
		}
	}
}
