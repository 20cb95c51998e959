package gossip

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/mayfly-broker/mayfly/cluster"
)

// The stories of this file run with the settings of production, in fake time
// over an ether. That each ends proves that Close leaves no goroutine for long:
// a bubble does not end before the goroutines within it.

// afterlife is the longest that memberlist's goroutines live after Close: a
// probe by a node that trusts itself least takes 8 s, an exchange 10 s.
const afterlife = 15 * time.Second

// town is a cluster of a few nodes on an ether.
type town struct {
	t      *testing.T
	ether  *ether
	secret []byte
	record []Address
	seeds  []string
	nodes  map[cluster.NodeID]*Mesh
	boots  int
	log    pages
}

func newTown(t *testing.T) *town {
	// In a bubble time stands still once the test is over.
	t.Cleanup(func() { time.Sleep(afterlife) })
	return &town{t: t, ether: newEther(), secret: secretOf(1), nodes: make(map[cluster.NodeID]*Mesh)}
}

// threeOnRecord starts a, b and c, all on record, and waits until they hear
// each other.
func threeOnRecord(t *testing.T) *town {
	w := newTown(t)
	for i, node := range []cluster.NodeID{"a", "b", "c"} {
		w.record = append(w.record, Address{node, placeOf(i).String()})
	}
	for i, a := range w.record {
		w.start(a.Node, placeOf(i))
	}
	w.settle()
	return w
}

func placeOf(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)}), 7946)
}

func secretOf(b byte) []byte { return bytes.Repeat([]byte{b}, SecretBytes) }

func claimOf(node cluster.NodeID, boot int) Claim {
	return Claim{
		Store: "store-" + string(node), Boot: fmt.Sprintf("boot-%d", boot),
		PeerAddr: string(node) + ".example:7947", ClientAddr: string(node) + ".example:8080",
		Version: "v1.2.3", Level: 3,
	}
}

// start runs a node, as a new process.
func (w *town) start(node cluster.NodeID, at netip.AddrPort) *Mesh {
	w.t.Helper()
	w.boots++
	m, err := Open(Config{
		Node: node, Cluster: "town", Secrets: [][]byte{w.secret}, Bind: at.String(),
		Claim: claimOf(node, w.boots), Seeds: w.seeds,
		Registered: func() []Address { return w.record },
		Logger:     w.log.logger(),
		carry:      w.ether.listen,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.nodes[node] = m
	w.t.Cleanup(func() { m.Close() })
	return m
}

func (w *town) stop(node cluster.NodeID) {
	w.t.Helper()
	if err := w.nodes[node].Close(); err != nil {
		w.t.Fatal(err)
	}
	delete(w.nodes, node)
}

// view is what a node hears, such as "b alive, c gone".
func view(m *Mesh) string {
	var parts []string
	for _, p := range m.Peers() {
		state := "gone"
		if p.Alive {
			state = "alive"
		}
		parts = append(parts, string(p.Node)+" "+state)
	}
	return strings.Join(parts, ", ")
}

// within waits for a node to see the view, at most d.
func (w *town) within(d time.Duration, node cluster.NodeID, want string) {
	w.t.Helper()
	limit := time.After(d)
	for view(w.nodes[node]) != want {
		select {
		case <-w.nodes[node].Changes():
		case <-limit:
			w.t.Fatalf("%s hears %q after %v, want %q", node, view(w.nodes[node]), d, want)
		}
	}
}

// settle waits until a, b and c hear each other. A round may still hang in the
// dial of the last one, so that it takes up to 30 s.
func (w *town) settle() {
	w.t.Helper()
	w.within(30*time.Second, "a", "b alive, c alive")
	w.within(30*time.Second, "b", "a alive, c alive")
	w.within(30*time.Second, "c", "a alive, b alive")
}

func (w *town) peer(at, of cluster.NodeID) Peer {
	w.t.Helper()
	all := w.nodes[at].Peers()
	i := slices.IndexFunc(all, func(p Peer) bool { return p.Node == of })
	if i < 0 {
		w.t.Fatalf("%s does not know %s", at, of)
	}
	return all[i]
}

func TestOneSeedIsEnough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		w.seeds = []string{placeOf(0).String()} // its own for a, which is alone at first
		// The seed comes last: the others keep asking.
		w.start("c", placeOf(2))
		w.start("b", placeOf(1))
		time.Sleep(time.Minute)
		if got := view(w.nodes["b"]); got != "" {
			t.Fatalf("b hears %q without a seed", got)
		}
		w.start("a", placeOf(0))
		w.settle()
		got := w.peer("a", "c")
		want := Peer{Node: "c", Addr: placeOf(2), Claim: claimOf("c", 1), Alive: true, Since: got.Since}
		if got != want {
			t.Errorf("a hears %+v of c, want %+v", got, want)
		}
	})
}

func TestDeathIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := threeOnRecord(t)
		w.ether.isolate(placeOf(2)) // as good as killed
		began := time.Now()
		w.within(20*time.Second, "a", "b alive, c gone")
		w.within(20*time.Second, "b", "a alive, c gone")
		if took := w.peer("a", "c").Since.Sub(began); took < probeTimeout+suspicionMult*time.Second {
			t.Errorf("c was given up after %v, without the time to contradict", took)
		}
		// The lonely one thinks the same of the others.
		w.within(40*time.Second, "c", "a gone, b gone")
		// Who is gone for long is forgotten.
		time.Sleep(4 * time.Minute)
		w.within(0, "a", "b alive, c gone")
		w.within(2*time.Minute, "a", "b alive")
	})
}

func TestLossyNetworkLosesNobodyForGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := threeOnRecord(t)
		w.ether.setLoss(0.3)
		time.Sleep(10 * time.Minute)
		for node, m := range w.nodes { // each may be given up at times
			if n := len(m.Peers()); n != 2 {
				t.Errorf("%s hears %s", node, view(m))
			}
		}
		w.ether.setLoss(0)
		w.settle()
	})
}

func TestLongPartitionHeals(t *testing.T) {
	for _, length := range []time.Duration{20 * time.Second, time.Minute, 4 * time.Minute, time.Hour} {
		t.Run(length.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := threeOnRecord(t)
				w.ether.isolate(placeOf(2))
				time.Sleep(length)
				w.ether.setCut(nil)
				w.settle()
			})
		})
	}
}

func TestOneWayPartitionHeals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := threeOnRecord(t)
		w.ether.setCut(func(from, _ netip.AddrPort) bool { return from == placeOf(2) })
		w.within(time.Minute, "a", "b alive, c gone")
		time.Sleep(10 * time.Minute)
		w.ether.setCut(nil)
		w.settle()
	})
}

func TestRestartIsTheSameNodeWithAnotherBoot(t *testing.T) {
	for _, pause := range []time.Duration{0, 3 * time.Second, time.Minute, time.Hour} {
		t.Run(pause.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := threeOnRecord(t)
				w.stop("c")
				time.Sleep(pause)
				began := time.Now()
				w.start("c", placeOf(2))
				for _, node := range []cluster.NodeID{"a", "b"} {
					limit := time.After(30 * time.Second)
					for !strings.Contains(view(w.nodes[node]), "c alive") || w.peer(node, "c").Boot != "boot-4" {
						select {
						case <-w.nodes[node].Changes():
						case <-limit:
							t.Fatalf("%s hears %+v", node, w.nodes[node].Peers())
						}
					}
					if got := w.peer(node, "c"); got.Since.Before(began) {
						t.Errorf("%s says that c is as it is since before it came", node)
					}
					if c := w.nodes[node].Conflicts(); len(c) > 0 {
						t.Errorf("a restart is no conflict: %+v", c)
					}
				}
			})
		})
	}
}

func TestLeavingIsNoticedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := threeOnRecord(t)
		w.record = w.record[:2]
		c := w.nodes["c"]
		began := time.Now()
		if err := c.Leave(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > leaveTime {
			t.Errorf("leaving took %v", took)
		}
		w.within(time.Second, "a", "b alive, c gone")
		w.within(time.Second, "b", "a alive, c gone")
		w.stop("c")
		if err := c.Leave(t.Context()); !errors.Is(err, ErrClosed) {
			t.Errorf("leaving after the end gave %v, want ErrClosed", err)
		}
		if err := c.Join(t.Context(), []string{placeOf(0).String()}); !errors.Is(err, ErrClosed) {
			t.Errorf("joining after the end gave %v, want ErrClosed", err)
		}
		// It may think better of it.
		w.start("c", placeOf(2))
		if err := w.nodes["c"].Join(t.Context(), []string{placeOf(0).String()}); err != nil {
			t.Fatal(err)
		}
		w.settle()
	})
}

func TestMovedNodeIsFoundAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := threeOnRecord(t)
		w.stop("c")
		moved := placeOf(9)
		w.record = []Address{w.record[0], w.record[1], {"c", moved.String()}}
		w.start("c", moved)
		for _, node := range []cluster.NodeID{"a", "b"} {
			limit := time.After(90 * time.Second)
			for w.peer(node, "c").Addr != moved || !w.peer(node, "c").Alive {
				select {
				case <-w.nodes[node].Changes():
				case <-limit:
					t.Fatalf("%s still hears c at %v", node, w.peer(node, "c").Addr)
				}
			}
		}
		// Until then the name was used at two addresses, as far as they knew.
		time.Sleep(conflictMemory + 15*time.Second)
		for node, m := range w.nodes {
			if c := m.Conflicts(); len(c) > 0 {
				t.Errorf("%s has not forgotten the conflict: %+v", node, c)
			}
		}
	})
}

func TestTwoNodesWithOneNameAreNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := threeOnRecord(t)
		second := w.start("b", placeOf(7)) // finds the others by the record
		time.Sleep(20 * time.Second)
		for name, m := range map[string]*Mesh{"a": w.nodes["a"], "the second b": second} {
			if got := m.Conflicts(); len(got) != 1 || got[0].Node != "b" {
				t.Fatalf("%s reports %+v, want one conflict about b", name, got)
			}
		}
		if !strings.Contains(w.log.String(), "another node uses the name of this one") {
			t.Error("the log says nothing")
		}
		if c := second.Conflicts()[0]; c.Held != placeOf(7) || c.Other != placeOf(1) {
			t.Errorf("the second b reports %+v", c)
		}
		if got := w.peer("a", "b"); got.Boot != "boot-2" {
			t.Errorf("a believes the newcomer, %s", got.Boot)
		}
		// As long as both are there the conflict is.
		time.Sleep(10 * time.Minute)
		if len(second.Conflicts()) != 1 {
			t.Error("the conflict was forgotten while it lasted")
		}
	})
}

func TestSecretsAreRotatedWithoutLosingAnyone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := threeOnRecord(t)
		old, next := secretOf(1), secretOf(2)
		since := w.peer("a", "b").Since
		for i, secrets := range [][][]byte{{old, next}, {next, old}, {next}} {
			for _, m := range w.nodes { // in any order, with pauses
				if err := m.Adopt(secrets); err != nil {
					t.Fatal(err)
				}
				time.Sleep(40 * time.Second)
			}
			for node, m := range w.nodes {
				if strings.Contains(view(m), "gone") {
					t.Fatalf("step %d: %s hears %s", i+1, node, view(m))
				}
			}
		}
		if w.peer("a", "b").Since != since {
			t.Error("b was given up for a while")
		}
		// The old one is worth nothing now.
		late := w.start("d", placeOf(3))
		err := late.Join(t.Context(), []string{placeOf(0).String()})
		if !errors.Is(err, ErrNotJoined) || !strings.Contains(err.Error(), "another gossip secret") {
			t.Errorf("joining with the old secret gave %v", err)
		}
		if n := w.nodes["a"].Strangers(); n == 0 {
			t.Error("a has not counted the stranger")
		}
		w.within(0, "a", "b alive, c alive")
	})
}

func TestSkippingAStepOfRotationIsSurvived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := threeOnRecord(t)
		a := w.nodes["a"]
		if err := errors.Join(a.addSecret(secretOf(2)), a.useSecret(secretOf(2))); err != nil {
			t.Fatal(err)
		}
		w.within(time.Minute, "b", "a gone, c alive")
		for _, m := range w.nodes {
			if err := m.addSecret(secretOf(2)); err != nil {
				t.Fatal(err)
			}
		}
		w.settle()
	})
}

// vandal is a node of the library itself, which holds the secret and says what
// it likes.
type vandal struct {
	ears
	meta []byte
}

func (v *vandal) NodeMeta(int) []byte { return v.meta }

func (w *town) vandal(name string, at netip.AddrPort, meta []byte) *memberlist.Memberlist {
	w.t.Helper()
	cfg := Config{Node: "vandal", Cluster: "town", Bind: at.String(), carry: w.ether.listen}
	if err := cfg.complete(); err != nil {
		w.t.Fatal(err)
	}
	tr, err := newTransport(&cfg, newJournal(cfg.Logger))
	if err != nil {
		w.t.Fatal(err)
	}
	keys, err := newRing([][]byte{w.secret})
	if err != nil {
		w.t.Fatal(err)
	}
	v := &vandal{meta: meta}
	s := cfg.settings(tr, keys.inner, &v.ears)
	s.Name, s.Delegate, s.Alive, s.Events, s.Conflict = name, v, nil, nil, nil
	m, err := memberlist.Create(s)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { m.Shutdown() })
	return m
}

func TestGarbageFromAHolderOfTheSecretIsIgnored(t *testing.T) {
	good, err := claimOf("v", 9).encode()
	if err != nil {
		t.Fatal(err)
	}
	for what, said := range map[string]struct {
		name string
		meta []byte
	}{
		"nothing":         {"v", nil},
		"noise":           {"v", bytes.Repeat([]byte{0xff}, maxClaim)},
		"no object":       {"v", []byte(`[1,2,3]`)},
		"deep":            {"v", bytes.Repeat([]byte{'['}, maxClaim)},
		"wrong types":     {"v", []byte(`{"s":1,"b":{},"l":-1}`)},
		"a bad boot id":   {"v", bytes.Replace(good, []byte("boot-9"), []byte("../../"), 1)},
		"a bad address":   {"v", bytes.Replace(good, []byte("v.example:8080"), []byte("v.example:http"), 1)},
		"a long version":  {"v", bytes.Replace(good, []byte("v1.2.3"), bytes.Repeat([]byte{'9'}, 33), 1)},
		"control in text": {"v", bytes.Replace(good, []byte("v1.2.3"), []byte(`v1\n2`), 1)},
		"a bad name":      {"../v", good},
		"a long name":     {strings.Repeat("v", 400), good},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := threeOnRecord(t)
				v := w.vandal(said.name, placeOf(5), said.meta)
				if n, err := v.Join([]string{placeOf(0).String()}); n != 1 {
					t.Fatal(err)
				}
				time.Sleep(time.Minute)
				for node, m := range w.nodes {
					if got := len(m.Peers()); got != 2 || strings.Contains(view(m), "gone") {
						t.Errorf("%s hears %s", node, view(m))
					}
					if got := m.inner.NumMembers(); got != 3 {
						t.Errorf("the library of %s keeps %d members", node, got)
					}
				}
			})
		})
	}
	t.Run("nothing wrong", func(t *testing.T) { // or the others prove nothing
		synctest.Test(t, func(t *testing.T) {
			w := threeOnRecord(t)
			w.vandal("v", placeOf(5), good).Join([]string{placeOf(0).String()})
			w.within(time.Second, "a", "b alive, c alive, v alive")
		})
	})
}

func TestJoinGivesUpWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		a := w.start("a", placeOf(0))
		if err := a.Join(t.Context(), []string{placeOf(0).String()}); err != nil {
			t.Errorf("joining oneself alone gave %v", err)
		}
		if err := a.join(t.Context(), placeOf(0).String()); !errors.Is(err, errSelf) {
			t.Errorf("asking oneself gave %v", err)
		}
		w.ether.isolate(placeOf(0))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		err := a.Join(ctx, []string{placeOf(1).String()})
		if !errors.Is(err, ErrNotJoined) || !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("joining into a black hole gave %v after %v", err, time.Since(began))
		}
		began = time.Now()
		a.Close() // while that dial hangs
		if took := time.Since(began); took > 0 {
			t.Errorf("closing took %v", took)
		}
	})
}
