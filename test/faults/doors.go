package faults

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"google.golang.org/grpc"

	"github.com/mayfly-broker/mayfly/test/harness"
)

// Door is a node as its clients see it.
type Door struct {
	// Node is the node's name.
	Node string
	// Conn is a connection to its client port, with no credential.
	Conn *grpc.ClientConn
}

// Doors are the nodes that clients turn to. Nodes may come and go; it is safe for
// concurrent use.
type Doors struct {
	mu    sync.Mutex
	all   []Door
	calls map[string]int // under way, by node
}

// Open adds nodes. The connections end with the test.
func (d *Doors) Open(t testing.TB, nodes ...*harness.Node) {
	t.Helper()
	for _, n := range nodes {
		door := Door{Node: n.Name, Conn: n.Conn(t)}
		d.mu.Lock()
		d.all = append(d.all, door)
		d.mu.Unlock()
	}
}

// Close takes a node away. Who is at it may stay there.
func (d *Doors) Close(node *harness.Node) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.all = slices.DeleteFunc(d.all, func(door Door) bool { return door.Node == node.Name })
}

// All are the nodes of this moment.
func (d *Doors) All() []Door {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.all)
}

// patient is how many calls may wait at one node. When a node is silent, some
// callers wait for it, for it may answer late and wrongly; the others go on, or
// nothing would change that a late answer could miss.
const patient = 5

// enter picks a node for a call, and returns it and what ends the call.
func (d *Doors) enter(r *rand.Rand) (Door, func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.calls == nil {
		d.calls = make(map[string]int)
	}
	at := d.all[r.IntN(len(d.all))]
	for try := 0; d.calls[at.Node] >= patient && try < 2*len(d.all); try++ {
		at = d.all[r.IntN(len(d.all))]
	}
	d.calls[at.Node]++
	return at, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.calls[at.Node]--
	}
}

// pick is one of the nodes.
func (d *Doors) pick(r *rand.Rand) Door {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.all[r.IntN(len(d.all))]
}

// OpenCache creates a cache and waits until every node serves it.
func OpenCache(t testing.TB, doors *Doors, name string) {
	t.Helper()
	c := client{cache: name}
	for i, d := range doors.All() {
		harness.Eventually(t, harness.Patience, "the cache at "+d.Node, func() (bool, string) {
			if i == 0 {
				c.attempt(t.Context(), func(ctx context.Context, more ...grpc.CallOption) error { return createCache(ctx, d, name, more) })
			}
			_, end := c.do(t.Context(), d, "is it there", Input{Do: Get})
			return end.outcome == Done, end.err
		})
	}
}
