package store

import (
	"bytes"
	"cmp"
	"slices"
	"testing"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

// tester is what *testing.T and *rapid.T have in common here.
type tester interface {
	Helper()
	Fatalf(format string, args ...any)
}

// verify checks every invariant of a machine against a recomputation.
func verify(t tester, m *Machine) {
	t.Helper()
	dead := 0
	var all totals
	m.caches.Scan(func(name string, c *cache) bool {
		if c.name != name || c.generation == 0 {
			t.Fatalf("cache %q is kept as %q, generation %d", c.name, name, c.generation)
		}
		if c.forgetAt != 0 {
			dead++
			if c.sum() > 0 || c.forgetAt <= m.clock {
				t.Fatalf("tombstone %q holds %d items, forget at %d, clock %d", name, c.sum(), c.forgetAt, m.clock)
			}
		}
		verifyCache(t, m, c)
		all.follow(&totals{}, &c.totals)
		return true
	})
	verifySchedule(t, &m.agenda)
	verifySchedule(t, &m.graves)
	if dead != m.graves.len() || all != m.totals {
		t.Fatalf("totals are %d tombstones, %+v; counted %d, %+v", m.graves.len(), m.totals, dead, all)
	}
	verifyRequests(t, m)
}

func verifyCache(t tester, m *Machine, c *cache) {
	t.Helper()
	var counted totals
	verifyShelf(t, &c.shelf, &counted)
	if c.boards != nil {
		verifyShelf(t, c.boards, &counted)
	}
	if counted != c.totals {
		t.Fatalf("the totals of a cache are %+v; counted %+v", c.totals, counted)
	}
	if _, it, ok := c.next(); ok && (c.slot == 0 || m.agenda.heap[c.slot-1].who != c || m.agenda.heap[c.slot-1].at != it.expires) {
		t.Fatalf("a cache with items is not in its place in the agenda")
	}
}

func verifyShelf(t tester, s *shelf, counted *totals) {
	t.Helper()
	for key, it := range s.items {
		if inOrder, _ := s.order.Get(key); inOrder != it {
			t.Fatalf("the table and the tree disagree about a key")
		}
		if i := it.slot - 1; i < 0 || s.due.heap[i].who != it || s.due.heap[i].at != it.expires {
			t.Fatalf("an item is not in its place in the schedule")
		}
		counted.kinds[it.kind()]++
		counted.size += naiveSize(it)
		verifyCollection(t, it.held)
	}
	if s.order.Len() != len(s.items) || s.due.len() != len(s.items) {
		t.Fatalf("%d items, of which %d are in order and %d scheduled", len(s.items), s.order.Len(), s.due.len())
	}
	verifySchedule(t, &s.due)
}

// naiveSize is the documented formula, spelled out.
func naiveSize(it *item) uint64 {
	n := 208 + len(it.key) + len(it.value)
	switch c := it.held.(type) {
	case *deque:
		n += 160
		for _, v := range c.slice(0, c.length) {
			n += 40 + len(v)
		}
	case *dictionary:
		n += 96
		for f := range c.fields.span(0, c.fields.length) {
			n += 64 + len(f.name) + len(f.value)
		}
	case *set:
		n += 96
		for e := range c.elements.span(0, c.elements.length) {
			n += 40 + len(e)
		}
	case *sortedSet:
		n += 160
		for e := range c.byScore.span(0, c.byScore.length) {
			n += 96 + len(e.member)
		}
	}
	return uint64(n)
}

func verifyCollection(t tester, held collection) {
	t.Helper()
	switch c := held.(type) {
	case *deque:
		verifyDeque(t, c)
	case *dictionary:
		verifyTree(t, &c.fields)
		verifyOrder(t, slices.Collect(c.fields.span(0, c.count())), func(a, b field) int { return cmp.Compare(a.name, b.name) })
	case *set:
		verifyTree(t, &c.elements)
		verifyOrder(t, slices.Collect(c.elements.span(0, c.count())), cmp.Compare)
	case *sortedSet:
		verifyTree(t, &c.byScore)
		verifyTree(t, &c.byMember)
		byScore, byMember := slices.Collect(c.byScore.span(0, c.count())), c.members()
		if n := c.byMember.length; n != 0 && (n != c.count() || n <= fewMembers/2) || n == 0 && c.count() > fewMembers {
			t.Fatalf("of %d members %d are in the order by member", c.count(), n)
		}
		verifyOrder(t, byScore, scored.compare)
		verifyOrder(t, byMember, func(a, b scored) int { return cmp.Compare(a.member, b.member) })
		slices.SortFunc(byMember, scored.compare)
		if !slices.Equal(byScore, byMember) {
			t.Fatalf("the two orders of a sorted set hold different members")
		}
	}
	if held != nil && held.count() == 0 {
		t.Fatalf("an empty collection")
	}
}

// verifyOrder makes sure that elements ascend and none comes twice.
func verifyOrder[E any](t tester, elements []E, compare func(a, b E) int) {
	t.Helper()
	for i := 1; i < len(elements); i++ {
		if compare(elements[i-1], elements[i]) >= 0 {
			t.Fatalf("the elements are out of order at %d", i)
		}
	}
}

func verifyDeque(t tester, d *deque) {
	t.Helper()
	chunks, length := d.spine.live(), 0
	if len(chunks) == 0 {
		t.Fatalf("an empty list")
	}
	for i, c := range chunks {
		length += c.len()
		switch {
		case c.len() == 0:
			t.Fatalf("an empty chunk")
		case len(chunks) > 1 && len(c.slots) != chunkSlots,
			i > 0 && c.lo != 0,
			i < len(chunks)-1 && c.hi != chunkSlots:
			t.Fatalf("chunk %d of %d: %d slots, live %d to %d", i, len(chunks), len(c.slots), c.lo, c.hi)
		}
		verifyDeadSlots(t, &c.window, func(v []byte) bool { return v == nil })
	}
	verifyDeadSlots(t, &d.spine, func(c *chunk) bool { return c == nil })
	if length != d.length {
		t.Fatalf("a list of %d entries counts %d", length, d.length)
	}
}

// verifyDeadSlots makes sure that nothing outside of the live part is kept
// from the garbage collector.
func verifyDeadSlots[T any](t tester, w *window[T], zero func(T) bool) {
	t.Helper()
	for i, v := range w.slots {
		if (i < w.lo || i >= w.hi) && !zero(v) {
			t.Fatalf("slot %d is dead, live are %d to %d, and still holds something", i, w.lo, w.hi)
		}
	}
}

func verifySchedule[T scheduled](t tester, s *schedule[T]) {
	t.Helper()
	for i, a := range s.heap {
		if *a.who.place() != i+1 {
			t.Fatalf("a member believes to be at %d and is at %d", *a.who.place()-1, i)
		}
		if i > 0 && a.before(s.heap[(i-1)/arity]) {
			t.Fatalf("the heap is out of order at %d", i)
		}
	}
}

func verifyRequests(t tester, m *Machine) {
	t.Helper()
	r := m.requests
	size, count := 0, 0
	for i, g := range r.gateways {
		own, last := gatewayOverhead, g.mark
		for _, a := range g.answers.live() {
			if a.sequence < last {
				t.Fatalf("answer %d comes after %d, mark %d", a.sequence, last, g.mark)
			}
			last = a.sequence + 1
			own += answerOverhead + resultSize(a.result)
			count++
		}
		if own != g.size || g.seen+RequestMemoryMs <= m.clock || i > 0 && bytes.Compare(r.gateways[i-1].id[:], g.id[:]) >= 0 {
			t.Fatalf("gateway %d: %d bytes counted as %d, seen at %d, clock %d", i, own, g.size, g.seen, m.clock)
		}
		if g.seen+RequestMemoryMs < r.idle {
			t.Fatalf("a gateway may go at %d, the next look is at %d", g.seen+RequestMemoryMs, r.idle)
		}
		size += own
	}
	if size != r.size || count != r.count || size > MaxRequestBytes {
		t.Fatalf("%d answers of %d bytes are counted as %d of %d", count, size, r.count, r.size)
	}
}

// snapshotBytes writes a snapshot of the machine as it is now.
func snapshotBytes(t tester, m *Machine) []byte {
	t.Helper()
	return written(t, m.Snapshot())
}

func written(t tester, s *Snapshot) []byte {
	t.Helper()
	var buf bytes.Buffer
	n, err := s.WriteTo(&buf)
	if err != nil || n != int64(buf.Len()) {
		t.Fatalf("WriteTo says %d bytes, %v; wrote %d", n, err, buf.Len())
	}
	return buf.Bytes()
}

// restored makes a machine from a snapshot.
func restored(t tester, data []byte) *Machine {
	t.Helper()
	m := NewMachine()
	if err := m.Restore(bytes.NewReader(data)); err != nil {
		t.Fatalf("Restore: %v", err)
	}
	verify(t, m)
	return m
}

// rig drives a machine in tests that tell a story: cache "c", generation 1.
type rig struct {
	t *testing.T
	m *Machine
}

func newRig(t *testing.T) *rig { return &rig{t, NewMachine()} }

// do applies an operation to a key at a time.
func (r *rig) do(at uint64, key string, op any) *Result {
	r.t.Helper()
	result := r.m.Apply(command(at, key, op))
	verify(r.t, r.m)
	return result
}

// ask asks about a key at a time.
func (r *rig) ask(at uint64, key string, op any) *Result {
	return r.m.View(query(key, op), at)
}

// entries returns a list as one text per entry, nil when there is none.
func (r *rig) entries(at uint64, key string) []string {
	r.t.Helper()
	result := r.ask(at, key, &storev1.Query_ListFetch{})
	if result.GetStatus() != storev1.Status_STATUS_OK {
		r.t.Fatalf("fetch: %v", result)
	}
	return texts(result.GetValues().GetValues())
}

func texts(values [][]byte) []string {
	var out []string
	for _, v := range values {
		out = append(out, string(v))
	}
	return out
}

func byteses(values ...string) [][]byte {
	out := make([][]byte, len(values))
	for i, v := range values {
		out[i] = []byte(v)
	}
	return out
}

func command(at uint64, key string, op any) *Command {
	cmd := &Command{AtMs: at, Cache: "c", Generation: 1, Key: []byte(key)}
	switch op := op.(type) {
	case *storev1.Set:
		cmd.Op = &storev1.Command_Set{Set: op}
	case *storev1.Delete:
		cmd.Op = &storev1.Command_Delete{Delete: op}
	case *storev1.Increment:
		cmd.Op = &storev1.Command_Increment{Increment: op}
	case *storev1.UpdateTtl:
		cmd.Op = &storev1.Command_UpdateTtl{UpdateTtl: op}
	case *storev1.ListPush:
		cmd.Op = &storev1.Command_ListPush{ListPush: op}
	case *storev1.ListPop:
		cmd.Op = &storev1.Command_ListPop{ListPop: op}
	case *storev1.ListRetain:
		cmd.Op = &storev1.Command_ListRetain{ListRetain: op}
	case *storev1.ListRemove:
		cmd.Op = &storev1.Command_ListRemove{ListRemove: op}
	case *storev1.ListErase:
		cmd.Op = &storev1.Command_ListErase{ListErase: op}
	case *storev1.DictionarySet:
		cmd.Op = &storev1.Command_DictionarySet{DictionarySet: op}
	case *storev1.DictionaryIncrement:
		cmd.Op = &storev1.Command_DictionaryIncrement{DictionaryIncrement: op}
	case *storev1.DictionaryAdd:
		cmd.Op = &storev1.Command_DictionaryAdd{DictionaryAdd: op}
	case *storev1.DictionaryRemove:
		cmd.Op = &storev1.Command_DictionaryRemove{DictionaryRemove: op}
	case *storev1.SetAdd:
		cmd.Op = &storev1.Command_SetAdd{SetAdd: op}
	case *storev1.SetRemove:
		cmd.Op = &storev1.Command_SetRemove{SetRemove: op}
	case *storev1.SetComplement:
		cmd.Op = &storev1.Command_SetComplement{SetComplement: op}
	case *storev1.SetPop:
		cmd.Op = &storev1.Command_SetPop{SetPop: op}
	case *storev1.SortedSetPut:
		cmd.Op = &storev1.Command_SortedSetPut{SortedSetPut: op}
	case *storev1.SortedSetIncrement:
		cmd.Op = &storev1.Command_SortedSetIncrement{SortedSetIncrement: op}
	case *storev1.SortedSetRemove:
		cmd.Op = &storev1.Command_SortedSetRemove{SortedSetRemove: op}
	case *storev1.SortedSetUnion:
		cmd.Op = &storev1.Command_SortedSetUnion{SortedSetUnion: op}
	case *storev1.Evict:
		cmd.Op = &storev1.Command_Evict{Evict: op}
	case *storev1.Sweep:
		cmd.Op = &storev1.Command_Sweep{Sweep: op}
	case *storev1.Retire:
		cmd.Op = &storev1.Command_Retire{Retire: op}
	case *storev1.Tick:
		cmd.Op = &storev1.Command_Tick{Tick: op}
	}
	return cmd
}

func query(key string, op any) *Query {
	q := &Query{Cache: "c", Generation: 1, Key: []byte(key)}
	switch op := op.(type) {
	case *storev1.Query_Get:
		q.Op = &storev1.Query_Get_{Get: op}
	case *storev1.Query_Exists:
		q.Op = &storev1.Query_Exists_{Exists: op}
	case *storev1.Query_ItemType:
		q.Op = &storev1.Query_ItemType_{ItemType: op}
	case *storev1.Query_ItemTtl:
		q.Op = &storev1.Query_ItemTtl_{ItemTtl: op}
	case *storev1.Query_ListFetch:
		q.Op = &storev1.Query_ListFetch_{ListFetch: op}
	case *storev1.Query_ListLength:
		q.Op = &storev1.Query_ListLength_{ListLength: op}
	case *storev1.Query_Length:
		q.Op = &storev1.Query_Length_{Length: op}
	case *storev1.Query_DictionaryGet:
		q.Op = &storev1.Query_DictionaryGet_{DictionaryGet: op}
	case *storev1.Query_DictionaryFetch:
		q.Op = &storev1.Query_DictionaryFetch_{DictionaryFetch: op}
	case *storev1.Query_SetFetch:
		q.Op = &storev1.Query_SetFetch_{SetFetch: op}
	case *storev1.Query_SetSample:
		q.Op = &storev1.Query_SetSample_{SetSample: op}
	case *storev1.Query_SetContains:
		q.Op = &storev1.Query_SetContains_{SetContains: op}
	case *storev1.Query_SortedSetFetch:
		q.Op = &storev1.Query_SortedSetFetch_{SortedSetFetch: op}
	case *storev1.Query_SortedSetScores:
		q.Op = &storev1.Query_SortedSetScores_{SortedSetScores: op}
	case *storev1.Query_SortedSetRanks:
		q.Op = &storev1.Query_SortedSetRanks_{SortedSetRanks: op}
	case *storev1.Query_SortedSetCount:
		q.Op = &storev1.Query_SortedSetCount_{SortedSetCount: op}
	}
	return q
}
