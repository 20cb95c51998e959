package route

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

// limited is a router with a cache "chat" of these settings.
func limited(t *testing.T, node uint64, l *storev1.CacheLimits) *Router {
	t.Helper()
	r, _ := startWith(t, "", LocalConfig{Memory: node})
	if err := r.Create(t.Context(), "chat", l); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *Router) held(t *testing.T, cache string) CacheMemory {
	t.Helper()
	return r.local.CacheMemory(nil)[cache]
}

var kilobyte = strings.Repeat("x", 1024)

// flood writes so many items of a kilobyte and returns how many were refused.
func flood(t *testing.T, r *Router, prefix string, n int) (refused int) {
	t.Helper()
	var mu sync.Mutex
	var all sync.WaitGroup
	for w := range 8 {
		all.Go(func() {
			for i := w; i < n; i += 8 {
				result, err := r.Apply(t.Context(), set(fmt.Sprint(prefix, i), kilobyte, time.Hour))
				switch {
				case err == nil && result.GetStatus() == storev1.Status_STATUS_OK:
				case err == nil && result.GetStatus() == storev1.Status_STATUS_NO_MEMORY:
					mu.Lock()
					refused++
					mu.Unlock()
				default:
					t.Errorf("write %d: %v, %v", i, result, err)
				}
			}
		})
	}
	all.Wait()
	return refused
}

// pushOne makes a command that adds a value to a list.
func pushOne(key, value string) *storev1.Command {
	return &storev1.Command{Cache: "chat", Key: []byte(key), Op: &storev1.Command_ListPush{ListPush: &storev1.ListPush{
		End: storev1.End_END_BACK, Values: [][]byte{[]byte(value)}, Ttl: &storev1.CollectionTtl{TtlMs: 3_600_000, Refresh: true},
	}}}
}

func length(t *testing.T, r *Router, key string) uint64 {
	t.Helper()
	result, err := r.View(t.Context(), &storev1.Query{Cache: "chat", Key: []byte(key), Op: &storev1.Query_ListLength_{ListLength: &storev1.Query_ListLength{}}}, false)
	if err != nil {
		t.Fatal(err)
	}
	return result.GetLength().GetLength()
}

const listBit = 1 << storev1.Kind_KIND_LIST

func TestACacheStaysWithinItsBudget(t *testing.T) {
	const budget = 2 << 20
	r := limited(t, 0, &storev1.CacheLimits{MaxMemory: new(uint64(budget)), KeptKinds: new(uint32(listBit))})
	for i := range 20 {
		for j := range 10 {
			must(t, r, pushOne(fmt.Sprint("room-", i), fmt.Sprint("message ", j)))
		}
	}
	for i := range 50 {
		must(t, r, set(fmt.Sprint("hot-", i), kilobyte, time.Hour))
	}
	for round := range 40 {
		if refused := flood(t, r, fmt.Sprint("scan-", round, "-"), 300); refused > 0 {
			t.Fatalf("%d writes were refused", refused)
		}
		if held := r.held(t, "chat"); held.Bytes > budget {
			t.Fatalf("holds %d bytes of %d", held.Bytes, budget)
		}
		for i := range 50 {
			get(t, r, fmt.Sprint("hot-", i))
		}
	}
	missing := 0
	for i := range 50 {
		if _, found := get(t, r, fmt.Sprint("hot-", i)); !found {
			missing++
		}
	}
	if missing > 5 {
		t.Errorf("%d of 50 items that are read all the time gave way", missing)
	}
	for i := range 20 {
		if n := length(t, r, fmt.Sprint("room-", i)); n != 10 {
			t.Errorf("a list that is kept has %d of 10 messages", n)
		}
	}
	held := r.held(t, "chat")
	if lost := r.local.Losses()["chat"]; held.EvictedItems < 9_000 || lost.EvictedItems != held.EvictedItems || lost.EvictedBytes != held.EvictedBytes || lost.RefusedWrites != 0 {
		t.Errorf("counted %+v, lost %+v", held, lost)
	}
	if held.Bytes < budget*8/10 {
		t.Errorf("holds only %d bytes of %d", held.Bytes, budget)
	}
}

func TestACacheThatEvictsNothingRefuses(t *testing.T) {
	const budget = 1 << 20
	r := limited(t, 0, &storev1.CacheLimits{MaxMemory: new(uint64(budget)), Eviction: storev1.Eviction_EVICTION_OFF.Enum()})
	refused := flood(t, r, "item-", 2000)
	held := r.held(t, "chat")
	if refused < 1000 || held.Bytes > budget || held.Bytes < budget*9/10 || held.EvictedItems != 0 {
		t.Fatalf("%d refused, holds %+v", refused, held)
	}
	if lost := r.local.Losses()["chat"]; lost.RefusedWrites != uint64(refused) || lost.EvictedItems != 0 {
		t.Errorf("lost %+v, refused %d", lost, refused)
	}
	// What frees or changes no memory works, and so does what then has room.
	r.local.memory.count()
	flood(t, r, "the rest-", 200)
	if result, err := r.Apply(t.Context(), set("more", kilobyte, time.Hour)); err != nil || result.GetStatus() != storev1.Status_STATUS_NO_MEMORY || !strings.Contains(result.GetDetail(), "memory of this cache") {
		t.Errorf("one more: %v, %v", result, err)
	}
	for i := range 2000 {
		must(t, r, &storev1.Command{Cache: "chat", Key: fmt.Append(nil, "item-", i), Op: &storev1.Command_Delete{Delete: &storev1.Delete{}}})
	}
	must(t, r, set("more", kilobyte, time.Hour))
	// More memory is there at once as well.
	flood(t, r, "again-", 2000)
	if err := r.Update(t.Context(), "chat", &storev1.CacheLimits{MaxMemory: new(uint64(2 * budget))}); err != nil {
		t.Fatal(err)
	}
	must(t, r, set("and more", kilobyte, time.Hour))
}

func TestLessMemoryIsFreed(t *testing.T) {
	r := limited(t, 0, nil)
	flood(t, r, "item-", 3000)
	const budget = 1 << 20
	if err := r.Update(t.Context(), "chat", &storev1.CacheLimits{MaxMemory: new(uint64(budget))}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the cache is within its new budget", func() bool { return r.held(t, "chat").Bytes <= budget })
}

func TestANodeStaysWithinItsBudget(t *testing.T) {
	const budget = 4 << 20
	r := limited(t, budget, nil)
	if err := r.Create(t.Context(), "kept", &storev1.CacheLimits{Eviction: storev1.Eviction_EVICTION_OFF.Enum()}); err != nil {
		t.Fatal(err)
	}
	in := func(cache, key string) *storev1.Command {
		c := set(key, kilobyte, time.Hour)
		c.Cache = cache
		return c
	}
	for i := range 500 {
		must(t, r, in("kept", fmt.Sprint(i)))
	}
	for round := range 5 {
		if refused := flood(t, r, fmt.Sprint(round, "-"), 2000); refused > 0 {
			t.Fatalf("%d writes were refused", refused)
		}
		if held, most := r.local.MemoryUse(); held > budget || most != budget {
			t.Fatalf("holds %d bytes of %d, says %d", held, budget, most)
		}
	}
	if h := r.held(t, "kept"); h.Items != 500 || h.EvictedItems != 0 {
		t.Errorf("the cache that evicts nothing holds %+v", h)
	}
	// The one that evicts nothing may fill the node at the cost of the other; then
	// it is refused.
	refused := 0
	for i := range 5000 {
		result, err := r.Apply(t.Context(), in("kept", fmt.Sprint("more-", i)))
		if err != nil {
			t.Fatal(err)
		}
		if result.GetStatus() == storev1.Status_STATUS_NO_MEMORY {
			refused++
		}
	}
	held, _ := r.local.MemoryUse()
	if refused < 1000 || held > budget || r.held(t, "kept").EvictedItems != 0 {
		t.Errorf("%d refused, %d bytes held, %+v", refused, held, r.held(t, "kept"))
	}
}

// A list that alone would take more than there is does not go as a whole, as long
// as it is in use: who pushes is refused.
func TestAListLargerThanTheBudget(t *testing.T) {
	const budget = 1 << 20
	r := limited(t, 0, &storev1.CacheLimits{MaxMemory: new(uint64(budget))})
	flood(t, r, "other-", 300)
	pushed, refused := uint64(0), 0
	for range 2000 {
		result, err := r.Apply(t.Context(), pushOne("room", kilobyte))
		if err != nil {
			t.Fatal(err)
		}
		if result.GetStatus() == storev1.Status_STATUS_OK {
			pushed++
		} else if refused++; refused == 20 {
			break
		}
	}
	if n := length(t, r, "room"); n != pushed || pushed < 700 || refused < 20 {
		t.Errorf("the list has %d of %d entries, %d were refused", n, pushed, refused)
	}
	must(t, r, &storev1.Command{Cache: "chat", Key: []byte("room"), Op: &storev1.Command_ListRetain{ListRetain: &storev1.ListRetain{
		Slice: &storev1.Slice{Start: new(int64(-10))}, Ttl: &storev1.CollectionTtl{TtlMs: 60_000},
	}}})
	eventually(t, "there is room again", func() bool {
		result, err := r.Apply(t.Context(), pushOne("room", kilobyte))
		return err == nil && result.GetStatus() == storev1.Status_STATUS_OK
	})
}

// An item that is larger than what is kept free waits for others to go.
func TestALargeItemFindsRoom(t *testing.T) {
	const budget = 4 << 20
	r := limited(t, 0, &storev1.CacheLimits{MaxMemory: new(uint64(budget))})
	flood(t, r, "small-", 4000)
	eventually(t, "it has found room", func() bool { // at the first try where the processors have time
		result, err := r.Apply(t.Context(), set("large", strings.Repeat("x", budget/2), time.Hour))
		return err == nil && result.GetStatus() == storev1.Status_STATUS_OK
	})
	result, err := r.Apply(t.Context(), set("too large", strings.Repeat("x", budget+1), time.Hour))
	if err != nil || result.GetStatus() != storev1.Status_STATUS_NO_MEMORY {
		t.Errorf("larger than all there is: %v, %v", result.GetStatus(), err)
	}
}

func TestWhatHasExpiredGoesFirst(t *testing.T) {
	const budget = 2 << 20
	r := limited(t, 0, &storev1.CacheLimits{MaxMemory: new(uint64(budget))})
	for i := range 500 {
		must(t, r, set(fmt.Sprint("kept-", i), kilobyte, time.Hour))
	}
	for i := range 900 {
		must(t, r, set(fmt.Sprint("short-", i), kilobyte, 20*time.Millisecond))
	}
	eventually(t, "what is short-lived has expired", func() bool {
		_, found := get(t, r, "short-899")
		return !found
	})
	for i := range 900 {
		must(t, r, set(fmt.Sprint("new-", i), kilobyte, time.Hour))
	}
	if h := r.held(t, "chat"); h.EvictedItems != 0 {
		t.Errorf("%d items gave way although expired ones were there", h.EvictedItems)
	}
}

func TestAPressedNodeTakesNoWrites(t *testing.T) {
	r := limited(t, 0, nil)
	must(t, r, set("k", "v", time.Hour))
	r.local.Press(true)
	if _, err := r.Apply(t.Context(), set("k", "w", time.Hour)); !errors.Is(err, ErrOverloaded) {
		t.Errorf("a write: %v", err)
	}
	if v, _ := get(t, r, "k"); v != "v" {
		t.Errorf("a read gave %q", v)
	}
	must(t, r, &storev1.Command{Cache: "chat", Key: []byte("k"), Op: &storev1.Command_Delete{Delete: &storev1.Delete{}}})
	r.local.Press(false)
	must(t, r, set("k", "w", time.Hour))
}

func TestAWriteThatWaitsForRoomCanBeGivenUp(t *testing.T) {
	r := limited(t, 0, &storev1.CacheLimits{MaxMemory: new(uint64(1 << 20))})
	r.local.memory.count()
	a := r.local.memory.now.Load().caches["chat"]
	a.mu.Lock()
	a.room = -1 << 40
	a.mu.Unlock()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Apply(ctx, set("k", "v", time.Hour)); err == nil {
		// A count may have come in between; then the log refuses.
		t.Error("a write whose caller is gone was carried out")
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if n := a.pending; n != 0 {
		t.Errorf("%d bytes are still taken", n)
	}
}

// eventually waits for something to become true. On a machine that is busy with other
// things it may take long.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for end := time.Now().Add(time.Minute); !ok(); <-look.C {
		if time.Now().After(end) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}
