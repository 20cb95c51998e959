package peer

import (
	"errors"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	peerv1 "github.com/mayfly-broker/mayfly/proto/peer/v1"
	"github.com/mayfly-broker/mayfly/rpc/quota"
	"github.com/mayfly-broker/mayfly/rpc/route"
)

func TestDemandOfAnotherNode(t *testing.T) {
	want := []quota.Use{
		{Subject: quota.Subject{Sort: quota.Cache, Name: "c"}, Demand: quota.Rates{1.5, 2, 3}, Held: 4, Missed: 5, Keys: 6},
		{Subject: quota.Subject{Sort: quota.Key, Name: "k"}, Held: 1},
	}
	var w town
	w.served(t, &double{}, func(c *ServerConfig) {
		// What no other node shares is passed over.
		c.Demand = func() []quota.Use {
			return append(want[:2:2], quota.Use{Subject: quota.Subject{Sort: quota.Token, Name: "t"}})
		}
	})
	got, err := w.caller(t).Demand(t.Context())
	if err != nil || !cmp.Equal(got, want) {
		t.Errorf("%v, %s", err, cmp.Diff(want, got))
	}
}

func TestDemandIsBounded(t *testing.T) {
	var w town
	w.served(t, &double{}, func(c *ServerConfig) {
		c.Demand = func() []quota.Use { return make([]quota.Use, maxUses+1) }
	})
	if got, err := w.caller(t).Demand(t.Context()); err == nil {
		t.Errorf("%d uses were taken", len(got))
	}
}

func TestDemandOfANodeThatDoesNotCount(t *testing.T) {
	var w town
	w.served(t, &double{})
	if _, err := w.caller(t).Demand(t.Context()); !errors.Is(err, route.ErrNotExecuted) {
		t.Errorf("%v", err)
	}
}

// Numbers that nothing can be divided by are taken for none, or for many.
func TestDemandMakesSense(t *testing.T) {
	for _, bad := range []float64{math.NaN(), math.Inf(-1), -1, math.Inf(1), 1e300} {
		u, ok := useOf(&peerv1.DemandResponse_Use{
			Sort: peerv1.DemandResponse_SORT_CACHE, Operations: bad, Publishes: bad, Bytes: bad, Held: math.MaxUint64, Missed: math.MaxUint64, Keys: math.MaxUint64,
		})
		sound := func(d float64) bool { return d >= 0 && d <= 1e15 }
		if !ok || !sound(u.Demand[0]) || !sound(u.Demand[1]) || !sound(u.Demand[2]) || u.Held < 0 || u.Missed < 0 || int64(u.Keys) < 0 {
			t.Errorf("%v became %+v", bad, u)
		}
	}
}
