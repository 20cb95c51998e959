package share

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// fill takes one after the other until there is no more, and returns how much that
// was.
func fill(h *Holder) (n int64) {
	for h.Take(1) {
		n++
	}
	return n
}

// Those who take all they get leave something for those who want little, and one
// alone gets most of it.
func TestGreedLeavesSomething(t *testing.T) {
	const limit = 1 << 16
	for _, test := range []struct{ greed, first int64 }{
		{1, limit * 7 / 16},
		{4, limit * 7 / 10},
	} {
		p := New(limit, test.greed)
		for i := range 100 {
			h := p.Holder()
			if got := fill(&h); i == 0 && got < test.first-1 {
				t.Errorf("one that is greedy %d-fold gets %d of %d, want %d", test.greed, got, limit, test.first)
			}
		}
		for i := range 20 {
			h := p.Holder()
			if got := fill(&h); got < limit/little {
				t.Errorf("behind a hundred that are greedy %d-fold, number %d gets %d, want %d", test.greed, i, got, limit/little)
			}
		}
	}
}

func TestFirstWishMayBeLarge(t *testing.T) {
	p := New(80, 1)
	a, b := p.Holder(), p.Holder()
	switch {
	case !a.Take(60):
		t.Error("a first wish for three quarters is refused")
	case b.Take(15):
		t.Error("the last eighth went to a wish for much")
	case !b.Take(10):
		t.Error("what is there is refused")
	case a.Take(1):
		t.Error("one that holds most of it gets more")
	}
}

func TestTrustedGetsAll(t *testing.T) {
	p := New(1000, 1)
	h := p.Trusted()
	if n := fill(&h); n != 1000 {
		t.Errorf("got %d of 1000", n)
	}
}

func TestNilPoolHasEnough(t *testing.T) {
	var p *Pool
	h := p.Holder()
	if !h.Take(1<<60) || h.Await(t.Context(), 1<<60) != nil || h.Held() != 0 {
		t.Error("the pool without a limit refuses")
	}
	h.Give(1)
}

func TestAwait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(100, 1)
		a, b, c := p.Holder(), p.Holder(), p.Holder()
		if !a.Take(50) || !b.Take(15) {
			t.Fatal("the first are refused")
		}
		granted := make(chan string, 2)
		go func() { _ = b.Await(t.Context(), 20); granted <- "b" }()
		synctest.Wait()
		go func() { _ = c.Await(t.Context(), 12); granted <- "c" }()
		synctest.Wait()
		if len(granted) != 1 || <-granted != "c" {
			t.Fatal("one that waits for its own share is in another's way")
		}
		a.Give(50)
		synctest.Wait()
		if len(granted) != 1 {
			t.Fatal("room came free and nobody got it")
		}
		if held := b.Held(); held != 35 {
			t.Errorf("b holds %d, want 35", held)
		}
	})
}

func TestAwaitGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(100, 1)
		a, b := p.Holder(), p.Holder()
		a.Take(80)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := b.Await(ctx, 50); err == nil {
			t.Fatal("granted what is not there")
		}
		a.Give(80)
		if p.Used() != 0 || p.queue.Len() != 0 {
			t.Errorf("%d used, %d wait; want nothing", p.Used(), p.queue.Len())
		}
	})
}

// Whatever is asked for and given back, nobody holds more than there is, the books
// agree, and who wants a unit finds one as long as it holds nothing.
func TestPoolAgainstBooks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.Int64Range(64, 4096).Draw(t, "limit")
		p := New(limit, rapid.Int64Range(1, 8).Draw(t, "greed"))
		holders := make([]Holder, 6)
		books := make([]int64, len(holders))
		for i := range holders {
			holders[i] = p.Holder()
		}
		for range rapid.IntRange(1, 100).Draw(t, "steps") {
			i := rapid.IntRange(0, len(holders)-1).Draw(t, "who")
			n := rapid.Int64Range(1, limit).Draw(t, "n")
			if rapid.Bool().Draw(t, "take") {
				if holders[i].Take(n) {
					books[i] += n
				}
			} else if n = min(n, books[i]); n > 0 {
				holders[i].Give(n)
				books[i] -= n
			}
			sum := int64(0)
			for j := range books {
				sum += books[j]
				if holders[j].Held() != books[j] {
					t.Fatalf("holder %d holds %d, took %d", j, holders[j].Held(), books[j])
				}
			}
			if p.Used() != sum || sum > limit {
				t.Fatalf("%d used of %d, the books say %d", p.Used(), limit, sum)
			}
		}
	})
}

// A pool that grows serves those who wait; one that shrinks takes nothing back.
func TestResize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(10, 1)
		first := p.Trusted()
		if !first.Take(10) {
			t.Fatal("the pool is not as large as was said")
		}
		second := p.Trusted()
		done := make(chan error, 1)
		go func() { done <- second.Await(t.Context(), 5) }()
		synctest.Wait()
		p.Resize(15)
		if err := <-done; err != nil || second.Held() != 5 {
			t.Errorf("who waited holds %d: %v", second.Held(), err)
		}
		p.Resize(3)
		if first.Held() != 10 || p.Used() != 15 {
			t.Errorf("%d of %d are held after it shrank", first.Held(), p.Used())
		}
		second.Give(5)
		if second.Take(1) {
			t.Error("it gives what it does not have")
		}
		first.Give(10)
		if !second.Take(3) || second.Take(1) {
			t.Error("it is not of the size that was set last")
		}
	})
}
