package test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
	"github.com/mayfly-broker/mayfly/test/harness"
)

// A node that the leader of the cluster cannot hear counts as down and is removed by
// force, while it runs and reaches another node well. That one ends what connects
// them, too: nobody writes through the removed node any more, and it says why.
func TestRemovedNodeIsShutOut(t *testing.T) {
	t.Parallel()
	c := harness.StartCluster(t, harness.ClusterOptions{Args: []string{"--down-after", "10s"}})
	c.Nodes[0].CreateCache(t, "story")
	head := c.Leader(t, 0)
	beside, gone := c.Except(head)[0], c.Except(head)[1]
	do := func(within string, args ...string) {
		t.Helper()
		harness.Eventually(t, 2*harness.Patience, within, func() (bool, string) {
			ran := head.CLI(t, "", args...)
			return ran.Code == 0, ran.Stderr
		})
	}
	do("the node to lead nothing", "node", "drain", gone.Name)
	const group = 1
	do("the node beside it to lead a group", "node", "transfer-leader", fmt.Sprint(group), beside.Name)
	list := c.NameIn(group, "story", "list")
	write := func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(harness.WithCache(ctx, "story"), callTime)
		defer cancel()
		_, err := cachepb.NewScsClient(gone.Conn(t)).ListPushBack(ctx, push(list, "through "+gone.Name))
		return err
	}
	c.Cut(gone, head)
	c.Cut(head, gone)
	if err := write(harness.Bounded(t)); err != nil {
		t.Fatalf("a write through %s, which reaches the leader: %v", gone.Name, err)
	}

	// Whoever leads the cluster next may hear the node well, so that is to be nobody else.
	harness.Eventually(t, 3*harness.Patience, "the node to count as down", func() (bool, string) {
		if leader := c.Leader(t, 0, head, beside); leader != head {
			head.CLI(t, "", "node", "transfer-leader", "meta", head.Name)
			return false, leader.Name + " leads the cluster"
		}
		ran := head.CLI(t, "", "node", "remove", gone.Name, "--force", "--fewer", "--yes")
		return ran.Code == 0, ran.Stderr
	})
	harness.Eventually(t, harness.Patience, "the removed node to know", func() (bool, string) {
		said := unready(t, gone)
		return strings.HasPrefix(said, "removed: "), said
	})
	for range 2 {
		if err := write(harness.Bounded(t)); status.Code(err) != codes.Unavailable && status.Code(err) != codes.DeadlineExceeded {
			t.Errorf("a write through a removed node: %v", err)
		}
	}
	if n := strings.Count(gone.Log(t), `"level":"ERROR","msg":"this node, or its data directory, was removed from its cluster`); n != 1 {
		t.Errorf("its log tells of the removal %d times, want once", n)
	}
	for _, n := range []*harness.Node{head, beside} {
		if got := entries(t, n, list); len(got) != 1 {
			t.Errorf("%s has %q", n.Name, got)
		}
		if said := unready(t, n); said != "ok\n" {
			t.Errorf("%s says %q", n.Name, said)
		}
	}
}

// unready is what a node answers on /readyz.
func unready(t *testing.T, n *harness.Node) string {
	t.Helper()
	return n.Get(t, "/readyz").Body
}
