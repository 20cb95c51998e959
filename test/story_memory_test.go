package test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
	"github.com/mayfly-broker/mayfly/test/harness"
)

// block is a value of 8 KiB.
var block = []byte(strings.Repeat("x", 8<<10))

const hour = 3_600_000 // in ms

// larder is a cache that is small, of which lists are kept.
type larder struct {
	t     *testing.T
	conns []*grpc.ClientConn
	ctx   context.Context
	next  atomic.Int64
}

func stock(t *testing.T, cache string, servers ...*harness.Server) *larder {
	t.Helper()
	l := &larder{t: t, ctx: harness.WithCache(t.Context(), cache)}
	for _, s := range servers {
		l.conns = append(l.conns, s.Conn(t))
	}
	if servers[0].DataDir != "" {
		l.ctx = harness.WithKey(l.ctx, servers[0].AdminKey(t))
	}
	return l
}

// scs is the service at one server or another.
func (l *larder) scs(i int) cachepb.ScsClient { return cachepb.NewScsClient(l.conns[i%len(l.conns)]) }

// history fills lists, and returns what they are called.
func (l *larder) history(n int) (names [][]byte) {
	l.t.Helper()
	for i := range n {
		name := fmt.Append(nil, "room-", i)
		for _, text := range numbered("message", 5) {
			_, err := l.scs(i).ListPushBack(l.ctx, &cachepb.ListPushBackRequest{ListName: name, Value: []byte(text), TtlMilliseconds: hour})
			if err != nil {
				l.t.Fatal(err)
			}
		}
		names = append(names, name)
	}
	return names
}

// whole fails unless all lists are as history left them.
func (l *larder) whole(names [][]byte) {
	l.t.Helper()
	for i, name := range names {
		answer, err := l.scs(i).ListFetch(l.ctx, &cachepb.ListFetchRequest{ListName: name})
		if err != nil || len(answer.GetFound().GetValues()) != 5 {
			l.t.Errorf("%s, which is kept, is %v, %v", name, answer, err)
		}
	}
}

// flood writes new items from several callers at once while others read the hot
// ones over and over, and returns how many writes failed and how. An error that
// excused allows does not count.
func (l *larder) flood(items, hot int, excused func(error) bool) (failures map[string]int) {
	l.t.Helper()
	failures = map[string]int{}
	var mu sync.Mutex
	var writing, reading sync.WaitGroup
	over := make(chan struct{})
	for r := range 2 {
		reading.Go(func() {
			for i := r; ; i += 2 {
				select {
				case <-over:
					return
				default:
				}
				_, _ = l.scs(r).Get(l.ctx, &cachepb.GetRequest{CacheKey: fmt.Append(nil, "hot-", i%hot)})
			}
		})
	}
	for w := range 6 {
		writing.Go(func() {
			for range items / 6 {
				_, err := l.scs(w).Set(l.ctx, &cachepb.SetRequest{
					CacheKey: fmt.Append(nil, "scan-", l.next.Add(1)), CacheBody: block, TtlMilliseconds: hour,
				})
				if err != nil && !excused(err) {
					mu.Lock()
					failures[err.Error()]++
					mu.Unlock()
				}
			}
		})
	}
	writing.Wait()
	close(over)
	reading.Wait()
	return failures
}

// warm writes hot items, and hits says how many of them are there.
func (l *larder) warm(hot int) {
	l.t.Helper()
	for i := range hot {
		if _, err := l.scs(i).Set(l.ctx, &cachepb.SetRequest{CacheKey: fmt.Append(nil, "hot-", i), CacheBody: block, TtlMilliseconds: hour}); err != nil {
			l.t.Fatal(err)
		}
	}
}

func (l *larder) hits(hot int) (n int) {
	l.t.Helper()
	for i := range hot {
		answer, err := l.scs(i).Get(l.ctx, &cachepb.GetRequest{CacheKey: fmt.Append(nil, "hot-", i)})
		if err != nil {
			l.t.Fatal(err)
		}
		if answer.GetResult() == cachepb.ECacheResult_Hit {
			n++
		}
	}
	return n
}

// described is what mayfly cache describe says.
type described struct {
	Items        int    `json:"items"`
	Bytes        uint64 `json:"bytes"`
	EvictedItems int    `json:"evicted_items"`
	MaxMemory    uint64 `json:"max_memory_bytes"`
	Eviction     string `json:"eviction"`
}

func describe(t *testing.T, s *harness.Server) (d described) {
	t.Helper()
	ran := s.CLI(t, "", "cache", "describe", "chat", "-o", "json")
	if err := json.Unmarshal([]byte(ran.Stdout), &d); ran.Code != 0 || err != nil {
		t.Fatalf("cache describe: %+v, %v", ran, err)
	}
	return d
}

// quiet is describe once nothing gives way any more.
func quiet(t *testing.T, s *harness.Server) (d described) {
	t.Helper()
	harness.Eventually(t, harness.Patience, "an end of evictions", func() (bool, string) {
		before := d
		d = describe(t, s)
		return d == before, fmt.Sprintf("%+v", d)
	})
	return d
}

func none(error) bool { return false }

// A cache has little memory. Writes go on: old items give way, those that are read
// all the time stay, and so do all lists. What gave way is counted, also after a
// crash. A cache that evicts nothing refuses instead, and says why.
func TestACacheWithLittleMemory(t *testing.T) {
	t.Parallel()
	const budget, hot = 4 << 20, 60
	server := harness.Start(t, harness.Options{Args: []string{"--data-groups=4"}})
	if ran := server.CLI(t, "", "cache", "create", "chat", "--max-memory", "4MiB", "--keep", "list"); ran.Code != 0 {
		t.Fatalf("cache create: %+v", ran)
	}
	l := stock(t, "chat", server)
	rooms := l.history(20)
	l.warm(hot)
	if failures := l.flood(1800, hot, none); len(failures) > 0 {
		t.Errorf("writes failed: %v", failures)
	}
	if n := l.hits(hot); n < hot*9/10 {
		t.Errorf("of %d items that are read all the time %d are left", hot, n)
	}
	l.whole(rooms)
	before := quiet(t, server)
	if before.Bytes > budget || before.MaxMemory != budget || before.Eviction != "lru" || before.EvictedItems < 1000 {
		t.Errorf("described as %+v", before)
	}
	if shown := server.Metrics(t).Of("mayfly_cache_evicted_items_total", "cache", "chat"); int(shown) != before.EvictedItems {
		t.Errorf("the metrics count %v evicted items, want %d", shown, before.EvictedItems)
	}

	server.Kill(t)
	server.Start(t)
	l = stock(t, "chat", server)
	if after := describe(t, server); after != before {
		t.Errorf("after a crash it is described as %+v, before as %+v", after, before)
	}
	l.whole(rooms)

	if ran := server.CLI(t, "", "cache", "update", "chat", "--eviction", "off"); ran.Code != 0 {
		t.Fatalf("cache update: %+v", ran)
	}
	var refused error
	off := quiet(t, server)
	l.flood(120, hot, func(err error) bool { refused = err; return true })
	if status.Code(refused) != codes.ResourceExhausted || !strings.Contains(refused.Error(), "memory of this cache is used up") {
		t.Errorf("refused with %v", refused)
	}
	if now := describe(t, server); now.EvictedItems != off.EvictedItems || now.Bytes > budget {
		t.Errorf("a cache that evicts nothing is described as %+v", now)
	}
	for i := range hot {
		if _, err := l.scs(0).Delete(l.ctx, &cachepb.DeleteRequest{CacheKey: fmt.Append(nil, "hot-", i)}); err != nil {
			t.Fatal(err)
		}
	}
	harness.Eventually(t, harness.Patience, "room after deletes", func() (bool, string) {
		_, err := l.scs(0).Set(l.ctx, &cachepb.SetRequest{CacheKey: []byte("more"), CacheBody: block, TtlMilliseconds: hour})
		return err == nil, fmt.Sprint(err)
	})
}

// A broker has little memory, and is flooded with more than it could ever hold. It
// takes that, but for a moment now and then on a machine that is too busy to collect
// its garbage, and no more memory than it was given.
func TestABrokerWithLittleMemory(t *testing.T) {
	t.Parallel()
	const most = 96 << 20
	server := harness.StartDev(t, "--max-memory=96MiB")
	l := stock(t, "default", server)
	var busy atomic.Int64
	const writes = 12_000 // 94 MiB, for 48
	failures := l.flood(writes, 10, func(err error) bool {
		busy.Add(1)
		return status.Code(err) == codes.ResourceExhausted
	})
	if len(failures) > 0 || busy.Load() > writes/4 {
		t.Errorf("writes failed: %v, and %d of %d found the broker busy", failures, busy.Load(), writes)
	}
	numbers := server.Metrics(t)
	held, budget := numbers["mayfly_memory_items_bytes"], numbers["mayfly_memory_items_budget_bytes"]
	if budget != most/2 || held > budget || held < budget/2 {
		t.Errorf("holds %v bytes of items, of %v", held, budget)
	}
	// The program's own text counts, too.
	if resident := server.ResidentBytes(t); resident > most+40<<20 {
		t.Errorf("takes %d MiB, of %d", resident>>20, most>>20)
	}
}

// A cache is told to hold less, on three nodes that each lead a part of it. What was
// read just now stays on all of them, and what nobody reads gives way.
func TestACacheThatShrinksOnThreeNodes(t *testing.T) {
	t.Parallel()
	const hot, cold, budget = 80, 800, 3 << 20
	c := harness.StartCluster(t, harness.ClusterOptions{})
	first := c.Nodes[0]
	if ran := first.CLI(t, "", "cache", "create", "chat"); ran.Code != 0 {
		t.Fatalf("cache create: %+v", ran)
	}
	var servers []*harness.Server
	for _, n := range c.Nodes {
		servers = append(servers, n.Server)
	}
	l := stock(t, "chat", servers...)
	if failures := l.flood(cold, hot, none); len(failures) > 0 {
		t.Fatalf("writes failed: %v", failures)
	}
	l.warm(hot)
	for range 3 {
		l.hits(hot)
	}
	if ran := first.CLI(t, "", "cache", "update", "chat", "--max-memory", "3MiB"); ran.Code != 0 {
		t.Fatalf("cache update: %+v", ran)
	}
	harness.Eventually(t, harness.Patience, "the cache to hold less", func() (bool, string) {
		d := describe(t, first.Server)
		return d.Bytes <= budget, fmt.Sprintf("%+v", d)
	})
	quiet(t, first.Server)
	if n := l.hits(hot); n < hot*9/10 {
		t.Errorf("of %d items that were read just now %d are left", hot, n)
	}
	if d := describe(t, first.Server); d.Bytes < budget*8/10 {
		t.Errorf("far more gave way than had to: %+v", d)
	}
}

// Three nodes share the memory of a cache while writers go to all of them. One that
// leads is killed in the middle and comes back. Writes go on, the budget holds, and
// what is kept is there.
func TestACacheWithLittleMemoryOnThreeNodes(t *testing.T) {
	t.Parallel()
	const budget, hot = 4 << 20, 60
	c := harness.StartCluster(t, harness.ClusterOptions{})
	first := c.Nodes[0]
	if ran := first.CLI(t, "", "cache", "create", "chat", "--max-memory", "4MiB", "--keep", "list"); ran.Code != 0 {
		t.Fatalf("cache create: %+v", ran)
	}
	killed := c.Leader(t, 1)
	var others []*harness.Server
	for _, n := range c.Except(killed) {
		others = append(others, n.Server)
	}
	l := stock(t, "chat", others...)
	rooms := l.history(10)
	l.warm(hot)
	// What was under way when the leader died may fail.
	var dying atomic.Bool
	excused := func(err error) bool {
		code := status.Code(err)
		return dying.Load() && (code == codes.Unavailable || code == codes.DeadlineExceeded)
	}
	var flood sync.WaitGroup
	var failures map[string]int
	flood.Go(func() { failures = l.flood(1500, hot, excused) })
	harness.Eventually(t, harness.Patience, "half of the writes", func() (bool, string) {
		return l.next.Load() > 700, fmt.Sprint(l.next.Load())
	})
	dying.Store(true)
	killed.Kill(t)
	flood.Wait()
	if len(failures) > 0 {
		t.Errorf("writes failed: %v", failures)
	}
	if n := l.hits(hot); n < hot/2 {
		t.Errorf("of %d items that are read all the time %d are left", hot, n)
	}
	l.whole(rooms)
	killed.Start(t)
	dying.Store(false)
	if failures := l.flood(300, hot, func(err error) bool { return status.Code(err) == codes.Unavailable }); len(failures) > 0 {
		t.Errorf("writes failed once all were back: %v", failures)
	}
	harness.Eventually(t, harness.Patience, "the budget and the counts on every node", func() (bool, string) {
		one := describe(t, c.Nodes[0].Server)
		for _, n := range c.Nodes[1:] {
			if d := describe(t, n.Server); d != one {
				return false, fmt.Sprintf("%+v and %+v", one, d)
			}
		}
		return one.Bytes <= budget && one.EvictedItems > 500, fmt.Sprintf("%+v", one)
	})
	l.whole(rooms)
}
