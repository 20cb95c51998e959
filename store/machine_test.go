package store

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

func TestClockNeverRunsBackAndMovesOnRefusal(t *testing.T) {
	r := newRig(t)
	r.do(100, "k", setOf("v", 10))
	if r.do(50, "k", setOf("v", 10)); r.m.Clock() != 100 {
		t.Errorf("clock %d after an older command", r.m.Clock())
	}
	if at, _ := r.m.NextExpiry(); at != 110 {
		t.Errorf("an older command's life ends at %d, want 110: it counts from the clock", at)
	}
	if got := r.do(200, "", setOf("v", 10)); got.GetStatus() != storev1.Status_STATUS_INVALID || r.m.Clock() != 200 {
		t.Errorf("%v, clock %d; want a refusal at 200", got, r.m.Clock())
	}
	if got := r.do(MaxClockMs+1, "", &storev1.Tick{}); got.GetStatus() != storev1.Status_STATUS_INVALID || r.m.Clock() != 200 {
		t.Errorf("%v, clock %d; a clock past its end must not be taken", got, r.m.Clock())
	}
	if got := r.do(MaxClockMs, "k", setOf("v", MaxTTLMs)); !got.GetStored() {
		t.Errorf("the latest write: %v", got)
	}
}

func TestViewAdmitsWhenTheClockIsBehind(t *testing.T) {
	r := newRig(t)
	r.do(100, "k", setOf("v", 50))
	for at, want := range map[uint64]string{0: "v", 100: "v", 149: "v", 150: "STATUS_CLOCK_BEHIND", 1 << 60: "STATUS_CLOCK_BEHIND"} {
		if got := r.get(at, "k"); got != want {
			t.Errorf("at %d: %s, want %s", at, got, want)
		}
	}
	if got := r.get(1<<60, "none"); got != "missing" {
		t.Errorf("a key that never was: %s", got)
	}
	r.do(150, "", &storev1.Tick{})
	if got := r.get(150, "k"); got != "missing" {
		t.Errorf("after the tick: %s", got)
	}
	if r.m.Stats().Items != 1 {
		t.Errorf("a tick swept")
	}
}

func TestExpiredItemsAreAbsentForWrites(t *testing.T) {
	r := newRig(t)
	r.do(0, "k", pushOf(back, "a", 0))
	if got := r.do(1000, "k", &storev1.Increment{Amount: 3, TtlMs: 10}); got.GetNumber() != 3 {
		t.Errorf("increment over an expired list: %v", got)
	}
	if got := r.do(1010, "k", &storev1.UpdateTtl{Mode: storev1.UpdateTtl_MODE_OVERWRITE, TtlMs: 5}); got != ttlMissing {
		t.Errorf("the life of an expired item: %v", got)
	}
	if got := r.m.Stats(); got.Items != 0 {
		t.Errorf("the expired item was not freed: %+v", got)
	}
}

func TestSweepGoesByExpiryThenCacheThenKey(t *testing.T) {
	m := NewMachine()
	put := func(cache, key string, ttl uint64) {
		cmd := command(0, key, setOf("v", ttl))
		cmd.Cache = cache
		m.Apply(cmd)
	}
	put("b", "1", 10)
	put("a", "2", 10)
	put("a", "1", 10)
	put("b", "0", 5)
	put("a", "9", 99)
	left := func() (keys []string) {
		m.caches.Scan(func(name string, c *cache) bool {
			c.order.Scan(func(key string, _ *item) bool {
				keys = append(keys, name+key)
				return true
			})
			return true
		})
		return keys
	}
	for _, step := range []struct {
		at   uint64
		most uint32
		want uint32
		left []string
	}{
		{9, 9, 1, []string{"a1", "a2", "a9", "b1"}},
		{10, 1, 1, []string{"a2", "a9", "b1"}},
		{10, 1, 1, []string{"a9", "b1"}},
		{10, 9, 1, []string{"a9"}},
		{10, 9, 0, []string{"a9"}},
	} {
		got := m.Apply(command(step.at, "", &storev1.Sweep{Limit: step.most})).GetSwept()
		if verify(t, m); got != step.want || !slices.Equal(left(), step.left) {
			t.Errorf("sweep of %d at %d freed %d and left %v, want %d and %v", step.most, step.at, got, left(), step.want, step.left)
		}
	}
	if at, ok := m.NextExpiry(); at != 99 || !ok {
		t.Errorf("next expiry %d, %v", at, ok)
	}
	m.Apply(command(99, "", &storev1.Sweep{Limit: 1}))
	if _, ok := m.NextExpiry(); ok {
		t.Errorf("an empty machine has a next expiry")
	}
}

// setUnder sends a set under a generation, and returns how it went.
func (r *rig) setUnder(generation, at uint64) Status {
	r.t.Helper()
	cmd := command(at, fmt.Sprint("k", generation), setOf("v", MaxTTLMs))
	cmd.Generation = generation
	result := r.m.Apply(cmd)
	verify(r.t, r.m)
	return result.GetStatus()
}

func (r *rig) retire(generation, at uint64, deleted bool) Status {
	r.t.Helper()
	cmd := command(at, "", &storev1.Retire{Deleted: deleted})
	cmd.Generation = generation
	result := r.m.Apply(cmd)
	verify(r.t, r.m)
	return result.GetStatus()
}

func (r *rig) getUnder(generation uint64, key string) *Result {
	q := query(key, &storev1.Query_Get{})
	q.Generation = generation
	return r.m.View(q, 0)
}

const (
	ok       = storev1.Status_STATUS_OK
	staleGen = storev1.Status_STATUS_STALE_GENERATION
)

func TestGenerations(t *testing.T) {
	r := newRig(t)
	if got := r.setUnder(5, 0); got != ok {
		t.Fatalf("a new cache: %v", got)
	}
	if got := r.setUnder(4, 0); got != staleGen {
		t.Errorf("an older generation: %v", got)
	}
	if got := r.getUnder(4, "k5").GetStatus(); got != staleGen {
		t.Errorf("a query of an older generation: %v", got)
	}
	if got := r.getUnder(6, "k5"); got.GetStatus() != ok || got.GetValue().GetFound() {
		t.Errorf("a query of a newer generation sees %v", got)
	}
	if got := r.setUnder(6, 0); got != ok || r.m.Stats().Items != 1 {
		t.Errorf("a newer generation: %v, %+v", got, r.m.Stats())
	}
	if got := r.retire(7, 0, false); got != ok || r.m.Stats().Items != 0 || r.m.Stats().Caches != 1 {
		t.Errorf("a flush: %v, %+v", got, r.m.Stats())
	}
	if got := r.setUnder(6, 0); got != staleGen {
		t.Errorf("a write from before the flush: %v", got)
	}
	if got := r.setUnder(7, 0); got != ok {
		t.Errorf("a write after the flush: %v", got)
	}
	if got := r.retire(7, 0, false); got != ok || r.m.Stats().Items != 1 {
		t.Errorf("the same flush again: %v, %+v", got, r.m.Stats())
	}
	got := r.m.Caches()
	if len(got) != 1 || got[0].Cache != "c" || got[0].Generation != 7 || got[0].Items != 1 || got[0] != r.m.Cache("c") {
		t.Errorf("holds %v", got)
	}
}

func TestDeletedCacheStaysDeletedForAWhile(t *testing.T) {
	r := newRig(t)
	r.setUnder(5, 0)
	if got := r.retire(6, 100, true); got != ok || r.m.Stats() != (Stats{Tombstones: 1}) {
		t.Fatalf("delete: %v, %+v", got, r.m.Stats())
	}
	for _, generation := range []uint64{5, 6} {
		if got := r.setUnder(generation, 100); got != staleGen {
			t.Errorf("generation %d after the delete of 6: %v", generation, got)
		}
		if got := r.getUnder(generation, "k5").GetStatus(); got != staleGen {
			t.Errorf("query of generation %d after the delete: %v", generation, got)
		}
	}
	if got := r.retire(6, 200, true); got != ok {
		t.Errorf("the same delete again: %v", got)
	}
	if got := r.retire(6, 200, false); got != staleGen {
		t.Errorf("a flush of what is deleted: %v", got)
	}
	r.m = restored(t, snapshotBytes(t, r.m))
	if got := r.setUnder(5, 100+TombstoneMs-1); got != staleGen || len(r.m.Caches()) != 0 {
		t.Errorf("just before it is forgotten: %v", got)
	}
	if got := r.setUnder(5, 100+TombstoneMs); got != ok {
		t.Errorf("when it is forgotten: %v", got)
	}
}

func TestRecreatedCacheIsNoTombstone(t *testing.T) {
	r := newRig(t)
	r.retire(6, 0, true)
	if got := r.setUnder(7, 1); got != ok || r.m.Stats().Tombstones != 0 || r.m.Stats().Caches != 1 {
		t.Fatalf("recreated: %v, %+v", got, r.m.Stats())
	}
	if r.do(TombstoneMs, "", &storev1.Tick{}); r.m.Stats().Caches != 1 {
		t.Errorf("the cache went with its former tombstone")
	}
}

func TestTombstonesAreBounded(t *testing.T) {
	m := NewMachine()
	const many = MaxTombstones + 100
	for i := range many {
		cmd := command(uint64(i), "", &storev1.Retire{Deleted: true})
		cmd.Cache = fmt.Sprintf("cache %d", i)
		m.Apply(cmd)
	}
	verify(t, m)
	if got := m.Stats(); got.Tombstones != MaxTombstones || got.Caches != 0 {
		t.Errorf("%+v", got)
	}
	if _, known := m.caches.Get("cache 99"); known {
		t.Errorf("an old tombstone outlived newer ones")
	}
	if _, known := m.caches.Get("cache 100"); !known {
		t.Errorf("a tombstone was forgotten without need")
	}
	restored(t, snapshotBytes(t, m))
	m.Apply(command(many+TombstoneMs, "", &storev1.Tick{}))
	if got := m.Stats(); got != (Stats{}) {
		t.Errorf("after their time: %+v", got)
	}
}

func TestMalformedCommandsAreRefused(t *testing.T) {
	long := make([]byte, MaxItemBytes)
	life := &storev1.CollectionTtl{TtlMs: 1}
	tests := map[string]struct {
		op   any
		edit func(cmd *Command)
	}{
		"no operation":         {nil, nil},
		"no name":              {setOf("v", 1), func(c *Command) { c.Cache = "" }},
		"control character":    {setOf("v", 1), func(c *Command) { c.Cache = "a\tb" }},
		"bad UTF-8":            {setOf("v", 1), func(c *Command) { c.Cache = "\xff" }},
		"long name":            {setOf("v", 1), func(c *Command) { c.Cache = strings.Repeat("a", 256) }},
		"no generation":        {setOf("v", 1), func(c *Command) { c.Generation = 0 }},
		"no key":               {setOf("v", 1), func(c *Command) { c.Key = nil }},
		"long key":             {&storev1.Delete{}, func(c *Command) { c.Key = make([]byte, MaxItemBytes+1) }},
		"set without life":     {setOf("v", 0), nil},
		"set for too long":     {setOf("v", MaxTTLMs+1), nil},
		"set for ever":         {setOf("v", 1<<64-1), nil},
		"set of too much":      {&storev1.Set{Value: long, TtlMs: 1}, nil},
		"set, odd condition":   {&storev1.Set{TtlMs: 1, Condition: 7}, nil},
		"set, odder condition": {&storev1.Set{TtlMs: 1, Condition: -1}, nil},
		"increment":            {&storev1.Increment{}, nil},
		"update without mode":  {&storev1.UpdateTtl{TtlMs: 1}, nil},
		"update without life":  {&storev1.UpdateTtl{Mode: storev1.UpdateTtl_MODE_OVERWRITE}, nil},
		"push without end":     {&storev1.ListPush{Ttl: life}, nil},
		"push without life":    {&storev1.ListPush{End: back}, nil},
		"push of too much":     {&storev1.ListPush{End: back, Ttl: life, Values: [][]byte{long}}, nil},
		"push of too many":     {&storev1.ListPush{End: back, Ttl: life, Values: make([][]byte, MaxPushValues+1)}, nil},
		"pop without end":      {&storev1.ListPop{End: 9}, nil},
		"retain without life":  {&storev1.ListRetain{}, nil},
		"too many ranges":      {&storev1.ListErase{Ranges: make([]*storev1.ListErase_Range, MaxEraseRanges+1)}, nil},
		"sweep of none":        {&storev1.Sweep{}, func(c *Command) { c.Key = nil }},
		"sweep of a key":       {&storev1.Sweep{Limit: 1}, nil},
		"tick of a key":        {&storev1.Tick{}, nil},
		"retire, no name":      {&storev1.Retire{}, func(c *Command) { c.Cache, c.Key = "", nil }},
		"retire, generation 0": {&storev1.Retire{}, func(c *Command) { c.Generation, c.Key = 0, nil }},
		"short gateway":        {setOf("v", 1), func(c *Command) { c.Request = &storev1.RequestId{Gateway: []byte("x"), Sequence: 1} }},
		"sequence 0":           {setOf("v", 1), func(c *Command) { c.Request = requestOf('g', 0, 0) }},
		"sequence too high":    {setOf("v", 1), func(c *Command) { c.Request = requestOf('g', 1<<63, 0) }},
		"mark above itself":    {setOf("v", 1), func(c *Command) { c.Request = requestOf('g', 1, 2) }},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			cmd := command(1, "k", test.op)
			if test.edit != nil {
				test.edit(cmd)
			}
			got := r.m.Apply(cmd)
			if got.GetStatus() != storev1.Status_STATUS_INVALID || got.GetDetail() == "" || got.GetOutcome() != nil {
				t.Errorf("answered %v", got)
			}
			if verify(t, r.m); r.m.Stats() != (Stats{}) || r.m.Clock() != 1 {
				t.Errorf("left %+v at %d", r.m.Stats(), r.m.Clock())
			}
		})
	}
	if got := NewMachine().View(&Query{Cache: "c", Generation: 1, Key: []byte("k")}, 0); got.GetStatus() != storev1.Status_STATUS_INVALID {
		t.Errorf("an empty query: %v", got)
	}
	if got := NewMachine().Apply(nil); got.GetStatus() != storev1.Status_STATUS_INVALID {
		t.Errorf("no command: %v", got)
	}
}

// The operation of a command may be there and hold nothing.
func TestEmptyOperationsDoNotPanic(t *testing.T) {
	for _, cmd := range []*Command{
		{Op: &storev1.Command_Set{}}, {Op: &storev1.Command_Delete{}}, {Op: &storev1.Command_Increment{}},
		{Op: &storev1.Command_UpdateTtl{}}, {Op: &storev1.Command_ListPush{}}, {Op: &storev1.Command_ListPop{}},
		{Op: &storev1.Command_ListRetain{}}, {Op: &storev1.Command_ListRemove{}}, {Op: &storev1.Command_ListErase{}},
		{Op: &storev1.Command_Sweep{}}, {Op: &storev1.Command_Retire{}}, {Op: &storev1.Command_Tick{}},
	} {
		m := NewMachine()
		m.Apply(cmd)
		cmd.Cache, cmd.Generation, cmd.Key = "c", 1, []byte("k")
		m.Apply(cmd)
		verify(t, m)
	}
}

// What a command adds is foretold to the byte.
func TestGrowth(t *testing.T) {
	ttl := &storev1.CollectionTtl{TtlMs: 100}
	bytesOf := func(texts ...string) (all [][]byte) {
		for _, text := range texts {
			all = append(all, []byte(text))
		}
		return all
	}
	for name, test := range map[string]struct {
		before, op any
		late       uint64
	}{
		"a new scalar":           {op: setOf("value", 9)},
		"a longer scalar":        {before: setOf("value", 9), op: setOf("a longer value", 9)},
		"a shorter scalar":       {before: setOf("value", 9), op: setOf("v", 9)},
		"an expired scalar":      {before: setOf("value", 9), op: setOf("a longer value", 9), late: 9},
		"a scalar for a list":    {before: pushOf(back, "1 2 3", 0), op: setOf("v", 9)},
		"a new list":             {op: pushOf(back, "1 22 333", 0)},
		"a longer list":          {before: pushOf(back, "1 2", 0), op: pushOf(front, "1 22 333", 0)},
		"a list cut at the end":  {before: pushOf(back, "1 22 333 4444", 0), op: pushOf(front, "55555 6", 4)},
		"a list cut in front":    {before: pushOf(back, "1 22 333 4444", 0), op: pushOf(back, "55555", 3)},
		"a list cut to less":     {before: pushOf(back, "1 22 333 4444", 0), op: pushOf(back, "55555 6", 1)},
		"a list of another type": {before: setOf("value", 9), op: pushOf(back, "55555 6", 1)},
		"a list after its end":   {before: setOf("value", 9), op: pushOf(back, "55555 6", 1), late: 10},
		"new fields": {
			before: &storev1.DictionarySet{Fields: bytesOf("a", "b"), Values: bytesOf("1", "2"), Ttl: ttl},
			op:     &storev1.DictionarySet{Fields: bytesOf("b", "c"), Values: bytesOf("22", "3"), Ttl: ttl},
		},
		"fields that grow and shrink": {
			before: &storev1.DictionarySet{Fields: bytesOf("a", "b"), Values: bytesOf("1", "22"), Ttl: ttl},
			op:     &storev1.DictionarySet{Fields: bytesOf("a", "b"), Values: bytesOf("11", "2"), Ttl: ttl},
		},
		"a field that comes twice": {
			before: &storev1.DictionarySet{Fields: bytesOf("a"), Values: bytesOf("1"), Ttl: ttl},
			op:     &storev1.DictionarySet{Fields: bytesOf("a", "a"), Values: bytesOf("", "11"), Ttl: ttl},
		},
		"a new number":            {op: &storev1.Increment{Amount: -12, TtlMs: 9}},
		"as many digits":          {before: setOf("5", 9), op: &storev1.Increment{Amount: 1, TtlMs: 9}},
		"one more digit":          {before: setOf("9", 9), op: &storev1.Increment{Amount: 1, TtlMs: 9}},
		"no number":               {before: setOf("x", 9), op: &storev1.Increment{Amount: 1, TtlMs: 9}},
		"one more digit in a map": {before: &storev1.DictionarySet{Fields: bytesOf("a"), Values: bytesOf("9"), Ttl: ttl}, op: &storev1.DictionaryIncrement{Field: []byte("a"), Amount: 1, Ttl: ttl}},
		"a new number in a map":   {op: &storev1.DictionaryIncrement{Field: []byte("a"), Amount: 1, Ttl: ttl}},
		"another in a map":        {before: &storev1.DictionarySet{Fields: bytesOf("b"), Values: bytesOf("9"), Ttl: ttl}, op: &storev1.DictionaryIncrement{Field: []byte("a"), Amount: 1, Ttl: ttl}},
		"not stored":              {before: setOf("value", 9), op: &storev1.Set{Value: []byte("a longer value"), TtlMs: 9, Condition: storev1.Condition_CONDITION_ABSENT}},

		"new elements":   {before: &storev1.SetAdd{Elements: bytesOf("a", "b"), Ttl: ttl}, op: &storev1.SetAdd{Elements: bytesOf("b", "cc"), Ttl: ttl}},
		"another set":    {before: &storev1.SetAdd{Elements: bytesOf("a", "b"), Ttl: ttl}, op: &storev1.SetComplement{Elements: bytesOf("ccc", "ddd", "eee")}},
		"no set":         {op: &storev1.SetComplement{Elements: bytesOf("ccc")}},
		"new members":    {before: &storev1.SortedSetPut{Members: bytesOf("a"), Scores: []float64{1}, Ttl: ttl}, op: &storev1.SortedSetPut{Members: bytesOf("a", "bb"), Scores: []float64{2, 3}, Ttl: ttl}},
		"another score":  {before: &storev1.SortedSetPut{Members: bytesOf("a"), Scores: []float64{1}, Ttl: ttl}, op: &storev1.SortedSetIncrement{Member: []byte("a"), Amount: 1, Ttl: ttl}},
		"a union":        {before: setOf("value", 9), op: &storev1.SortedSetUnion{Members: bytesOf("a", "bb"), Scores: []float64{2, 3}, TtlMs: 9}},
		"a union of own": {before: &storev1.SortedSetPut{Members: bytesOf("a"), Scores: []float64{1}, Ttl: ttl}, op: &storev1.SortedSetUnion{Members: bytesOf("bb"), Scores: []float64{3}, OwnWeights: []float32{1}, TtlMs: 9}},
		"nothing":        {op: &storev1.Delete{}},
	} {
		t.Run(name, func(t *testing.T) {
			m := NewMachine()
			if test.before != nil {
				m.Apply(command(1, "k", test.before))
			}
			before := m.Bytes()
			cmd := command(1+test.late, "k", test.op)
			foretold := m.Growth(cmd, cmd.GetAtMs())
			m.Apply(cmd)
			if grown := max(m.Bytes(), before) - before; foretold != grown {
				t.Errorf("it grew by %d bytes, not by %d", grown, foretold)
			}
		})
	}
}
