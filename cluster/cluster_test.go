package cluster

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// The expected values are frozen: data on disk was placed by them.
func TestSlotOfIsFrozen(t *testing.T) {
	golden := []struct {
		cache, name string
		want        Slot
	}{
		{"", "", 1896},
		{"default", "room-1", 2344},
		{"default", "room-2", 886},
		{"chat", "lobby", 3843},
		{"ab", "c", 1293},
		{"a", "bc", 1703},
		{"c", "\x00\xff", 3800},
		{"cache", "ключ", 2531},
	}
	for _, g := range golden {
		if got := SlotOf(g.cache, []byte(g.name)); got != g.want {
			t.Errorf("SlotOf(%q, %q) = %d, want %d", g.cache, g.name, got, g.want)
		}
	}
}

func TestSlotOfSpreads(t *testing.T) {
	const names = 200_000
	var hits [Slots]int
	for i := range names {
		hits[SlotOf("default", fmt.Appendf(nil, "room-%d", i))]++
	}
	mean := names / Slots
	if low, high := slices.Min(hits[:]), slices.Max(hits[:]); low < mean/3 || high > mean*2 {
		t.Errorf("slots hold %d to %d of %d names, the mean is %d", low, high, names, mean)
	}
}

func TestSlotOfDoesNotAllocate(t *testing.T) {
	name := []byte("room-1234567890-1234567890-1234567890")
	if n := testing.AllocsPerRun(100, func() { SlotOf("default", name) }); n != 0 {
		t.Errorf("SlotOf allocates %v times", n)
	}
}

func TestTopologySpreadsEvenly(t *testing.T) {
	for groups := 1; groups <= MaxGroups; groups++ {
		topology, err := NewTopology(groups)
		if err != nil {
			t.Fatal(err)
		}
		owned := make([]int, groups+1)
		last := GroupID(1)
		for s := range Slot(Slots) {
			g := topology.GroupOf(s)
			if g < last || int(g) > groups {
				t.Fatalf("%d groups: slot %d belongs to group %d after group %d", groups, s, g, last)
			}
			owned[g]++
			last = g
		}
		if owned[MetaGroup] != 0 {
			t.Errorf("%d groups: the meta group owns %d slots", groups, owned[MetaGroup])
		}
		if low, high := slices.Min(owned[1:]), slices.Max(owned[1:]); high-low > 1 {
			t.Errorf("%d groups own %d to %d slots each", groups, low, high)
		}
	}
}

func TestTopologyGolden(t *testing.T) {
	topology, _ := NewTopology(DefaultGroups)
	for slot, want := range map[Slot]GroupID{0: 1, 255: 1, 256: 2, 2047: 8, 2048: 9, 4095: 16} {
		if got := topology.GroupOf(slot); got != want {
			t.Errorf("GroupOf(%d) = %d, want %d", slot, got, want)
		}
	}
	all := slices.Collect(topology.All())
	if len(all) != 17 || all[0] != MetaGroup || all[16] != 16 {
		t.Errorf("All() = %v", all)
	}
	if !topology.Contains(16) || topology.Contains(17) {
		t.Error("Contains does not follow the number of groups")
	}
}

func TestTopologyRefuses(t *testing.T) {
	for _, groups := range []int{-1, 0, MaxGroups + 1} {
		if _, err := NewTopology(groups); err == nil {
			t.Errorf("NewTopology(%d) was accepted", groups)
		}
	}
}

func TestParseNodeID(t *testing.T) {
	for _, good := range []string{"a", "node-1", "Web_2.eu", strings.Repeat("n", MaxNodeIDLen)} {
		if id, err := ParseNodeID(good); err != nil || string(id) != good {
			t.Errorf("ParseNodeID(%q) = %q, %v", good, id, err)
		}
	}
	for _, bad := range []string{"", "-a", ".a", "a/b", "a b", "ä", "a\x00", strings.Repeat("n", MaxNodeIDLen+1)} {
		if _, err := ParseNodeID(bad); err == nil {
			t.Errorf("ParseNodeID(%q) was accepted", bad)
		}
	}
}

func BenchmarkSlotOf(b *testing.B) {
	name := []byte("room-1234567890")
	for b.Loop() {
		SlotOf("default", name)
	}
}
