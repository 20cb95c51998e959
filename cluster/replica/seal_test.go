package replica

import (
	"maps"
	"slices"
	"testing"

	"github.com/hashicorp/raft"
	"pgregory.net/rapid"

	"github.com/mayfly-broker/mayfly/cluster"
)

func TestSealedLogIsBoundToItsPlace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		group := cluster.GroupID(rapid.Uint32().Draw(t, "group"))
		entry := &raft.Log{
			Index: rapid.Uint64().Draw(t, "index"), Term: rapid.Uint64().Draw(t, "term"),
			Type:       raft.LogType(rapid.ByteMax(5).Draw(t, "type")),
			Data:       rapid.SliceOf(rapid.Byte()).Draw(t, "data"),
			Extensions: rapid.SliceOf(rapid.Byte()).Draw(t, "extensions"),
		}
		sealed := sealLog(group, entry)
		if err := openLog(group, entry.Index, ptr(*sealed)); err != nil {
			t.Fatalf("an intact record: %v", err)
		}
		opened := *sealed
		_ = openLog(group, entry.Index, &opened)
		if !slices.Equal(opened.Extensions, entry.Extensions) {
			t.Fatalf("extensions %x came back as %x", entry.Extensions, opened.Extensions)
		}
		for name, err := range map[string]error{
			"another group": openLog(group+1, entry.Index, ptr(*sealed)),
			"another index": openLog(group, entry.Index+1, ptr(*sealed)),
		} {
			if err == nil {
				t.Fatalf("the record was accepted for %s", name)
			}
		}
		moved := *sealed
		moved.Index++
		if openLog(group, moved.Index, &moved) == nil {
			t.Fatal("a renumbered record was accepted")
		}
		for name, change := range map[string]func(*raft.Log){
			"term": func(l *raft.Log) { l.Term++ },
			"type": func(l *raft.Log) { l.Type++ },
			"data": func(l *raft.Log) { l.Data = append(slices.Clone(l.Data), 0) },
			"seal": func(l *raft.Log) {
				l.Extensions = slices.Clone(l.Extensions)
				i := rapid.IntRange(0, len(l.Extensions)-1).Draw(t, "byte")
				l.Extensions[i] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
			},
		} {
			changed := *sealed
			change(&changed)
			if openLog(group, entry.Index, &changed) == nil {
				t.Fatalf("a record with another %s was accepted", name)
			}
		}
	})
}

func ptr[T any](v T) *T { return &v }

func TestSealedStableNoticesEveryBit(t *testing.T) {
	values := map[string][]byte{"CurrentTerm": {0, 0, 0, 0, 0, 0, 0, 7}, "LastVoteCand": []byte("n1/3/1"), "empty": {}}
	record := sealStable(3, values)
	got, err := openStable(3, record)
	if err != nil || !maps.EqualFunc(got, values, slices.Equal[[]byte]) {
		t.Fatalf("%v came back as %v, %v", values, got, err)
	}
	if _, err := openStable(4, record); err == nil {
		t.Error("the record of group 3 was accepted for group 4")
	}
	for i := range record {
		for bit := range 8 {
			damaged := slices.Clone(record)
			damaged[i] ^= 1 << bit
			if _, err := openStable(3, damaged); err == nil {
				t.Errorf("bit %d of byte %d was flipped and not noticed", bit, i)
			}
		}
	}
	for n := range record {
		if _, err := openStable(3, record[:n]); err == nil {
			t.Errorf("%d of %d bytes were accepted", n, len(record))
		}
	}
}
