package fanout

import (
	"cmp"
	"testing"

	"pgregory.net/rapid"
)

func TestPageNumber(t *testing.T) {
	for _, tt := range []struct {
		name string
		page Page
		want uint64 // 0: must be refused
	}{
		{"first term", Page{Term: 1}, 1 << 21},
		{"reset", Page{Term: 1, Reset: 7}, 1<<21 + 7},
		{"epoch alone", Page{Epoch: 1}, 1 << 45},
		{"all", Page{Epoch: 2, Term: 3, Reset: 4}, 2<<45 + 3<<21 + 4},
		{"largest", Page{Epoch: 255, Term: 1<<24 - 1, Reset: 1<<21 - 1}, 1<<53 - 1},
		{"none", Page{}, 0},
		{"reset alone", Page{Reset: 1}, 0},
		{"epoch too large", Page{Epoch: 256, Term: 1}, 0},
		{"term too large", Page{Term: 1 << 24}, 0},
		{"reset too large", Page{Term: 1, Reset: 1 << 21}, 0},
		{"everything too large", Page{1 << 63, 1 << 63, 1 << 63}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.page.Number()
			if (err != nil) != (tt.want == 0) || got != tt.want {
				t.Fatalf("Number() is %d, %v, want %d", got, err, tt.want)
			}
			if err == nil && PageOf(got) != tt.page {
				t.Fatalf("PageOf(%d) is %v, want %v", got, PageOf(got), tt.page)
			}
		})
	}
}

// TestPageOrder: numbers compare like (epoch, term, reset), and a double holds them exactly.
func TestPageOrder(t *testing.T) {
	page := rapid.Custom(func(t *rapid.T) Page {
		return Page{
			Epoch: rapid.Uint64Range(0, maxEpoch).Draw(t, "epoch"),
			Term:  rapid.Uint64Range(1, maxTerm).Draw(t, "term"),
			Reset: rapid.Uint64Range(0, maxReset).Draw(t, "reset"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		p, q := page.Draw(t, "p"), page.Draw(t, "q")
		m, err := p.Number()
		if err != nil {
			t.Fatal(err)
		}
		n, err := q.Number()
		if err != nil {
			t.Fatal(err)
		}
		want := cmp.Or(cmp.Compare(p.Epoch, q.Epoch), cmp.Compare(p.Term, q.Term), cmp.Compare(p.Reset, q.Reset))
		if got := cmp.Compare(m, n); got != want {
			t.Fatalf("%v (%d) against %v (%d): %d, want %d", p, m, q, n, got, want)
		}
		if uint64(float64(m)) != m {
			t.Fatalf("%d is no exact double", m)
		}
	})
}
