package store

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

// Each operation on one dictionary, set or sorted set of 10, 10,000 and 1,000,000
// elements of 20 bytes, to show how its cost grows.

// pile is a machine with one collection under the key "k".
type pile struct {
	m        *Machine
	elements [][]byte // in random order
	n        int
}

// element makes the i-th element of any pile.
func element(i int) []byte { return fmt.Appendf(nil, "member-of-it-%07d", i*7919%10_000_019) }

// piled makes a pile with the commands that add a run of elements.
func piled(n int, add func(elements [][]byte) any) *pile {
	p := &pile{m: NewMachine(), elements: make([][]byte, n), n: n}
	for i := range p.elements {
		p.elements[i] = element(i)
	}
	rand.Shuffle(n, func(i, j int) { p.elements[i], p.elements[j] = p.elements[j], p.elements[i] })
	for begin := 0; begin < n; begin += MaxElements {
		p.m.Apply(command(0, "k", add(p.elements[begin:min(n, begin+MaxElements)])))
	}
	return p
}

func addFields(elements [][]byte) any {
	return &storev1.DictionarySet{Fields: elements, Values: elements, Ttl: lifeOf(MaxTTLMs, false)}
}

func addElements(elements [][]byte) any {
	return &storev1.SetAdd{Elements: elements, Ttl: lifeOf(MaxTTLMs, false)}
}

func addMembers(elements [][]byte) any {
	scores := make([]float64, len(elements))
	for i := range scores {
		scores[i] = rand.Float64()
	}
	return &storev1.SortedSetPut{Members: elements, Scores: scores, Ttl: lifeOf(MaxTTLMs, false)}
}

// pick returns one element after the other, as a list of one.
func (p *pile) pick(i int) [][]byte { return p.elements[i%p.n : i%p.n+1] }

// work is one operation: a command, or a query.
type work struct {
	name string
	op   func(p *pile, i int) any
}

func benchElements(b *testing.B, add func(elements [][]byte) any, works []work) {
	for _, n := range sizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			p := piled(n, add)
			runtime.GC()
			for _, w := range works {
				b.Run(w.name, func(b *testing.B) {
					b.ReportAllocs()
					for i := 0; b.Loop(); i++ {
						p.run(b, w.op(p, i))
					}
				})
			}
		})
	}
}

func (p *pile) run(b *testing.B, op any) {
	var result *Result
	if q := query("k", op); q.GetOp() != nil {
		result = p.m.View(q, 0)
	} else {
		result = p.m.Apply(command(0, "k", op))
	}
	if result.GetStatus() != storev1.Status_STATUS_OK {
		b.Fatal(result)
	}
}

// fresh is an element that is in no pile.
func fresh(i int) [][]byte {
	return [][]byte{binary.BigEndian.AppendUint64([]byte("fresh"), uint64(i)*0x9e3779b97f4a7c15)}
}

func BenchmarkDictionary(b *testing.B) {
	life := lifeOf(MaxTTLMs, false)
	benchElements(b, addFields, []work{
		{"Get", func(p *pile, i int) any { return &storev1.Query_DictionaryGet{Fields: p.pick(i)} }},
		{"Length", func(*pile, int) any { return &storev1.Query_Length{Kind: storev1.Kind_KIND_DICTIONARY} }},
		{"Fetch", func(*pile, int) any { return &storev1.Query_DictionaryFetch{} }},
		{"SetExisting", func(p *pile, i int) any {
			return &storev1.DictionarySet{Fields: p.pick(i), Values: p.pick(i + 1), Ttl: life}
		}},
		{"SetAndRemove", func(_ *pile, i int) any {
			if i%2 == 0 {
				return &storev1.DictionarySet{Fields: fresh(i), Values: fresh(i), Ttl: life}
			}
			return &storev1.DictionaryRemove{Fields: fresh(i - 1)}
		}},
		{"Increment", func(_ *pile, i int) any {
			return &storev1.DictionaryIncrement{Field: []byte("n"), Amount: 1, Ttl: life}
		}},
	})
}

func BenchmarkSet(b *testing.B) {
	life := lifeOf(MaxTTLMs, false)
	benchElements(b, addElements, []work{
		{"Contains", func(p *pile, i int) any { return &storev1.Query_SetContains{Elements: p.pick(i)} }},
		{"Length", func(*pile, int) any { return &storev1.Query_Length{Kind: storev1.Kind_KIND_SET} }},
		{"Fetch", func(*pile, int) any { return &storev1.Query_SetFetch{} }},
		{"SampleTen", func(_ *pile, i int) any { return &storev1.Query_SetSample{Limit: 10, Seed: uint64(i)} }},
		{"AddExisting", func(p *pile, i int) any { return &storev1.SetAdd{Elements: p.pick(i), Ttl: life} }},
		{"AddAndRemove", func(_ *pile, i int) any {
			if i%2 == 0 {
				return &storev1.SetAdd{Elements: fresh(i), Ttl: life}
			}
			return &storev1.SetRemove{Elements: fresh(i - 1)}
		}},
		{"AddAndPop", func(_ *pile, i int) any {
			if i%2 == 0 {
				return &storev1.SetAdd{Elements: fresh(i), Ttl: life}
			}
			return &storev1.SetPop{Count: 1, Seed: uint64(i)}
		}},
	})
}

func BenchmarkSortedSet(b *testing.B) {
	life := lifeOf(MaxTTLMs, false)
	half := &storev1.ScoreRange{Min: &storev1.ScoreBound{Score: 0.5}}
	ten := uint64(10)
	benchElements(b, addMembers, []work{
		{"Score", func(p *pile, i int) any { return &storev1.Query_SortedSetScores{Members: p.pick(i)} }},
		{"Rank", func(p *pile, i int) any {
			return &storev1.Query_SortedSetRanks{Members: p.pick(i), Order: storev1.Order(i % 2)}
		}},
		{"Length", func(*pile, int) any { return &storev1.Query_Length{Kind: storev1.Kind_KIND_SORTED_SET} }},
		{"CountByScore", func(*pile, int) any { return &storev1.Query_SortedSetCount{Range: half} }},
		{"TenByIndex", func(p *pile, i int) any {
			return &storev1.Query_SortedSetFetch{Range: &storev1.Query_SortedSetFetch_ByIndex{ByIndex: sliceOf(i%p.n, i%p.n+10)}}
		}},
		{"TenByScore", func(*pile, int) any {
			return &storev1.Query_SortedSetFetch{Order: 1, Range: &storev1.Query_SortedSetFetch_ByScore{ByScore: half}, Limit: &ten}
		}},
		{"Fetch", func(*pile, int) any { return &storev1.Query_SortedSetFetch{} }},
		{"PutExisting", func(p *pile, i int) any {
			return &storev1.SortedSetPut{Members: p.pick(i), Scores: []float64{rand.Float64()}, Ttl: life}
		}},
		{"Increment", func(p *pile, i int) any {
			return &storev1.SortedSetIncrement{Member: p.pick(i)[0], Amount: 0.001, Ttl: life}
		}},
		{"PutAndRemove", func(_ *pile, i int) any {
			if i%2 == 0 {
				return &storev1.SortedSetPut{Members: fresh(i), Scores: []float64{rand.Float64()}, Ttl: life}
			}
			return &storev1.SortedSetRemove{Members: fresh(i - 1)}
		}},
		{"UnionWithTen", func(*pile, int) any {
			union := &storev1.SortedSetUnion{OwnWeights: []float32{1}, TtlMs: MaxTTLMs}
			for i := range 10 {
				union.Members, union.Scores = append(union.Members, element(i)), append(union.Scores, 1)
			}
			return union
		}},
	})
}

// BenchmarkFreezeElements takes snapshots and makes one write after each.
func BenchmarkFreezeElements(b *testing.B) {
	life := lifeOf(MaxTTLMs, false)
	for name, t := range map[string]struct {
		add   func(elements [][]byte) any
		write func(elements [][]byte) any
	}{
		"Dictionary": {addFields, func(e [][]byte) any { return &storev1.DictionarySet{Fields: e, Values: e, Ttl: life} }},
		"Set":        {addElements, func(e [][]byte) any { return &storev1.SetAdd{Elements: e, Ttl: life} }},
		"SortedSet": {addMembers, func(e [][]byte) any {
			return &storev1.SortedSetPut{Members: e, Scores: []float64{rand.Float64()}, Ttl: life}
		}},
	} {
		for _, n := range sizes {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				p := piled(n, t.add)
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					p.m.Snapshot()
					p.run(b, t.write(fresh(i)))
				}
			})
		}
	}
}

// BenchmarkElementMemory reports what the heap holds per element, beside what the
// size formula says: in one large collection, added in random order and in
// order, and in many of ten.
func BenchmarkElementMemory(b *testing.B) {
	const n = 1_000_000
	adds := map[string]func(elements [][]byte) any{"dictionary": addFields, "set": addElements, "sorted set": addMembers}
	report := func(b *testing.B, fill func(m *Machine)) {
		for b.Loop() {
			before := heap()
			m := NewMachine()
			fill(m)
			b.ReportMetric(float64(heap()-before)/n, "heap-B/each")
			b.ReportMetric(float64(m.Stats().Bytes)/n, "formula-B/each")
		}
	}
	for kind, add := range adds {
		// The bytes of an element are the command's: they are made anew for each.
		one := func(i int) any { return add([][]byte{element(i)}) }
		b.Run(kind+"/large, random", func(b *testing.B) {
			report(b, func(m *Machine) {
				for i := range n {
					m.Apply(command(0, "k", one(i)))
				}
			})
		})
		b.Run(kind+"/of ten", func(b *testing.B) {
			report(b, func(m *Machine) {
				for i := range n {
					m.Apply(command(0, fmt.Sprintf("room-%08d", i/10), one(i)))
				}
			})
		})
	}
}
