package quota

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestDivide(t *testing.T) {
	for _, test := range []struct {
		name    string
		demands []float64
		want    []float64
	}{
		{"nobody wants anything", []float64{0, 0, 0, 0}, []float64{25, 25, 25, 25}},
		{"one wants all", []float64{1000, 0, 0, 0}, []float64{98.5, 0.5, 0.5, 0.5}},
		{"all want too much", []float64{1000, 500, 9000, 100}, []float64{25, 25, 25, 25}},
		{"a modest one beside noisy ones", []float64{10, 9000, 9000, 10}, []float64{10, 40, 40, 10}},
		{"what nobody wants is for all", []float64{10, 30, 0.5, 0.5}, []float64{24.75, 44.75, 15.25, 15.25}},
	} {
		t.Run(test.name, func(t *testing.T) {
			for i, want := range test.want {
				if got := divide(100, test.demands, i); math.Abs(got-want) > 1e-9 {
					t.Errorf("node %d may use %v, want %v", i, got, want)
				}
			}
		})
	}
}

// The parts are the limit, whatever is wanted, and whoever wants no more than its equal
// part gets it.
func TestDivideAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.Float64Range(0.1, 1e9).Draw(t, "limit")
		demands := rapid.SliceOfN(rapid.Float64Range(0, 1e12), 1, 20).Draw(t, "demands")
		sum := 0.0
		for i, d := range demands {
			part := divide(limit, demands, i)
			sum += part
			if equal := limit / float64(len(demands)); part <= 0 || part < min(d, equal)*(1-1e-9) {
				t.Fatalf("node %d wants %v of %v and may use %v", i, d, equal, part)
			}
		}
		if math.Abs(sum-limit) > limit*1e-6 {
			t.Fatalf("the parts are %v of %v", sum, limit)
		}
	})
}

func TestSeatsAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 100).Draw(t, "limit")
		uses := make([]Use, rapid.IntRange(1, 7).Draw(t, "nodes"))
		held, missed := 0, 0
		for i := range uses {
			uses[i] = Use{Held: rapid.IntRange(0, 30).Draw(t, "held"), Missed: rapid.SampledFrom([]int{0, 0, 1, 50}).Draw(t, "missed")}
			held += uses[i].Held
			missed += uses[i].Missed
		}
		sum, missing := 0, 0
		for i, u := range uses {
			room := seat(limit, uses, i)
			sum += room
			if room < u.Held {
				t.Fatalf("node %d holds %d and has room for %d", i, u.Held, room)
			}
			if u.Missed > 0 && room > u.Held {
				missing++
			}
		}
		if sum != max(limit, held) {
			t.Fatalf("room for %d, want %d", sum, max(limit, held))
		}
		if limit > held && missed > 0 && missing == 0 {
			t.Fatal("a place is free, and nobody who misses one gets it")
		}
	})
}

// fleet is the books of nodes whose clients offer traffic.
type fleet struct {
	names []string
	books map[string]*Book
	deaf  func(from, to string) bool
}

func newFleet(n int) *fleet {
	f := &fleet{books: make(map[string]*Book), deaf: func(string, string) bool { return false }}
	for i := range n {
		name := fmt.Sprintf("n%d", i+1)
		f.names = append(f.names, name)
		f.books[name] = NewBook()
	}
	for _, name := range f.names { // as a node that was just started does
		f.books[name].Account(Subject{Cache, "c"})
		f.books[name].Share(slices.Clone(f.names), name, map[string][]Use{name: nil})
	}
	return f
}

// second lets one second pass in which each node's clients offer so many operations. It
// returns how many passed. Half of the nodes hear what others told a round ago.
func (f *fleet) second(at time.Time, limit float64, offered []float64) (passed int) {
	const steps = 100
	for step := range steps {
		now := at.Add(time.Second * time.Duration(step) / steps)
		for i, name := range f.names {
			a := f.books[name].Account(Subject{Cache, "c"})
			before, after := offered[i]*float64(step)/steps, offered[i]*float64(step+1)/steps
			for range int(after) - int(before) {
				if spend(a, now, Operations, limit, 1) {
					passed++
				}
			}
		}
	}
	old := f.uses()
	for _, name := range f.names {
		f.books[name].measure(time.Second)
	}
	fresh := f.uses()
	for i, name := range f.names {
		heard := make(map[string][]Use)
		for _, other := range f.names {
			switch {
			case other != name && f.deaf(name, other):
			case other != name && i%2 == 1:
				heard[other] = old[other]
			default:
				heard[other] = fresh[other]
			}
		}
		f.books[name].Share(slices.Clone(f.names), name, heard)
	}
	return passed
}

func (f *fleet) uses() map[string][]Use {
	all := make(map[string][]Use)
	for name, b := range f.books {
		all[name] = b.Uses()
	}
	return all
}

// In every shape that traffic takes, what passes in ten seconds is near the limit, and
// a shape that changes settles within two seconds.
func TestFleetKeepsTheLimit(t *testing.T) {
	for _, test := range []struct {
		name    string
		nodes   int
		offered func(second int) []float64
		low     float64 // of the limit, over the last ten seconds
		high    float64
	}{
		{"one node", 1, func(int) []float64 { return []float64{5000} }, 0.99, 1.01},
		{"three, the same to each", 3, func(int) []float64 { return []float64{2000, 2000, 2000} }, 0.98, 1.01},
		{"three, all to one", 3, func(int) []float64 { return []float64{5000, 0, 0} }, 0.97, 1.01},
		{"three, skewed", 3, func(int) []float64 { return []float64{5000, 300, 20} }, 0.97, 1.02},
		{"three, below the limit", 3, func(int) []float64 { return []float64{800, 50, 50} }, 0.89, 0.91},
		{"three, moving every four seconds", 3, func(s int) []float64 {
			offered := []float64{0, 0, 0}
			offered[s/4%3] = 5000
			return offered
		}, 0.5, 1.2},
	} {
		t.Run(test.name, func(t *testing.T) {
			const limit = 1000.0
			f := newFleet(test.nodes)
			passed := 0
			for s := range 13 {
				n := f.second(at(float64(s)), limit, test.offered(s))
				if s >= 3 {
					passed += n
				}
			}
			if share := float64(passed) / (10 * limit); share < test.low || share > test.high {
				t.Errorf("%.3f of the limit passed in ten seconds, want %v to %v", share, test.low, test.high)
			} else {
				t.Logf("%.3f of the limit", share)
			}
		})
	}
}

// Nodes that cannot hear each other never let more than their equal parts pass, unless
// they are more than half; then they have all of the limit.
func TestFleetThatIsParted(t *testing.T) {
	const limit = 900.0
	for _, test := range []struct {
		name string
		deaf func(from, to string) bool
		want float64
	}{
		{"nobody hears anybody", func(string, string) bool { return true }, 1},
		{"one is cut off", func(a, b string) bool { return a == "n3" || b == "n3" }, 1 + 1.0/3},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFleet(3)
			f.deaf = test.deaf
			passed := 0
			for s := range 13 {
				n := f.second(at(float64(s)), limit, []float64{5000, 5000, 5000})
				if s >= 3 {
					passed += n
				}
			}
			if share := float64(passed) / (10 * limit); math.Abs(share-test.want) > 0.02 {
				t.Errorf("%.3f of the limit passed, want %.3f", share, test.want)
			}
		})
	}
}

// Every place can be filled on whichever node somebody wants it, and not one more.
func TestFleetFillsEveryPlace(t *testing.T) {
	const limit = 10
	f := newFleet(3)
	c := Subject{Cache, "c"}
	held := 0
	for s := range 6 {
		for range 20 { // all on one node, which begins with three or four of ten
			if f.books["n2"].Subscribe(at(float64(s)), c, limit) != nil {
				held++
			}
		}
		if held > limit {
			t.Fatalf("%d places are filled", held)
		}
		f.second(at(float64(s)), 0, []float64{0, 0, 0})
	}
	if held != limit {
		t.Errorf("%d places of %d could be filled", held, limit)
	}
	for _, name := range f.names {
		if f.books[name].Subscribe(at(7), c, limit) != nil {
			t.Errorf("one more fits on %s", name)
		}
	}
	f.books["n2"].Account(c).Leave()
	for s := 7; s < 10; s++ {
		if f.books["n1"].Subscribe(at(float64(s)), c, limit) != nil {
			return
		}
		f.second(at(float64(s)), 0, []float64{0, 0, 0})
	}
	t.Error("a place that is free on one node cannot be had on another")
}

// Items that others lead are added up; of a node that is silent they stay until others
// lead them, of one that is no member they go.
func TestKeysElsewhere(t *testing.T) {
	b := NewBook()
	keys := func(n uint64) []Use { return []Use{{Subject: Subject{Cache, "c"}, Keys: n}} }
	for _, test := range []struct {
		members []string
		heard   map[string][]Use
		want    uint64
	}{
		{[]string{"a", "b", "c"}, map[string][]Use{"a": keys(100), "b": keys(5), "c": keys(7)}, 12},
		{[]string{"a", "b", "c"}, map[string][]Use{"a": nil, "c": keys(1)}, 6},
		{[]string{"a", "b", "c"}, map[string][]Use{"a": nil, "b": nil}, 1},
		{[]string{"a", "b"}, map[string][]Use{"a": nil, "b": nil}, 0},
	} {
		b.Share(test.members, "a", test.heard)
		if got := b.KeysElsewhere("c"); got != test.want {
			t.Errorf("%d elsewhere, want %d", got, test.want)
		}
	}
}

// What a node led that died is led by others soon, and is not counted twice until it
// comes back.
func TestKeysOfTheDeadAreNotCountedTwice(t *testing.T) {
	b := NewBook()
	keys := func(n uint64) []Use { return []Use{{Subject: Subject{Cache, "c"}, Keys: n}} }
	members := []string{"a", "b", "c"}
	b.Share(members, "a", map[string][]Use{"a": nil, "b": keys(30), "c": keys(30)})
	for i := range silence {
		b.Share(members, "a", map[string][]Use{"a": nil, "c": keys(60)})
		if got := b.KeysElsewhere("c"); got != 90 {
			t.Errorf("%d elsewhere after %d rounds, while nobody knows who leads", got, i+1)
		}
	}
	b.Share(members, "a", map[string][]Use{"a": nil, "c": keys(60)})
	if got := b.KeysElsewhere("c"); got != 60 {
		t.Errorf("%d elsewhere, want the 60 that are led", got)
	}
	b.Share(members, "a", map[string][]Use{"a": nil, "b": keys(20), "c": keys(40)})
	if got := b.KeysElsewhere("c"); got != 60 {
		t.Errorf("%d elsewhere once it is back", got)
	}
}

// Run asks once a round, as long as there is something to share, and ends.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBook()
		var asked atomic.Int32
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			b.Run(ctx, &Others{
				Self:    "a",
				Members: func() []string { return []string{"b", "a"} },
				Ask: func(ctx context.Context, node string) ([]Use, error) {
					if asked.Add(1) < 3 {
						<-ctx.Done()
						return nil, errors.New("silent")
					}
					return []Use{{Subject: Subject{Cache, "c"}, Demand: Rates{Operations: 1000}, Keys: 3}}, nil
				},
				Keys: func() map[string]uint64 { return nil },
			})
		}()
		time.Sleep(5*Round + Round/2)
		if n := asked.Load(); n != 0 {
			t.Errorf("asked %d times although nothing is limited", n)
		}
		c := b.Account(Subject{Cache, "c"})
		spend(c, time.Now(), Operations, 100, 1)
		time.Sleep(2 * Round)
		part := func() float64 {
			spend(c, time.Now(), Operations, 100, 60)
			c.mu.Lock()
			defer c.mu.Unlock()
			return c.buckets[Operations].part
		}
		if got := part(); asked.Load() == 0 || got != 50 {
			t.Errorf("asked %d times, a part of %v beside silent nodes, want the equal one", asked.Load(), got)
		}
		time.Sleep(3 * Round)
		part()
		time.Sleep(Round)
		if got := part(); got != 50 || b.KeysElsewhere("c") != 3 {
			t.Errorf("a part of %v beside one who wants much more, want half", got)
		}
		time.Sleep(5 * Round)
		if got := part(); got > 2 {
			t.Errorf("a part of %v after wanting nothing for a while", got)
		}
		cancel()
		<-done
	})
}
