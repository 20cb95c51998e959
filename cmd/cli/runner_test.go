package cli

import (
	"context"
	"testing"

	"github.com/mayfly-broker/mayfly/cmd/node"
)

// adjusted is a node that remembers what it was told.
type adjusted struct {
	told
	live *node.Live
}

func (n adjusted) Adjust(live node.Live) error {
	*n.live = live
	return nil
}

// Settings reach the node that runs, one that is still coming up, and the next one.
func TestSettingsReachEveryNode(t *testing.T) {
	r := &runner{cfg: node.DefaultConfig()}
	set := func(operations int) {
		t.Helper()
		live := r.config().Live()
		live.Limits.Operations = operations
		if err := r.adjust(live); err != nil {
			t.Fatal(err)
		}
	}
	var live node.Live
	start := func(meanwhile func()) {
		t.Helper()
		_, err := r.start(t.Context(), func(_ context.Context, cfg node.Config) (Node, error) {
			live = cfg.Live()
			meanwhile()
			return adjusted{live: &live}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	start(func() { set(1) })
	if live.Limits.Operations != 1 {
		t.Errorf("a node that came up meanwhile has %d, want 1", live.Limits.Operations)
	}
	set(2)
	if live.Limits.Operations != 2 {
		t.Errorf("a node that runs has %d, want 2", live.Limits.Operations)
	}
	r.ended()
	set(3)
	start(func() {})
	if live.Limits.Operations != 3 {
		t.Errorf("the next node has %d, want 3", live.Limits.Operations)
	}
}
