package store

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// verifyTree checks the shape of a tree.
func verifyTree[E any](t tester, tr *tree[E]) {
	t.Helper()
	if tr.root == nil {
		if tr.length != 0 {
			t.Fatalf("a tree of %d elements has no root", tr.length)
		}
		return
	}
	count, _ := verifyNode(t, tr.root)
	if count != tr.length || count == 0 {
		t.Fatalf("a tree of %d elements counts %d", count, tr.length)
	}
}

func verifyNode[E any](t tester, n *node[E]) (count, height int) {
	t.Helper()
	if len(n.elements) == 0 || len(n.elements) > nodeElements {
		t.Fatalf("a node of %d elements", len(n.elements))
	}
	if n.branches == nil {
		return len(n.elements), 1
	}
	if len(n.branches) != len(n.elements)+1 {
		t.Fatalf("a node of %d elements has %d branches", len(n.elements), len(n.branches))
	}
	count = len(n.elements)
	for i, b := range n.branches {
		below, h := verifyNode(t, b.node)
		if below != b.count || i > 0 && h != height {
			t.Fatalf("branch %d counts %d elements of %d, its height is %d of %d", i, b.count, below, h, height)
		}
		count, height = count+below, h
	}
	return count, height + 1
}

// grove is a tree beside the slice that it should be, with frozen copies of both.
type grove struct {
	tree   tree[int]
	want   []int
	frozen []grove
	next   int
}

func (g *grove) insert(place int) {
	g.next++
	g.tree.insert(place, g.next)
	g.want = slices.Insert(slices.Clip(g.want), place, g.next)
}

func (g *grove) remove(place int) {
	g.tree.remove(place)
	g.want = slices.Delete(slices.Clone(g.want), place, place+1)
}

func (g *grove) check(t tester) {
	t.Helper()
	verifyTree(t, &g.tree)
	if got := slices.Collect(g.tree.span(0, g.tree.length)); !slices.Equal(got, g.want) {
		t.Fatalf("holds %v, want %v", got, g.want)
	}
}

func TestTreeAgainstSlice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var g grove
		place := func(t *rapid.T, n int) int { return rapid.IntRange(0, n).Draw(t, "place") }
		t.Repeat(map[string]func(*rapid.T){
			"insert": func(t *rapid.T) { g.insert(place(t, len(g.want))) },
			"insert a run": func(t *rapid.T) {
				at := place(t, len(g.want))
				for i := range rapid.IntRange(1, 200).Draw(t, "run") {
					g.insert(at + i*rapid.IntRange(0, 1).Draw(t, "step"))
				}
			},
			"remove a run": func(t *rapid.T) {
				for range rapid.IntRange(1, 200).Draw(t, "run") {
					if len(g.want) > 0 {
						g.remove(place(t, len(g.want)-1))
					}
				}
			},
			"replace": func(t *rapid.T) {
				if len(g.want) > 0 {
					g.next++
					at := place(t, len(g.want)-1)
					g.tree.replace(at, g.next)
					g.want = slices.Clone(g.want)
					g.want[at] = g.next
				}
			},
			"freeze": func(*rapid.T) {
				g.frozen = append(g.frozen, grove{tree: g.tree, want: g.want})
				g.tree = g.tree.own(g.tree.epoch + 1)
			},
			"read": func(t *rapid.T) {
				begin := place(t, len(g.want))
				end := rapid.IntRange(begin, len(g.want)).Draw(t, "end")
				if got := slices.Collect(g.tree.span(begin, end)); !slices.Equal(got, g.want[begin:end]) {
					t.Fatalf("%d to %d is %v, want %v", begin, end, got, g.want[begin:end])
				}
				for e := range g.tree.span(begin, end) {
					if e != g.want[begin] {
						t.Fatalf("the first of %d to %d is %d, want %d", begin, end, e, g.want[begin])
					}
					break
				}
				if begin < len(g.want) && g.tree.at(begin) != g.want[begin] {
					t.Fatalf("at %d is %d, want %d", begin, g.tree.at(begin), g.want[begin])
				}
			},
			"": func(t *rapid.T) { g.check(t) },
		})
		for _, f := range g.frozen {
			f.check(t)
		}
	})
}

func TestTreeSearch(t *testing.T) {
	var tr tree[int]
	for i := range 5000 {
		tr.insert(i, 2*i)
	}
	for n := -1; n <= 10_000; n++ {
		place, there := tr.search(func(e int) bool { return e < n })
		want := min(max(n+1, 0)/2, 5000)
		if place != want || (there == nil) != (want == 5000) || there != nil && *there != 2*want {
			t.Fatalf("%d is at %d, %v; want %d", n, place, there, want)
		}
	}
}

// What grows at one end is packed densely, whatever end it is.
func TestTreeThatGrowsAtAnEndIsDense(t *testing.T) {
	for name, place := range map[string]func(n int) int{
		"back":  func(n int) int { return n },
		"front": func(int) int { return 0 },
	} {
		t.Run(name, func(t *testing.T) {
			var tr tree[int]
			for n := range 10_000 {
				tr.insert(place(n), n)
			}
			verifyTree(t, &tr)
			if nodes := countNodes(tr.root); nodes > 10_000/(nodeElements-3) {
				t.Errorf("10,000 elements lie in %d nodes", nodes)
			}
		})
	}
}

func countNodes[E any](n *node[E]) int {
	all := 1
	for _, b := range n.branches {
		all += countNodes(b.node)
	}
	return all
}
