package route

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
)

type idler struct{ times atomic.Int64 }

func (i *idler) Idle() { i.times.Add(1) }

// Who asks is told when a request has to wait for a leader, and is not when there is one.
func TestIdle(t *testing.T) {
	r, _ := start(t, "")
	if err := r.Create(t.Context(), "chat", nil); err != nil {
		t.Fatal(err)
	}
	caller := new(idler)
	ctx, cancel := context.WithTimeout(context.WithValue(t.Context(), IdlerKey{}, caller), time.Minute)
	defer cancel()
	if _, err := r.Apply(ctx, set("k", "v", time.Minute)); err != nil || caller.times.Load() != 0 {
		t.Fatalf("with a leader: %v, told %d times", err, caller.times.Load())
	}
	leads := false
	err := r.Chase(ctx, 1, func(context.Context, cluster.NodeID) error {
		if leads {
			return nil
		}
		leads = true
		return &NotLeaderError{Group: 1}
	})
	if err != nil || caller.times.Load() != 1 {
		t.Errorf("without: %v, told %d times", err, caller.times.Load())
	}
}
