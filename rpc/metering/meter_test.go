package metering

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestPrefixOf(t *testing.T) {
	for _, test := range []struct {
		separators string
		prefixes   []string
		topic      string
		want       string
	}{
		{DefaultSeparators, nil, "room-17", "room-"},
		{DefaultSeparators, nil, "room-17-a", "room-"},
		{DefaultSeparators, nil, "user:1/x", "user:"},
		{DefaultSeparators, nil, "lobby", "lobby"},
		{DefaultSeparators, nil, "-x", "-"},
		{DefaultSeparators, nil, "x/", "x/"},
		{"→", nil, "room→17", "room→"},
		{"", nil, "room-17", "room-17"},
		{DefaultSeparators, []string{"room-", "room-vip-"}, "room-vip-1", "room-vip-"},
		{DefaultSeparators, []string{"room-vip-", "room-"}, "room-vip", "room-"},
		{DefaultSeparators, []string{"chat-room-"}, "chat-lobby", "chat-"},
		{DefaultSeparators, []string{"lobby"}, "lobby", "lobby"},
	} {
		rules := Rules{Separators: test.separators, Prefixes: test.prefixes}
		if got := rules.PrefixOf(test.topic); got != test.want {
			t.Errorf("%q by %q and %q: %q, want %q", test.topic, test.separators, test.prefixes, got, test.want)
		}
	}
}

func TestHolders(t *testing.T) {
	for want, h := range map[string]Holder{
		"anonymous": {}, "admin": {Kind: Admin}, "token:admin": {ByToken, "admin"}, "key:x": {ByKey, "x"}, "token:": {Kind: ByToken},
		"token:a:b": {ByToken, "a:b"}, "": {Kind: Nobody},
	} {
		if h.String() != want || ParseHolder(want) != h {
			t.Errorf("%+v is written %q, want %q, and read as %+v", h, h, want, ParseHolder(want))
		}
	}
	if got := ParseHolder("superuser:x"); got != (Holder{Kind: Nobody}) {
		t.Errorf("read as %+v", got)
	}
}

func TestUnits(t *testing.T) {
	for bytes, want := range map[uint64]uint64{0: 1, 1: 1, 1024: 1, 1025: 2, 10 << 20: 10 << 10} {
		if got := UnitsOf(bytes); got != want {
			t.Errorf("%d bytes are %d units, want %d", bytes, got, want)
		}
	}
}

// Every column is added, stored and read as what it is.
func TestColumns(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	a, b := some(r), some(r)
	sum := a
	sum.Add(&b)
	for i := range reflect.TypeFor[Counts]().NumField() {
		field := func(c Counts) uint64 { return reflect.ValueOf(c).Field(i).Uint() }
		if field(sum) != field(a)+field(b) {
			t.Errorf("column %d is not added", i)
		}
	}
	row := sum.row(nil)
	if len(row) != columns || countsOf(row) != sum {
		t.Errorf("%+v is stored as %v and read as %+v", sum, row, countsOf(row))
	}
	if got := countsOf([]int64{1, -2}); got != (Counts{Reads: 1}) {
		t.Errorf("a short row is %+v", got)
	}
	if got := countsOf(make([]int64, columns+3)); got != (Counts{}) {
		t.Errorf("a long row is %+v", got)
	}
}

// However uses come, by how many at a time, each is in one row of every section, and
// no table has more names than it may.
func TestNothingIsLostOrCountedTwice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bounds := Bounds{Prefixes: rapid.IntRange(0, 4).Draw(t, "prefixes"), Holders: rapid.IntRange(0, 4).Draw(t, "holders")}
		m := newMeter(bounds)
		var all sync.WaitGroup
		want := map[string]Counts{} // by cache
		name := rapid.SampledFrom([]string{"", "a", "b", "c", "d", "e", "(other)"})
		for range rapid.IntRange(0, 60).Draw(t, "uses") {
			s := read(name.Draw(t, "cache"), name.Draw(t, "prefix"), name.Draw(t, "token"))
			used := Counts{Reads: rapid.Uint64Range(0, 9).Draw(t, "reads"), BytesOut: rapid.Uint64Range(0, 1<<40).Draw(t, "bytes")}
			sum := want[s.Cache]
			sum.Add(&used)
			want[s.Cache] = sum
			all.Go(func() { m.Count(s, &used) })
		}
		all.Wait()
		tables := m.take()
		got := map[string]Counts{}
		if caches := tables[tableName{section: ofCaches}]; caches != nil {
			for cache, used := range caches.rows {
				got[cache] = *used
			}
		}
		if !cmp.Equal(got, want) {
			t.Fatalf("caches: %s", cmp.Diff(want, got))
		}
		for in, most := range map[section]int{ofPrefixes: bounds.Prefixes, ofHolders: bounds.Holders} {
			for cache, used := range want {
				table := tables[tableName{in, cache}]
				if table.named() > most {
					t.Fatalf("%c of %q has %d names, the most is %d", in, cache, table.named(), most)
				}
				var sum Counts
				for _, row := range table.rows {
					sum.Add(row)
				}
				if sum != used {
					t.Fatalf("%c of %q sum up to %+v, want %+v", in, cache, sum, used)
				}
			}
		}
		if again := m.take(); len(again) > 0 {
			t.Fatalf("taken twice: %v", again)
		}
	})
}

// What is counted while an idle meter is emptied is counted once.
func TestTakingFromAnIdleMeter(t *testing.T) {
	m := newMeter(DefaultBounds())
	const calls = 20_000
	var counting sync.WaitGroup
	counting.Go(func() {
		for i := range calls {
			m.Count(Subject{Cache: fmt.Sprint(i % 100)}, &Counts{Reads: 1})
		}
	})
	done := make(chan struct{})
	go func() { counting.Wait(); close(done) }()
	var sum uint64
	take := func() {
		if caches := m.take()[tableName{section: ofCaches}]; caches != nil {
			for _, used := range caches.rows {
				sum += used.Reads
			}
		}
	}
	for over := false; !over; {
		select {
		case <-done:
			over = true
		default:
		}
		take()
	}
	if sum != calls {
		t.Errorf("%d of %d calls were taken", sum, calls)
	}
}

// A flood of names costs no more memory than there is, and is all counted.
func TestFloodOfNames(t *testing.T) {
	m := newMeter(Bounds{Prefixes: 10, Holders: 10})
	const uses = 200_000
	for i := range uses {
		m.Count(read("c", fmt.Sprint("topic", i), strings.Repeat("x", i%200)+fmt.Sprint(i)), oneRead)
	}
	kept := 0
	for i := range m.shards {
		kept += len(m.shards[i].accounts)
	}
	if most := len(m.shards) * maxAccounts; kept > most {
		t.Errorf("%d accounts are kept, the most is %d", kept, most)
	}
	for name, table := range m.take() {
		var sum Counts
		for _, row := range table.rows {
			sum.Add(row)
		}
		if sum.Reads != uses || len(table.rows) > 11 {
			t.Errorf("%c: %d rows of %d uses", name.section, len(table.rows), sum.Reads)
		}
	}
}

func BenchmarkCount(b *testing.B) {
	for _, subjects := range []int{1, 1000} {
		b.Run(fmt.Sprint(subjects), func(b *testing.B) {
			m := newMeter(DefaultBounds())
			all := make([]Subject, subjects)
			for i := range all {
				all[i] = read("chat", m.PrefixOf("room-17"), fmt.Sprint("user-", i))
			}
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); i++ {
					used := Counts{Reads: 1, Units: 1, BytesIn: 10, BytesOut: 100}
					m.Count(all[i%len(all)], &used)
				}
			})
		})
	}
}
