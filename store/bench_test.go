package store

import (
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"testing"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

var sizes = []int{10, 10_000, 1_000_000}

// keysOf returns n keys in random order.
func keysOf(n int) [][]byte {
	keys := make([][]byte, n)
	for i := range keys {
		keys[i] = fmt.Appendf(nil, "room-%08d", i)
	}
	rand.Shuffle(n, func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	return keys
}

func filled(keys [][]byte) *Machine {
	m := NewMachine()
	for i, key := range keys {
		cmd := command(uint64(i), "", setOf("a value of some length", MaxTTLMs))
		cmd.Key = key
		m.Apply(cmd)
	}
	return m
}

func each(b *testing.B, run func(b *testing.B, m *Machine, keys [][]byte)) {
	for _, n := range sizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			keys := keysOf(n)
			m := filled(keys)
			runtime.GC()
			b.ReportAllocs()
			b.ResetTimer()
			run(b, m, keys)
		})
	}
}

func BenchmarkGet(b *testing.B) {
	each(b, func(b *testing.B, m *Machine, keys [][]byte) {
		q := query("", &storev1.Query_Get{})
		for i := 0; b.Loop(); i++ {
			q.Key = keys[i%len(keys)]
			if !m.View(q, 0).GetValue().GetFound() {
				b.Fatal("missing")
			}
		}
	})
}

func BenchmarkSetExisting(b *testing.B) {
	each(b, func(b *testing.B, m *Machine, keys [][]byte) {
		cmd := command(0, "", setOf("another value", 1000))
		for i := 0; b.Loop(); i++ {
			cmd.Key, cmd.AtMs = keys[i%len(keys)], uint64(len(keys)+i/1000)
			cmd.GetSet().TtlMs = MaxTTLMs - uint64(i%1000)
			m.Apply(cmd)
		}
	})
}

// BenchmarkSetNew sets and deletes keys that were not there.
func BenchmarkSetNew(b *testing.B) {
	each(b, func(b *testing.B, m *Machine, keys [][]byte) {
		cmd, remove := command(0, "", setOf("a value", 1000)), command(0, "", &storev1.Delete{})
		for i := 0; b.Loop(); i++ {
			cmd.Key = append(cmd.Key[:0], keys[i%len(keys)]...)
			cmd.Key = append(cmd.Key, 'x')
			remove.Key = cmd.Key
			m.Apply(cmd)
			m.Apply(remove)
		}
	})
}

func BenchmarkSetWithRequest(b *testing.B) {
	m := NewMachine()
	cmd := command(0, "k", setOf("a value", 1000))
	cmd.Request = requestOf('g', 1, 1)
	b.ReportAllocs()
	for n := uint64(1); b.Loop(); n++ {
		cmd.Request.Sequence, cmd.Request.DoneBelow = n, n-min(n-1, 100)
		m.Apply(cmd)
	}
}

// BenchmarkListPush pushes onto lists that are kept at a hundred entries, one
// for each key.
func BenchmarkListPush(b *testing.B) {
	for _, n := range []int{10, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			keys, m := keysOf(n), NewMachine()
			op := &storev1.ListPush{
				End: back, TruncateToSize: 100, Values: [][]byte{make([]byte, 100)},
				Ttl: &storev1.CollectionTtl{TtlMs: MaxTTLMs, Refresh: true},
			}
			cmd := command(0, "", op)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				cmd.Key = keys[i%n]
				m.Apply(cmd)
			}
		})
	}
}

// BenchmarkLongList pushes and pops at both ends of lists of many lengths.
func BenchmarkLongList(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			m := NewMachine()
			longList(m, "k", n)
			var cmds []*Command
			for _, end := range []storev1.End{front, back} {
				cmds = append(cmds, command(1, "k", pushOf(end, "value", 0)), command(1, "k", &storev1.ListPop{End: 3 - end}))
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				m.Apply(cmds[i%len(cmds)])
			}
		})
	}
}

func BenchmarkFetchHundred(b *testing.B) {
	for _, n := range sizes[1:] {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			m := NewMachine()
			longList(m, "k", n)
			q := query("k", &storev1.Query_ListFetch{Slice: sliceOf(n/2, n/2+100)})
			b.ReportAllocs()
			for b.Loop() {
				m.View(q, 0)
			}
		})
	}
}

// BenchmarkFreeze takes snapshots and makes one write after each, which is
// what an apply loop feels of them.
func BenchmarkFreeze(b *testing.B) {
	each(b, func(b *testing.B, m *Machine, keys [][]byte) {
		cmd := command(0, "", setOf("another value", 1000))
		for i := 0; b.Loop(); i++ {
			m.Snapshot()
			cmd.Key = keys[i%len(keys)]
			m.Apply(cmd)
		}
	})
}

// BenchmarkFreezeManyCaches is the worst case of a freeze: it looks at each
// cache.
func BenchmarkFreezeManyCaches(b *testing.B) {
	m := NewMachine()
	for i := range MaxCaches {
		cmd := command(0, "k", setOf("v", 1000))
		cmd.Cache = fmt.Sprint("cache ", i)
		m.Apply(cmd)
	}
	b.ReportAllocs()
	for b.Loop() {
		m.Snapshot()
	}
}

func BenchmarkWriteSnapshot(b *testing.B) {
	each(b, func(b *testing.B, m *Machine, _ [][]byte) {
		for b.Loop() {
			n, err := m.Snapshot().WriteTo(io.Discard)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(n)
		}
	})
}

func BenchmarkDecodeCommand(b *testing.B) {
	cmd := command(1, "room-00000001", &storev1.ListPush{End: back, Values: [][]byte{make([]byte, 100)}, Ttl: &storev1.CollectionTtl{TtlMs: 9}})
	cmd.Request = requestOf('g', 7, 3)
	data, err := EncodeCommand(nil, cmd)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DecodeCommand(data); err != nil {
			b.Fatal(err)
		}
	}
}

func heap() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// BenchmarkMemory reports what the heap holds per list entry of 100 bytes and
// per item, beside what the size formula says.
func BenchmarkMemory(b *testing.B) {
	const n = 1_000_000
	report := func(b *testing.B, fill func(m *Machine)) {
		for b.Loop() {
			before := heap()
			m := NewMachine()
			fill(m)
			b.ReportMetric(float64(heap()-before)/n, "heap-B/each")
			b.ReportMetric(float64(m.Stats().Bytes)/n, "formula-B/each")
		}
	}
	b.Run("entries", func(b *testing.B) {
		report(b, func(m *Machine) {
			for range n {
				m.Apply(command(0, "k", &storev1.ListPush{End: back, Values: [][]byte{make([]byte, 100)}, Ttl: &storev1.CollectionTtl{TtlMs: 9}}))
			}
		})
	})
	b.Run("items", func(b *testing.B) {
		report(b, func(m *Machine) {
			for i := range n {
				m.Apply(command(0, fmt.Sprintf("room-%08d", i), setOf("a value of 24 bytes here", uint64(i+1))))
			}
		})
	})
	b.Run("short lists", func(b *testing.B) {
		report(b, func(m *Machine) {
			for i := range n / 10 {
				m.Apply(command(0, fmt.Sprintf("room-%08d", i), pushOf(back, "0 1 2 3 4 5 6 7 8 9", 0)))
			}
		})
	})
}
