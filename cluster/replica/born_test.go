package replica

import (
	"errors"
	"testing"

	"github.com/mayfly-broker/mayfly/cluster"
)

// A node learns who it is before its network is made, keeps the store it was
// told at birth, and is born once.
func TestIdentityIsKnownBeforeTheNetwork(t *testing.T) {
	dir := t.TempDir()
	for i, given := range []string{"first", "second"} {
		born, err := Born(dir)
		if err != nil || born != (i > 0) {
			t.Fatalf("start %d: born %v, %v", i, born, err)
		}
		var told Identity
		h, err := Open(t.Context(), Config{
			Dir: dir, Node: "n", DataGroups: 2, FoundAlone: true, StoreID: given,
			StateMachine: func(cluster.GroupID) StateMachine { return counter{} },
			Connect: func(id Identity) (Network, error) {
				told = id
				return nil, nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		if told.Node != "n" || told.StoreID != "first" || told.ClusterID == "" || told.Groups != 2 || h.StoreID() != "first" {
			t.Errorf("start %d: the network was made for %+v", i, told)
		}
		if err := h.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// A node whose network cannot be made does not start, and lets go of its
// directory.
func TestNetworkThatCannotBeMade(t *testing.T) {
	dir, broken := t.TempDir(), errors.New("no port")
	config := Config{
		Dir: dir, Node: "n", DataGroups: 1, FoundAlone: true,
		StateMachine: func(cluster.GroupID) StateMachine { return counter{} },
		Connect:      func(Identity) (Network, error) { return nil, broken },
	}
	if _, err := Open(t.Context(), config); !errors.Is(err, broken) {
		t.Fatalf("Open: %v, want %v", err, broken)
	}
	config.Connect = nil
	h, err := Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
