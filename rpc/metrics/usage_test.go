package metrics

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/rpc/usage"
)

func TestUsage(t *testing.T) {
	from := sources()
	from.Peers = func() map[cluster.NodeID]uint64 { return map[cluster.NodeID]uint64{"b": 2, "c": 3} }
	m := New(from, nil)
	end := func(method string, stream bool, ended ...codes.Code) {
		one := m.Method(method, stream)
		for _, code := range ended {
			one.Begin()
			one.End(code, time.Millisecond)
		}
		one.Begin() // and one is under way
	}
	end("/cache_client.Scs/Get", false, codes.OK, codes.OK, codes.NotFound)
	end("/cache_client.pubsub.Pubsub/Subscribe", true, codes.OK, codes.Canceled, codes.Unavailable)
	end("/grpc.health.v1.Health/Watch", true, codes.OK, codes.Unavailable)
	m.Method("/cache_client.Scs/NeverCalled", false)
	for range 4 {
		m.Lookup(true)
	}
	m.Lookup(false)
	want := usage.Counters{
		Operations: 6, Errors: 2, BytesIn: 22 + 26, BytesOut: 23 + 27, Hits: 4, Misses: 1,
		Published: 6, Delivered: 7 - 5, Subscriptions: 1,
	}
	if got := m.Usage(); !cmp.Equal(got, want) {
		t.Error(cmp.Diff(want, got))
	}
	shows(t, read(t, m), `mayfly_lookups_total{result="hit"} 4`, `mayfly_lookups_total{result="miss"} 1`)
	alone := sources()
	alone.Peers = nil
	if got := New(alone, nil).Usage(); got.Delivered != 7 {
		t.Errorf("alone: %d delivered", got.Delivered)
	}
}
