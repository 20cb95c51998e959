package peer

import (
	"errors"
	"reflect"
	"testing"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/rpc/route"
	"github.com/mayfly-broker/mayfly/store"
)

func TestMemoryOfAnotherNode(t *testing.T) {
	want := map[bool]route.MemoryReport{
		false: {Budget: 1, Pressed: true},
		true: {Groups: []route.GroupMemory{
			{Group: 2, Term: 3, Bytes: 4, Caches: []store.Held{{Cache: "chat", Generation: 5, Items: 6, Bytes: 7, EvictedItems: 8, EvictedBytes: 9}}},
			{Group: 3},
		}},
	}
	var w town
	w.served(t, &double{}, func(c *ServerConfig) { c.Memory = func(all bool) route.MemoryReport { return want[all] } })
	for all, report := range want {
		if got, err := w.caller(t).Memory(t.Context(), all); err != nil || !reflect.DeepEqual(got, report) {
			t.Errorf("all caches %v: %+v, %v, want %+v", all, got, err, report)
		}
	}
}

func TestMemoryIsBounded(t *testing.T) {
	var w town
	w.served(t, &double{}, func(c *ServerConfig) {
		c.Memory = func(bool) route.MemoryReport {
			return route.MemoryReport{Groups: make([]route.GroupMemory, cluster.MaxGroups+1)}
		}
	})
	if got, err := w.caller(t).Memory(t.Context(), false); err == nil {
		t.Errorf("%d groups were taken", len(got.Groups))
	}
}

// A node without budgets says so, and nothing else of it suffers.
func TestMemoryOfANodeThatTellsNone(t *testing.T) {
	var w town
	w.served(t, &double{})
	if _, err := w.caller(t).Memory(t.Context(), false); !errors.Is(err, route.ErrNotExecuted) {
		t.Errorf("%v", err)
	}
}
