package quota

import (
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var start = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func at(seconds float64) time.Time { return start.Add(time.Duration(seconds * float64(time.Second))) }

// spend is Spend of one kind.
func spend(a *Account, now time.Time, k Kind, limit, amount float64) bool {
	var limits, amounts Rates
	limits[k], amounts[k] = limit, amount
	_, ok := a.Spend(now, &limits, &amounts)
	return ok
}

// accepted is how many of so many single operations a second pass in a span.
func accepted(a *Account, from, to, offered, limit float64) (n int) {
	for i := range int((to - from) * offered) {
		if spend(a, at(from+float64(i)/offered), Operations, limit, 1) {
			n++
		}
	}
	return n
}

func TestRateIsHeld(t *testing.T) {
	for _, test := range []struct {
		name           string
		limit, offered float64
		seconds        float64
		least, most    int
	}{
		{"ten times too much", 100, 1000, 10, 1090, 1101},
		{"within the limit", 100, 50, 10, 500, 500},
		{"one a second", 1, 1000, 10, 10, 11},
		{"less than one a second", 0.25, 10, 20, 5, 6},
	} {
		t.Run(test.name, func(t *testing.T) {
			n := accepted(NewBook().Account(Subject{Cache, "c"}), 0, test.seconds, test.offered, test.limit)
			if n < test.least || n > test.most {
				t.Errorf("%d passed, want %d to %d", n, test.least, test.most)
			}
		})
	}
}

// What is larger than a second's worth passes, and is paid off.
func TestLargeIsPaidOff(t *testing.T) {
	a := NewBook().Account(Subject{Cache, "c"})
	if !spend(a, at(0), Bytes, 1000, 5000) {
		t.Fatal("a message larger than the bucket never passes")
	}
	for _, test := range []struct {
		second float64
		passes bool
	}{{0.1, false}, {3.9, false}, {4.1, true}} {
		if got := spend(a, at(test.second), Bytes, 1000, 1); got != test.passes {
			t.Errorf("after %v s: passes %v, want %v", test.second, got, test.passes)
		}
	}
}

// A limit that is raised holds at once, also for what is owed.
func TestLimitIsLive(t *testing.T) {
	a := NewBook().Account(Subject{Cache, "c"})
	spend(a, at(0), Bytes, 10, 5000)
	if spend(a, at(1), Bytes, 10, 1) {
		t.Error("nothing was owed")
	}
	if !spend(a, at(2), Bytes, 10_000, 1) {
		t.Error("a debt is still paid off at the rate of before")
	}
	if n := accepted(a, 10, 11, 1000, 5); n > 11 {
		t.Errorf("%d passed in a second of a limit that was lowered to 5", n)
	}
}

// What one rate refuses no other has spent.
func TestAllOrNothing(t *testing.T) {
	a := NewBook().Account(Subject{Key, "k"})
	limits := Rates{Operations: 2, Bytes: 10}
	if _, ok := a.Spend(at(0), &limits, &Rates{Operations: 1, Bytes: 30}); !ok {
		t.Fatal("refused at first")
	}
	for range 5 {
		if lacking, ok := a.Spend(at(0), &limits, &Rates{Operations: 1, Bytes: 1}); ok || lacking != Bytes {
			t.Fatalf("lacking %v, %v: the bytes are owed", lacking, ok)
		}
	}
	if !spend(a, at(0), Operations, 2, 1) {
		t.Error("the operation that was left was spent by refused calls")
	}
	amounts := Rates{Operations: 1}
	a.Return(&limits, &amounts)
	if !spend(a, at(0), Operations, 2, 1) {
		t.Error("what was returned is gone")
	}
	if spend(a, at(0), Operations, 2, 1) {
		t.Error("more than the limit passed")
	}
}

func TestAnswersAreOwed(t *testing.T) {
	a := NewBook().Account(Subject{Cache, "c"})
	a.Owe(at(0), 100, 400)
	if spend(a, at(2.9), Bytes, 100, 1) || !spend(a, at(3.1), Bytes, 100, 1) {
		t.Error("an answer of four seconds' worth is not paid off in the fourth")
	}
	a.Owe(at(4), 0, 1<<30) // no limit
	if !spend(a, at(5), Bytes, 100, 1) {
		t.Error("without a limit something was owed")
	}
}

func TestSubscriptionsAreCounted(t *testing.T) {
	b := NewBook()
	c := Subject{Cache, "c"}
	first, second := b.Subscribe(at(0), c, 2), b.Subscribe(at(0), c, 2)
	if first == nil || second == nil || b.Subscribe(at(0), c, 2) != nil {
		t.Fatal("two places are not two")
	}
	if b.Subscribe(at(0), c, 3) == nil {
		t.Error("a limit that was raised does not hold at once")
	}
	b.Tidy(at(3600 * 5)) // holds places, so it is remembered
	if b.Subscribe(at(3600*5), c, 3) != nil {
		t.Error("subscriptions were forgotten")
	}
	first.Leave()
	if b.Subscribe(at(3600*5), c, 3) == nil {
		t.Error("a place that was given back is not there")
	}
}

func TestIdleAccountsAreForgotten(t *testing.T) {
	b := NewBook()
	a := b.Account(Subject{Token, "t"})
	spend(a, at(0), Operations, 10, 1)
	debtor := b.Account(Subject{Cache, "debtor"})
	spend(debtor, at(0), Bytes, 1, 1000)
	b.Tidy(at(59))
	if b.Account(Subject{Token, "t"}) != a {
		t.Error("forgotten too early")
	}
	b.Tidy(at(61))
	if b.tokens != 0 || len(b.accounts) != 1 {
		t.Errorf("%d tokens, %d accounts", b.tokens, len(b.accounts))
	}
	if b.Account(Subject{Cache, "debtor"}) != debtor {
		t.Error("a debt was forgiven")
	}
	for i := range maxTokens {
		if b.Account(Subject{Token, strconv.Itoa(i)}) == nil {
			t.Fatalf("token %d has no account", i)
		}
	}
	if b.Account(Subject{Token, "one more"}) != nil {
		t.Error("tokens fill the memory")
	}
}

// Against a naive model: never more than the limit's worth of any span, and one
// second of it, passes; and whoever stays below is never refused.
func TestRateAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.Float64Range(1, 1000).Draw(t, "limit")
		gaps := rapid.SliceOfN(rapid.Float64Range(0, 3), 1, 200).Draw(t, "gaps")
		a := NewBook().Account(Subject{Cache, "c"})
		var passed []float64 // when
		now := 0.0
		for _, gap := range gaps {
			now += gap / limit
			if spend(a, at(now), Operations, limit, 1) {
				passed = append(passed, now)
			} else if len(passed) == 0 {
				t.Fatal("the first was refused")
			}
		}
		for i, from := range passed {
			for j := i; j < len(passed); j++ {
				// A nanosecond is lost by the clock of the test with each step.
				if n, most := float64(j-i+1), limit*(passed[j]-from+1.0001)+1; n > most {
					t.Fatalf("%v passed within %v s of a limit of %v", n, passed[j]-from, limit)
				}
			}
		}
	})
}

func BenchmarkSpend(b *testing.B) {
	book := NewBook()
	c := Subject{Cache, "cache"}
	limits, amounts := Rates{Operations: 1e12, Bytes: 1e15}, Rates{Operations: 1, Bytes: 100}
	b.Run("one", func(b *testing.B) {
		b.ReportAllocs()
		now := time.Now()
		for b.Loop() {
			book.Account(c).Spend(now, &limits, &amounts)
		}
	})
	b.Run("all processors", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			now := time.Now()
			for pb.Next() {
				book.Account(c).Spend(now, &limits, &amounts)
			}
		})
	})
}
