package route

import (
	"fmt"
	"strings"
	"testing"
	"time"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

// What was nearly chosen stays once its cache evicts nothing any more.
func TestNothingGivesWayOnceEvictionIsOff(t *testing.T) {
	const budget = 1 << 20
	r := limited(t, 0, &storev1.CacheLimits{MaxMemory: new(uint64(budget))})
	flood(t, r, "item-", 3000)
	if err := r.Update(t.Context(), "chat", &storev1.CacheLimits{Eviction: storev1.Eviction_EVICTION_OFF.Enum()}); err != nil {
		t.Fatal(err)
	}
	r.local.relieve(t.Context()) // who was about to evict has done so
	before := r.held(t, "chat").EvictedItems
	if refused := flood(t, r, "more-", 300); refused == 0 {
		t.Error("nothing was refused, though nothing may give way")
	}
	if after := r.held(t, "chat").EvictedItems; after != before {
		t.Errorf("%d items gave way in a cache that evicts nothing", after-before)
	}
}

// What takes no more than it replaces is written however full a cache is that evicts
// nothing.
func TestAFullCacheIsOverwritten(t *testing.T) {
	const budget = 1 << 20
	r := limited(t, 0, &storev1.CacheLimits{MaxMemory: new(uint64(budget)), Eviction: storev1.Eviction_EVICTION_OFF.Enum()})
	for _, value := range []string{"first", "second"} {
		must(t, r, pushOne("room", strings.Repeat(value, 1024)[:5*1024]))
	}
	if flood(t, r, "item-", 2000) == 0 {
		t.Fatal("the cache is not full")
	}
	if refused := flood(t, r, "one more-", 1); refused != 1 {
		t.Fatal("the cache is not full")
	}
	overwritten := ""
	for i := range 100 { // the first of those that came, so they are there
		overwritten = fmt.Sprint("item-", i)
		for _, value := range []string{strings.ToUpper(kilobyte), kilobyte[1:]} {
			must(t, r, set(overwritten, value, time.Hour))
			if got, _ := get(t, r, overwritten); got != value {
				t.Fatalf("%s was not overwritten", overwritten)
			}
		}
	}
	larger := set(overwritten, strings.Repeat(kilobyte, 3), time.Hour)
	if result, err := r.Apply(t.Context(), larger); err != nil || result.GetStatus() != storev1.Status_STATUS_NO_MEMORY {
		t.Errorf("an item three times as large: %v, %v", result, err)
	}
	push := pushOne("room", strings.Repeat("x", 5*1024))
	push.GetListPush().TruncateToSize = 2
	must(t, r, push)
}

// An item that was nearly chosen may be gone since, and one of a kind that is kept may
// have its name.
func TestANameIsNotEvictedForWhatItWas(t *testing.T) {
	const budget, names = 1 << 20, 600
	r := limited(t, 0, &storev1.CacheLimits{MaxMemory: new(uint64(budget)), KeptKinds: new(uint32(listBit))})
	flood(t, r, "item-", 3000)
	// Whatever is still there becomes a list.
	lists := 0
	for i := range 3000 {
		key := fmt.Sprint("item-", i)
		if _, found := get(t, r, key); !found {
			continue
		}
		must(t, r, &storev1.Command{Cache: "chat", Key: []byte(key), Op: &storev1.Command_Delete{Delete: &storev1.Delete{}}})
		must(t, r, pushOne(key, "m"))
		lists++
	}
	flood(t, r, "more-", 3000)
	left := 0
	for i := range 3000 {
		result, err := r.View(t.Context(), &storev1.Query{
			Cache: "chat", Key: fmt.Append(nil, "item-", i), Op: &storev1.Query_Exists_{Exists: &storev1.Query_Exists{}},
		}, false)
		if err != nil {
			t.Fatal(err)
		}
		if result.GetExists() {
			left++
		}
	}
	if lists < names || left != lists {
		t.Errorf("%d of %d lists are left, of a kind that is kept", left, lists)
	}
}

// However many caches hold more and evict nothing, the one that does is found.
func TestASmallCacheGivesWayBesideManyThatDoNot(t *testing.T) {
	const budget, kept = 5 << 20, 6 * weighCaches
	r := limited(t, budget, nil)
	for i := range kept {
		name := fmt.Sprint("kept-", i)
		if err := r.Create(t.Context(), name, &storev1.CacheLimits{Eviction: storev1.Eviction_EVICTION_OFF.Enum()}); err != nil {
			t.Fatal(err)
		}
		for j := range 8 {
			c := set(fmt.Sprint(j), kilobyte, time.Hour)
			c.Cache = name
			must(t, r, c)
		}
	}
	for round := range 2 {
		if refused := flood(t, r, fmt.Sprint(round, "-"), 3000); refused > 0 {
			t.Errorf("%d writes were refused although others of their cache may give way", refused)
		}
	}
}
