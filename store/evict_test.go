package store

import (
	"bytes"
	"fmt"
	"testing"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

func evictOf(keys ...string) *storev1.Evict {
	return &storev1.Evict{Keys: byteses(keys...), Kinds: ^uint32(0)}
}

// What holds something else by now stays if that may not go.
func TestEvictOfKinds(t *testing.T) {
	m := NewMachine()
	m.Apply(command(1, "a", setOf("value", 1000)))
	m.Apply(command(1, "list", pushOf(back, "1", 0)))
	op := evictOf("a", "list")
	op.Kinds = 1 << storev1.Kind_KIND_SCALAR
	if got := evictFrom(m, "c", m.Cache("c").Generation, op).GetEvicted(); got.GetItems() != 1 || m.Cache("c").Items != 1 {
		t.Errorf("%d of two items are gone", got.GetItems())
	}
	op.Kinds = 0
	if got := evictFrom(m, "c", m.Cache("c").Generation, op).GetEvicted(); got.GetItems() != 0 {
		t.Errorf("%d items are gone, of no kind", got.GetItems())
	}
}

// evictFrom applies an eviction from a cache.
func evictFrom(m *Machine, cache string, generation uint64, op *storev1.Evict) *Result {
	cmd := command(m.Clock(), "", op)
	cmd.Key, cmd.Cache, cmd.Generation = nil, cache, generation
	return m.Apply(cmd)
}

func TestEvict(t *testing.T) {
	m := NewMachine()
	for _, key := range []string{"a", "b", "c"} {
		m.Apply(command(1000, key, setOf("value", 60_000)))
	}
	m.Apply(command(1000, "list", pushOf(back, "x y", 0)))
	m.Apply(command(1000, "old", setOf("v", 1)))
	m.Apply(command(1001, "", &storev1.Tick{})) // refused, which moves the clock
	before := m.Cache("c")

	got := evictFrom(m, "c", before.Generation, evictOf("a", "list", "a", "none", "old"))
	if e := got.GetEvicted(); e.GetItems() != 2 || e.GetBytes() != 208+1+5+208+160+4+2*41 {
		t.Errorf("evicted %v", got)
	}
	after := m.Cache("c")
	if after.Items != 2 || after.EvictedItems != 2 || after.EvictedBytes != got.GetEvicted().GetBytes() || after.Bytes != 2*(208+1+5) || m.Bytes() != after.Bytes {
		t.Errorf("holds %+v, before %+v", after, before)
	}
	for what, r := range map[string]*Result{
		"another generation": evictFrom(m, "c", before.Generation+1, evictOf("b")),
		"an unknown cache":   evictFrom(m, "none", 1, evictOf("b")),
	} {
		if r.GetStatus() != storev1.Status_STATUS_STALE_GENERATION {
			t.Errorf("%s: %v", what, r)
		}
	}
	if len(m.Caches()) != 1 || m.Cache("c") != after {
		t.Errorf("a refused eviction changed something: %+v", m.Caches())
	}
	withKey := command(1001, "b", evictOf("b"))
	odd := command(1001, "", evictOf("b"))
	odd.Key, odd.Space = nil, 9
	for _, bad := range []*Command{withKey, odd} {
		if got := m.Apply(bad); got.GetStatus() != storev1.Status_STATUS_INVALID {
			t.Errorf("%v: %v", bad, got)
		}
	}
	if got := evictFrom(m, "c", before.Generation, evictOf(make([]string, MaxEvictKeys+1)...)); got.GetStatus() != storev1.Status_STATUS_INVALID {
		t.Errorf("too many keys: %v", got)
	}
}

func TestCountOfTheEvictedOutlivesAFlushAndARestart(t *testing.T) {
	m := NewMachine()
	m.Apply(command(1000, "a", setOf("value", 60_000)))
	g := m.Cache("c").Generation
	evictFrom(m, "c", g, evictOf("a"))
	flush := command(1000, "", &storev1.Retire{})
	flush.Key, flush.Generation = nil, g+1
	m.Apply(flush)
	m = restored(t, snapshotBytes(t, m))
	if h := m.Cache("c"); h.EvictedItems != 1 || h.EvictedBytes != 208+1+5 {
		t.Errorf("after a flush and a restart: %+v", h)
	}
	flush.Generation++
	flush.GetRetire().Deleted = true
	m.Apply(flush)
	if h := m.Cache("c"); h != (Held{Cache: "c"}) {
		t.Errorf("after a delete: %+v", h)
	}
	if again := restored(t, snapshotBytes(t, m)); !bytes.Equal(snapshotBytes(t, again), snapshotBytes(t, m)) {
		t.Error("a restored machine writes another snapshot")
	}
}

const listsOnly, noLists = 1 << storev1.Kind_KIND_LIST, allKinds &^ (1 << storev1.Kind_KIND_LIST)

func TestSample(t *testing.T) {
	m := NewMachine()
	const scalars = 1000
	for i := range scalars {
		m.Apply(command(1000, fmt.Sprintf("scalar%04d", i), setOf("v", 60_000)))
	}
	for i := range 5 {
		m.Apply(command(1000, fmt.Sprintf("list%d", i), pushOf(back, "x", 0)))
	}
	board := command(1000, "board", &storev1.SortedSetPut{Members: byteses("abcd"), Scores: []float64{1}, Ttl: &storev1.CollectionTtl{TtlMs: 60_000}})
	board.Space = storev1.Space_SPACE_LEADERBOARDS
	m.Apply(board)
	g := m.Cache("c").Generation

	seen := map[Candidate]int{}
	for seed := range uint64(200) {
		got := m.Sample("c", g, noLists, 50, seed, nil)
		if len(got) != 50 {
			t.Fatalf("seed %d: %d items, want 50", seed, len(got))
		}
		for _, c := range got {
			seen[c]++
		}
	}
	// 10,000 draws from 1,001 items: some ten of each.
	if len(seen) != scalars+1 {
		t.Errorf("saw %d items, want %d", len(seen), scalars+1)
	}
	for c, n := range seen {
		if n > 40 {
			t.Errorf("%v came %d times", c, n)
		}
		if c.Space == storev1.Space_SPACE_ITEMS && c.Bytes != 208+10+1 {
			t.Errorf("%v", c)
		}
	}
	// Few among many are found as well.
	if got := m.Sample("c", g, listsOnly, 5, 1, nil); len(got) == 0 {
		t.Errorf("found none of 5 lists among %d items", scalars)
	}
	for what, got := range map[string][]Candidate{
		"a kind that is not there": m.Sample("c", g, 1<<storev1.Kind_KIND_SET, 5, 1, nil),
		"no kind":                  m.Sample("c", g, 0, 5, 1, nil),
		"another generation":       m.Sample("c", g+1, allKinds, 5, 1, nil),
		"an unknown cache":         m.Sample("none", g, allKinds, 5, 1, nil),
	} {
		if len(got) != 0 {
			t.Errorf("%s: %v", what, got)
		}
	}
	if h := m.Cache("c"); h.Of(listsOnly) != 5 || h.Of(noLists) != scalars+1 {
		t.Errorf("%+v", h)
	}
}

// BenchmarkSample is what choosing costs beside removing.
func BenchmarkSample(b *testing.B) {
	m := NewMachine()
	for i := range 1_000_000 {
		m.Apply(command(1000, fmt.Sprintf("key-%d", i), setOf("v", 60_000)))
	}
	g, buf := m.Cache("c").Generation, []Candidate(nil)
	for i := 0; b.Loop(); i++ {
		buf = m.Sample("c", g, allKinds, 64, uint64(i), buf[:0])
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/64, "ns/item")
}

func TestRemaining(t *testing.T) {
	m := NewMachine()
	m.Apply(command(1000, "stays", setOf("v", 60_000)))
	m.Apply(command(1000, "grows", setOf("v", 60_000)))
	m.Apply(command(1000, "grows", setOf("longer", 60_000)))
	m.Apply(command(1000, "list", pushOf(back, "x", 0)))
	m.Apply(command(1000, "old", setOf("v", 1)))
	m.Apply(command(1001, "", &storev1.Tick{})) // refused, which moves the clock
	g := m.Cache("c").Generation
	picked := func() (all []Candidate) {
		for _, key := range []string{"grows", "list", "gone", "old", "stays"} {
			all = append(all, Candidate{Space: storev1.Space_SPACE_ITEMS, Key: key, Bytes: 1})
		}
		return append(all, Candidate{Space: storev1.Space_SPACE_LEADERBOARDS, Key: "stays"})
	}
	if got, want := fmt.Sprint(m.Remaining("c", g, noLists, picked())), fmt.Sprint([]Candidate{
		{Space: storev1.Space_SPACE_ITEMS, Key: "grows", Bytes: 208 + 5 + 6}, {Space: storev1.Space_SPACE_ITEMS, Key: "stays", Bytes: 208 + 5 + 1},
	}); got != want {
		t.Errorf("%s remain, want %s", got, want)
	}
	for what, got := range map[string][]Candidate{
		"no kind":            m.Remaining("c", g, 0, picked()),
		"another generation": m.Remaining("c", g+1, allKinds, picked()),
		"an unknown cache":   m.Remaining("none", g, allKinds, picked()),
	} {
		if len(got) != 0 {
			t.Errorf("%s: %v", what, got)
		}
	}
}
