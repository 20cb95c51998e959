package peer

import (
	"sync"
	"testing"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/rpc/peer/trust"
)

// someTrust is that of the cluster "c" of the tests.
var someTrust = sync.OnceValue(func() cluster.Trust {
	t, err := trust.NewTrust()
	if err != nil {
		panic(err)
	}
	return t
})

// walletOf is what a node of a cluster with that trust shows.
func walletOf(t testing.TB, self Identity, of cluster.Trust) *trust.Wallet {
	t.Helper()
	w, err := trust.NewWallet(trust.Name{Cluster: self.ClusterID, Node: self.Node, Store: self.StoreID}, of, nil)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// founderOf is what a node shows that founds a cluster with all that are on this
// machine.
func founderOf(t testing.TB, node, store string) *trust.Wallet {
	t.Helper()
	w, err := trust.NewFounders("", node, store)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// tokenOf makes a join token for a cluster with the trust of the tests.
func tokenOf(t testing.TB, clusterID string) (text string, digest cluster.Digest) {
	t.Helper()
	pin, err := trust.Pin(someTrust().Authorities[0])
	if err != nil {
		t.Fatal(err)
	}
	return NewToken(clusterID, pin)
}
