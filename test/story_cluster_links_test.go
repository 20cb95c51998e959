package test

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"testing"

	"google.golang.org/grpc"

	pubsubpb "github.com/mayfly-broker/mayfly/proto/pubsub"
	"github.com/mayfly-broker/mayfly/test/harness"
)

// A thousand subscribers spread over the nodes of a cluster cost the links between
// them no more than one on each node: every item crosses each link once, and only
// to nodes at which somebody listens.
func TestEveryItemCrossesEachLinkOnce(t *testing.T) {
	t.Parallel()
	c := harness.StartCluster(t, harness.ClusterOptions{})
	c.Nodes[0].CreateCache(t, "story")
	const tries = 3 // a leadership that moves in between spoils the count
	for try := range tries {
		if countCrossings(t, c, fmt.Sprint("crowd-", try)) {
			return
		}
	}
	t.Fatalf("leaderships moved in all of %d tries", tries)
}

// countCrossings publishes to a topic of every group, to some of which one node
// has no subscriber. False means that leaderships moved meanwhile.
func countCrossings(t *testing.T, c *harness.Cluster, prefix string) (settled bool) {
	t.Helper()
	const (
		groups = 4
		items  = 150
		crowd  = 1000 / 10 // ten crowds of a topic at a node
	)
	before, leaders := crossings(t, c), leadersOf(t, c, groups)
	want := make(map[[2]string]float64) // from and to
	ctx := harness.Bounded(t)
	var conns []*grpc.ClientConn
	for _, n := range c.Nodes {
		conns = append(conns, n.Conn(t))
	}
	var reading sync.WaitGroup
	var ready []<-chan struct{}
	failed := make(chan error, 12*crowd)
	for g := 1; g <= groups; g++ {
		topic := c.NameIn(g, "story", prefix)
		for i, n := range c.Nodes {
			if g <= 2 && i == g { // nobody here cares for this one
				continue
			}
			for range crowd {
				heard := make(chan struct{})
				ready = append(ready, heard)
				reading.Go(func() { failed <- hearAll(ctx, conns[i], n.Name, topic, items, heard) })
			}
			if leaders[g] != n.Name {
				want[[2]string{leaders[g], n.Name}] += items
			}
		}
	}
	for _, heard := range ready {
		select {
		case <-heard:
		case err := <-failed:
			t.Fatal(err)
		}
	}
	for g := 1; g <= groups; g++ {
		for i := range items { // each through another node
			publish(t, c.Nodes[i%len(c.Nodes)].Server, c.NameIn(g, "story", prefix), []string{fmt.Sprint(i)})
		}
	}
	reading.Wait()
	close(failed)
	for err := range failed {
		if err != nil {
			t.Fatal(err)
		}
	}
	after := crossings(t, c)
	if !maps.Equal(leaders, leadersOf(t, c, groups)) {
		return false
	}
	for link, items := range after {
		if got := items - before[link]; got != want[link] {
			t.Errorf("%v items crossed the link from %s to %s, want %v", got, link[0], link[1], want[link])
		}
	}
	t.Logf("crossings: %v for %d subscribers", want, len(ready))
	return true
}

// hearAll subscribes, says so, and returns when so many items have come in order.
func hearAll(ctx context.Context, conn *grpc.ClientConn, node, topic string, items int, heard chan<- struct{}) error {
	stream, err := pubsubpb.NewPubsubClient(conn).Subscribe(ctx, &pubsubpb.SubscribeRequest{CacheName: "story", Topic: topic})
	if err == nil {
		_, err = stream.Recv()
	}
	if err != nil {
		return fmt.Errorf("subscribe to %s at %s: %w", topic, node, err)
	}
	close(heard)
	for i := range items {
		if got, err := nextText(stream); err != nil || got != fmt.Sprint(i) {
			return fmt.Errorf("item %d of %s at %s: got %q, %w", i, topic, node, got, err)
		}
	}
	return nil
}

// crossings are the items that every node has sent to every other.
func crossings(t *testing.T, c *harness.Cluster) map[[2]string]float64 {
	t.Helper()
	links := make(map[[2]string]float64)
	for _, from := range c.Nodes {
		m := from.Metrics(t)
		for _, to := range c.Except(from) {
			links[[2]string{from.Name, to.Name}] = m.Of("mayfly_peer_items_sent_total", "peer", to.Name)
		}
	}
	return links
}

// leadersOf names the leader of every data group.
func leadersOf(t *testing.T, c *harness.Cluster, groups int) map[int]string {
	t.Helper()
	leaders := make(map[int]string)
	for g := 1; g <= groups; g++ {
		leaders[g] = c.Leader(t, g).Name
	}
	return leaders
}
