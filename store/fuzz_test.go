package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"testing"

	"google.golang.org/protobuf/proto"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

// seedCommands are one command of each kind, and some that are refused.
func seedCommands(f testing.TB) [][]byte {
	f.Helper()
	var seeds [][]byte
	for i, op := range []any{
		setOf("5", 10), &storev1.Set{Value: []byte("v"), TtlMs: 9, Condition: 6, Operand: []byte("5")},
		&storev1.Increment{Amount: -3, TtlMs: 5}, &storev1.Delete{}, &storev1.UpdateTtl{Mode: 2, TtlMs: 99},
		pushOf(back, "a b c a", 3), pushOf(front, "d", 0), &storev1.ListPop{End: front},
		&storev1.ListRetain{Slice: sliceOf(-3, 2), Ttl: &storev1.CollectionTtl{TtlMs: 5, Refresh: true}},
		&storev1.ListRemove{Value: []byte("a")},
		&storev1.ListErase{Ranges: []*storev1.ListErase_Range{{Begin: 1, Count: 1 << 63}, {Count: 1}}},
		&storev1.Delete{}, fieldsOf("a=1 b=2 a=3"), &storev1.DictionaryIncrement{Field: []byte("a"), Amount: -1, Ttl: lifeOf(9, true)},
		&storev1.DictionaryAdd{Fields: byteses("r", "s"), Amounts: []int64{1, -2, 3, 4}, Ttl: lifeOf(9, true), Most: 3, Rest: []byte("t")},
		&storev1.DictionaryRemove{Fields: byteses("b", "c")}, &storev1.DictionaryRemove{All: true},
		elementsOf("a b c"), &storev1.SetRemove{Elements: byteses("b")}, &storev1.SetComplement{Elements: byteses("a", "x", "y")},
		&storev1.SetPop{Count: 1, Seed: 3, MaxBytes: 20}, &storev1.SetRemove{All: true},
		membersOf("a=1 b=-2.5 c=+Inf"), &storev1.SortedSetIncrement{Member: []byte("b"), Amount: 4, Ttl: lifeOf(9, true)},
		&storev1.SortedSetUnion{Members: byteses("d", "a"), Scores: []float64{2, 2}, OwnWeights: []float32{0.5}, Aggregate: 2, TtlMs: 50},
		&storev1.SortedSetRemove{Members: byteses("d"), Ttl: lifeOf(70, true)}, &storev1.SortedSetRemove{All: true},
		&storev1.Sweep{Limit: 5}, &storev1.Retire{Deleted: true}, &storev1.Tick{}, nil,
	} {
		cmd := command(uint64(i), "k", op)
		switch op.(type) {
		case *storev1.Sweep, *storev1.Retire, *storev1.Tick:
			cmd.Key = nil
		}
		if i%2 == 0 {
			cmd.Request = requestOf('g', uint64(i+1), uint64(i/2))
		}
		data, err := EncodeCommand(nil, cmd)
		if err != nil {
			f.Fatal(err)
		}
		seeds = append(seeds, data)
	}
	return seeds
}

func FuzzDecodeCommand(f *testing.F) {
	for _, seed := range seedCommands(f) {
		f.Add(seed)
		f.Add(seed[:len(seed)/2])
	}
	f.Add([]byte{})
	f.Add([]byte{CommandVersion + 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		cmd, err := DecodeCommand(data)
		if err != nil {
			if !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrVersion) {
				t.Fatalf("an error of no kind: %v", err)
			}
			return
		}
		encoded, err := EncodeCommand(nil, cmd)
		if err != nil {
			t.Fatalf("decoded, and does not encode: %v", err)
		}
		if again, err := DecodeCommand(encoded); err != nil || !proto.Equal(cmd, again) {
			t.Fatalf("%v became %v, %v", cmd, again, err)
		}
	})
}

// FuzzApply applies a log of commands, each preceded by its length in two
// bytes, and looks that a machine stays in order whatever they say.
func FuzzApply(f *testing.F) {
	var log []byte
	for _, seed := range seedCommands(f) {
		log = append(append(log, byte(len(seed)>>8), byte(len(seed))), seed...)
	}
	f.Add(log)
	f.Add(log[:len(log)/3])
	f.Fuzz(func(t *testing.T, log []byte) {
		m := NewMachine()
		size := len(log)
		for len(log) > 2 {
			n := min(int(log[0])<<8|int(log[1]), len(log)-2)
			cmd, err := DecodeCommand(log[2 : 2+n])
			log = log[2+n:]
			if err != nil {
				continue
			}
			clock := m.Clock()
			if result := m.Apply(cmd); result == nil || m.Clock() < clock {
				t.Fatalf("%v: %v, clock %d after %d", cmd, result, m.Clock(), clock)
			}
			look(m, cmd)
		}
		verify(t, m)
		// What is held came in, and no more than the overhead of each item.
		if got := m.Stats(); got.Bytes > uint64(size)*(itemOverhead+entryOverhead) {
			t.Fatalf("%d bytes of commands made %+v", size, got)
		}
		data := snapshotBytes(t, m)
		if !bytes.Equal(snapshotBytes(t, restored(t, data)), data) {
			t.Fatalf("a restored machine writes another snapshot")
		}
	})
}

// look asks all there is to ask about a command's item.
func look(m *Machine, cmd *Command) {
	one := &storev1.ScoreBound{Score: 1}
	for _, op := range []any{
		&storev1.Query_Get{}, &storev1.Query_ListFetch{}, &storev1.Query_DictionaryFetch{}, &storev1.Query_DictionaryGet{Fields: byteses("a", "b")},
		&storev1.Query_SetFetch{}, &storev1.Query_SetSample{Limit: 1}, &storev1.Query_SetContains{Elements: byteses("a")},
		&storev1.Query_SortedSetFetch{Order: 1, Range: &storev1.Query_SortedSetFetch_ByScore{ByScore: &storev1.ScoreRange{Min: one}}},
		&storev1.Query_SortedSetRanks{Members: byteses("a")}, &storev1.Query_SortedSetScores{Members: byteses("a")}, &storev1.Query_SortedSetCount{},
	} {
		q := query("", op)
		q.Cache, q.Generation, q.Key, q.Space = cmd.GetCache(), cmd.GetGeneration(), cmd.GetKey(), cmd.GetSpace()
		m.View(q, m.Clock())
	}
}

func FuzzRestore(f *testing.F) {
	f.Add(snapshotBytes(f, sample()))
	f.Add(snapshotBytes(f, NewMachine()))
	f.Add([]byte(machineMagic))
	f.Fuzz(func(t *testing.T, data []byte) {
		restoreAndCheck(t, data)
		// The checksums keep damage out; with proper ones it gets further.
		restoreAndCheck(t, reseal(data))
	})
}

func restoreAndCheck(t *testing.T, data []byte) {
	t.Helper()
	m := NewMachine()
	if err := m.Restore(bytes.NewReader(data)); err != nil {
		if !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrVersion) {
			t.Fatalf("an error of no kind: %v", err)
		}
		if m.Stats() != (Stats{}) || m.Clock() != 0 {
			t.Fatalf("refused, and left %+v", m.Stats())
		}
		return
	}
	verify(t, m)
	again := snapshotBytes(t, m)
	if !bytes.Equal(snapshotBytes(t, restored(t, again)), again) {
		t.Fatalf("a restored machine writes another snapshot")
	}
	storm(m, 1, 50)
	verify(t, m)
}

// reseal gives each record of a snapshot its proper checksum, as far as the
// lengths lead.
func reseal(data []byte) []byte {
	if len(data) < magicBytes {
		return data
	}
	out, rest := bytes.Clone(data[:magicBytes]), data[magicBytes:]
	for len(rest) > 0 {
		length, k := binary.Uvarint(rest)
		if k <= 0 || length > uint64(len(rest)-k) {
			break
		}
		out = append(binary.AppendUvarint(out, length), rest[k:k+int(length)]...)
		out = binary.LittleEndian.AppendUint32(out, crc32.Checksum(out, castagnoli))
		rest = rest[k+int(length):]
		rest = rest[min(4, len(rest)):]
	}
	return append(out, rest...)
}

func FuzzRestoreCatalog(f *testing.F) {
	c := NewCatalog()
	for i, op := range []any{create("a"), signing("s"), apiKey("k", 9), &storev1.RevokeApiKey{Id: "k"}, webhook("a", "w"),
		application("app", 99), &storev1.DenyTokens{TokenId: "alice"}, rotation("none", "new", 5)} {
		cmd := catalogCommand(uint64(i), op)
		cmd.Act = act("/a/B")
		cmd.Request = requestOf('g', uint64(i+1), 1)
		c.Apply(cmd)
	}
	f.Add(catalogBytes(f, c))
	f.Add(catalogBytes(f, NewCatalog()))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, data := range [][]byte{data, reseal(data)} {
			c := NewCatalog()
			if err := c.Restore(bytes.NewReader(data)); err != nil {
				if !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrVersion) {
					t.Fatalf("an error of no kind: %v", err)
				}
				continue
			}
			again, written := NewCatalog(), catalogBytes(t, c)
			if err := again.Restore(bytes.NewReader(written)); err != nil || !bytes.Equal(catalogBytes(t, again), written) {
				t.Fatalf("a restored catalog writes another snapshot (%v)", err)
			}
			c.Apply(catalogCommand(c.Clock()+1, create("one more")))
		}
	})
}
