package route_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
	"github.com/mayfly-broker/mayfly/rpc/route"
	"github.com/mayfly-broker/mayfly/rpc/route/nodetest"
)

// three is a cluster whose routers reach the other nodes' faces directly.
type three struct {
	nodes   map[cluster.NodeID]*nodetest.Node
	routers map[cluster.NodeID]*route.Router
}

func startThree(t *testing.T) *three {
	c := &three{nodes: nodetest.StartThree(t), routers: map[cluster.NodeID]*route.Router{}}
	for name, node := range c.nodes {
		c.routers[name] = route.NewRouter(route.RouterConfig{
			Topology: node.Host.Topology(), Local: node.Local, Gateway: nodetest.Gateway(), Self: name,
			Face: func(other cluster.NodeID) route.Face { return c.nodes[other].Local },
		})
	}
	return c
}

func push(key string, value int) *storev1.Command {
	return &storev1.Command{Cache: "chat", Key: []byte(key), Op: &storev1.Command_ListPush{
		ListPush: &storev1.ListPush{
			End: storev1.End_END_BACK, Values: [][]byte{strconv.AppendInt(nil, int64(value), 10)}, Ttl: &storev1.CollectionTtl{TtlMs: 600_000},
		},
	}}
}

func fetch(ctx context.Context, r *route.Router, key string) ([]string, error) {
	result, err := r.View(ctx, &storev1.Query{Cache: "chat", Key: []byte(key), Op: &storev1.Query_ListFetch_{ListFetch: &storev1.Query_ListFetch{}}}, false)
	if err != nil {
		return nil, err
	}
	if result.GetStatus() != storev1.Status_STATUS_OK {
		return nil, fmt.Errorf("fetch: %v", result)
	}
	var values []string
	for _, v := range result.GetValues().GetValues() {
		values = append(values, string(v))
	}
	return values, nil
}

// What is made through one node is there for the next call through any other.
func TestAnyNodeTakesAnyRequest(t *testing.T) {
	c := startThree(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := c.routers["a"].Create(ctx, "chat", nil); err != nil {
		t.Fatal(err)
	}
	for name, r := range c.routers {
		if err := r.Create(ctx, "chat", nil); !errors.Is(err, route.ErrCacheExists) {
			t.Errorf("a second cache of the name through %s: %v", name, err)
		}
	}
	for i := range 20 {
		key := fmt.Sprint("room-", i)
		for name, r := range c.routers {
			if result, err := r.Apply(ctx, push(key, i)); err != nil || result.GetStatus() != storev1.Status_STATUS_OK {
				t.Fatalf("push through %s: %v, %v", name, result, err)
			}
		}
		for name, r := range c.routers {
			if values, err := fetch(ctx, r, key); err != nil || len(values) != 3 {
				t.Fatalf("fetch through %s: %v, %v", name, values, err)
			}
		}
	}
	if err := c.routers["b"].Flush(ctx, "chat"); err != nil {
		t.Fatal(err)
	}
	for name, r := range c.routers {
		if values, err := fetch(ctx, r, "room-1"); err != nil || len(values) != 0 {
			t.Errorf("after a flush %s fetches %v, %v", name, values, err)
		}
	}
	if err := c.routers["c"].Delete(ctx, "chat"); err != nil {
		t.Fatal(err)
	}
	for name, r := range c.routers {
		if _, err := r.Apply(ctx, push("room-1", 1)); !errors.Is(err, route.ErrCacheNotFound) {
			t.Errorf("a push through %s into a deleted cache: %v", name, err)
		}
	}
}

// While leaders die, writes through the other nodes go on within their
// deadline, and each is there once, in order.
func TestWritesOutliveTheirLeader(t *testing.T) {
	c := startThree(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := c.routers["a"].Create(ctx, "chat", nil); err != nil {
		t.Fatal(err)
	}
	var victim cluster.NodeID
	for name, node := range c.nodes {
		if node.Host.Group(1).IsLeader() {
			victim = name
		}
	}
	if victim == "" {
		t.Fatal("nobody leads group 1")
	}
	var running sync.WaitGroup
	var written atomic.Int64
	const each = 150
	for name, r := range c.routers {
		if name == victim {
			continue
		}
		for i := range 4 {
			running.Go(func() {
				key := fmt.Sprint(name, "-", i)
				for n := range each {
					if result, err := r.Apply(ctx, push(key, n)); err != nil || result.GetStatus() != storev1.Status_STATUS_OK {
						t.Errorf("push %d to %s: %v, %v", n, key, result, err)
						return
					}
					written.Add(1)
				}
			})
		}
	}
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for written.Load() < each && ctx.Err() == nil {
		<-look.C
	}
	c.nodes[victim].Stop()
	running.Wait()
	for name, r := range c.routers {
		if name == victim {
			continue
		}
		for i := range 4 {
			key := fmt.Sprint(name, "-", i)
			values, err := fetch(ctx, r, key)
			if err != nil || len(values) != each {
				t.Fatalf("%s holds %d of %d values, %v", key, len(values), each, err)
			}
			for n, v := range values {
				if v != strconv.Itoa(n) {
					t.Fatalf("value %d of %s is %s", n, key, v)
				}
			}
		}
	}
}

// A node whose own replica of the meta group has stopped serves the caches that it
// knows, still reaches the others for what is agreed on, and says why it cannot
// tell what is new.
func TestNodeWithoutItsReplicaOfMeta(t *testing.T) {
	c := startThree(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := c.routers["a"].Create(ctx, "chat", nil); err != nil {
		t.Fatal(err)
	}
	var victim cluster.NodeID
	for name, node := range c.nodes {
		if err := c.routers[name].CatchUp(ctx); err != nil {
			t.Fatal(err)
		}
		if !node.Host.Group(cluster.MetaGroup).IsLeader() {
			victim = name
		}
	}
	node := c.nodes[victim]
	meta := node.Host.Group(cluster.MetaGroup)
	if err := node.Host.RemoveReplica(ctx, meta.ID(), meta.Number()); err != nil {
		t.Fatal(err)
	}
	for {
		news := node.Local.Changed()
		if _, _, changed := node.Local.Leading(); changed == nil {
			break
		}
		select {
		case <-news:
		case <-ctx.Done():
			t.Fatal("the node still counts on its replica")
		}
	}
	r := route.NewRouter(route.RouterConfig{
		Topology: node.Host.Topology(), Local: node.Local, Gateway: nodetest.Gateway(), Self: victim, Seeds: []cluster.NodeID{"a", "b", "c"},
		Face: func(other cluster.NodeID) route.Face { return c.nodes[other].Local },
	})
	defer r.Close()
	if result, err := r.Apply(ctx, push("room", 1)); err != nil || result.GetStatus() != storev1.Status_STATUS_OK {
		t.Errorf("a push to a cache that is known: %v, %v", result, err)
	}
	began := time.Now()
	if _, err := r.Find(ctx, "nowhere"); err != nil && !errors.Is(err, route.ErrCacheNotFound) {
		t.Errorf("a cache that does not exist, with nothing new agreed on: %v", err)
	}
	if err := r.Create(ctx, "new", nil); !errors.Is(err, route.ErrUnknownOutcome) || errors.Is(err, route.ErrNotExecuted) {
		t.Errorf("a cache is made, which this node will not hear of: %v", err)
	}
	if _, err := c.routers[victim].Find(ctx, "chat"); err != nil {
		t.Errorf("a cache that is known: %v", err)
	}
	if _, err := r.Find(ctx, "new"); !errors.Is(err, route.ErrNotExecuted) {
		t.Errorf("a cache that this node has not heard of: %v", err)
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("it took %v to be told", took)
	}
}
